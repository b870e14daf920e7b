//! One task a session: frames from the socket to the broker, and the end of the session.
//!
//! ```text
//! serving ---> session over ---> all written ---> write half shut down ---> end of stream, or LINGER is over
//! ```
//!
//! Bytes to the socket are written by whoever caused them (see `flush`); this task is told when it must wait until
//! the socket takes more, and when there is nothing left to write.

mod aside;
mod event;

use std::future::Future;
use std::future::poll_fn;
use std::mem;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::task::ready;
use std::time::Duration;
use std::time::Instant;

use antiphon_broker::Authentication;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::websocket::Decoder;
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tokio::time::sleep;
use tokio::time::timeout;
use tracing::debug;

use crate::asking::Asking;
use crate::auth::Granted;
use crate::connection::event::End;
pub(crate) use crate::connection::event::Place;
use crate::connection::event::reason_of;
use crate::connection::event::take_event;
use crate::door::Admission;
use crate::flush;
use crate::flush::Outbox;
use crate::inbound::Inbound;
use crate::inbound::READ;
use crate::security::Updates;
use crate::shared::Shared;
use crate::socket::Signal;
use crate::socket::Socket;
use crate::turns::Length;
use crate::turns::Turn;

/// For how long a connection that is over may take to read its last bytes and close.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// A session and its socket.
pub(crate) struct Connection {
    dialogue: Dialogue,
    inbound: Inbound,
    task: Option<Waker>,
    /// What it waits for after it has said much.
    turn: Option<Turn>,
    /// Runs while the socket is full, and since when it is.
    stall: Option<(Pin<Box<Sleep>>, Instant)>,
    /// Dropped last, when the socket is closed.
    _admission: Admission,
}

impl Connection {
    /// `inbound` reads from the socket that `socket` writes to.
    pub(crate) fn new(
        shared: Arc<Shared>,
        place: Place,
        socket: Arc<Socket>,
        inbound: Inbound,
        admission: Admission,
    ) -> Self {
        let decoder = Decoder::new(shared.maximum_message);
        Self {
            dialogue: Dialogue {
                shared,
                place,
                socket,
                decoder,
                asking: None,
                updating: None,
                aside: None,
                weary: false,
                over: None,
            },
            inbound,
            task: None,
            turn: None,
            stall: None,
            _admission: admission,
        }
    }

    /// Serves the session until it is over, then closes the socket.
    pub(crate) async fn run(mut self) {
        let dialogue = &mut self.dialogue;
        self.inbound.take_rest(|bytes| dialogue.take(bytes));
        poll_fn(|cx| self.poll_serve(cx)).await;
        let ends = self.dialogue.over == Some(Over::Ended);
        // Apart, because most sessions are not about to end, and would hold the room for it.
        if ends && Box::pin(timeout(LINGER, self.settle())).await.is_err() {
            debug!(session = %self.dialogue.place.session.id(), "closed a socket that did not settle");
        }
        self.dialogue.socket.shut_down(Shutdown::Both);
    }

    /// Ready when the session is over.
    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_written(cx).is_ready() {
            self.dialogue.written();
        }
        let mut taken = 0;
        for _ in 0..READS_PER_POLL {
            if self.dialogue.over.is_some() {
                return Poll::Ready(());
            }
            if let Some(turn) = &mut self.turn {
                // There is no error as long as the runtime is there.
                let _ = ready!(Pin::new(turn).poll(cx));
                self.turn = None;
            }
            let dialogue = &mut self.dialogue;
            if dialogue.waits() {
                ready!(dialogue.poll_answered(cx));
            } else if !mem::take(&mut dialogue.weary) {
                match self.inbound.poll_read(cx, |bytes| dialogue.take(bytes)) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => dialogue.lose(&"the stream ended without a close frame"),
                    Poll::Ready(Err(error)) => dialogue.lose(&error),
                    Poll::Ready(Ok(read)) => taken += read,
                }
                if taken >= READ || dialogue.weary {
                    return self.stand_back(cx);
                }
                continue;
            }
            // What was read before, and waited.
            self.inbound.take_rest(|bytes| dialogue.take(bytes));
            if dialogue.weary {
                return self.stand_back(cx);
            }
        }
        // Others have their turn; this one comes again.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Everybody who has less to say goes first.
    fn stand_back(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut turn = self.dialogue.shared.turns.wait();
        if Pin::new(&mut turn).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        } else {
            self.turn = Some(turn);
        }
        Poll::Pending
    }

    /// Ready when nothing is to be written any more. Until then goes on whenever a full socket takes bytes again.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let socket = &self.dialogue.socket;
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
            socket.watch(cx.waker().clone());
        }
        match socket.signal() {
            Signal::None => Poll::Pending,
            Signal::Blocked => self.poll_blocked(cx),
            Signal::Finished | Signal::Broken | Signal::GivenUp => Poll::Ready(()),
        }
    }

    /// Ready when the socket has taken nothing for [`STALL`].
    fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Place { session, number, .. } = &self.dialogue.place;
        if self.dialogue.socket.poll_unblocked(cx).is_ready() {
            if let Some((_, since)) = self.stall.take() {
                self.dialogue.shared.figures.blocked_for(since.elapsed());
            }
            session.unblock(*number);
            // Somebody reads, even if nothing is said.
            session.heard(self.dialogue.shared.clock.now());
            // If the socket is full again, this task is woken again.
            flush::write(session);
            return Poll::Pending;
        }
        let begin = || (Box::pin(sleep(STALL)), Instant::now());
        let (stall, _) = self.stall.get_or_insert_with(begin);
        stall.as_mut().poll(cx)
    }

    /// Waits until the last bytes are written and the client has closed too.
    async fn settle(&mut self) {
        poll_fn(|cx| self.poll_written(cx)).await;
        poll_fn(|cx| self.dialogue.socket.poll_end(cx)).await;
        poll_fn(|cx| self.inbound.poll_discard(cx)).await;
    }
}

/// The session's side of a connection. Its end is told to the broker exactly once, even if the task is dropped.
struct Dialogue {
    shared: Arc<Shared>,
    place: Place,
    socket: Arc<Socket>,
    decoder: Decoder,
    /// Nothing of the session is read while it waits to be authenticated.
    asking: Option<Asking>,
    /// Nothing of the session is read while a change that it asked for is under way.
    updating: Option<JoinHandle<()>>,
    /// Nothing of the session is read while a message of it is served elsewhere.
    aside: Option<JoinHandle<Option<End>>>,
    /// What is left of the last read waits for its next turn.
    weary: bool,
    over: Option<Over>,
}

/// What is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The session, which has some last words for its client.
    Ended,
    /// This connection of it.
    Lost,
}

impl Dialogue {
    /// Handles every whole frame at the front of `bytes`, if there are not too many, and returns how many bytes they had.
    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let mut outbox = flush::delivery();
        let (used, end) = self.take_frames(bytes, &mut outbox);
        self.obey(end, &mut outbox);
        self.shared.audit.take(&mut outbox.notes, Some(self.place.session.id()));
        used
    }

    /// Does what follows from the last message.
    fn obey(&mut self, end: Option<End>, outbox: &mut Outbox) {
        match end {
            None => {}
            Some(End::Ask(authentication)) => self.ask(authentication),
            Some(End::Update(update)) => {
                self.updating = Some(Updates::begin(&self.shared, &self.place.session, update));
            }
            Some(End::Aside(message)) => {
                self.aside = Some(aside::begin(&self.shared, &self.place, message));
            }
            Some(End::Rest) => self.weary = true,
            Some(End::ByBroker) => self.over = Some(Over::Ended),
            Some(End::GivenUp) => self.replaced(),
            Some(End::Close(reason)) => self.close(reason, outbox),
            Some(End::Lose(why)) => self.lose(&why),
        }
    }

    fn take_frames(&mut self, bytes: &mut [u8], outbox: &mut Outbox) -> (usize, Option<End>) {
        let Self { shared, place, decoder, .. } = self;
        let session = &place.session;
        let mut batch = shared.broker.batch(session, shared.clock.now());
        if batch.connection() != place.number {
            return (0, Some(End::GivenUp));
        }
        let mut used = 0;
        let mut turn = Length::default();
        loop {
            let end = match decoder.next(&mut bytes[used..]) {
                Ok(None) => return (used, None),
                Ok(Some((length, event))) => {
                    used += length;
                    take_event(shared, place, &mut batch, event, outbox)
                }
                Err(violation) => {
                    debug!(session = %session.id(), %violation);
                    Some(End::Close(reason_of(&violation)))
                }
            };
            if end.is_some() {
                return (used, end);
            }
            if turn.is_over() {
                return (used, Some(End::Rest));
            }
        }
    }

    /// Whether the session waits for something before its next message.
    fn waits(&self) -> bool {
        self.asking.is_some() || self.updating.is_some() || self.aside.is_some()
    }

    fn ask(&mut self, authentication: Box<Authentication>) {
        let Place { session, client, .. } = &self.place;
        self.asking =
            Some(Asking::new(&self.shared, session, (*client, &self.socket), authentication));
    }

    /// Ready when the session has been told what it waits for.
    fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(aside) = &mut self.aside {
            // Its task is not cancelled and does not panic.
            let end = ready!(Pin::new(aside).poll(cx)).unwrap_or(None);
            self.aside = None;
            self.obey(end, &mut flush::delivery());
        }
        if let Some(updating) = &mut self.updating {
            // A panic in it was told where it was caught.
            let _ = ready!(Pin::new(updating).poll(cx));
            self.updating = None;
        }
        self.poll_authenticated(cx)
    }

    /// Ready when the session has been told whether it is authenticated.
    fn poll_authenticated(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(asking) = &mut self.asking {
            let granted = ready!(asking.poll(cx));
            self.answer(granted);
        }
        Poll::Ready(())
    }

    fn answer(&mut self, granted: Option<Granted>) {
        if let Some(asking) = self.asking.take() {
            asking.answer(&self.shared, &self.place.session, granted);
        }
    }

    /// Everything that will ever be written is written, or the socket takes nothing any more.
    fn written(&mut self) {
        match self.socket.signal() {
            Signal::Finished => self.over = Some(Over::Ended),
            Signal::GivenUp => self.replaced(),
            Signal::None | Signal::Blocked | Signal::Broken => {
                self.lose(&"the socket takes no more bytes");
            }
        }
    }

    fn replaced(&mut self) {
        self.over = Some(Over::Lost);
        self.answer(None);
    }

    fn lose(&mut self, why: &dyn std::fmt::Display) {
        if self.over.is_some() {
            return;
        }
        self.over = Some(Over::Lost);
        // Before it can come back: then nothing of it is served before this answer.
        self.answer(None);
        let Place { session, number, .. } = &self.place;
        debug!(session = %session.id(), %why, "connection lost");
        let now = self.shared.clock.now();
        let mut outbox = flush::delivery();
        self.shared.broker.lose(session, *number, now, &mut outbox);
        self.shared.audit.take(&mut outbox.notes, None);
    }

    /// Tells the broker, which tells the client.
    fn close(&mut self, reason: CloseReason, outbox: &mut Outbox) {
        self.over = Some(Over::Ended);
        self.shared.broker.close(&self.place.session, reason, outbox);
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.lose(&"its task ended before it");
    }
}

/// A client that reads nothing for so long is gone, or as good as that. Without this limit a session that has ended
/// would wait for as long as TCP tries.
const STALL: Duration = Duration::from_secs(60);

/// A socket with more to read than this waits until others had their turn.
const READS_PER_POLL: usize = 4;

#[cfg(test)]
mod tests;
