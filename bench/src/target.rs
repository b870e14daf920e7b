//! Where a client connects to, and how.

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;

use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::frames::invalid;
use crate::link::Link;
use crate::link::Stream;

/// Whom a client speaks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// One server, or one way to it.
#[derive(Clone)]
pub(crate) struct Target {
    /// As it stands in results.
    pub(crate) name: String,
    pub(crate) peer: Peer,
    pub(crate) address: SocketAddr,
    /// Its process, if it is one of its own.
    pub(crate) pid: Option<u32>,
    pub(crate) tls: Option<TlsConnector>,
}

/// Any stream.
pub(crate) type Any = Box<dyn Stream>;

impl Target {
    pub(crate) fn new(peer: Peer, address: SocketAddr, pid: Option<u32>) -> Self {
        Self { name: peer.name().to_owned(), peer, address, pid, tls: None }
    }

    /// The same by another name.
    pub(crate) fn called(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// Connects; `buffer` bytes can be read at once.
    pub(crate) async fn connect(&self, index: usize, buffer: usize) -> io::Result<Link<Any>> {
        let stream = self.connect_tcp(index).await?;
        let stream: Any = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from("localhost")
                    .map_err(|error| invalid(error.to_string()))?;
                Box::new(tls.connect(name, stream).await?)
            }
        };
        Ok(Link::new(stream, buffer))
    }

    /// A few thousand connections have an address of this host to themselves, because one has 28,000 ports, of which some
    /// are still in use by runs before.
    pub(crate) async fn connect_tcp(&self, index: usize) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if index >= PORTS {
            let [.., high, low] = (1 + index / PORTS).to_be_bytes();
            socket.bind((Ipv4Addr::new(127, 0, high, low), 0).into())?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

const PORTS: usize = 4000;
