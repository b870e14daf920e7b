//! One task a session: frames from the socket to the broker, and the end of the session.
//!
//! ```text
//! serving ---> session over ---> all written ---> write half shut down ---> end of stream, or LINGER is over
//! ```
//!
//! Bytes to the socket are written by whoever caused them (see `flush`); this task is told when it must wait until
//! the socket takes more, and when there is nothing left to write.

use std::future::Future;
use std::future::poll_fn;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use antiphon_broker::Batch;
use antiphon_broker::Next;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use antiphon_wire::websocket::Violation;
use antiphon_wire::websocket::put_pong;
use tokio::time::Sleep;
use tokio::time::sleep;
use tokio::time::timeout;
use tracing::debug;
use tracing::trace;

use crate::flush;
use crate::flush::Outbox;
use crate::flush::Session;
use crate::inbound::Inbound;
use crate::server::Shared;
use crate::socket::Signal;
use crate::socket::Socket;

/// For how long a connection that is over may take to read its last bytes and close.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// A session and its socket.
pub(crate) struct Connection {
    dialogue: Dialogue,
    inbound: Inbound,
    task: Option<Waker>,
    /// Runs while the socket is full.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// `session` is open, and `inbound` reads from its socket.
    pub(crate) fn new(shared: Arc<Shared>, session: Arc<Session>, inbound: Inbound) -> Self {
        let decoder = Decoder::new(shared.maximum_message);
        Self {
            dialogue: Dialogue { shared, session, decoder, over: false },
            inbound,
            task: None,
            stall: None,
        }
    }

    /// Serves the session until it is over, then closes the socket.
    pub(crate) async fn run(mut self) {
        let dialogue = &mut self.dialogue;
        self.inbound.take_rest(|bytes| dialogue.take(bytes));
        poll_fn(|cx| self.poll_serve(cx)).await;
        if timeout(LINGER, self.settle()).await.is_err() {
            debug!(session = %self.dialogue.session.id(), "closed a socket that did not settle");
        }
        self.dialogue.socket().shut_down(Shutdown::Both);
    }

    /// Ready when the session is over.
    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_written(cx).is_ready() {
            self.dialogue.written();
        }
        for _ in 0..READS_PER_POLL {
            if self.dialogue.over {
                return Poll::Ready(());
            }
            let dialogue = &mut self.dialogue;
            match self.inbound.poll_read(cx, |bytes| dialogue.take(bytes)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => self.dialogue.lose(&"the stream ended without a close frame"),
                Poll::Ready(Err(error)) => self.dialogue.lose(&error),
                Poll::Ready(Ok(_)) => {}
            }
        }
        // Others have their turn; this one comes again.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready when nothing is to be written any more. Until then goes on whenever a full socket takes bytes again.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let session = &self.dialogue.session;
        let socket = session.driver();
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
            socket.watch(cx.waker().clone());
        }
        match socket.signal() {
            Signal::None => Poll::Pending,
            Signal::Blocked => self.poll_blocked(cx),
            Signal::Finished | Signal::Broken => Poll::Ready(()),
        }
    }

    /// Ready when the socket has taken nothing for [`STALL`].
    fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let session = &self.dialogue.session;
        if session.driver().poll_unblocked(cx).is_ready() {
            self.stall = None;
            session.unblock();
            // If the socket is full again, this task is woken again.
            flush::write(session);
            return Poll::Pending;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL)));
        stall.as_mut().poll(cx)
    }

    /// Waits until the last bytes are written and the client has closed too.
    async fn settle(&mut self) {
        poll_fn(|cx| self.poll_written(cx)).await;
        self.dialogue.socket().shut_down(Shutdown::Write);
        poll_fn(|cx| self.inbound.poll_discard(cx)).await;
    }
}

/// The session's side of a connection. Its end is told to the broker exactly once, even if the task is dropped.
struct Dialogue {
    shared: Arc<Shared>,
    session: Arc<Session>,
    decoder: Decoder,
    over: bool,
}

/// Who ends a session.
enum End {
    /// The broker did.
    ByBroker,
    /// The connection must.
    Close(CloseReason),
}

impl Dialogue {
    fn socket(&self) -> &Socket {
        self.session.driver()
    }

    /// Handles every whole frame at the front of `bytes` and returns how many bytes they had.
    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let mut outbox = flush::delivery();
        let (used, end) = self.take_frames(bytes, &mut outbox);
        match end {
            None => {}
            Some(End::ByBroker) => self.over = true,
            Some(End::Close(reason)) => self.close(reason, &mut outbox),
        }
        used
    }

    fn take_frames(&mut self, bytes: &mut [u8], outbox: &mut Outbox) -> (usize, Option<End>) {
        let Self { shared, session, decoder, .. } = self;
        let mut batch = shared.broker.batch(session, shared.clock.now());
        let mut used = 0;
        loop {
            let end = match decoder.next(&mut bytes[used..]) {
                Ok(None) => return (used, None),
                Ok(Some((length, event))) => {
                    used += length;
                    take_event(shared, session, &mut batch, event, outbox)
                }
                Err(violation) => {
                    debug!(session = %session.id(), %violation);
                    Some(End::Close(reason_of(&violation)))
                }
            };
            if end.is_some() {
                return (used, end);
            }
        }
    }

    /// Everything that will ever be written is written, or the socket takes nothing any more.
    fn written(&mut self) {
        if self.socket().signal() == Signal::Finished {
            self.over = true;
        } else {
            self.lose(&"the socket takes no more bytes");
        }
    }

    fn lose(&mut self, why: &dyn std::fmt::Display) {
        if self.over {
            return;
        }
        debug!(session = %self.session.id(), %why, "connection lost");
        self.close(CloseReason::ConnectionLost, &mut flush::delivery());
    }

    /// Tells the broker, which tells the client.
    fn close(&mut self, reason: CloseReason, outbox: &mut Outbox) {
        self.over = true;
        self.shared.broker.close(&self.session, reason, outbox);
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.lose(&"its task ended before it");
    }
}

fn take_event(
    shared: &Shared,
    session: &Arc<Session>,
    batch: &mut Batch<'_, Socket>,
    event: Event<'_>,
    outbox: &mut Outbox,
) -> Option<End> {
    match event {
        Event::Message(message) => {
            trace!(session = %session.id(), bytes = message.len(), "message");
            match batch.message(message, outbox) {
                Next::Continue => None,
                Next::Closed => Some(End::ByBroker),
                Next::Authenticate(authentication) => {
                    let grant = shared.authenticator.authenticate(
                        &authentication.principal,
                        authentication.credentials(),
                        &authentication.proposed,
                    );
                    batch.authenticated(&authentication, grant, outbox);
                    None
                }
            }
        }
        Event::Fragment | Event::Pong => None,
        Event::Ping(payload) => {
            // A client that does not read must not fill its mailbox with pongs.
            if session.driver().signal() != Signal::Blocked {
                session.put_frame(|out| put_pong(out, payload), outbox);
            }
            None
        }
        Event::Close(code) => Some(End::Close(closed_by_client(code))),
    }
}

/// Going away and an ordinary end are the client's wish; other codes say that something failed.
fn closed_by_client(code: Option<u16>) -> CloseReason {
    match code {
        None | Some(1000 | 1001) => CloseReason::ClosedByClient,
        Some(_) => CloseReason::ConnectionLost,
    }
}

fn reason_of(violation: &Violation) -> CloseReason {
    match violation {
        Violation::MessageTooLarge { .. } => CloseReason::MessageTooLarge,
        _ => CloseReason::InvalidInboundMessage,
    }
}

/// A client that reads nothing for so long is gone, or as good as that. Without this limit a session that has ended
/// would wait for as long as TCP tries.
const STALL: Duration = Duration::from_secs(60);

/// A socket with more to read than this waits until others had their turn.
const READS_PER_POLL: usize = 4;

#[cfg(test)]
mod tests {
    use antiphon_wire::ids::NodeId;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::net::TcpStream;

    use super::*;
    use crate::Config;
    use crate::handshake::handshake;

    /// A session that its client has asked for and nothing else.
    async fn open() -> (Arc<Shared>, TcpStream, Connection) {
        let shared = Arc::new(Shared::new(Config { dev: true, ..Config::default() }, NodeId(1)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let request = "GET /diffusion?v=29 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let connection = handshake(Arc::clone(&shared), stream, address).await.unwrap();
        assert_eq!(shared.broker.stats().sessions, 1);
        (shared, client, connection)
    }

    #[tokio::test]
    async fn a_connection_whose_task_is_dropped_ends_its_session() {
        let (shared, _client, connection) = open().await;
        drop(connection);
        assert_eq!(shared.broker.stats().sessions, 0);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up() {
        let (shared, _client, connection) = open().await;
        let more_than_a_socket_takes = |out: &mut Vec<u8>| out.resize(64 << 20, 0);
        let session = &connection.dialogue.session;
        session.put_frame(more_than_a_socket_takes, &mut flush::delivery());
        assert_eq!(session.driver().signal(), Signal::Blocked);
        tokio::time::pause();
        timeout(STALL * 2, connection.run()).await.expect("ended after STALL");
        assert_eq!(shared.broker.stats().sessions, 0);
    }
}
