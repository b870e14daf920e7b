//! A session whose other end is another node: its greetings, the numbers of its transmissions, and beginning anew.
//!
//! ```text
//!             a greeting, or messages that name this end
//!  greeting ------------------------------------------> established
//!      ^   the other end has begun anew, or messages are missing  |
//!      +----------------------------------------------------------+
//! ```
//!
//! Each end has a number, and a pair of them names one life of the link: what belongs to another pair is not looked at.
//! An end that misses messages changes its number and so makes the other one begin anew too. Whoever begins anew forgets
//! all that was under way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::NodeId;
use antiphon_wire::node::HEADER;
use antiphon_wire::node::Header;
use antiphon_wire::node::Kind;
use parking_lot::Mutex;

use crate::cluster::PeerTable;
use crate::config::Limits;
use crate::mailbox::Mailbox;
use crate::mailbox::Spare;
use crate::mailbox::whole_frames;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::MAX_PENDING;
use crate::session::Connection;
use crate::session::Flush;
use crate::session::Session;
use crate::session::Undeliverable;
use crate::stats::Limit;
use crate::time::Millis;

/// What a link has besides what every session has.
#[derive(Debug)]
pub(crate) struct Peer<X> {
    line: Mutex<Line>,
    established: AtomicBool,
    /// A greeting is due.
    greets: AtomicBool,
    /// The node is about to stop.
    pub(crate) is_leaving: AtomicBool,
    /// It has said farewell in this life of the link. Written with the session locked.
    farewelled: AtomicBool,
    /// Its open sessions, as it says.
    pub(crate) sessions: AtomicU64,
    /// Counts its reports of load.
    pub(crate) reports: AtomicU32,
    /// When it is greeted again, or told the load.
    pub(crate) next_word: AtomicU64,
    /// What it is, as it says: version and name.
    pub(crate) introduction: Mutex<(String, String)>,
    /// Its handlers. Taken before any session.
    pub(crate) table: Mutex<PeerTable<X>>,
}

/// The numbers of a link. Taken after the session's state.
#[derive(Debug)]
struct Line {
    own: u64,
    /// 0 if it is not known.
    peer: u64,
    sent: u64,
    received: u64,
    connection: Connection,
    life: u32,
}

/// What a transmission means to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// It is late, or came before.
    Nothing,
    /// The other end does not know this one.
    Greet,
    /// The other end is known from here on.
    Established {
        /// Whether it has yet to be told of this one.
        greet: bool,
    },
    /// Its messages are the next of this life.
    Messages {
        life: u32,
        /// They tell of the other end at the same time.
        established: bool,
    },
    /// The other end has begun anew; then the transmission is to be looked at again.
    PeerBeganAnew,
    /// Messages are missing.
    Gap,
}

impl<X> Peer<X> {
    pub(crate) fn new(incarnation: u64) -> Self {
        let own = incarnation.max(1);
        let connection = Connection::FIRST;
        Self {
            line: Mutex::new(Line { own, peer: 0, sent: 0, received: 0, connection, life: 0 }),
            established: AtomicBool::new(false),
            greets: AtomicBool::new(true),
            is_leaving: AtomicBool::new(false),
            farewelled: AtomicBool::new(false),
            sessions: AtomicU64::new(0),
            reports: AtomicU32::new(0),
            next_word: AtomicU64::new(0),
            introduction: Mutex::default(),
            table: Mutex::default(),
        }
    }

    pub(crate) fn is_established(&self) -> bool {
        self.established.load(Relaxed)
    }

    pub(crate) fn set_established(&self) {
        self.established.store(true, Release);
    }

    pub(crate) fn receive(&self, header: &Header) -> Receipt {
        let mut line = self.line.lock();
        let knows_us = header.to == line.own;
        match header.kind {
            Kind::Greeting if line.peer == header.from => {
                if knows_us {
                    Receipt::Nothing
                } else {
                    Receipt::Greet
                }
            }
            Kind::Greeting if line.peer == 0 => {
                line.peer = header.from;
                Receipt::Established { greet: !knows_us }
            }
            Kind::Greeting => Receipt::PeerBeganAnew,
            Kind::Messages if !knows_us => Receipt::Greet,
            Kind::Messages if line.peer != 0 && line.peer != header.from => Receipt::Nothing,
            Kind::Messages => {
                let established = line.peer == 0;
                line.peer = header.from;
                if header.sequence <= line.received {
                    return Receipt::Nothing;
                }
                if header.sequence != line.received + 1 {
                    return Receipt::Gap;
                }
                line.received += 1;
                Receipt::Messages { life: line.life, established }
            }
        }
    }

    fn greeting(&self) -> ([u8; HEADER], Connection) {
        let line = self.line.lock();
        let Line { own: from, peer: to, connection, .. } = *line;
        (Header { kind: Kind::Greeting, from, to, sequence: 0 }.to_bytes(), connection)
    }

    /// The header of the next transmission, if that connection is the present one.
    fn next_header(&self, connection: Connection) -> Option<[u8; HEADER]> {
        let line = self.line.lock();
        let Line { own: from, peer: to, sent, .. } = *line;
        let header = Header { kind: Kind::Messages, from, to, sequence: sent + 1 };
        (line.connection == connection).then(|| header.to_bytes())
    }

    fn count_sent(&self, connection: Connection) {
        let mut line = self.line.lock();
        if line.connection == connection {
            line.sent += 1;
        }
    }
}

/// For the driver.
impl<X> Session<X> {
    /// Whether its other end is another node: then it is written by [`Session::transmit`].
    #[must_use]
    pub const fn is_link(&self) -> bool {
        self.peer.is_some()
    }

    /// The node at the other end of a link; of any other session, the one that it belongs to.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.id.node()
    }

    /// Whether something is still to be written.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        let state = self.state.lock();
        state.dirty || state.writing || state.queued() > 0
    }

    /// Whether it is the link to a node that is about to stop.
    #[must_use]
    pub fn node_is_leaving(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.is_leaving.load(Relaxed))
    }

    /// As [`Session::flush`], for a link. `send` is handed a header and what follows it, and either takes both or fails:
    /// with [`io::ErrorKind::WouldBlock`] to be asked again after [`Session::unblock`]. After another failure both ends begin
    /// anew when the next transmission arrives, and there is nothing to be done about it.
    pub fn transmit(
        &self,
        spare: &mut Spare,
        mut send: impl FnMut(Connection, &[u8; HEADER], &[u8]) -> io::Result<()>,
    ) -> Flush {
        let Some(peer) = &self.peer else { return Flush::Done };
        if peer.greets.swap(false, Relaxed) {
            let (greeting, connection) = peer.greeting();
            // The sweep greets again if this one is lost.
            let _ = send(connection, &greeting, &[]);
        }
        if !peer.is_established() {
            let mut state = self.state.lock();
            state.dirty = false;
            return if state.ended { Flush::Finished } else { Flush::Done };
        }
        self.flush(spare, |connection, bytes| {
            let bytes = whole_frames(bytes, LARGEST_TRANSMISSION);
            let Some(header) = peer.next_header(connection) else { return Ok(bytes.len()) };
            let sent = send(connection, &header, bytes);
            let is_refused = |error: &io::Error| {
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
            };
            if !sent.as_ref().is_err_and(is_refused) {
                // What is lost must be missed.
                peer.count_sent(connection);
            }
            sent.map(|()| bytes.len())
        })
    }
}

impl<X> Session<X> {
    /// Whether it is a link whose other end is known.
    pub(crate) fn is_established(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.is_established())
    }

    /// Makes a greeting due.
    pub(crate) fn greet(self: &Arc<Self>, outbox: &mut Outbox<X>) {
        let Some(peer) = &self.peer else { return };
        peer.greets.store(true, Relaxed);
        self.touch(outbox);
    }

    /// Has the mailbox written, whether or not there is something new in it.
    pub(crate) fn touch(self: &Arc<Self>, outbox: &mut Outbox<X>) {
        let touched = self.state.lock().touch();
        self.report(touched, outbox);
    }

    /// Forgets all that is under way, and greets; hands out what the other node had to answer. With `other_number` the
    /// other end is made to do the same.
    pub(crate) fn begin_anew(
        self: &Arc<Self>,
        other_number: bool,
        outbox: &mut Outbox<X>,
    ) -> Vec<InFlight<X>> {
        let Some(peer) = &self.peer else { return Vec::new() };
        let mut state = self.state.lock();
        if state.ended {
            return Vec::new();
        }
        state.life += 1;
        state.connection = Connection(state.connection.0 + 1);
        state.mailbox = Mailbox::default();
        state.writing = false;
        state.blocked = false;
        state.leaving = false;
        let mut line = peer.line.lock();
        line.own = if other_number { line.own.wrapping_add(1).max(1) } else { line.own };
        (line.peer, line.sent, line.received) = (0, 0, 0);
        (line.connection, line.life) = (state.connection, state.life);
        drop(line);
        peer.established.store(false, Release);
        peer.farewelled.store(false, Relaxed);
        peer.greets.store(true, Relaxed);
        let unanswered = state.pending.drain();
        self.count_pending(&state);
        let touched = state.touch();
        drop(state);
        self.report(touched, outbox);
        unanswered
    }

    /// Appends a farewell if the other end is known and has not been told one in this life: behind it there are no
    /// requests.
    pub(crate) fn say_farewell(
        self: &Arc<Self>,
        outbox: &mut Outbox<X>,
        put: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut state = self.state.lock();
        if state.ended || state.leaving || !self.is_established() {
            return;
        }
        state.leaving = true;
        let touched = state.append(FAREWELL, put);
        drop(state);
        self.report(touched, outbox);
    }

    /// The other end has said farewell in that life.
    pub(crate) fn heard_farewell(&self, life: u32) {
        let state = self.state.lock();
        if let Some(peer) = &self.peer
            && state.life == life
        {
            peer.farewelled.store(true, Release);
        }
    }

    /// Whether all requests that the other end will ever send have come.
    pub(crate) fn has_heard_farewell(&self) -> bool {
        self.peer.as_ref().is_none_or(|peer| peer.farewelled.load(Acquire))
    }

    /// Ends a link; hands out what the other node had to answer. `None` if it had ended already.
    pub(crate) fn part(&self) -> Option<Vec<InFlight<X>>> {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.ended, true) {
            return None;
        }
        self.ended.store(true, Release);
        state.life += 1;
        state.mailbox = Mailbox::default();
        if let Some(peer) = &self.peer {
            peer.established.store(false, Release);
        }
        let unanswered = state.pending.drain();
        self.count_pending(&state);
        Some(unanswered)
    }

    /// How often the link has begun anew.
    pub(crate) fn life(&self) -> u32 {
        self.state.lock().life
    }

    /// Enters many requests at a link, all carried by one message of about `expected` bytes. Those that cannot be entered
    /// are handed back.
    pub(crate) fn hand_over_many(
        self: &Arc<Self>,
        (requests, life): (Vec<InFlight<X>>, u32),
        limits: &Limits,
        outbox: &mut Outbox<X>,
        message: (usize, impl FnOnce(&mut Vec<u8>, &[ConversationId])),
    ) -> Result<(), (Undeliverable, Vec<InFlight<X>>)> {
        let (expected, put) = message;
        let mut state = self.state.lock();
        if state.ended || state.leaving || state.life != life {
            return Err((Undeliverable::Ended, requests));
        }
        if state.pending.len() + requests.len() > MAX_PENDING as usize {
            return Err((Undeliverable::Overloaded(Limit::Recipient), requests));
        }
        if state.queued() + expected > limits.mailbox {
            return Err((Undeliverable::Overloaded(Limit::Mailbox), requests));
        }
        let earliest = requests.iter().map(|request| request.deadline).min();
        self.next_deadline.fetch_min(earliest.unwrap_or(Millis::NEVER).0, Relaxed);
        let enter = |request| state.pending.insert(request);
        let conversations: Vec<_> = requests.into_iter().map(enter).collect();
        self.count_pending(&state);
        let touched = state.append(expected, |out| put(out, &conversations));
        drop(state);
        self.report(touched, outbox);
        Ok(())
    }
}

/// The bytes of a farewell.
const FAREWELL: usize = 4;

/// Such that the other end need not keep much of it until it is whole. A larger message goes alone.
const LARGEST_TRANSMISSION: usize = if cfg!(test) { 1 << 10 } else { 4 << 20 };
