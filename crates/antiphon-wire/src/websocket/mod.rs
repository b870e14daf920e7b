//! WebSocket frames (RFC 6455): whole messages out of a read buffer, frames into a write buffer.
//!
//! One binary message carries one protocol message. [`Decoder`] unmasks in place and copies only
//! messages that come in fragments; the `put_*` functions append to the buffer that the caller
//! writes from, the `put_masked_*` ones as a client sends. Frames are taken masked or not, because
//! a published Java client does not mask.
//!
//! Not here: the upgrade request, sockets, the answers to a ping or a close, and extensions. No
//! extension is ever agreed, so there is no compression and the reserved bits are 0.
//!
//! ```text
//! | last:1 reserved:3 opcode:4 | masked:1 length:7 | length:16 or 64 | key:32    | payload |
//! |                            |                   | if 126 or 127   | if masked |         |
//! ```

mod decode;
mod encode;
mod violation;

pub use decode::Decoder;
pub use decode::Event;
pub use encode::put_close;
pub use encode::put_masked_close;
pub use encode::put_masked_message;
pub use encode::put_masked_ping;
pub use encode::put_masked_pong;
pub use encode::put_message;
pub use encode::put_ping;
pub use encode::put_pong;
pub use violation::Violation;

/// The kinds of frame that are spoken, with their numbers on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Continuation = 0x0,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xa,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self, Violation> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Err(Violation::TextMessage),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            reserved => Err(Violation::ReservedOpcode(reserved)),
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Masks, or unmasks, in words of 8 bytes, which the compiler turns into vector instructions.
fn apply_mask(payload: &mut [u8], key: [u8; 4]) {
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

/// In the first byte: this frame is the last of its message.
const LAST: u8 = 0x80;
/// In the second byte: a key follows the length, and the payload is masked with it.
const MASKED: u8 = 0x80;
/// In place of a length: it follows in 2 bytes.
const LENGTH_16: u8 = 126;
/// In place of a length: it follows in 8 bytes.
const LENGTH_64: u8 = 127;
/// The longest payload of a control frame, in bytes.
const MAX_CONTROL: usize = 125;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_masked_with_its_byte_of_the_key() {
        let key = [0x12, 0x34, 0x56, 0x78];
        let plain: Vec<u8> = (0..200).collect();
        for length in 0..plain.len() {
            let mut masked = plain[..length].to_vec();
            apply_mask(&mut masked, key);
            let expected: Vec<u8> = (0..length).map(|at| plain[at] ^ key[at % 4]).collect();
            assert_eq!(masked, expected, "length {length}");
        }
    }
}
