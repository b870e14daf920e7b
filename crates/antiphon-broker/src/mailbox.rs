//! The bytes that wait for one session: WebSocket frames, ready to be written.
//!
//! A mailbox does not know its session and is never locked by itself; see [`crate::session`] for who may touch it when.

/// Frames in the order in which they were appended, and how much of the first bytes has been written already.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pub(crate) bytes: Vec<u8>,
    written: usize,
}

impl Mailbox {
    pub(crate) fn queued(&self) -> usize {
        self.bytes.len() - self.written
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
        self.written = 0;
    }

    /// Puts what a writer could not write back in front of what has been appended since.
    pub(crate) fn put_back(&mut self, mut unwritten: Self) {
        if unwritten.written > COMPACT {
            unwritten.bytes.drain(..unwritten.written);
            unwritten.written = 0;
        }
        unwritten.bytes.extend_from_slice(self.waiting());
        *self = unwritten;
    }
}

/// Buffers that no mailbox uses, kept by each thread that flushes, so that an idle session holds none.
#[derive(Debug, Default)]
pub struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    /// An empty mailbox, with a buffer if one is kept.
    pub(crate) fn mailbox(&mut self) -> Mailbox {
        let bytes = self.buffers.pop().unwrap_or_default();
        self.bytes -= bytes.capacity();
        Mailbox { bytes, written: 0 }
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

/// Written bytes are cut off a waiting buffer only in pieces of this size, so that a slow reader costs no copying.
const COMPACT: usize = 1 << 20;

/// Enough for every session that one turn of a busy thread touches.
const MAX_SPARE: usize = 64;

/// What one thread keeps at most. Large buffers are worth keeping: giving them back costs page faults at every use.
const MAX_SPARE_BYTES: usize = 32 << 20;
