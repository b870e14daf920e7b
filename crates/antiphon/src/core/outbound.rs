//! Messages on their way to the server: masked frames that wait to be written, and what is kept to be sent again.

use std::mem;

use antiphon_wire::recovery::Bounds;
use antiphon_wire::recovery::Recovery;
use antiphon_wire::websocket::put_masked_close;
use antiphon_wire::websocket::put_masked_message;
use antiphon_wire::websocket::put_masked_pong;

/// What a session sends.
#[derive(Debug)]
pub(crate) struct Outbound {
    frames: Vec<u8>,
    /// The message that is being put together.
    message: Vec<u8>,
    keys: Keys,
    sent: u64,
    /// Absent if the session never tries to come back.
    recovery: Option<Recovery>,
    /// Without a connection messages are only kept.
    connected: bool,
}

impl Outbound {
    pub(crate) fn new(recoverable: bool) -> Self {
        Self {
            frames: Vec::new(),
            message: Vec::new(),
            keys: Keys::default(),
            sent: 0,
            recovery: recoverable.then(|| Recovery::new(BOUNDS)),
            connected: false,
        }
    }

    /// Sends the message that `write` appends to an empty buffer, and returns its number in the session.
    pub(crate) fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        self.message.clear();
        write(&mut self.message);
        self.sent += 1;
        if let Some(recovery) = &mut self.recovery {
            recovery.push(&self.message);
        }
        if self.connected {
            put_masked_message(&mut self.frames, self.keys.next(), &self.message);
        }
        self.sent
    }

    /// Answers a WebSocket ping.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        put_masked_pong(&mut self.frames, self.keys.next(), payload);
    }

    /// Ends the WebSocket; nothing may follow.
    pub(crate) fn close(&mut self) {
        put_masked_close(&mut self.frames, self.keys.next(), NORMAL);
    }

    /// The server has everything up to and with message `sequence`.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        if let Some(recovery) = &mut self.recovery {
            recovery.acknowledge(sequence);
        }
    }

    /// Exchanges the waiting frames for an empty buffer, whose room is used for the next ones.
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) {
        mem::swap(&mut self.frames, buffer);
    }

    /// How many bytes wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.frames.len()
    }

    /// The connection is gone, and with it what waited for it.
    pub(crate) fn disconnect(&mut self) {
        self.connected = false;
        self.frames.clear();
    }

    /// A new session begins on a new connection.
    pub(crate) fn start(&mut self) {
        let recoverable = self.recovery.is_some();
        *self = Self::new(recoverable);
        self.connected = true;
    }

    /// The session goes on, on a new connection: the server expects message `next`. False if that is not kept.
    pub(crate) fn resume(&mut self, next: u64) -> bool {
        let Some(recovery) = &mut self.recovery else { return false };
        self.frames.clear();
        let (frames, keys) = (&mut self.frames, &mut self.keys);
        self.connected =
            recovery.replay(next, |message| put_masked_message(frames, keys.next(), message));
        self.connected
    }

    /// The number of the oldest message that can be sent again.
    pub(crate) fn lowest(&self) -> u64 {
        self.recovery.as_ref().map_or(self.sent + 1, Recovery::lowest)
    }

    /// Gives back all room that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.message = Vec::new();
        self.keys = Keys::default();
        if self.frames.is_empty() {
            self.frames = Vec::new();
        }
        if let Some(recovery) = &mut self.recovery {
            recovery.shrink();
        }
    }
}

/// Masking keys that nobody can foresee, taken from the system some hundred at a time.
#[derive(Debug, Default)]
struct Keys {
    random: Vec<u8>,
}

impl Keys {
    fn next(&mut self) -> [u8; 4] {
        if self.random.len() < 4 {
            self.random.resize(KEYS_AT_ONCE * 4, 0);
            // The system's generator fails only where there is none. Masks protect proxies, not this session.
            if getrandom::fill(&mut self.random).is_err() {
                self.random.fill(0);
            }
        }
        let rest = self.random.len() - 4;
        let key = [0, 1, 2, 3].map(|byte| self.random[rest + byte]);
        self.random.truncate(rest);
        key
    }
}

/// More than a server may have in its socket buffers unread.
const BOUNDS: Bounds = Bounds { messages: 16_384, bytes: 4 << 20 };

const KEYS_AT_ONCE: usize = 512;

/// The WebSocket close code of an ordinary end.
const NORMAL: u16 = 1000;
