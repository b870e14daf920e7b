//! Tells whether bytes are exactly one well-formed CBOR item (RFC 8949), without building it.
//!
//! It runs in time proportional to the input, allocates nothing and bounds the depth of nesting. Text must be UTF-8,
//! since receivers refuse other text. It does not check what only an application can know, such as duplicate keys.

/// The deepest nesting of arrays, maps and tags that is accepted. Receivers read CBOR recursively.
pub const MAX_DEPTH: usize = 128;

/// What kind of item it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned or negative, of at most 64 bits with its sign.
    Integer,
    /// Unsigned or negative, of 65 bits.
    WideInteger,
    /// Byte string.
    Bytes,
    /// Text string.
    Text,
    /// Array or map.
    Container,
    /// An item with a tag before it.
    Tagged,
    /// Half, single or double precision.
    Float,
    /// True or false.
    Boolean,
    /// Null.
    Null,
    /// Undefined or another simple value.
    Simple,
}

/// The kind of the one item that `bytes` are, or `None` if they are anything else.
#[must_use]
pub fn check(bytes: &[u8]) -> Option<Kind> {
    let mut items = Items { rest: bytes };
    if !matches!(bytes.first()? >> 5, 4..=6) {
        // Nothing else is in it, so nothing is to be kept account of.
        let (major, info) = items.head()?;
        let kind = items.scalar(major, info)?;
        return items.rest.is_empty().then_some(kind);
    }
    let mut open = Open { left: [0; MAX_DEPTH], depth: 0 };
    let kind = items.next(&mut open)?;
    while open.depth > 0 {
        items.next(&mut open)?;
    }
    items.rest.is_empty().then_some(kind)
}

/// The containers that are still open: how many items each still lacks.
struct Open {
    left: [u64; MAX_DEPTH],
    depth: usize,
}

/// Marks a container that ends with a break; its low bit counts the items of a map modulo two.
const INDEFINITE_ARRAY: u64 = u64::MAX;
const INDEFINITE_MAP_EVEN: u64 = u64::MAX - 1;
const INDEFINITE_MAP_ODD: u64 = u64::MAX - 2;
const MAX_ITEMS: u64 = u64::MAX / 4;

impl Open {
    fn push(&mut self, left: u64) -> Option<()> {
        *self.left.get_mut(self.depth)? = left;
        self.depth += 1;
        Some(())
    }

    /// Counts one item that is complete, and closes every container that it completes.
    fn complete(&mut self) {
        while let Some(top) = self.depth.checked_sub(1) {
            let left = &mut self.left[top];
            match *left {
                INDEFINITE_ARRAY => return,
                INDEFINITE_MAP_EVEN => return *left = INDEFINITE_MAP_ODD,
                INDEFINITE_MAP_ODD => return *left = INDEFINITE_MAP_EVEN,
                1 => self.depth = top,
                _ => return *left -= 1,
            }
        }
    }

    /// Closes a container by a break.
    fn close(&mut self) -> Option<()> {
        let top = self.depth.checked_sub(1)?;
        if !matches!(self.left[top], INDEFINITE_ARRAY | INDEFINITE_MAP_EVEN) {
            return None;
        }
        self.depth = top;
        self.complete();
        Some(())
    }
}

struct Items<'a> {
    rest: &'a [u8],
}

impl Items<'_> {
    /// Reads one head, with the content of a string, and keeps account of the containers.
    fn next(&mut self, open: &mut Open) -> Option<Kind> {
        let (major, info) = self.head()?;
        let kind = match major {
            4 | 5 => return self.container(major, info, open),
            6 => {
                self.argument(info)?;
                open.push(1)?;
                return Some(Kind::Tagged);
            }
            7 if info == BREAK => {
                open.close()?;
                return Some(Kind::Simple);
            }
            _ => self.scalar(major, info)?,
        };
        open.complete();
        Some(kind)
    }

    fn head(&mut self) -> Option<(u8, u8)> {
        let head = self.take(1)?[0];
        Some((head >> 5, head & 0x1f))
    }

    /// The rest of an item that has no others in it, and is no break.
    fn scalar(&mut self, major: u8, info: u8) -> Option<Kind> {
        match major {
            0 | 1 => {
                let fits = i64::try_from(self.argument(info)?).is_ok();
                Some(if fits { Kind::Integer } else { Kind::WideInteger })
            }
            2 | 3 => {
                self.string(major, info)?;
                Some(if major == 2 { Kind::Bytes } else { Kind::Text })
            }
            _ => self.simple(info),
        }
    }

    fn container(&mut self, major: u8, info: u8, open: &mut Open) -> Option<Kind> {
        if info == INDEFINITE {
            open.push(if major == 4 { INDEFINITE_ARRAY } else { INDEFINITE_MAP_EVEN })?;
            return Some(Kind::Container);
        }
        let count = self.argument(info).filter(|&count| count < MAX_ITEMS)?;
        match if major == 4 { count } else { count * 2 } {
            0 => open.complete(),
            items => open.push(items)?,
        }
        Some(Kind::Container)
    }

    fn string(&mut self, major: u8, info: u8) -> Option<()> {
        if info != INDEFINITE {
            return self.chunk(major, info);
        }
        loop {
            let head = self.take(1)?[0];
            if head == 0xff {
                return Some(());
            }
            if head >> 5 != major {
                return None;
            }
            self.chunk(major, head & 0x1f)?;
        }
    }

    fn chunk(&mut self, major: u8, info: u8) -> Option<()> {
        let length = usize::try_from(self.argument(info)?).ok()?;
        let content = self.take(length)?;
        let is_text = || is_ascii(content) || std::str::from_utf8(content).is_ok();
        (major == 2 || is_text()).then_some(())
    }

    fn simple(&mut self, info: u8) -> Option<Kind> {
        Some(match info {
            20 | 21 => Kind::Boolean,
            22 => Kind::Null,
            0..=23 => Kind::Simple,
            24 => {
                self.take(1).filter(|value| value[0] >= 32)?;
                Kind::Simple
            }
            25..=27 => {
                self.argument(info)?;
                Kind::Float
            }
            _ => return None,
        })
    }

    /// The argument of a head: in the head itself or in the 1, 2, 4 or 8 bytes behind it.
    fn argument(&mut self, info: u8) -> Option<u64> {
        let length = match info {
            0..=23 => return Some(u64::from(info)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        let bytes = self.take(length)?;
        Some(bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

/// Looks at long words, without an end before the end: for short texts that takes a fifth of what the standard library's takes.
fn is_ascii(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<16>() else { return bytes.is_ascii() };
    let (words, _) = bytes.as_chunks::<16>();
    let word = |bytes: &[u8; 16]| u128::from_ne_bytes(*bytes);
    words.iter().fold(word(last), |any, next| any | word(next)) & HIGH_BITS == 0
}

const HIGH_BITS: u128 = u128::from_ne_bytes([0x80; 16]);

const INDEFINITE: u8 = 31;
const BREAK: u8 = 31;
