//! The messages that one side of a session can send again after the connection was lost.
//!
//! Messages are numbered from 1 since the session began. The side that has lost messages says which one it expects
//! next. Messages are dropped when it is known that the other side has them, and the oldest ones when there are more
//! than the bounds allow; a session that would need one of those is lost.
//!
//! Nothing here sends or encodes: a message is whatever bytes were kept.

/// Sent messages, the oldest first.
#[derive(Debug)]
pub struct Recovery {
    /// All that are kept, each behind its length, and before them some that were dropped.
    bytes: Vec<u8>,
    /// How many bytes at the front are of those that were dropped.
    stale: usize,
    /// How many messages are kept.
    kept: usize,
    /// How many messages were sent before the oldest that is kept.
    forgotten: u64,
    bounds: Bounds,
}

/// How much is kept at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages.
    pub messages: usize,
    /// Their bytes in all.
    pub bytes: usize,
}

impl Recovery {
    /// Nothing was sent yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bytes: Vec::new(), stale: 0, kept: 0, forgotten: 0, bounds }
    }

    /// How much is kept at most.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Keeps a message.
    pub fn push(&mut self, message: &[u8]) {
        self.bytes.reserve(LENGTH + message.len());
        self.bytes.extend_from_slice(&(message.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(message);
        self.kept += 1;
        if self.kept > self.bounds.messages || self.bytes() > self.bounds.bytes {
            self.keep_bounds();
        }
    }

    /// The other side has everything up to and with message `sequence`.
    pub fn acknowledge(&mut self, sequence: u64) {
        while self.forgotten < sequence && self.kept > 0 {
            self.forget_oldest();
        }
        self.compact();
    }

    /// How many messages were sent, kept or not.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.forgotten + self.kept as u64
    }

    /// How many messages are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// The bytes of the messages that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len() - self.stale - LENGTH * self.kept
    }

    /// The number of the oldest message that can be sent again; one more than the last if there is none.
    #[must_use]
    pub fn lowest(&self) -> u64 {
        self.forgotten + 1
    }

    /// Drops what the other side has, and hands every message from number `next` on to `send`.
    ///
    /// False, and nothing is sent, if it expects a message that is not kept, or was never sent.
    #[must_use]
    pub fn replay(&mut self, next: u64, mut send: impl FnMut(&[u8])) -> bool {
        if next < self.lowest() || next > self.sent() + 1 {
            return false;
        }
        self.acknowledge(next - 1);
        let mut rest = &self.bytes[self.stale..];
        while let Some((message, behind)) = first(rest) {
            send(message);
            rest = behind;
        }
        true
    }

    /// Gives back room that is not needed.
    pub fn shrink(&mut self) {
        if self.kept == 0 {
            self.bytes = Vec::new();
        }
    }

    #[cold]
    fn keep_bounds(&mut self) {
        while self.kept > self.bounds.messages || self.bytes() > self.bounds.bytes {
            self.forget_oldest();
        }
        self.compact();
    }

    fn forget_oldest(&mut self) {
        if let Some((message, _)) = first(&self.bytes[self.stale..]) {
            self.stale += LENGTH + message.len();
            self.kept -= 1;
            self.forgotten += 1;
        }
    }

    /// Gives up the place of messages that were dropped, when they are so many that it costs little for each.
    fn compact(&mut self) {
        if self.kept == 0 {
            self.bytes.clear();
            self.stale = 0;
        } else if self.stale > MOST_STALE && 2 * self.stale > self.bytes.len() {
            self.bytes.drain(..self.stale);
            self.stale = 0;
        }
    }
}

/// The first of the messages, without its length, and those behind it.
#[inline]
fn first(kept: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = kept.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// Of the length of a message, in bytes.
const LENGTH: usize = 4;

/// So many bytes may be of messages that were dropped. Usually the last of a turn's messages is dropped before, and then
/// nothing has to be moved.
const MOST_STALE: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { messages: 10, bytes: 1000 };

    fn replayed(recovery: &mut Recovery, next: u64) -> Option<Vec<Vec<u8>>> {
        let mut messages = Vec::new();
        recovery.replay(next, |message| messages.push(message.to_vec())).then_some(messages)
    }

    fn with(count: u8) -> Recovery {
        let mut recovery = Recovery::new(BOUNDS);
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
        let mut recovery = Recovery::new(BOUNDS);
        for _ in 0..=BOUNDS.messages {
            recovery.push(b"x");
        }
        assert_eq!((recovery.lowest(), recovery.sent()), (2, 11));
        recovery.push(&vec![0; BOUNDS.bytes]);
        assert_eq!((recovery.lowest(), recovery.sent()), (12, 12));
    }

    proptest! {
        #[test]
        fn it_keeps_what_a_plain_queue_keeps(
            steps in vec((0_usize..4_000, prop::option::of(0_u64..5)), 1..60),
            messages in 0_usize..20,
        ) {
            let bounds = Bounds { messages, bytes: 20_000 };
            let (mut recovery, mut queue, mut sent) = (Recovery::new(bounds), VecDeque::new(), 0);
            for (length, unacknowledged) in steps {
                sent += 1;
                let message = vec![sent as u8; length];
                recovery.push(&message);
                queue.push_back((sent, message));
                let all = |queue: &VecDeque<(u64, Vec<u8>)>| queue.iter().map(|(_, kept)| kept.len()).sum::<usize>();
                while queue.len() > messages || all(&queue) > bounds.bytes {
                    queue.pop_front();
                }
                if let Some(unacknowledged) = unacknowledged {
                    let known = sent.saturating_sub(unacknowledged);
                    recovery.acknowledge(known);
                    queue.retain(|(number, _)| *number > known);
                }
                prop_assert_eq!((recovery.sent(), recovery.len(), recovery.bytes()), (sent, queue.len(), all(&queue)));
                let lowest = queue.front().map_or(sent + 1, |(number, _)| *number);
                prop_assert_eq!(recovery.lowest(), lowest);
                let held = recovery.bytes.len();
                prop_assert!(held <= 2 * (recovery.bytes() + LENGTH * queue.len()) + MOST_STALE, "{held} bytes are held");
            }
            let lowest = recovery.lowest();
            let kept: Vec<_> = queue.into_iter().map(|(_, message)| message).collect();
            prop_assert_eq!(replayed(&mut recovery, lowest), Some(kept));
        }
    }
}
