//! The bytes that wait for one session: WebSocket frames, ready to be written.
//!
//! A mailbox does not know its session and is never locked by itself; see [`crate::session`] for who may touch it when.

use crate::time::Millis;

/// Frames in the order in which they were appended, and how much of the first bytes has been written already.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pub(crate) bytes: Vec<u8>,
    written: usize,
    /// How many frames begin at `begin` or behind it.
    frames: usize,
    /// Where a frame begins. When a writer has given up: the first of which nothing is written.
    begin: usize,
    requests: Requests,
    /// Where the first of these requests ends.
    first_ends: usize,
}

/// Requests that wait together: those that came until the first of them was written, which stands for all. So each is counted
/// once, and the times are those of real ones, without a note for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requests {
    /// How many.
    pub count: u32,
    /// When the first of them came.
    pub since: Millis,
}

impl Mailbox {
    pub(crate) fn queued(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// How many frames nobody has begun to write.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Gets a buffer that has its size already, if it has none and one is there.
    pub(crate) fn furnish(&mut self, spare: &mut Spare) {
        if self.bytes.capacity() == 0 {
            self.bytes = spare.buffer();
        }
    }

    /// Appends one frame.
    pub(crate) fn put(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.bytes);
        self.frames += 1;
    }

    /// Notes that the frame that was appended last is a request, which came `now`. Nothing waits where nothing is appended,
    /// since its session has no connection.
    pub(crate) fn count_request(&mut self, now: impl FnOnce() -> Millis) {
        if self.bytes.is_empty() {
            return;
        }
        if self.requests.count == 0 {
            self.first_ends = self.bytes.len();
            self.requests.since = now();
        }
        self.requests.count += 1;
    }

    /// The requests that have waited, if the first of them has been written.
    pub(crate) fn take_requests(&mut self) -> Option<Requests> {
        let is_written = self.requests.count > 0 && self.first_ends <= self.written;
        is_written.then(|| std::mem::take(&mut self.requests))
    }

    /// Notes that the first `count` waiting bytes have been written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.written += count;
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.written, self.frames, self.begin) = (0, 0, 0);
        self.requests = Requests::default();
    }

    /// Puts what a writer could not write back in front of what has been appended since.
    pub(crate) fn put_back(&mut self, mut unwritten: Self) {
        unwritten.count_begun();
        if unwritten.written > COMPACT {
            unwritten.bytes.drain(..unwritten.written);
            unwritten.begin -= unwritten.written;
            unwritten.first_ends = unwritten.first_ends.saturating_sub(unwritten.written);
            unwritten.written = 0;
        }
        if unwritten.requests.count == 0 && self.requests.count > 0 {
            unwritten.requests.since = self.requests.since;
            unwritten.first_ends = unwritten.bytes.len() + self.first_ends - self.written;
        }
        unwritten.requests.count += self.requests.count;
        unwritten.bytes.extend_from_slice(self.waiting());
        // It may be that it waits for long, and that its buffer was made for much more.
        if unwritten.bytes.capacity() / 4 > unwritten.bytes.len().max(LITTLE) {
            unwritten.bytes.shrink_to_fit();
        }
        unwritten.frames += self.frames;
        *self = unwritten;
    }

    /// Only here, where a socket takes no more, the frames are looked at, each once.
    fn count_begun(&mut self) {
        while self.begin < self.written {
            self.begin += frame_length(&self.bytes[self.begin..]);
            self.frames -= 1;
        }
    }
}

/// Buffers that no mailbox uses, kept by each thread, so that an idle session holds none and a busy one does not grow its own
/// with every turn.
#[derive(Debug, Default)]
pub struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
    requests: Option<Requests>,
}

impl Spare {
    /// The requests that the last flush has written, with those that came until the first of them was.
    pub fn take_requests(&mut self) -> Option<Requests> {
        self.requests.take()
    }

    pub(crate) fn wrote(&mut self, requests: Option<Requests>) {
        let Some(Requests { count, since }) = requests else { return };
        let earlier = self.requests.get_or_insert(Requests { count: 0, since });
        earlier.count += count;
    }

    /// An empty buffer, with room if one is kept.
    fn buffer(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps the buffer of a mailbox that is not needed.
    pub(crate) fn keep(&mut self, mailbox: Mailbox) {
        let mut bytes = mailbox.bytes;
        let capacity = bytes.capacity();
        if capacity == 0
            || self.buffers.len() >= MAX_SPARE
            || self.bytes + capacity > MAX_SPARE_BYTES
        {
            return;
        }
        bytes.clear();
        self.bytes += capacity;
        self.buffers.push(bytes);
    }
}

/// The length of the frame at the front, as the server writes frames: without a mask.
fn frame_length(bytes: &[u8]) -> usize {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    match bytes[1] {
        126 => 4 + number(&bytes[2..4]),
        127 => 10 + number(&bytes[2..10]),
        short => 2 + usize::from(short),
    }
}

/// As many of the frames at the front as fit into so many bytes, but one at least.
pub(crate) fn whole_frames(bytes: &[u8], most: usize) -> &[u8] {
    if bytes.len() <= most {
        return bytes;
    }
    let mut end = frame_length(bytes);
    while end < most {
        let next = end + frame_length(&bytes[end..]);
        if next > most {
            break;
        }
        end = next;
    }
    &bytes[..end]
}

/// Written bytes are cut off a waiting buffer only in pieces of this size, so that a slow reader costs no copying.
const COMPACT: usize = 1 << 20;

/// A buffer up to four times as large is not worth looking at.
const LITTLE: usize = 1 << 10;

/// Enough for every session that one turn of a busy thread touches.
const MAX_SPARE: usize = 256;

/// What one thread keeps at most. Large buffers are worth keeping: giving them back costs page faults at every use.
const MAX_SPARE_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use antiphon_wire::websocket::put_message;
    use antiphon_wire::websocket::put_pong;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_request_is_counted_once_with_the_time_of_a_real_one(
            turns in vec((0_usize..3, 0_usize..COMPACT, any::<bool>()), 1..15),
        ) {
            let (mut mailbox, mut now) = (Mailbox::default(), 0);
            let (mut ends, mut end, mut written) = (Vec::new(), 0, 0);
            let mut counted = 0;
            for (requests, count, more) in turns.into_iter().chain([(0, usize::MAX, false)]) {
                let mut taken = std::mem::take(&mut mailbox);
                // Some come before it is written, others meanwhile.
                for _ in 0..requests {
                    let to = if more { &mut mailbox } else { &mut taken };
                    let before = to.bytes.len();
                    to.put(|out| put_message(out, 300_000, |out| out.resize(out.len() + 300_000, 7)));
                    to.count_request(|| Millis(now));
                    end += to.bytes.len() - before;
                    ends.push((end, Millis(now)));
                    now += 1;
                }
                let count = count.min(taken.queued());
                taken.advance(count);
                written += count;
                if let Some(Requests { count, since }) = taken.take_requests() {
                    prop_assert_eq!(since, ends[counted].1, "the first that was not counted");
                    prop_assert!(ends[counted].0 <= written, "it is written");
                    counted += count as usize;
                } else if let Some((end, _)) = ends.get(counted) {
                    prop_assert!(*end > written, "the first that was not counted is written");
                }
                mailbox.put_back(taken);
            }
            // What came while the last was written waits.
            let mut rest = std::mem::take(&mut mailbox);
            rest.advance(rest.queued());
            counted += rest.take_requests().map_or(0, |requests| requests.count as usize);
            prop_assert_eq!(counted, ends.len());
        }

        #[test]
        fn frames_are_cut_into_portions_that_are_no_larger_than_need_be(
            lengths in vec(prop_oneof![0_usize..130, 300_usize..400, 65_530_usize..65_540], 1..30),
            most in 1_usize..1_000,
        ) {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for length in lengths {
                put_message(&mut bytes, length, |out| out.resize(out.len() + length, 0x82));
                ends.push(bytes.len());
            }
            let mut at = 0;
            while at < bytes.len() {
                let portion = whole_frames(&bytes[at..], most).len();
                // The last end within the bound, or the first one.
                let within = ends.iter().rev().find(|end| **end > at && **end - at <= most);
                let first = ends.iter().find(|end| **end > at);
                prop_assert_eq!(Some(&(at + portion)), within.or(first));
                at += portion;
            }
        }

        #[test]
        fn the_frames_that_nobody_has_begun_are_counted(
            lengths in vec(prop_oneof![0_usize..200, 65_000_usize..70_000, Just(COMPACT)], 1..20),
            turns in vec((any::<bool>(), 0_usize..300_000), 1..40),
        ) {
            let (mut mailbox, mut begins, mut end) = (Mailbox::default(), Vec::new(), 0_usize);
            let mut written = 0;
            let mut lengths = lengths.into_iter();
            for (append, count) in turns {
                if append && let Some(length) = lengths.next() {
                    begins.push(end);
                    let before = mailbox.bytes.len();
                    mailbox.put(|out| match length {
                        0 => put_pong(out, b"pong"),
                        _ => put_message(out, length, |out| out.resize(out.len() + length, 7)),
                    });
                    end += mailbox.bytes.len() - before;
                }
                let mut taken = std::mem::take(&mut mailbox);
                let count = count.min(taken.queued());
                taken.advance(count);
                written += count;
                mailbox.put_back(taken);
                let unbegun = begins.iter().filter(|begin| **begin >= written).count();
                prop_assert_eq!(mailbox.frames(), unbegun);
                prop_assert_eq!(mailbox.queued(), end - written);
            }
        }
    }
}
