//! What must be: which sessions there are, what they registered, which locks they have. It says who may be handed a
//! request, never who is; a broker that chooses otherwise among those is right too.

use std::collections::BTreeMap;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::locks::LockScope;

use crate::network::Micros;
use crate::network::Who;
use crate::record::Ask;
use crate::record::Change;
use crate::record::FILTERS;
use crate::record::Serial;

/// What may become of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    /// These handle the path; if some have a connection, then these alone.
    Handlers(Vec<SessionId>),
    /// The addressee is there, or not.
    Addressee(SessionId, bool),
    /// Each of these has one outcome.
    Matches(Vec<SessionId>),
    Done,
    Owned(bool),
    Refused(Reason),
    /// A grant sooner or later, or never.
    Wait,
}

#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) who: Who,
    pub(crate) is_alive: bool,
    pub(crate) is_connected: bool,
    /// For how long it is kept without a connection; 0 if it cannot come back.
    kept_for: Micros,
    /// When it lost its connection.
    lost: Micros,
    /// There is a reason for its end.
    pub(crate) may_end: bool,
    registered: Vec<&'static str>,
    /// When it ended or began anew.
    pub(crate) breaks: Vec<Micros>,
}

#[derive(Debug, Default)]
struct Lock {
    /// In the order in which they asked; none is of the holder.
    waits: Vec<Wait>,
    holder: Option<(SessionId, LockScope)>,
    /// The calls that the holder was granted it for.
    held: Vec<Serial>,
    /// Numbers the holders, over all locks.
    hand: u64,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    session: SessionId,
    serial: Serial,
    scope: LockScope,
}

#[derive(Debug)]
struct Listener {
    session: SessionId,
    serial: Serial,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) sessions: BTreeMap<SessionId, Known>,
    locks: BTreeMap<&'static str, Lock>,
    listeners: Vec<Listener>,
    /// What each listener, named by its call, is to hear.
    pub(crate) told: BTreeMap<Serial, Vec<(SessionId, Change)>>,
    /// The calls that were granted a lock, in order, and in which hand it was then.
    pub(crate) grants: Vec<(Serial, u64)>,
    hands: u64,
    pub(crate) cancelled: Vec<Serial>,
    /// When the server was shut down.
    pub(crate) is_shut_down: Option<Micros>,
    /// Handlers may be passed over because they have enough to do.
    tight: bool,
}

impl Model {
    pub(crate) fn new(tight: bool) -> Self {
        Self { tight, ..Self::default() }
    }

    pub(crate) fn opened(&mut self, session: SessionId, who: Who, kept_for: Micros) {
        let known = Known {
            who,
            is_alive: true,
            is_connected: true,
            kept_for,
            lost: 0,
            may_end: false,
            registered: Vec::new(),
            breaks: Vec::new(),
        };
        self.sessions.insert(session, known);
        self.tell(session, Change::Opened);
    }

    pub(crate) fn alive(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().filter(|(_, known)| known.is_alive).map(|(session, _)| *session)
    }

    /// The sessions that are there although they have been without a connection for too long.
    pub(crate) fn overdue(&self, now: Micros) -> Vec<SessionId> {
        let is_overdue =
            |known: &Known| !known.is_connected && now >= known.lost + known.kept_for + MILLISECOND;
        self.alive().filter(|session| is_overdue(&self.sessions[session])).collect()
    }

    /// Whether a client may not know how a session counts.
    pub(crate) fn has_begun_anew(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|known| !known.breaks.is_empty())
    }

    /// Something happens after which a session may end.
    pub(crate) fn may_end(&mut self, session: SessionId) {
        if let Some(known) = self.sessions.get_mut(&session) {
            known.may_end = true;
        }
    }

    pub(crate) fn is_alive(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|known| known.is_alive)
    }

    /// Sessions end in one call, in whatever order: who hears of whose end, and has whose lock for a moment, is all the
    /// same.
    pub(crate) fn ended(&mut self, ended: &[SessionId], now: Micros) {
        ended.iter().for_each(|session| self.tell(*session, Change::Closed));
        self.listeners.retain(|listener| !ended.contains(&listener.session));
        for session in ended {
            let Some(known) = self.sessions.get_mut(session) else { continue };
            known.is_alive = false;
            known.is_connected = false;
            known.registered.clear();
            known.breaks.push(now);
        }
        self.forget_locks(ended);
    }

    pub(crate) fn shut_down(&mut self, now: Micros) {
        self.is_shut_down = Some(now);
        self.ended(&self.alive().collect::<Vec<_>>(), now);
    }

    /// A connection is lost; without effect on a session that cannot come back, which has ended then.
    pub(crate) fn lost(&mut self, session: SessionId, now: Micros) {
        let Some(known) = self.sessions.get_mut(&session) else { return };
        known.may_end = true;
        if known.is_alive && known.kept_for > 0 {
            known.is_connected = false;
            known.lost = now;
            self.forget_connection_locks(session);
            self.tell(session, Change::Disconnected);
        }
    }

    pub(crate) fn reconnected(&mut self, session: SessionId, is_anew: bool, now: Micros) {
        // Nobody may have noticed that the old connection is lost. What was granted without one is of the new one.
        if self.sessions.get(&session).is_some_and(|known| known.is_connected) {
            self.forget_connection_locks(session);
        }
        let Some(known) = self.sessions.get_mut(&session) else { return };
        known.is_connected = true;
        if is_anew {
            known.registered.clear();
            known.breaks.push(now);
            self.listeners.retain(|listener| listener.session != session);
            self.forget_locks(&[session]);
        }
        self.tell(session, Change::Reconnected);
    }

    /// A call is served.
    pub(crate) fn serve(&mut self, session: SessionId, (serial, ask): (Serial, &Ask)) -> Expect {
        match ask {
            ask if ask.is_request() && self.is_shut_down.is_some() => {
                Expect::Refused(Reason::CLUSTER_ROUTING)
            }
            Ask::Path(path) => Expect::Handlers(self.handlers(path)),
            Ask::Session(to) => Expect::Addressee(*to, self.is_alive(*to)),
            Ask::Filter(filter) => Expect::Matches(self.matches(FILTERS[*filter].1)),
            Ask::Register(path) => self.register(session, path),
            Ask::Deregister(path) => {
                if let Some(known) = self.sessions.get_mut(&session) {
                    known.registered.retain(|registered| registered != path);
                }
                Expect::Done
            }
            Ask::Acquire(name, scope) => {
                self.acquire(name, Wait { session, serial, scope: *scope });
                Expect::Wait
            }
            Ask::Cancel(name, wait) => {
                let waits = &mut self.locks.entry(name).or_default().waits;
                if let Some(place) = waits.iter().position(|other| other.serial == *wait) {
                    waits.remove(place);
                    self.cancelled.push(*wait);
                }
                Expect::Done
            }
            Ask::Release(name, grant) => {
                let held = self.locks.get(name).is_some_and(|lock| lock.held.contains(grant));
                if held {
                    self.pass_on(name);
                }
                Expect::Owned(held)
            }
            Ask::Listen => {
                let alive: Vec<_> = self.alive().map(|other| (other, Change::Opened)).collect();
                self.told.insert(serial, alive);
                self.listeners.push(Listener { session, serial });
                Expect::Done
            }
            Ask::Ping => Expect::Done,
            Ask::Kick(other) if self.is_alive(*other) => {
                self.may_end(*other);
                Expect::Done
            }
            Ask::Kick(_) => Expect::Refused(Reason::NO_SUCH_SESSION),
        }
    }

    fn register(&mut self, session: SessionId, path: &'static str) -> Expect {
        let Some(known) = self.sessions.get_mut(&session) else { return Expect::Done };
        if known.registered.contains(&path) {
            return Expect::Refused(Reason::HANDLER_CONFLICT);
        }
        known.registered.push(path);
        Expect::Done
    }

    fn handlers(&self, path: &str) -> Vec<SessionId> {
        let mut branch = path;
        loop {
            let handles = |known: &&Known| known.registered.contains(&branch);
            let all: Vec<_> = self.sessions.iter().filter(|(_, known)| handles(known)).collect();
            let with_connection =
                all.iter().filter(|(_, known)| known.is_connected).map(|(session, _)| **session);
            let connected: Vec<_> = with_connection.collect();
            match branch.rfind('/') {
                _ if !connected.is_empty() && !self.tight => return connected,
                _ if !all.is_empty() => return all.iter().map(|(session, _)| **session).collect(),
                None => return Vec::new(),
                Some(end) => branch = &branch[..end],
            }
        }
    }

    fn matches(&self, filter: fn(Who) -> bool) -> Vec<SessionId> {
        let matching =
            self.sessions.iter().filter(|(_, known)| known.is_connected && filter(known.who));
        matching.map(|(session, _)| *session).collect()
    }

    fn tell(&mut self, session: SessionId, change: Change) {
        for listener in &self.listeners {
            self.told.entry(listener.serial).or_default().push((session, change));
        }
    }
}

/// Locks.
impl Model {
    pub(crate) fn holder(&self, name: &str) -> Option<SessionId> {
        self.locks.get(name).and_then(|lock| lock.holder).map(|(session, _)| session)
    }

    fn acquire(&mut self, name: &'static str, wait: Wait) {
        let lock = self.locks.entry(name).or_default();
        lock.waits.push(wait);
        match &mut lock.holder {
            None => self.pass_on(name),
            Some((holder, scope)) if *holder == wait.session => {
                lock.waits.pop();
                lock.held.push(wait.serial);
                if wait.scope == LockScope::Connection {
                    *scope = LockScope::Connection;
                }
                self.grants.push((wait.serial, lock.hand));
            }
            Some(_) => {}
        }
    }

    fn pass_on(&mut self, name: &'static str) {
        let lock = self.locks.entry(name).or_default();
        (lock.holder, lock.held) = (None, Vec::new());
        let Some(next) = lock.waits.first().map(|wait| wait.session) else { return };
        let own: Vec<Wait> = lock.waits.extract_if(.., |wait| wait.session == next).collect();
        let is_weak = own.iter().any(|wait| wait.scope == LockScope::Connection);
        let scope = if is_weak { LockScope::Connection } else { LockScope::Session };
        lock.holder = Some((next, scope));
        lock.held = own.iter().map(|wait| wait.serial).collect();
        self.hands += 1;
        lock.hand = self.hands;
        self.grants.extend(lock.held.iter().map(|serial| (*serial, lock.hand)));
    }

    fn forget_connection_locks(&mut self, session: SessionId) {
        let weak = (session, LockScope::Connection);
        let held = self.locks.iter().filter(|(_, lock)| lock.holder == Some(weak));
        for name in held.map(|(name, _)| *name).collect::<Vec<_>>() {
            self.pass_on(name);
        }
    }

    fn forget_locks(&mut self, sessions: &[SessionId]) {
        let is_left = |wait: &Wait| !sessions.contains(&wait.session);
        self.locks.values_mut().for_each(|lock| lock.waits.retain(is_left));
        let is_held =
            |name: &&&str| self.holder(name).is_some_and(|holder| sessions.contains(&holder));
        for name in self.locks.keys().filter(is_held).copied().collect::<Vec<_>>() {
            self.pass_on(name);
        }
    }
}

/// The precision of the broker's clock.
const MILLISECOND: Micros = 1_000;
