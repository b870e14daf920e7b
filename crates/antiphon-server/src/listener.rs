//! Accepts sockets. When the system has none left to give, waits a little longer after each failure; the connections
//! that are there go on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::Domain;
use socket2::Type;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tracing::warn;

/// A listening socket.
pub(crate) struct Listener {
    listener: TcpListener,
    pause: Duration,
    paused_until: Option<Instant>,
}

impl Listener {
    /// Must be called on a runtime.
    pub(crate) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            pause: SHORTEST_PAUSE,
            paused_until: None,
        })
    }

    /// The next connection. May be dropped and called again at any time.
    ///
    /// # Errors
    /// Only if the listening socket itself is of no use any more.
    pub(crate) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            if let Some(until) = self.paused_until {
                sleep_until(until).await;
                self.paused_until = None;
            }
            match self.listener.accept().await {
                Ok((stream, client)) => {
                    self.pause = SHORTEST_PAUSE;
                    // Refused only by a socket that is gone already.
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, client));
                }
                // The client went away while it waited.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
                Err(error) => self.back_off(&error),
            }
        }
    }

    fn back_off(&mut self, error: &io::Error) {
        let pause = self.pause;
        warn!(%error, ?pause, "cannot accept connections; raise the limit on open files if it is met");
        self.paused_until = Some(Instant::now() + pause);
        self.pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Listens without accepting yet. Needs no runtime.
pub(crate) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restarted server must not wait for its predecessor's last connections. On Windows the option means more.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
