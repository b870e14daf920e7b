//! What one node writes to another at a time: a [`Header`], then WebSocket frames. What is in them is not looked at here.

use crate::codec::Decode;
use crate::codec::Reader;
use crate::codec::byte_enum;
use crate::error::Fault;
use crate::error::Malformed;

/// The version of all that nodes say. Nodes of different versions do not speak to each other.
pub const VERSION: u8 = 1;

/// The bytes of a [`Header`].
pub const HEADER: usize = 26;

/// What a transmission begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// The number of the sender's end.
    pub from: u64,
    /// The number of the other end, as the sender knows it; 0 if it does not.
    pub to: u64,
    /// Counts the transmissions with messages of one life of the link, from 1; 0 for a greeting.
    pub sequence: u64,
}

byte_enum! {
    /// What a transmission is.
    Kind {
        /// The sender's end says what it is.
        Greeting = 0,
        /// Messages follow.
        Messages = 1,
    }
}

impl Header {
    /// As it travels.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..2].copy_from_slice(&[VERSION, self.kind as u8]);
        for (at, number) in [(2, self.from), (10, self.to), (18, self.sequence)] {
            bytes[at..at + 8].copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// Splits a transmission into header and frames.
    ///
    /// # Errors
    /// It is too short, or of another version: [`Fault::Number`] with that version, in field `version`.
    pub fn split(transmission: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut reader = Reader::new(transmission);
        let within = |field| move |fault: Malformed| fault.within("Header", field);
        let number = |reader: &mut Reader<'_>, field| {
            let bytes = reader.take(8).map_err(|fault| within(field)(fault.into()))?;
            Ok::<_, Malformed>(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
        };
        let version = reader.byte().map_err(|fault| within("version")(fault.into()))?;
        if version != VERSION {
            return Err(within("version")(Fault::Number(version.into()).into()));
        }
        let kind = Kind::decode(&mut reader).map_err(within("kind"))?;
        let from = number(&mut reader, "from")?;
        let to = number(&mut reader, "to")?;
        let sequence = number(&mut reader, "sequence")?;
        Ok((Self { kind, from, to, sequence }, reader.rest()))
    }
}

/// The messages of the frames behind a [`Header`].
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Reads what [`Header::split`] has left.
    #[must_use]
    pub const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn frame(&mut self) -> Result<&'a [u8], Fault> {
        let mut reader = Reader::new(self.rest);
        let first = reader.byte()?;
        if first != WHOLE_BINARY {
            return Err(Fault::Tag(first));
        }
        let short = reader.byte()?;
        let mut number = |bytes| {
            let bytes: &[u8] = reader.take(bytes)?;
            Ok::<_, Fault>(bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)))
        };
        let length = match short {
            0..=125 => u64::from(short),
            126 => number(2)?,
            127 => number(8)?,
            masked => return Err(Fault::Tag(masked)),
        };
        let message = reader.take(usize::try_from(length).map_err(|_| Fault::Truncated)?)?;
        self.rest = reader.rest();
        Ok(message)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = self.frame();
        if frame.is_err() {
            self.rest = &[];
        }
        Some(frame.map_err(|fault| Malformed::from(fault).within("transmission", "frame")))
    }
}

/// The first byte of a frame that is a whole binary message.
const WHOLE_BINARY: u8 = 0x82;
