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
//! most one session's mutex is held at a time**, and never while the registry or the routes are locked for writing, but
//! for the first frame of a session that nobody can find yet.

mod alarm;
mod append;
mod connection;
mod end;
mod flush;
mod handlers;
mod link;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::connect::ClientFamily;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::ids::SessionId;
use antiphon_wire::websocket;
use parking_lot::Mutex;
use parking_lot::RwLock;

use crate::choice::Stickiness;
use crate::mailbox::Mailbox;
use crate::pending::Pending;
use crate::profile::Profile;
use crate::stats::Page;
use crate::time::Millis;

pub(crate) use crate::session::alarm::Alarm;
pub(crate) use crate::session::alarm::Alarms;
pub(crate) use crate::session::append::Undeliverable;
pub use crate::session::connection::Connection;
pub(crate) use crate::session::connection::Forgotten;
pub(crate) use crate::session::connection::Inbound;
pub(crate) use crate::session::connection::Kept;
pub(crate) use crate::session::connection::Lost;
pub(crate) use crate::session::connection::Replay;
pub(crate) use crate::session::connection::TakenUp;
pub(crate) use crate::session::connection::Verdict;
pub(crate) use crate::session::end::Remains;
pub use crate::session::flush::Flush;
use crate::session::handlers::Handlers;
pub(crate) use crate::session::link::Peer;
pub(crate) use crate::session::link::Receipt;

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
    pub(crate) inbound: Mutex<Inbound>,
    /// Set with the state locked; read without.
    ended: AtomicBool,
    /// Likewise.
    connected: AtomicBool,
    lost_until: AtomicU64,
    /// Requests that it has to answer.
    in_flight: AtomicU32,
    /// Requests whose answers it awaits.
    pub(crate) awaiting: AtomicU32,
    /// Turns ties among equal handlers; it begins elsewhere for each session, since many ask only once.
    pub(crate) rotation: AtomicU32,
    next_deadline: AtomicU64,
    next_ping: AtomicU64,
    last_heard: AtomicU64,
    /// When it was asked whether it is there, because it owed an answer and said nothing.
    asked: AtomicU64,
    /// When what it was granted is over.
    expires: AtomicU64,
    pub(crate) sticky: Mutex<Stickiness>,
    /// Present if it is a link to another node.
    pub(crate) peer: Option<Box<Peer<X>>>,
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
    /// It is handed no request any more, and ends when nothing is under way.
    leaving: bool,
    connection: Connection,
    connected: bool,
    /// How often it began anew.
    life: u32,
    /// Present if the session can be taken up again.
    kept: Option<Box<Kept>>,
    pending: Pending<X>,
    handlers: Handlers<X>,
    /// Counts the messages that await no answer.
    notices: u64,
    /// Those have one that are in the registry.
    alarm: Option<Alarm>,
}

/// What kind of client it is, as far as it decides what the client can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    family: ClientFamily,
    version: ProtocolVersion,
}

impl Client {
    /// Of a link, whose other end is no client.
    const NODE: Self = Self { family: ClientFamily::Other, version: ProtocolVersion::LATEST };

    pub(crate) fn of(request: &ConnectionRequest) -> Self {
        Self { family: request.family, version: request.version }
    }

    /// Python before protocol 25 misreads a property map that is not empty, and never answers the request.
    pub(crate) fn reads_properties(self) -> bool {
        self.family != ClientFamily::Python || self.version.number() > 24
    }

    /// The Python SDKs answer nothing while a handler of theirs is running, so their silence may be diligence.
    pub(crate) fn answers_while_busy(self) -> bool {
        self.family != ClientFamily::Python
    }

    /// Python reads one error report where all others read a list.
    pub(crate) fn reads_one_report(self) -> bool {
        self.family == ClientFamily::Python
    }
}

impl<X> Session<X> {
    pub(crate) fn new(
        id: SessionId,
        driver: X,
        client: Client,
        start: (u64, Option<Kept>),
        profile: Profile,
    ) -> Self {
        let (start_time, kept) = start;
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
                leaving: false,
                connection: Connection::FIRST,
                connected: true,
                life: 0,
                kept: kept.map(Box::new),
                pending: Pending::default(),
                handlers: Handlers::default(),
                notices: 0,
                alarm: None,
            }),
            inbound: Mutex::new(Inbound::new()),
            ended: AtomicBool::new(false),
            connected: AtomicBool::new(true),
            lost_until: AtomicU64::new(Millis::NEVER.0),
            in_flight: AtomicU32::new(0),
            awaiting: AtomicU32::new(0),
            rotation: AtomicU32::new(id.client as u32),
            next_deadline: AtomicU64::new(Millis::NEVER.0),
            next_ping: AtomicU64::new(Millis::NEVER.0),
            last_heard: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            expires: AtomicU64::new(Millis::NEVER.0),
            sticky: Mutex::default(),
            peer: None,
        }
    }

    /// Makes a link to another node.
    pub(crate) fn link(id: SessionId, driver: X, incarnation: u64, profile: Profile) -> Self {
        let peer = Some(Box::new(Peer::new(incarnation)));
        Self { peer, ..Self::new(id, driver, Client::NODE, (0, None), profile) }
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

    /// Only the registry calls this, so that its index agrees; with other permissions alone whoever holds the lock of
    /// the listeners.
    pub(crate) fn set_profile(&self, profile: Arc<Profile>) {
        *self.profile.write() = profile;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// How many of the requests that it has to answer are of this page of the ledger.
    pub(crate) fn in_flight_of(&self, page: Page) -> u32 {
        self.state.lock().pending.of_page(page)
    }

    /// How many bytes its client has yet to be written, and whether its socket takes no more.
    pub(crate) fn queue(&self) -> (usize, bool) {
        let state = self.state.lock();
        (state.queued(), state.blocked)
    }

    pub(crate) fn next_deadline(&self) -> Millis {
        Millis(self.next_deadline.load(Relaxed))
    }

    /// The client gave a sign of life. A batch does, and so does a socket that takes bytes again.
    pub fn heard(&self, now: Millis) {
        self.last_heard.store(now.0, Relaxed);
    }

    pub(crate) fn last_heard(&self) -> Millis {
        Millis(self.last_heard.load(Relaxed))
    }

    pub(crate) fn asked(&self) -> Millis {
        Millis(self.asked.load(Relaxed))
    }

    pub(crate) fn set_asked(&self, now: Millis) {
        self.asked.store(now.0, Relaxed);
    }

    /// Whether it has a connection, and has not left a question unanswered that it was asked because it owed an answer.
    pub(crate) fn is_there(&self) -> bool {
        self.is_connected() && self.asked() <= self.last_heard()
    }

    pub(crate) fn next_ping(&self) -> Millis {
        Millis(self.next_ping.load(Relaxed))
    }

    pub(crate) fn set_next_ping(&self, at: Millis) {
        self.next_ping.store(at.0, Relaxed);
        self.due_by(at);
    }

    pub(crate) fn expires(&self) -> Millis {
        Millis(self.expires.load(Relaxed))
    }

    pub(crate) fn set_expires(&self, at: Millis) {
        self.expires.store(at.0, Relaxed);
        self.due_by(at);
    }

    /// The bytes of memory that its mailbox holds.
    #[cfg(test)]
    pub(crate) fn buffered(&self) -> usize {
        self.state.lock().mailbox.bytes.capacity()
    }
}

impl<X> State<X> {
    /// Marks the mailbox as having something; true if the caller has to report it.
    fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }

    /// Appends a message of about `expected` bytes; true if the caller has to report the session. Without a connection
    /// the message is only kept.
    fn append(&mut self, expected: usize, put: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.put(expected, put);
        if self.kept.as_ref().is_some_and(|kept| kept.wants_acknowledgement()) && self.connected {
            self.put_ping();
        }
        self.connected && self.touch()
    }

    /// Appends a message, and keeps it where messages are kept.
    fn put(&mut self, expected: usize, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.mailbox.bytes.len();
        self.mailbox.put(|out| websocket::put_message(out, expected, put));
        if let Some(kept) = &mut self.kept {
            kept.sent.push(&self.mailbox.bytes[start..]);
        }
        if !self.connected {
            self.mailbox.clear();
        }
    }

    /// How many bytes the client has yet to be written.
    fn queued(&self) -> usize {
        match &self.kept {
            Some(kept) if !self.connected => kept.sent.bytes(),
            _ => self.mailbox.queued(),
        }
    }

    /// How many messages its client has yet to be written.
    fn queued_messages(&self) -> usize {
        match &self.kept {
            Some(kept) if !self.connected => kept.sent.len(),
            _ => self.mailbox.frames(),
        }
    }

    /// The number that the next message will have; 0 if nobody counts.
    fn next_sequence(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.sent.sent() + 1)
    }
}
