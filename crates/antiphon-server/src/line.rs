//! Where the bytes of a session go, as the broker carries it around: to the present connection of a client, which a session may
//! outlive, or to another node.

use std::sync::Arc;

use antiphon_broker::Connection;
use parking_lot::RwLock;

use crate::cluster::outbound::Outbound;
use crate::operations::waits::Waits;
use crate::socket::Signal;
use crate::socket::Socket;

/// Where a session's bytes go.
pub(crate) enum Line {
    Client(Client),
    Node(Arc<Outbound>),
}

/// The present connection of a client.
pub(crate) struct Client {
    present: RwLock<Present>,
    waits: Arc<Waits>,
}

struct Present {
    /// The number of the connection; `None` for the first one.
    connection: Option<Connection>,
    socket: Arc<Socket>,
}

impl Line {
    /// The first connection of a client's session.
    pub(crate) fn client(socket: Arc<Socket>, waits: Arc<Waits>) -> Self {
        let present = RwLock::new(Present { connection: None, socket });
        Self::Client(Client { present, waits })
    }

    /// The link to a node.
    pub(crate) const fn node(outbound: Arc<Outbound>) -> Self {
        Self::Node(outbound)
    }

    /// Puts another connection in place of the present one, whose task hears of it.
    pub(crate) fn replace(&self, connection: Connection, socket: Arc<Socket>) {
        let Self::Client(client) = self else { return };
        let new = Present { connection: Some(connection), socket };
        let old = std::mem::replace(&mut *client.present.write(), new);
        old.socket.raise(Signal::GivenUp);
    }

    /// Whether the socket of the present connection takes no more.
    pub(crate) fn is_blocked(&self) -> bool {
        matches!(self, Self::Client(client) if client.socket().signal() == Signal::Blocked)
    }

    /// The socket of a connection, unless it was replaced.
    pub(crate) fn socket_of(&self, connection: Connection) -> Option<Arc<Socket>> {
        match self {
            Self::Client(client) => client.socket_of(connection),
            Self::Node(_) => None,
        }
    }
}

impl Client {
    /// Where the waits of its requests are counted.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
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
