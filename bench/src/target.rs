//! Where a client connects to, and how.

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;

use tokio::net::TcpSocket;
use tokio::net::TcpStream;

use crate::link::Link;
use crate::link::Stream;

/// Whom a client speaks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Peer {
    Antiphon,
    /// The bare relay.
    Ws,
    Nats,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Antiphon, Self::Ws, Self::Nats];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Antiphon => "antiphon",
            Self::Ws => "ws",
            Self::Nats => "nats",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|peer| peer.name() == name);
        found.ok_or_else(|| format!("there is no peer {name}, only antiphon, ws and nats"))
    }
}

/// One server.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) peer: Peer,
    pub(crate) address: SocketAddr,
    /// Its process, if it is one of its own.
    pub(crate) pid: Option<u32>,
}

/// Any stream.
pub(crate) type Any = Box<dyn Stream>;

impl Target {
    /// Connects; `buffer` bytes can be read at once.
    pub(crate) async fn connect(&self, index: usize, buffer: usize) -> io::Result<Link<Any>> {
        Ok(Link::new(Box::new(self.connect_tcp(index).await?), buffer))
    }

    /// Each 4,000 connections have an address of this host to themselves, because one has 28,000 ports, of which some are
    /// still in use by runs before.
    pub(crate) async fn connect_tcp(&self, index: usize) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if index >= PORTS {
            let [.., high, low] = (2 + index / PORTS as usize).to_be_bytes();
            socket.bind((Ipv4Addr::new(127, 0, high, low), 0).into())?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

const PORTS: usize = 4000;
