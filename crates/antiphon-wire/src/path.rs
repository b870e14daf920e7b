//! Message paths: segments separated by `/`, normalised for matching.
//!
//! Leading and trailing slashes do not matter for matching; a request is forwarded with the path as its sender wrote
//! it. Nothing here knows who is registered where.

use thiserror::Error;

use crate::codec::Reader;

/// The longest path in bytes. Routing visits one entry a segment, so this also bounds that work.
pub const MAX_PATH: usize = 1024;

/// The most segments of a path.
pub const MAX_SEGMENTS: usize = 64;

/// A legal message path without leading and trailing slashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path<'a>(&'a str);

/// Why a path is illegal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidPath {
    /// Nothing is left without the slashes.
    #[error("a path has at least one segment")]
    Empty,
    /// Two slashes follow each other inside the path.
    #[error("a path has no empty segment")]
    EmptySegment,
    /// Longer than [`MAX_PATH`].
    #[error("a path has at most {MAX_PATH} bytes, not {0}")]
    TooLong(usize),
    /// More than [`MAX_SEGMENTS`].
    #[error("a path has at most {MAX_SEGMENTS} segments, not {0}")]
    TooDeep(usize),
}

impl<'a> Path<'a> {
    /// Checks a path and drops its leading and trailing slashes.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &'a str) -> Result<Self, InvalidPath> {
        if text.len() > MAX_PATH {
            return Err(InvalidPath::TooLong(text.len()));
        }
        let path = match text.as_bytes() {
            [b'/', ..] | [.., b'/'] => text.trim_matches('/'),
            _ => text,
        };
        if path.is_empty() {
            return Err(InvalidPath::Empty);
        }
        let (mut segments, mut previous) = (1, 0);
        for &byte in path.as_bytes() {
            if byte == b'/' {
                if previous == b'/' {
                    return Err(InvalidPath::EmptySegment);
                }
                segments += 1;
            }
            previous = byte;
        }
        if segments > MAX_SEGMENTS {
            return Err(InvalidPath::TooDeep(segments));
        }
        Ok(Self(path))
    }

    /// The path without leading and trailing slashes.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The path itself, then each path above it, up to its first segment.
    pub fn upwards(self) -> impl Iterator<Item = &'a str> {
        // The next one is not looked for before it is asked for: usually it is not.
        let mut path = self.0;
        let above = std::iter::from_fn(move || {
            path = &path[..path.rfind('/')?];
            Some(path)
        });
        std::iter::once(self.0).chain(above)
    }
}

/// The path that was written last, kept, because the next one is often the same and need not be looked at again.
#[derive(Debug, Default)]
pub struct LastPath {
    written: String,
    /// Where the path without leading and trailing slashes lies in it.
    start: usize,
    end: usize,
}

impl LastPath {
    /// Takes another one in the place of the one before, which stays if this one is illegal.
    ///
    /// # Errors
    /// The rule that `written` breaks.
    pub fn set(&mut self, written: &str) -> Result<(), InvalidPath> {
        let path = Path::parse(written)?.0;
        self.start = written.len() - written.trim_start_matches('/').len();
        self.end = self.start + path.len();
        self.written.clear();
        self.written.push_str(written);
        Ok(())
    }

    /// As it was written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// As it is matched. Empty, as no path is, before the first one is set.
    #[must_use]
    pub fn path(&self) -> Path<'_> {
        Path(&self.written[self.start..self.end])
    }

    /// What follows a byte string that writes this very path at the front of `bytes`; `None` if there is another one.
    #[must_use]
    pub fn strip<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let mut reader = Reader::new(bytes);
        let written = reader.bytes().ok()?;
        let is_same = !written.is_empty() && written == self.written.as_bytes();
        is_same.then(|| reader.rest())
    }
}
