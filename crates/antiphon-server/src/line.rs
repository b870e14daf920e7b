//! The present connection of a session, as the broker carries it around. A session outlives its connections.

use std::sync::Arc;

use antiphon_broker::Connection;
use parking_lot::RwLock;

use crate::operations::waits::Waits;
use crate::socket::Signal;
use crate::socket::Socket;

/// Where a session's bytes go.
pub(crate) struct Line {
    present: RwLock<Present>,
    waits: Arc<Waits>,
}

struct Present {
    /// The number of the connection; `None` for the first one.
    connection: Option<Connection>,
    socket: Arc<Socket>,
}

impl Line {
    /// The first connection of a session.
    pub(crate) fn new(socket: Arc<Socket>, waits: Arc<Waits>) -> Self {
        Self { present: RwLock::new(Present { connection: None, socket }), waits }
    }

    /// Where the waits of its requests are counted.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Puts another connection in place of the present one, whose task hears of it.
    pub(crate) fn replace(&self, connection: Connection, socket: Arc<Socket>) {
        let new = Present { connection: Some(connection), socket };
        let old = std::mem::replace(&mut *self.present.write(), new);
        old.socket.raise(Signal::GivenUp);
    }

    /// The socket of a connection, unless it was replaced.
    pub(crate) fn socket_of(&self, connection: Connection) -> Option<Arc<Socket>> {
        let present = self.present.read();
        let is_present = present.connection.is_none_or(|present| present == connection);
        is_present.then(|| Arc::clone(&present.socket))
    }

    /// The socket of the present connection.
    pub(crate) fn socket(&self) -> Arc<Socket> {
        Arc::clone(&self.present.read().socket)
    }
}
