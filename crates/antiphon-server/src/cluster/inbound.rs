//! Pieces become transmissions again, within a bound: no node can make this one keep as much as it likes. What is in them, and what is
//! to be done if one is missing, is not decided here.

use std::borrow::Cow;

use crate::cluster::frame::Piece;

/// What has come over one link.
pub(super) struct Inbound {
    /// The stream of the other end, and how much of it has come.
    stream: u64,
    received: u64,
    /// What has come of a transmission; `None` if its beginning is missing.
    begun: Option<Vec<u8>>,
    /// The largest transmission.
    most: usize,
}

/// What a piece has made whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<'p> {
    /// Nothing: there is more to come, or something is missing.
    Part,
    /// A transmission.
    Whole(Cow<'p, [u8]>),
    /// The transmission is larger than the bound. It is given up.
    TooLarge,
}

impl Inbound {
    /// Takes transmissions of up to `most` bytes.
    pub(super) const fn new(most: usize) -> Self {
        Self { stream: 0, received: 0, begun: None, most }
    }

    pub(super) const fn most(&self) -> usize {
        self.most
    }

    pub(super) fn take<'p>(&mut self, piece: &Piece<'p>) -> Taken<'p> {
        let Piece { from, offset, is_first, is_last, bytes } = *piece;
        if (from, offset) != (self.stream, self.received) {
            // Something is missing, or this is another stream: go on where the next transmission begins.
            self.stream = from;
            self.begun = None;
        }
        self.received = piece.end();
        if is_first && is_last {
            // It needs no other place.
            self.begun = None;
            return Taken::Whole(bytes.into());
        }
        if is_first {
            self.begun = Some(Vec::new());
        }
        let Some(mut begun) = self.begun.take() else { return Taken::Part };
        if begun.len() + bytes.len() > self.most {
            return Taken::TooLarge;
        }
        begun.extend_from_slice(bytes);
        if is_last {
            return Taken::Whole(begun.into());
        }
        self.begun = Some(begun);
        Taken::Part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 6;

    fn piece((from, offset): (u64, u64), is_first: bool, is_last: bool, bytes: &str) -> Piece<'_> {
        Piece { from, offset, is_first, is_last, bytes: bytes.as_bytes() }
    }

    /// The transmissions that come of these pieces.
    fn whole(pieces: &[Piece<'_>]) -> Vec<String> {
        let mut inbound = Inbound::new(MOST);
        let mut got = Vec::new();
        for piece in pieces {
            match inbound.take(piece) {
                Taken::Part => {}
                Taken::Whole(bytes) => got.push(String::from_utf8(bytes.into_owned()).unwrap()),
                Taken::TooLarge => got.push("too large".to_owned()),
            }
            assert!(inbound.begun.as_ref().is_none_or(|begun| begun.len() <= MOST));
        }
        got
    }

    #[test]
    fn pieces_become_transmissions() {
        let pieces = [
            piece((1, 0), true, true, "ab"),
            piece((1, 2), true, false, "cd"),
            piece((1, 4), false, false, "ef"),
            piece((1, 6), false, true, "g"),
            piece((1, 7), true, true, "h"),
        ];
        assert_eq!(whole(&pieces), ["ab", "cdefg", "h"]);
    }

    #[test]
    fn a_transmission_of_which_a_piece_is_missing_is_missing_as_a_whole() {
        let pieces = [
            piece((1, 0), true, false, "ab"),
            piece((1, 4), false, true, "ef"),
            piece((1, 6), false, true, "g"),
            piece((1, 7), true, false, "h"),
            piece((2, 0), false, true, "i"),
            piece((2, 1), true, true, "j"),
        ];
        assert_eq!(whole(&pieces), ["j"]);
    }

    #[test]
    fn a_transmission_beyond_the_bound_is_given_up_once_and_the_next_one_is_read() {
        let pieces = [
            piece((1, 0), true, false, "abc"),
            piece((1, 3), false, false, "def"),
            piece((1, 6), false, false, "g"),
            piece((1, 7), false, false, "hij"),
            piece((1, 10), false, true, "k"),
            piece((1, 11), true, false, "abc"),
            piece((1, 14), false, true, "def"),
        ];
        assert_eq!(whole(&pieces), ["too large", "abcdef"]);
    }
}
