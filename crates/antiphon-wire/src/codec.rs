//! Primitive encodings: varints, byte strings, text, lists, maps, optionals.
//!
//! Encoding cannot fail and appends to a `Vec<u8>`. Decoding borrows from the input, rejects whatever the SDKs never
//! send, and allocates at most in proportion to the bytes that are really there.

use crate::error::Fault;
use crate::error::Malformed;

/// A type that appends itself to a message.
pub trait Encode {
    /// Appends the encoded form to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A type that can be read from a message.
pub trait Decode<'a>: Sized {
    /// Reads one item from the front of `reader`.
    ///
    /// # Errors
    /// The first fault, naming message and field.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed>;

    /// Reads an item that must fill `bytes` exactly.
    ///
    /// # Errors
    /// As [`Decode::decode`], and [`Fault::Trailing`] if bytes are left.
    fn decode_all(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let item = Self::decode(&mut reader).map_err(|fault| fault.within("message", "body"))?;
        reader.finish()?;
        Ok(item)
    }
}

/// A cursor over received bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes one raw byte.
    ///
    /// # Errors
    /// [`Fault::Truncated`].
    pub fn byte(&mut self) -> Result<u8, Fault> {
        let (&byte, rest) = self.rest.split_first().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    /// Takes `length` raw bytes.
    ///
    /// # Errors
    /// [`Fault::Truncated`].
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes a 32-bit varint; bits above the width are dropped, as the SDKs do.
    ///
    /// # Errors
    /// [`Fault::Truncated`], [`Fault::Overlong`].
    pub fn varint32(&mut self) -> Result<u32, Fault> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "bits above the width carry no meaning"
        )]
        self.varint(MAX_VARINT32).map(|value| value as u32)
    }

    /// Takes a 64-bit varint.
    ///
    /// # Errors
    /// [`Fault::Truncated`], [`Fault::Overlong`].
    pub fn varint64(&mut self) -> Result<u64, Fault> {
        self.varint(MAX_VARINT64)
    }

    #[inline]
    fn varint(&mut self, max_bytes: usize) -> Result<u64, Fault> {
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint(max_bytes)
    }

    fn long_varint(&mut self, max_bytes: usize) -> Result<u64, Fault> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().take(max_bytes).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < max_bytes { Fault::Truncated } else { Fault::Overlong })
    }

    /// Takes a length and that many bytes.
    ///
    /// # Errors
    /// [`Fault::Truncated`], [`Fault::Overlong`].
    pub fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.varint32()?;
        self.take(length as usize)
    }

    /// Takes the number of items that follow. Every item has at least one byte, so a count beyond what is left is a
    /// lie and is refused before anything is allocated for it.
    ///
    /// # Errors
    /// [`Fault::Count`], and as [`Reader::varint32`].
    pub fn count(&mut self) -> Result<usize, Fault> {
        let count = self.varint32()?;
        if count as usize > self.rest.len() {
            return Err(Fault::Count(count));
        }
        Ok(count as usize)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`Fault::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(Malformed::from(Fault::Trailing(left)).within("message", "end")),
        }
    }
}

/// Appends a varint; a 32-bit value is written as its zero-extended self.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length as a varint. Lengths on this wire are 32 bits wide; messages are limited far below that.
pub fn put_length(out: &mut Vec<u8>, length: usize) {
    put_varint(out, length as u64);
}

/// Appends a byte string: its length, then the bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl<'a> Decode<'a> for bool {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(reader.byte()? != 0)
    }
}

impl Encode for u8 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
}

impl<'a> Decode<'a> for u8 {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(reader.byte()?)
    }
}

impl Encode for u32 {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(*self));
    }
}

impl<'a> Decode<'a> for u32 {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(reader.varint32()?)
    }
}

impl Encode for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, *self);
    }
}

impl<'a> Decode<'a> for u64 {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(reader.varint64()?)
    }
}

impl Encode for &[u8] {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self);
    }
}

impl<'a> Decode<'a> for &'a [u8] {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(reader.bytes()?)
    }
}

impl Encode for &str {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.as_bytes());
    }
}

impl<'a> Decode<'a> for &'a str {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(std::str::from_utf8(reader.bytes()?).map_err(|_| Fault::NotUtf8)?)
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<'a, A: Decode<'a>, B: Decode<'a>> Decode<'a> for (A, B) {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok((A::decode(reader)?, B::decode(reader)?))
    }
}

/// A list, a set, or as pairs a map: a count, then the items.
impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_length(out, self.len());
        for item in self {
            item.encode(out);
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = reader.count()?;
        (0..count).map(|_| T::decode(reader)).collect()
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(item) = self {
            item.encode(out);
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<T> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        match reader.byte()? {
            0 => Ok(None),
            1 => Ok(Some(T::decode(reader)?)),
            tag => Err(Fault::Tag(tag).into()),
        }
    }
}

/// Defines a message as a struct whose fields travel in order, with [`Encode`] and [`Decode`]. The lifetime of a record
/// that borrows is called `'a`.
macro_rules! record {
    (
        $(#[$doc:meta])*
        $name:ident $(<$lt:lifetime>)? { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name $(<$lt>)? {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $(<$lt>)? $crate::codec::Encode for $name $(<$lt>)? {
            fn encode(&self, out: &mut Vec<u8>) {
                let Self { $($field,)* } = self;
                $($crate::codec::Encode::encode($field, out);)*
            }
        }

        impl<'a> $crate::codec::Decode<'a> for $name $(<$lt>)? {
            fn decode(
                reader: &mut $crate::codec::Reader<'a>,
            ) -> Result<Self, $crate::error::Malformed> {
                $(let $field = $crate::codec::Decode::decode(reader)
                    .map_err(|fault: $crate::error::Malformed| {
                        fault.within(stringify!($name), stringify!($field))
                    })?;)*
                Ok(Self { $($field,)* })
            }
        }
    };
}

/// Defines an enum that travels as one byte.
macro_rules! byte_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $number,)*
        }

        impl $crate::codec::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
        }

        impl<'a> $crate::codec::Decode<'a> for $name {
            fn decode(
                reader: &mut $crate::codec::Reader<'a>,
            ) -> Result<Self, $crate::error::Malformed> {
                match reader.byte()? {
                    $($number => Ok(Self::$variant),)*
                    tag => Err($crate::error::Fault::Tag(tag).into()),
                }
            }
        }
    };
}

pub(crate) use byte_enum;
pub(crate) use record;

const MAX_VARINT32: usize = 5;
const MAX_VARINT64: usize = 10;
