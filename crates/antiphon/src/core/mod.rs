//! The state of one session, without IO and without a clock: what was asked, what was answered, what is to be sent.
//!
//! Input is [`Core::receive`], [`Core::expire`] and what the session's users call; output is the frames in
//! [`Outbound`] and the [`Effects`] that the caller carries out when it has let go of the core. `link` moves the bytes,
//! `shared` holds the lock, `supervisor` decides when to connect again.
//!
//! ```text
//!              lost                  resumed
//! Connected ----------> Recovering ----------> Connected
//!     |                     |  new session         ^
//!     | closed              +----------------------+   open calls fail, handlers are registered again
//!     v                     v
//!   Closed <------------- Closed   given up
//! ```

mod callbacks;
mod calls;
mod filters;
mod handlers;
mod outbound;
mod receive;
mod table;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use antiphon_wire::connect::Reconnection;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message::CLOSE_REQUEST_MESSAGE;
use antiphon_wire::message::put_request;
use antiphon_wire::service::Service;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::core::callbacks::Callbacks;
pub(crate) use crate::core::calls::Answer;
pub(crate) use crate::core::calls::Calls;
pub(crate) use crate::core::filters::Arrived;
pub(crate) use crate::core::filters::Filters;
pub(crate) use crate::core::handlers::Admission;
pub(crate) use crate::core::handlers::HandlerId;
pub(crate) use crate::core::handlers::Handlers;
pub(crate) use crate::core::handlers::Invocation;
use crate::core::handlers::Local;
pub(crate) use crate::core::handlers::Registered;
pub(crate) use crate::core::handlers::Ticket;
pub(crate) use crate::core::outbound::Outbound;
pub(crate) use crate::core::receive::Received;
pub(crate) use crate::core::table::Numbers;
use crate::deadline::CENTURY;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::events::CloseReason;
use crate::events::SessionEvent;
use crate::events::SessionState;
use crate::limits::Limits;
use crate::messaging::Callback;

/// The state of a session.
pub(crate) struct Core {
    pub(crate) session: SessionId,
    token: SessionToken,
    pub(crate) state: SessionState,
    /// The user wants no more; the server is being told.
    closing: bool,
    /// Counts how often the session began anew.
    epoch: u64,
    /// How many messages of the server were received.
    received: u64,
    pub(crate) numbers: Numbers,
    pub(crate) outbound: Outbound,
    pub(crate) calls: Calls,
    pub(crate) filters: Filters,
    pub(crate) handlers: Handlers,
    pub(crate) callbacks: Callbacks,
    handler_timeout: Duration,
    subscribers: Vec<mpsc::Sender<SessionEvent>>,
    /// The task that moves bytes, while it sleeps.
    pub(crate) driver: Option<Waker>,
}

/// What follows from a change of the core and must be done without holding it.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) invocations: Vec<Invocation>,
    /// To be dropped: it is the user's, and may hold handles of this session.
    retired: Retired,
}

#[derive(Default)]
struct Retired {
    handlers: Vec<Local>,
    callbacks: Vec<Callback>,
    waiting: VecDeque<Invocation>,
}

/// Who a session is, as a server told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) session: SessionId,
    pub(crate) token: SessionToken,
}

impl Core {
    /// A session that has just been opened.
    pub(crate) fn new(identity: Identity, recoverable: bool, limits: &Limits) -> Self {
        let mut outbound = Outbound::new(recoverable);
        outbound.start();
        Self {
            session: identity.session,
            token: identity.token,
            state: SessionState::Connected,
            closing: false,
            epoch: 0,
            received: 0,
            numbers: Numbers::default(),
            outbound,
            calls: Calls::default(),
            filters: Filters::new(limits.filter_responses),
            handlers: Handlers::new(limits.handler_concurrency, limits.handler_queue),
            callbacks: Callbacks::default(),
            handler_timeout: limits.handler_timeout.min(CENTURY),
            subscribers: Vec::new(),
            driver: None,
        }
    }

    /// Why a request cannot be sent, if the session is over; whether it must wait, if it is not.
    pub(crate) fn is_ready(&self) -> Result<bool, Error> {
        match self.state {
            _ if self.closing => Err(closed(CloseReason::ClosedByClient)),
            SessionState::Connected => Ok(true),
            SessionState::Recovering => Ok(false),
            SessionState::Closed(reason) => Err(closed(reason)),
        }
    }

    /// An error if the session is over.
    pub(crate) fn check_open(&mut self) -> Result<(), Error> {
        self.is_ready().map(drop).map_err(Error::unsent)
    }

    /// Whether the user has closed the session.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// The user closes the session: everything that waits fails, and the server is told.
    pub(crate) fn close(&mut self, effects: &mut Effects) {
        if self.closing || matches!(self.state, SessionState::Closed(_)) {
            return;
        }
        self.closing = true;
        self.fail_all(&closed(CloseReason::ClosedByClient), effects);
        self.outbound.put(|out| out.extend_from_slice(CLOSE_REQUEST_MESSAGE));
        effects.wakers.extend(self.driver.take());
    }

    /// The session is over.
    pub(crate) fn end(&mut self, reason: CloseReason, effects: &mut Effects) {
        self.outbound.disconnect();
        self.begin_anew(&closed(reason), effects);
        self.state = SessionState::Closed(reason);
        self.tell(&SessionEvent::Closed(reason));
        self.subscribers = Vec::new();
        effects.retired.handlers = self.handlers.clear();
        effects.retired.callbacks = self.callbacks.clear();
    }

    /// The connection is lost; the session may come back.
    pub(crate) fn lose(&mut self) {
        self.outbound.disconnect();
        self.state = SessionState::Recovering;
        self.tell(&SessionEvent::Recovering);
    }

    /// What to tell the server to get the session back.
    pub(crate) fn reconnection(&self) -> Reconnection {
        Reconnection {
            token: self.token,
            client_sequence: self.outbound.lowest(),
            server_sequence: self.received,
        }
    }

    /// The server has kept the session and expects message `next`. False if that message is gone.
    pub(crate) fn resume(&mut self, identity: Identity, next: u64) -> bool {
        if !self.outbound.resume(next) {
            return false;
        }
        self.connected(identity, true);
        true
    }

    /// The server has kept the session, but none of its conversations.
    pub(crate) fn resume_with_loss(&mut self, identity: Identity, effects: &mut Effects) {
        self.restart(effects);
        self.connected(identity, true);
    }

    /// The server has lost the session and opened another.
    pub(crate) fn replace(&mut self, identity: Identity, effects: &mut Effects) {
        self.restart(effects);
        self.session = identity.session;
        self.connected(identity, false);
    }

    fn restart(&mut self, effects: &mut Effects) {
        let error = Error::new(
            ErrorKind::SessionClosed,
            "the connection was lost, and the request with it; it may have been executed",
        );
        self.begin_anew(&error, effects);
        self.outbound.start();
    }

    fn connected(&mut self, identity: Identity, resumed: bool) {
        self.token = identity.token;
        self.state = SessionState::Connected;
        self.tell(&SessionEvent::Reconnected { session: self.session, resumed });
    }

    /// All conversations are over.
    fn begin_anew(&mut self, error: &Error, effects: &mut Effects) {
        self.fail_all(error, effects);
        self.epoch += 1;
        self.received = 0;
        effects.retired.waiting = self.handlers.take_waiting();
    }

    fn fail_all(&mut self, error: &Error, effects: &mut Effects) {
        self.calls.fail_all(error, effects);
        self.filters.fail_all(error, effects);
    }

    /// Ends the requests whose time is over.
    pub(crate) fn expire(&mut self, now: Instant, effects: &mut Effects) {
        let error = Error::new(
            ErrorKind::RequestTimeOut,
            "no answer came within the time allowed here; the request may have been executed",
        );
        self.calls.expire(now, &error, effects);
        self.filters.expire(now, &error, effects);
    }

    /// When [`Core::expire`] has something to do.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        [self.calls.next_deadline(), self.filters.next_deadline()].into_iter().flatten().min()
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls.len() == 0
            && self.filters.is_empty()
            && self.handlers.running() == 0
            && self.outbound.waiting() == 0
    }

    /// Gives back all room that an idle session does not need.
    pub(crate) fn shrink(&mut self) {
        self.calls.shrink();
        self.filters.shrink();
        self.outbound.shrink();
    }

    /// Adds a listener of the session's events.
    pub(crate) fn subscribe(&mut self, subscriber: mpsc::Sender<SessionEvent>) {
        if let SessionState::Closed(reason) = self.state {
            // There is room for one event in a new channel.
            let _ = subscriber.try_send(SessionEvent::Closed(reason));
        } else {
            self.subscribers.retain(|subscriber| !subscriber.is_closed());
            self.subscribers.push(subscriber);
        }
    }

    /// Tells every listener. One that is far behind misses all but the last event.
    pub(crate) fn tell(&mut self, event: &SessionEvent) {
        let is_last = matches!(event, SessionEvent::Closed(_));
        self.subscribers.retain(|subscriber| {
            if subscriber.capacity() > 1 || is_last {
                let _ = subscriber.try_send(event.clone());
            }
            !subscriber.is_closed()
        });
    }

    /// The answer of a handler; dropped if the session in which it was asked is over, or if nobody wants it.
    pub(crate) fn answer(&mut self, ticket: Ticket, write: impl FnOnce(&mut Vec<u8>)) {
        if ticket.epoch == self.epoch && !self.closing && ticket.conversation != ONE_WAY {
            self.outbound.put(write);
        }
    }

    /// A handler is done. What it leads to is in `effects`.
    pub(crate) fn handled(&mut self, effects: &mut Effects) {
        effects.invocations.extend(self.handlers.done());
    }

    /// Sends a request to the server, whose answer is awaited until `deadline`.
    pub(crate) fn call(
        &mut self,
        service: Service,
        deadline: Instant,
        body: &impl Fn(&mut Vec<u8>),
    ) -> Result<ConversationId, Error> {
        let id = self.calls.enter(&mut self.numbers, deadline).ok_or_else(|| {
            Error::new(ErrorKind::LimitExceeded, "too many calls of this session are under way")
        })?;
        let sequence = self.outbound.put(|out| {
            put_request(out, service, id);
            body(out);
        });
        self.calls.sent(id, sequence);
        Ok(id)
    }

    /// A path that is registered already.
    pub(crate) fn register(&mut self, registered: Registered) -> Result<ConversationId, Error> {
        let path = Arc::clone(&registered.path);
        self.handlers.register(&mut self.numbers, registered).ok_or_else(|| {
            Error::new(
                ErrorKind::HandlerConflict,
                format!("this session has a handler for path {path} already; close it first"),
            )
        })
    }
}

/// The conversation of a request that is not to be answered.
const ONE_WAY: ConversationId = ConversationId(0);

fn closed(reason: CloseReason) -> Error {
    Error::new(ErrorKind::SessionClosed, reason.to_string())
}
