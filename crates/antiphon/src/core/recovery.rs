//! The messages that a session can send again after its connection was lost.
//!
//! Messages are numbered from 1 since the session began. A server that takes a session up again says which message it
//! expects next. Messages are dropped when a response shows that the server has them, and the oldest ones when there
//! are more than the bounds allow; a session that would need one of those is lost.

use std::collections::VecDeque;

/// Sent messages, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    bytes: VecDeque<u8>,
    lengths: VecDeque<usize>,
    /// How many messages were sent before the oldest that is kept.
    forgotten: u64,
}

impl Recovery {
    /// Keeps a message.
    pub(crate) fn push(&mut self, message: &[u8]) {
        self.bytes.extend(message);
        self.lengths.push_back(message.len());
        while self.lengths.len() > MOST_MESSAGES || self.bytes.len() > MOST_BYTES {
            self.forget_oldest();
        }
    }

    /// The server has everything up to and with message `sequence`.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        while self.forgotten < sequence && !self.lengths.is_empty() {
            self.forget_oldest();
        }
    }

    /// The number of the oldest message that can be sent again; one more than the last if there is none.
    pub(crate) fn lowest(&self) -> u64 {
        self.forgotten + 1
    }

    /// Drops what the server has, and hands every message from number `next` on to `send`.
    ///
    /// False, and nothing is sent, if the server expects a message that is not kept, or was never sent.
    pub(crate) fn replay(&mut self, next: u64, mut send: impl FnMut(&[u8])) -> bool {
        if next < self.lowest() || next > self.forgotten + self.lengths.len() as u64 + 1 {
            return false;
        }
        self.acknowledge(next - 1);
        let mut rest = &*self.bytes.make_contiguous();
        for &length in &self.lengths {
            let (message, behind) = rest.split_at(length);
            send(message);
            rest = behind;
        }
        true
    }

    /// Gives back room that is not needed.
    pub(crate) fn shrink(&mut self) {
        if self.lengths.is_empty() {
            self.bytes = VecDeque::new();
            self.lengths = VecDeque::new();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(length) = self.lengths.pop_front() {
            self.bytes.drain(..length);
            self.forgotten += 1;
        }
    }
}

/// More than a server may have in its socket buffers unread.
const MOST_MESSAGES: usize = 16_384;

const MOST_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(recovery: &mut Recovery, next: u64) -> Option<Vec<Vec<u8>>> {
        let mut messages = Vec::new();
        recovery.replay(next, |message| messages.push(message.to_vec())).then_some(messages)
    }

    fn with(count: u8) -> Recovery {
        let mut recovery = Recovery::default();
        (1..=count).for_each(|n| recovery.push(&vec![n; usize::from(n)]));
        recovery
    }

    #[test]
    fn what_the_server_lacks_is_sent_again_in_order() {
        assert_eq!(replayed(&mut with(3), 2), Some(vec![vec![2; 2], vec![3; 3]]));
        assert_eq!(replayed(&mut with(3), 4), Some(vec![]));
        assert_eq!(replayed(&mut with(0), 1), Some(vec![]));
    }

    #[test]
    fn what_is_not_there_cannot_be_sent_again() {
        assert_eq!(replayed(&mut with(3), 5), None);
        assert_eq!(replayed(&mut with(3), 0), None);
        let mut recovery = with(3);
        recovery.acknowledge(2);
        assert_eq!((recovery.lowest(), replayed(&mut recovery, 2)), (3, None));
        assert_eq!(replayed(&mut recovery, 3), Some(vec![vec![3; 3]]));
    }

    #[test]
    fn a_session_can_be_replayed_more_than_once() {
        let mut recovery = with(3);
        assert_eq!(replayed(&mut recovery, 2).map(|messages| messages.len()), Some(2));
        recovery.push(b"fourth");
        assert_eq!(replayed(&mut recovery, 4), Some(vec![b"fourth".to_vec()]));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let mut recovery = Recovery::default();
        for _ in 0..=MOST_MESSAGES {
            recovery.push(b"x");
        }
        assert_eq!(recovery.lowest(), 2);
        recovery.push(&vec![0; MOST_BYTES]);
        assert_eq!(recovery.lowest(), MOST_MESSAGES as u64 + 2);
    }
}
