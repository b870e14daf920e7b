//! WebSocket frames for client and relay of the benchmark, and no more of them than those two need: whole binary messages in
//! one frame. The server's own codec is not used, since it is what is measured.

use std::io;

/// A frame at the front of a buffer.
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    /// Where its payload begins.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    key: Option<[u8; 4]>,
}

pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

impl Frame {
    /// `None` if it is not whole yet.
    #[inline]
    pub(crate) fn first(bytes: &[u8]) -> io::Result<Option<Self>> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & 0xf0 != 0x80 {
            return Err(invalid("a frame that is not a whole message"));
        }
        let (length, rest) = match (second & 0x7f, rest) {
            (126, &[high, low, ref rest @ ..]) => {
                (usize::from(u16::from_be_bytes([high, low])), rest)
            }
            (127, rest) => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length) as usize, rest),
                None => return Ok(None),
            },
            (126, _) => return Ok(None),
            (short, rest) => (usize::from(short), rest),
        };
        let (key, rest) = match rest.split_first_chunk() {
            _ if second & 0x80 == 0 => (None, rest),
            Some((key, rest)) => (Some(*key), rest),
            None => return Ok(None),
        };
        let start = bytes.len() - rest.len();
        let frame = Self { opcode: first & 0x0f, start, end: start.saturating_add(length), key };
        Ok((length <= rest.len()).then_some(frame))
    }

    /// The payload, unmasked in place.
    #[inline]
    pub(crate) fn payload<'a>(&self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        let payload = &mut bytes[self.start..self.end];
        if let Some(key) = self.key {
            mask(payload, key);
        }
        payload
    }
}

/// Appends a header for `length` bytes of payload.
#[inline]
pub(crate) fn put_header(out: &mut Vec<u8>, opcode: u8, length: usize, key: Option<[u8; 4]>) {
    let (first, masked) = (0x80 | opcode, if key.is_some() { 0x80 } else { 0 });
    match length {
        0..126 => out.extend_from_slice(&[first, masked | length as u8]),
        126..0x1_0000 => {
            let [high, low] = (length as u16).to_be_bytes();
            out.extend_from_slice(&[first, masked | 126, high, low]);
        }
        _ => {
            out.extend_from_slice(&[first, masked | 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        out.extend_from_slice(&key);
    }
}

/// Masks frames as a client does, with keys that are random enough for a benchmark.
pub(crate) struct Masker(u64);

impl Masker {
    pub(crate) fn new(index: usize) -> Self {
        Self((index as u64 * 2 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Appends a frame of `length` bytes that `write` appends.
    #[inline]
    pub(crate) fn put(
        &mut self,
        out: &mut Vec<u8>,
        opcode: u8,
        length: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let key = (self.0 as u32).to_ne_bytes();
        put_header(out, opcode, length, Some(key));
        let start = out.len();
        write(out);
        debug_assert_eq!(out.len() - start, length, "the length that was promised");
        mask(&mut out[start..], key);
    }
}

/// Masks or unmasks, in words that the compiler turns into vectors.
#[inline]
fn mask(payload: &mut [u8], key: [u8; 4]) {
    let half = u64::from(u32::from_ne_bytes(key));
    let word = half << 32 | half;
    let (words, tail) = payload.as_chunks_mut();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= key;
    }
}

pub(crate) fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use antiphon_wire::websocket::Decoder;
    use antiphon_wire::websocket::Event;
    use antiphon_wire::websocket::put_masked_message;

    use super::*;

    #[test]
    fn frames_are_those_of_the_wire() {
        for length in [0, 1, 125, 126, 300, 0xffff, 0x1_0000, 70_000] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut out = Vec::new();
            Masker::new(7).put(&mut out, BINARY, length, |out| out.extend_from_slice(&payload));
            let (mut decoder, written) = (Decoder::new(1 << 20), out.len());
            let (used, event) = decoder.next(&mut out).unwrap().unwrap();
            assert_eq!((used, event), (written, Event::Message(&payload)));

            let mut bytes = Vec::new();
            put_masked_message(&mut bytes, *b"mask", &payload);
            for cut in (0..bytes.len()).step_by(997) {
                assert!(Frame::first(&bytes[..cut]).unwrap().is_none());
            }
            let frame = Frame::first(&bytes).unwrap().unwrap();
            assert_eq!((frame.opcode, frame.end), (BINARY, bytes.len()));
            assert_eq!(frame.payload(&mut bytes), payload);
        }
    }
}
