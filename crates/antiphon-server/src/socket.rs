//! The writing half of a socket, plain or with TLS: any thread may write to it, and tells the connection's own task what
//! only that one can deal with.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::task::ready;

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::tls::Channel;

/// Where the bytes of a connection go.
pub(crate) struct Socket {
    /// Present until drop, which forgets it: it would end the writing direction when the broker refuses a session,
    /// before the refusal is written.
    half: Option<OwnedWriteHalf>,
    channel: Option<Arc<Channel>>,
    signal: AtomicU8,
    task: Mutex<Option<Waker>>,
}

/// What the connection's task must know about writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Signal {
    /// Nothing.
    None,
    /// The socket takes no more; somebody must wait until it does.
    Blocked,
    /// The session is over, and all it had to be told is written.
    Finished,
    /// The socket is gone.
    Broken,
    /// The session has another connection.
    Replaced,
}

impl Socket {
    pub(crate) fn new(half: OwnedWriteHalf, channel: Option<Arc<Channel>>) -> Self {
        let signal = AtomicU8::new(Signal::None as u8);
        Self { half: Some(half), channel, signal, task: Mutex::new(None) }
    }

    /// Writes what the socket takes at once. After [`io::ErrorKind::WouldBlock`] the same bytes must come again.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.channel {
            None => self.stream().try_write(bytes),
            Some(channel) => channel.try_write(self.stream(), bytes),
        }
    }

    #[allow(dead_code, reason = "authenticators ask for it")]
    /// The certificates that the client proved to be its own, first its own, then those that lead to its root; empty
    /// without TLS, or if it has shown none.
    pub(crate) fn client_certificates(&self) -> Vec<CertificateDer<'static>> {
        self.channel.as_ref().map_or_else(Vec::new, |channel| channel.client_certificates())
    }

    /// Leaves a signal for the connection's task and wakes it.
    pub(crate) fn raise(&self, signal: Signal) {
        if signal == Signal::Blocked {
            // The others are the end of it.
            self.exchange(Signal::None, Signal::Blocked);
        } else {
            self.signal.store(signal as u8, Ordering::Release);
        }
        if let Some(task) = &*self.task.lock() {
            task.wake_by_ref();
        }
    }

    /// The task to wake. A signal raised before is seen by the next [`Socket::signal`].
    pub(crate) fn watch(&self, task: Waker) {
        *self.task.lock() = Some(task);
    }

    pub(crate) fn signal(&self) -> Signal {
        match self.signal.load(Ordering::Acquire) {
            0 => Signal::None,
            1 => Signal::Blocked,
            2 => Signal::Finished,
            3 => Signal::Broken,
            _ => Signal::Replaced,
        }
    }

    /// Ready when the socket takes bytes again; takes back [`Signal::Blocked`] then.
    pub(crate) fn poll_unblocked(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is ready too: the next write will meet it.
        self.stream().poll_write_ready(cx).map(|_| {
            self.exchange(Signal::Blocked, Signal::None);
        })
    }

    /// Not if something else was signalled meanwhile.
    fn exchange(&self, from: Signal, to: Signal) {
        let (from, to) = (from as u8, to as u8);
        let _ = self.signal.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Ends the writing direction. Ready when TLS, if there is any, has said so to the client.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(channel) = &self.channel {
            ready!(channel.poll_end(self.stream(), cx));
        }
        self.shut_down(Shutdown::Write);
        Poll::Ready(())
    }

    /// Ends one direction or both. The descriptor lives on for as long as somebody holds the session.
    pub(crate) fn shut_down(&self, how: Shutdown) {
        shut_down(self.stream(), how);
    }

    fn stream(&self) -> &TcpStream {
        self.half.as_ref().expect("present until drop").as_ref()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(half) = self.half.take() {
            half.forget();
        }
    }
}

/// Ends one direction of a stream or both.
pub(crate) fn shut_down(stream: &TcpStream, how: Shutdown) {
    // Only a socket that is gone already refuses.
    let _ = SockRef::from(stream).shutdown(how);
}
