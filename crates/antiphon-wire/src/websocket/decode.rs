//! Frames out of a read buffer. Nothing here reads from a socket or answers a frame.

use super::LAST;
use super::LENGTH_16;
use super::LENGTH_64;
use super::MASKED;
use super::MAX_CONTROL;
use super::Opcode;
use super::Violation;
use super::apply_mask;

/// Reads the frames of one connection. Holds a buffer only while a fragmented message needs one.
///
/// ```
/// use antiphon_wire::websocket::Decoder;
/// use antiphon_wire::websocket::Event;
/// use antiphon_wire::websocket::put_message;
///
/// let mut buf = Vec::new();
/// put_message(&mut buf, 5, |out| out.extend_from_slice(b"first"));
/// put_message(&mut buf, 6, |out| out.extend_from_slice(b"second"));
///
/// let mut decoder = Decoder::new(1024);
/// let mut messages = Vec::new();
/// let mut at = 0;
/// while let Some((used, event)) = decoder.next(&mut buf[at..])? {
///     at += used;
///     if let Event::Message(payload) = event {
///         messages.push(payload.to_vec());
///     }
/// }
/// assert_eq!(messages, [b"first".to_vec(), b"second".to_vec()]);
/// # Ok::<(), antiphon_wire::websocket::Violation>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    max_message: usize,
    /// The fragments so far; after the last of them the whole message, until the next call.
    assembled: Vec<u8>,
    /// A message has begun and its last fragment has not come.
    unfinished: bool,
}

impl Decoder {
    /// A decoder that refuses messages of more than `max_message` bytes, in fragments or not.
    pub fn new(max_message: usize) -> Self {
        Self { max_message, assembled: Vec::new(), unfinished: false }
    }

    /// Takes the next whole frame from the front of `buf` and unmasks it in place.
    ///
    /// `Ok(None)`: more bytes are needed, and `buf` is unchanged. Otherwise the caller drops the
    /// returned number of bytes from the front of `buf`. After a close nothing more counts.
    ///
    /// # Errors
    ///
    /// The [`Violation`] for which the connection must end, as soon as the header shows it. The
    /// decoder is of no use after that.
    pub fn next<'a>(
        &'a mut self,
        buf: &'a mut [u8],
    ) -> Result<Option<(usize, Event<'a>)>, Violation> {
        if !self.unfinished {
            self.assembled = Vec::new();
        }
        let Some(frame) = self.frame(buf)? else {
            return Ok(None);
        };
        let used = frame.start + frame.length;
        let payload = &mut buf[frame.start..used];
        if let Some(key) = frame.key {
            apply_mask(payload, key);
        }
        let event = match frame.opcode {
            Opcode::Binary if frame.last => Event::Message(payload),
            Opcode::Binary | Opcode::Continuation => self.append(payload, frame.last),
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong,
            Opcode::Close => Event::Close(close_code(payload)?),
        };
        Ok(Some((used, event)))
    }

    /// Where the frame at the front of `buf` lies if it is whole. Judges the header before that.
    fn frame(&self, buf: &[u8]) -> Result<Option<Frame>, Violation> {
        let &[first, second, ref rest @ ..] = buf else {
            return Ok(None);
        };
        let opcode = self.opcode(first)?;
        let last = first & LAST != 0;
        let short = second & !MASKED;
        if opcode.is_control() && !last {
            return Err(Violation::ControlFragmented);
        }
        if opcode.is_control() && usize::from(short) > MAX_CONTROL {
            return Err(Violation::ControlTooLong);
        }
        let Some((length, rest)) = payload_length(short, rest)? else {
            return Ok(None);
        };
        let length = self.admit(opcode, length)?;
        let (key, rest) = match rest.split_first_chunk() {
            _ if second & MASKED == 0 => (None, rest),
            Some((key, rest)) => (Some(*key), rest),
            None => return Ok(None),
        };
        let start = buf.len() - rest.len();
        Ok((length <= rest.len()).then_some(Frame { opcode, last, key, start, length }))
    }

    fn opcode(&self, first: u8) -> Result<Opcode, Violation> {
        if first & RESERVED != 0 {
            return Err(Violation::ReservedBits);
        }
        match Opcode::from_bits(first & OPCODE)? {
            Opcode::Continuation if !self.unfinished => Err(Violation::UnexpectedContinuation),
            Opcode::Binary if self.unfinished => Err(Violation::MissingContinuation),
            opcode => Ok(opcode),
        }
    }

    /// The declared payload length, unless it takes the message over the limit.
    fn admit(&self, opcode: Opcode, length: u64) -> Result<usize, Violation> {
        let room =
            if opcode.is_control() { MAX_CONTROL } else { self.max_message - self.assembled.len() };
        match usize::try_from(length) {
            Ok(length) if length <= room => Ok(length),
            _ => Err(Violation::MessageTooLarge {
                length: length.saturating_add(self.assembled.len() as u64),
                limit: self.max_message,
            }),
        }
    }

    fn append(&mut self, payload: &[u8], last: bool) -> Event<'_> {
        self.assembled.extend_from_slice(payload);
        self.unfinished = !last;
        if last { Event::Message(&self.assembled) } else { Event::Fragment }
    }
}

/// What one frame brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole binary message.
    Message(&'a [u8]),
    /// A part of a message was stored; there is nothing to deliver yet.
    Fragment,
    /// A ping, which a pong with the same payload answers.
    Ping(&'a [u8]),
    /// A pong, whatever its payload.
    Pong,
    /// The peer closes, with its close code if it gave one.
    Close(Option<u16>),
}

struct Frame {
    opcode: Opcode,
    last: bool,
    key: Option<[u8; 4]>,
    /// Offset of the payload.
    start: usize,
    length: usize,
}

/// The payload length that begins with the 7 bits of `short`, and what follows it in `rest`.
fn payload_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (length, minimum, rest) = match short {
        LENGTH_16 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(*bytes)), 126, rest)
        }
        LENGTH_64 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from_be_bytes(*bytes), 0x1_0000, rest)
        }
        length => (u64::from(length), 0, rest),
    };
    if length < minimum {
        return Err(Violation::NonMinimalLength);
    }
    if length >> 63 != 0 {
        return Err(Violation::LengthTooLarge);
    }
    Ok(Some((length, rest)))
}

/// Refuses the codes that RFC 6455 says are never sent; takes those it has yet to define.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Violation::BadClosePayload),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if matches!(code, 0..1000 | 1005 | 1006 | 1015 | 5000..) {
        return Err(Violation::BadCloseCode(code));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::BadCloseReason);
    }
    Ok(Some(code))
}

/// In the first byte: bits for extensions.
const RESERVED: u8 = 0x70;
/// In the first byte: the kind of frame.
const OPCODE: u8 = 0x0f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_of_a_fragmented_message_is_released_by_the_next_call() {
        let mut decoder = Decoder::new(1024);
        assert_eq!(decoder.next(&mut [0x02, 1, b'a']), Ok(Some((3, Event::Fragment))));
        assert_eq!(decoder.next(&mut [0x80, 1, b'b']), Ok(Some((3, Event::Message(b"ab")))));
        assert_eq!(decoder.next(&mut []), Ok(None));
        assert_eq!(decoder.assembled.capacity(), 0);
    }

    #[test]
    fn empty_fragments_take_no_memory() {
        let mut decoder = Decoder::new(1024);
        decoder.next(&mut [0x02, 0]).unwrap();
        for _ in 0..10_000 {
            assert_eq!(decoder.next(&mut [0x00, 0]), Ok(Some((2, Event::Fragment))));
        }
        assert_eq!(decoder.assembled.capacity(), 0);
    }

    #[test]
    fn a_declared_length_allocates_nothing() {
        let mut decoder = Decoder::new(usize::MAX);
        let mut header = [0x02, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(decoder.next(&mut header), Ok(None));
        assert_eq!(decoder.assembled.capacity(), 0);
    }

    #[test]
    fn an_idle_decoder_is_small() {
        assert!(size_of::<Decoder>() <= 40);
    }
}
