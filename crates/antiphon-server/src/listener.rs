//! Accepts sockets. When the system has none left to give, waits a little longer after each failure; the connections
//! that are there go on, and so do the other listeners.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use socket2::Domain;
use socket2::Type;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio::time::sleep;
use tracing::warn;

/// All listening sockets of a server.
pub(crate) struct Listeners {
    listeners: Vec<Listener>,
    /// Where to look first, so that one that is flooded leaves the others their turn.
    first: usize,
}

struct Listener {
    listener: TcpListener,
    pause: Duration,
    paused: Option<Pin<Box<Sleep>>>,
}

impl Listeners {
    /// Must be called on a runtime.
    pub(crate) fn new(listeners: Vec<std::net::TcpListener>) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(Listener::new).collect::<io::Result<_>>()?;
        Ok(Self { listeners, first: 0 })
    }

    /// The next connection.
    ///
    /// # Errors
    /// Only if a listening socket itself is of no use any more.
    pub(crate) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (earlier, later) = self.listeners.split_at_mut(self.first);
        for (distance, listener) in later.iter_mut().chain(earlier).enumerate() {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                self.first = (self.first + distance + 1) % self.listeners.len();
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

impl Listener {
    fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        let listener = TcpListener::from_std(listener)?;
        Ok(Self { listener, pause: SHORTEST_PAUSE, paused: None })
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        loop {
            if let Some(pause) = &mut self.paused {
                ready!(pause.as_mut().poll(cx));
                self.paused = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, client)) => {
                    self.pause = SHORTEST_PAUSE;
                    // Refused only by a socket that is gone already.
                    let _ = stream.set_nodelay(true);
                    return Poll::Ready(Ok((stream, client)));
                }
                // The client went away while it waited.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return Poll::Ready(Err(error));
                }
                Err(error) => self.back_off(&error),
            }
        }
    }

    fn back_off(&mut self, error: &io::Error) {
        let pause = self.pause;
        warn!(%error, ?pause, "cannot accept connections; raise the limit on open files if it is met");
        self.paused = Some(Box::pin(sleep(pause)));
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
