//! One session: who it is, what waits for it, and what it still has to answer.
//!
//! ```text
//!            append finds it clean            flush takes the bytes
//!   clean ------------------------> dirty ------------------------> writing --> clean
//!                                     ^  the socket takes no more      |
//!                     writable again  +---------- blocked <------------+
//! ```
//!
//! One mutex guards mailbox and pending requests together, so that the order of entries is the order of frames. **At
//! most one session's mutex is held at a time**, and never while the registry or the routes are locked for writing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;

use antiphon_wire::connect::ClientFamily;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::websocket;
use parking_lot::Mutex;
use parking_lot::RwLock;

use crate::choice::Stickiness;
use crate::config::Limits;
use crate::mailbox::Mailbox;
use crate::mailbox::Spare;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::MAX_PENDING;
use crate::pending::Pending;
use crate::pending::UNANSWERED;
use crate::profile::Profile;
use crate::routes::Handler;
use crate::time::Millis;

/// A session, shared by everything that may send to it. `X` is its driver's handle: a socket, or nothing in tests.
#[derive(Debug)]
pub struct Session<X> {
    id: SessionId,
    driver: X,
    client: Client,
    /// Milliseconds since 1970.
    pub(crate) start_time: u64,
    profile: RwLock<Arc<Profile>>,
    state: Mutex<State<X>>,
    /// Set with the state locked; read without.
    ended: AtomicBool,
    /// Requests that it has to answer.
    in_flight: AtomicU32,
    /// Requests whose answers it awaits.
    pub(crate) awaiting: AtomicU32,
    /// Turns ties among equal handlers.
    pub(crate) rotation: AtomicU32,
    next_deadline: AtomicU64,
    next_ping: AtomicU64,
    last_heard: AtomicU64,
    pub(crate) sticky: Mutex<Stickiness>,
}

#[derive(Debug)]
struct State<X> {
    mailbox: Mailbox,
    /// Listed in some outbox, or about to be.
    dirty: bool,
    /// A thread is writing; the bytes are with it.
    writing: bool,
    /// The socket takes no more.
    blocked: bool,
    ended: bool,
    pending: Pending<X>,
    handlers: Vec<Arc<Handler<X>>>,
    /// Counts the messages that await no answer.
    notices: u64,
}

/// What kind of client it is, as far as it decides what the client can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    family: ClientFamily,
    version: ProtocolVersion,
}

impl Client {
    pub(crate) fn of(request: &ConnectionRequest) -> Self {
        Self { family: request.family, version: request.version }
    }

    /// Python before protocol 25 misreads a property map that is not empty, and never answers the request.
    pub(crate) fn reads_properties(self) -> bool {
        self.family != ClientFamily::Python || self.version.number() > 24
    }

    /// Python reads one error report where all others read a list.
    pub(crate) fn reads_one_report(self) -> bool {
        self.family == ClientFamily::Python
    }
}

/// Why a session could not be handed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undeliverable {
    /// It has ended.
    Ended,
    /// It has as much to do as it may.
    Overloaded,
}

/// What ending a session leaves to be undone.
pub(crate) struct Remains<X> {
    pub(crate) unanswered: Vec<InFlight<X>>,
    pub(crate) handlers: Vec<Arc<Handler<X>>>,
}

/// What came of writing a session's mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Nothing is left to be written, or another thread is writing it.
    Done,
    /// The socket takes no more. The driver waits until it does, then calls [`Session::unblock`] and flushes again.
    Blocked,
    /// The socket failed: the driver closes the session.
    Broken,
    /// The session has ended and its last bytes are written: the driver shuts the socket down.
    Finished,
}

impl<X> Session<X> {
    pub(crate) fn new(
        id: SessionId,
        driver: X,
        client: Client,
        start_time: u64,
        profile: Profile,
    ) -> Self {
        Self {
            id,
            driver,
            client,
            start_time,
            profile: RwLock::new(Arc::new(profile)),
            state: Mutex::new(State {
                mailbox: Mailbox::default(),
                dirty: false,
                writing: false,
                blocked: false,
                ended: false,
                pending: Pending::default(),
                handlers: Vec::new(),
                notices: 0,
            }),
            ended: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            awaiting: AtomicU32::new(0),
            rotation: AtomicU32::new(0),
            next_deadline: AtomicU64::new(Millis::NEVER.0),
            next_ping: AtomicU64::new(Millis::NEVER.0),
            last_heard: AtomicU64::new(0),
            sticky: Mutex::default(),
        }
    }

    /// Names the session.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// What the driver passed when it opened the session.
    #[must_use]
    pub const fn driver(&self) -> &X {
        &self.driver
    }

    pub(crate) const fn client(&self) -> Client {
        self.client
    }

    pub(crate) fn profile(&self) -> Arc<Profile> {
        self.profile.read().clone()
    }

    /// Only the registry calls this, so that its index agrees.
    pub(crate) fn set_profile(&self, profile: Arc<Profile>) {
        *self.profile.write() = profile;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn next_deadline(&self) -> Millis {
        Millis(self.next_deadline.load(Relaxed))
    }

    pub(crate) fn heard(&self, now: Millis) {
        self.last_heard.store(now.0, Relaxed);
    }

    pub(crate) fn last_heard(&self) -> Millis {
        Millis(self.last_heard.load(Relaxed))
    }

    pub(crate) fn next_ping(&self) -> Millis {
        Millis(self.next_ping.load(Relaxed))
    }

    pub(crate) fn set_next_ping(&self, at: Millis) {
        self.next_ping.store(at.0, Relaxed);
    }
}

/// Appending: every method leaves the session in the outbox if it was clean.
impl<X> Session<X> {
    /// Appends transport frames, such as a pong, to the mailbox.
    pub fn put_frame(self: &Arc<Self>, put: impl FnOnce(&mut Vec<u8>), outbox: &mut Outbox<X>) {
        let mut state = self.state.lock();
        if state.ended {
            return;
        }
        put(&mut state.mailbox.bytes);
        let touched = state.touch();
        drop(state);
        self.report(touched, outbox);
    }

    /// Appends one message of about `expected` bytes that is not a request. It is never refused: a session that lets
    /// them pile up is doomed.
    pub(crate) fn post(
        self: &Arc<Self>,
        expected: usize,
        limits: &Limits,
        outbox: &mut Outbox<X>,
        put: impl FnOnce(&mut Vec<u8>),
    ) {
        self.post_notice(expected, limits, outbox, |out, _| put(out));
    }

    /// As [`Session::post`], with a conversation id for a request that awaits no answer.
    pub(crate) fn post_notice(
        self: &Arc<Self>,
        expected: usize,
        limits: &Limits,
        outbox: &mut Outbox<X>,
        put: impl FnOnce(&mut Vec<u8>, ConversationId),
    ) {
        let mut state = self.state.lock();
        if state.ended {
            return;
        }
        if state.mailbox.queued() + expected > 2 * limits.mailbox {
            drop(state);
            outbox.doomed.push((self.clone(), CloseReason::MessageQueueLimitReached));
            return;
        }
        state.notices = (state.notices + 1) % (UNANSWERED - 1);
        let conversation = ConversationId(state.notices + 1);
        websocket::put_message(&mut state.mailbox.bytes, expected, |out| put(out, conversation));
        let touched = state.touch();
        drop(state);
        self.report(touched, outbox);
    }

    /// Enters a request and appends its message of about `expected` bytes.
    pub(crate) fn hand_over(
        self: &Arc<Self>,
        request: InFlight<X>,
        limits: &Limits,
        outbox: &mut Outbox<X>,
        message: (usize, impl FnOnce(&mut Vec<u8>, ConversationId)),
    ) -> Result<(), Undeliverable> {
        let (expected, put) = message;
        let mut state = self.state.lock();
        if state.ended {
            return Err(Undeliverable::Ended);
        }
        let most = limits.requests_per_handler.min(MAX_PENDING) as usize;
        if state.pending.len() >= most || state.mailbox.queued() + expected > limits.mailbox {
            return Err(Undeliverable::Overloaded);
        }
        self.next_deadline.fetch_min(request.deadline.0, Relaxed);
        let conversation = state.pending.insert(request);
        self.count_pending(&state);
        websocket::put_message(&mut state.mailbox.bytes, expected, |out| put(out, conversation));
        let touched = state.touch();
        drop(state);
        self.report(touched, outbox);
        Ok(())
    }

    fn report(self: &Arc<Self>, touched: bool, outbox: &mut Outbox<X>) {
        if touched {
            outbox.touched.push(self.clone());
        }
    }
}

/// Answering and ending.
impl<X> Session<X> {
    /// Takes out the request that an answer of this session belongs to.
    pub(crate) fn take_pending(&self, conversation: ConversationId) -> Option<InFlight<X>> {
        let mut state = self.state.lock();
        let request = state.pending.remove(conversation)?;
        self.count_pending(&state);
        Some(request)
    }

    /// Takes out the requests that this session has not answered in time.
    pub(crate) fn expire(&self, now: Millis) -> Vec<InFlight<X>> {
        let mut state = self.state.lock();
        let (expired, next) = state.pending.expire(now);
        self.next_deadline.store(next.0, Relaxed);
        self.count_pending(&state);
        expired
    }

    /// Takes out all requests, unanswered.
    pub(crate) fn drain_pending(&self) -> Vec<InFlight<X>> {
        let mut state = self.state.lock();
        let unanswered = state.pending.drain();
        self.count_pending(&state);
        unanswered
    }

    /// Remembers a registration, or tells why not.
    pub(crate) fn add_handler(
        &self,
        handler: &Arc<Handler<X>>,
        limits: &Limits,
    ) -> Result<(), Undeliverable> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(Undeliverable::Ended);
        }
        if state.handlers.len() >= limits.handlers_per_session {
            return Err(Undeliverable::Overloaded);
        }
        state.handlers.push(handler.clone());
        Ok(())
    }

    pub(crate) fn remove_handler(&self, path: &str) {
        let mut state = self.state.lock();
        if let Some(at) = state.handlers.iter().position(|handler| handler.path() == path) {
            state.handlers.swap_remove(at);
        }
    }

    /// Ends the session: nothing is appended after the parting frames. `None` if it had ended already.
    pub(crate) fn end(
        self: &Arc<Self>,
        reason: CloseReason,
        outbox: &mut Outbox<X>,
    ) -> Option<Remains<X>> {
        let mut state = self.state.lock();
        if state.ended {
            return None;
        }
        state.ended = true;
        self.ended.store(true, Release);
        let out = &mut state.mailbox.bytes;
        if reason != CloseReason::ClosedByClient {
            websocket::put_message(out, message::ABORT_MESSAGE.len(), |out| {
                out.extend_from_slice(message::ABORT_MESSAGE);
            });
        }
        websocket::put_close(out, close_code(reason));
        let remains = Remains {
            unanswered: state.pending.drain(),
            handlers: std::mem::take(&mut state.handlers),
        };
        self.count_pending(&state);
        let touched = state.touch();
        drop(state);
        self.report(touched, outbox);
        Some(remains)
    }

    fn count_pending(&self, state: &State<X>) {
        // No session has more than MAX_PENDING.
        self.in_flight.store(u32::try_from(state.pending.len()).unwrap_or(u32::MAX), Relaxed);
    }
}

/// Writing.
impl<X> Session<X> {
    /// Writes all that waits, with as few calls of `write` as possible and no lock held during them. Any thread may
    /// call it at any time; others may append meanwhile.
    pub fn flush(
        &self,
        spare: &mut Spare,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flush {
        let mut state = self.state.lock();
        state.dirty = false;
        if state.writing || state.blocked {
            return Flush::Done;
        }
        state.writing = true;
        let mut mail = std::mem::replace(&mut state.mailbox, spare.mailbox());
        loop {
            drop(state);
            let outcome = write_all(&mut mail, &mut write);
            state = self.state.lock();
            match outcome {
                Ok(true) if state.mailbox.queued() == 0 || state.dirty => break,
                Ok(true) => {
                    mail.clear();
                    std::mem::swap(&mut mail, &mut state.mailbox);
                }
                Ok(false) => {
                    state.mailbox.put_back(mail);
                    state.writing = false;
                    state.blocked = true;
                    return Flush::Blocked;
                }
                Err(_) => {
                    state.writing = false;
                    state.mailbox = Mailbox::default();
                    return Flush::Broken;
                }
            }
        }
        state.writing = false;
        let empty = state.mailbox.queued() == 0;
        let finished = state.ended && empty;
        let unused = if empty { std::mem::take(&mut state.mailbox) } else { Mailbox::default() };
        drop(state);
        spare.keep(mail);
        spare.keep(unused);
        if finished { Flush::Finished } else { Flush::Done }
    }

    /// The socket takes bytes again.
    pub fn unblock(&self) {
        self.state.lock().blocked = false;
    }
}

impl<X> State<X> {
    /// Marks the mailbox as having something; true if the caller has to report it.
    fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }
}

/// True if all was written, false if the socket takes no more.
fn write_all(
    mail: &mut Mailbox,
    write: &mut impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<bool> {
    while !mail.waiting().is_empty() {
        match write(mail.waiting()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => mail.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The code of the WebSocket close frame that goes with a reason.
fn close_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::InvalidInboundMessage => 1002,
        CloseReason::MessageTooLarge => 1009,
        CloseReason::InternalError => 1011,
        CloseReason::MessageQueueLimitReached => 1008,
        CloseReason::Aborted => 1001,
        CloseReason::ConnectionLost
        | CloseReason::IoException
        | CloseReason::ClientUnresponsive
        | CloseReason::ClosedByClient
        | CloseReason::LostMessages
        | CloseReason::ClosedByController
        | CloseReason::FailedOver
        | CloseReason::Expired
        | CloseReason::Revoked
        | CloseReason::SessionTakenOver => 1000,
    }
}
