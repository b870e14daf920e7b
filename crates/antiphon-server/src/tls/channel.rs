//! An established TLS session on the data path. Any thread writes, the connection's own task reads, and a mutex lets one
//! of them encrypt or decrypt at a time; no call waits.
//!
//! **What is encrypted counts as written only when the socket has taken all of it.** Until then the mailbox keeps the
//! plain bytes and offers them again, so its bound, its order and its backpressure hold for TLS as they do without, and
//! not more than [`MAXIMUM_ENCRYPTED`] bytes wait here. A session with nothing to do holds one small read buffer.

use std::cell::RefCell;
use std::io;
use std::io::Read;
use std::io::Write;
use std::mem;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use parking_lot::Mutex;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// The TLS side of one connection; its socket is handed in.
pub(crate) struct Channel(Mutex<State>);

struct State {
    session: ServerConnection,
    /// How many of the next bytes to be written are encrypted already.
    encrypted: usize,
}

impl Channel {
    /// `session` is established.
    pub(crate) fn new(mut session: ServerConnection) -> Self {
        session.set_buffer_limit(Some(MAXIMUM_ENCRYPTED));
        Self(Mutex::new(State { session, encrypted: 0 }))
    }

    /// As [`TcpStream::try_write`]. After [`io::ErrorKind::WouldBlock`] the same bytes must come again; others may follow
    /// them.
    pub(crate) fn try_write(&self, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.encrypted == 0 {
            state.send(stream)?;
            state.encrypted = state.session.writer().write(bytes)?;
        }
        state.send(stream)?;
        Ok(mem::take(&mut state.encrypted))
    }

    /// As `poll_read` of a stream. `out` has room for at least [`CIPHER`] and a record.
    pub(crate) fn poll_read(
        &self,
        stream: &TcpStream,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        loop {
            match state.take(out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                taken => return Poll::Ready(taken),
            }
            state.answer(stream, cx)?;
            ready!(CIPHERTEXT.with_borrow_mut(|ciphertext| {
                let count = ready!(poll_socket(stream, cx, ciphertext))?;
                Poll::Ready(state.decrypt(stream, &ciphertext[..count], out))
            }))?;
            if !out.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Ready when the client has been told that no more follows, or cannot be.
    pub(crate) fn poll_end(&self, stream: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        state.session.send_close_notify();
        while let Err(error) = state.send(stream) {
            if error.kind() != io::ErrorKind::WouldBlock {
                break;
            }
            ready!(stream.poll_write_ready(cx)).ok();
        }
        Poll::Ready(())
    }

    #[allow(dead_code, reason = "authenticators ask for it")]
    /// The certificates that the client proved to be its own, first its own, then those that lead to its root; empty if
    /// it has shown none.
    pub(crate) fn client_certificates(&self) -> Vec<CertificateDer<'static>> {
        self.0.lock().session.peer_certificates().unwrap_or_default().to_vec()
    }
}

impl State {
    /// Hands over what is decrypted. An error if there is nothing yet, or if the stream was cut off.
    fn take(&mut self, out: &mut ReadBuf<'_>) -> io::Result<()> {
        let before = out.filled().len();
        while out.remaining() > 0 {
            match self.session.reader().read(out.initialize_unfilled()) {
                Ok(0) => break,
                Ok(count) => out.advance(count),
                Err(error) if out.filled().len() == before => return Err(error),
                // It will come again.
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn decrypt(
        &mut self,
        stream: &TcpStream,
        mut bytes: &[u8],
        out: &mut ReadBuf<'_>,
    ) -> io::Result<()> {
        let large = bytes.len() > READ_SIZE;
        // The end of the stream is noted by reading it.
        while self.session.read_tls(&mut bytes)? > 0 {
            if let Err(fault) = self.session.process_new_packets() {
                // The alert that says why. If the socket does not take it, the client will see no reason.
                let _ = self.send(stream);
                return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
            }
            match self.take(out) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
            if bytes.is_empty() {
                break;
            }
        }
        if large {
            // Lets go of the room that a large record took.
            let _ = self.session.read_tls(&mut Nothing);
        }
        Ok(())
    }

    /// Sends what reading has caused, or arranges for that.
    fn answer(&mut self, stream: &TcpStream, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            match self.send(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if stream.poll_write_ready(cx)?.is_pending() {
                        return Ok(());
                    }
                }
                sent => return sent,
            }
        }
    }

    /// Writes all that is encrypted. [`io::ErrorKind::WouldBlock`] if the socket does not take all of it.
    fn send(&mut self, stream: &TcpStream) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn poll_socket(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    bytes: &mut [u8],
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read),
        }
    }
}

/// A socket that takes what it can at once.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A source that has nothing now.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

thread_local! {
    /// What a thread has read from a socket and not decrypted yet.
    static CIPHERTEXT: RefCell<Box<[u8]>> = RefCell::new(vec![0; CIPHER].into());
}

/// Together with a record that is not whole yet, which has at most 18 KiB, it is decrypted to less than one read of
/// `inbound`.
const CIPHER: usize = 44 << 10;

/// What rustls takes at a time, and keeps room for.
const READ_SIZE: usize = 4 << 10;

/// Four records. More would only wait here instead of in the mailbox.
const MAXIMUM_ENCRYPTED: usize = 64 << 10;
