//! What nodes send to each other below what brokers say: pieces of transmissions, and how much of the other direction has arrived.
//!
//! ```text
//! kind, of, received                          of every frame: so much has been received of the other end's stream `of`
//! 1 piece    from, offset, place, bytes       bytes of the stream `from` before this one; 1 the first piece of a transmission, 2 the last
//! 2 receipt
//! ```
//!
//! Numbers are little-endian, 8 bytes each, kind and place one byte.

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame<'f> {
    pub(crate) receipt: Receipt,
    pub(crate) piece: Option<Piece<'f>>,
}

/// How much has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Receipt {
    /// Of which stream; 0 for none.
    pub(crate) of: u64,
    pub(crate) received: u64,
}

/// A part of a transmission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece<'f> {
    /// Which stream it belongs to. Each has another number.
    pub(crate) from: u64,
    pub(crate) offset: u64,
    pub(crate) is_first: bool,
    pub(crate) is_last: bool,
    pub(crate) bytes: &'f [u8],
}

impl Piece<'_> {
    /// Where in the stream it ends, whatever the other end says.
    pub(crate) const fn end(&self) -> u64 {
        self.offset.wrapping_add(self.bytes.len() as u64)
    }
}

/// The frame is not of this layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'f> Frame<'f> {
    pub(crate) fn read(mut from: &'f [u8]) -> Result<Self, Malformed> {
        let kind = byte(&mut from)?;
        let receipt = Receipt { of: number(&mut from)?, received: number(&mut from)? };
        let piece = match kind {
            PIECE => {
                let (stream, offset, place) =
                    (number(&mut from)?, number(&mut from)?, byte(&mut from)?);
                let (is_first, is_last) = (place & FIRST != 0, place & LAST != 0);
                Some(Piece { from: stream, offset, is_first, is_last, bytes: from })
            }
            RECEIPT if from.is_empty() => None,
            _ => return Err(Malformed),
        };
        Ok(Self { receipt, piece })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = self.piece.as_ref().map_or(0, |piece| piece.bytes.len());
        let mut out = Vec::with_capacity(MOST_AROUND + length);
        out.push(if self.piece.is_some() { PIECE } else { RECEIPT });
        out.extend_from_slice(&self.receipt.of.to_le_bytes());
        out.extend_from_slice(&self.receipt.received.to_le_bytes());
        if let Some(Piece { from, offset, is_first, is_last, bytes }) = &self.piece {
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
            let (first, last) = (u8::from(*is_first) * FIRST, u8::from(*is_last) * LAST);
            out.push(first | last);
            out.extend_from_slice(bytes);
        }
        out
    }
}

fn byte(from: &mut &[u8]) -> Result<u8, Malformed> {
    let (byte, rest) = from.split_first().ok_or(Malformed)?;
    *from = rest;
    Ok(*byte)
}

fn number(from: &mut &[u8]) -> Result<u64, Malformed> {
    let (number, rest) = from.split_first_chunk().ok_or(Malformed)?;
    *from = rest;
    Ok(u64::from_le_bytes(*number))
}

const PIECE: u8 = 1;
const RECEIPT: u8 = 2;
const FIRST: u8 = 1;
const LAST: u8 = 2;

/// The bytes of a frame besides those of the stream.
const MOST_AROUND: usize = 1 + 4 * 8 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_these_bytes_and_are_read_from_them() {
        let receipt = Receipt { of: 7, received: 1 << 40 };
        let piece =
            |is_first, is_last| Piece { from: 0x0102, offset: 5, is_first, is_last, bytes: b"xyz" };
        let head = "0700000000000000 0000000000010000";
        let middle = "0201000000000000 0500000000000000";
        for (piece, bytes) in [
            (None, format!("02 {head}")),
            (Some(piece(true, true)), format!("01 {head} {middle} 03 78797a")),
            (Some(piece(false, true)), format!("01 {head} {middle} 02 78797a")),
            (Some(piece(false, false)), format!("01 {head} {middle} 00 78797a")),
        ] {
            let frame = Frame { receipt, piece };
            let hex: String = frame.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, bytes.replace(' ', ""));
            assert_eq!(Frame::read(&frame.bytes()), Ok(frame));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let whole = Frame { receipt: Receipt::default(), piece: None }.bytes();
        assert!((0..whole.len()).all(|length| Frame::read(&whole[..length]) == Err(Malformed)));
        assert_eq!(Frame::read(&[&whole[..], &[0]].concat()), Err(Malformed));
        assert_eq!(Frame::read(&[4; 40]), Err(Malformed));
        assert_eq!(Frame::read(&[1; 33]), Err(Malformed));
    }
}
