//! Bytes that nobody wrote: random ones, and messages of real clients with random damage. The same ones in every run.

use std::sync::LazyLock;

use antiphon_fuzz::seeds;

/// Makes garbage.
pub(crate) struct Garbage {
    state: u64,
}

static MESSAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| seeds::of("message"));

impl Garbage {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) }
    }

    /// Below `end`.
    pub(crate) fn number(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % end
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.number(most)).map(|_| self.number(256) as u8).collect()
    }

    /// A message of a real client or server; half of them with one octet that is another or is missing.
    pub(crate) fn message(&mut self) -> Vec<u8> {
        let which = self.number(MESSAGES.len());
        let mut message = MESSAGES[which].clone();
        // The end of the session would be the end of the fun.
        if matches!(message[0], 0x1c | 0x1d | b'#') {
            message[0] = 0;
        }
        let at = self.number(message.len());
        match self.number(4) {
            0 => message[at] = self.number(256) as u8,
            1 => message.truncate(at + 1),
            _ => {}
        }
        message
    }

    /// Text that looks like a session token.
    pub(crate) fn token(&mut self) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..24).map(|_| char::from(DIGITS[self.number(DIGITS.len())])).collect()
    }
}
