//! Connections: what is on its way, how much a socket takes, and where it is cut.

use std::collections::VecDeque;
use std::io;

use antiphon_broker::Connection;
use antiphon_wire::ids::SessionId;
use antiphon_wire::websocket::Decoder;

use crate::random::Random;

/// Microseconds since the run began.
pub(crate) type Micros = u64;
/// Names a client.
pub(crate) type Who = usize;
/// Names a connection, over all clients.
pub(crate) type LinkId = usize;

/// One connection. Bytes to the server are events on their way; bytes to the client wait here until it reads them.
pub(crate) struct Link {
    pub(crate) client: Who,
    /// Which connection of the session it is, once the server knows.
    pub(crate) number: Option<Connection>,
    pub(crate) session: Option<SessionId>,
    /// The server reads no more.
    pub(crate) is_deaf: bool,
    /// Bytes that were on their way when it was cut arrive nevertheless.
    pub(crate) arrives_still: bool,
    /// Bytes that the server has read and that are no whole frame yet.
    pub(crate) unread: Vec<u8>,
    pub(crate) server_decoder: Decoder,
    down: VecDeque<u8>,
    /// How many bytes the server's socket takes while nobody reads.
    room: usize,
    /// The server waits until the socket takes more.
    pub(crate) is_blocked: bool,
    pub(crate) is_cut: bool,
    /// The server knows that it is over.
    pub(crate) is_over: bool,
    /// Bytes that the client has read and that are no whole frame yet.
    pub(crate) half: Vec<u8>,
    pub(crate) client_decoder: Decoder,
    /// The client is going to read.
    pub(crate) is_reading: bool,
    /// No bytes to the server arrive before those that were sent before them.
    pub(crate) last_arrival: Micros,
}

impl Link {
    pub(crate) fn new(client: Who, room: usize) -> Self {
        Self {
            client,
            number: None,
            session: None,
            is_deaf: false,
            arrives_still: false,
            unread: Vec::new(),
            server_decoder: Decoder::new(1 << 20),
            down: VecDeque::new(),
            room,
            is_blocked: false,
            is_cut: false,
            is_over: false,
            half: Vec::new(),
            client_decoder: Decoder::new(1 << 20),
            is_reading: false,
            last_arrival: 0,
        }
    }

    /// The server writes, as to a socket that does not block.
    pub(crate) fn write(&mut self, bytes: &[u8], random: &mut Random) -> io::Result<usize> {
        if self.is_over {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let free = self.room.saturating_sub(self.down.len());
        if free == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = if random.chance(20) { random.between(1..40) as usize } else { usize::MAX };
        let count = bytes.len().min(free).min(most);
        self.down.extend(&bytes[..count]);
        Ok(count)
    }

    /// True if all was written.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> bool {
        self.down.extend(bytes);
        !self.is_over
    }

    /// The client reads at most so many bytes.
    pub(crate) fn read(&mut self, most: usize) -> Vec<u8> {
        let count = self.down.len().min(most);
        self.down.drain(..count).collect()
    }

    pub(crate) fn has_something(&self) -> bool {
        !self.down.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.down.len() < self.room
    }
}
