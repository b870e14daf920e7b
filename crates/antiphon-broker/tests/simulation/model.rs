//! What must be: which sessions there are, what they registered, which locks they have. It says who may be handed a
//! request, never who is; a broker that chooses otherwise among those is right too.

use std::collections::BTreeMap;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::locks::LockScope;

use crate::network::Micros;
use crate::network::Who;
use crate::plan::Family;
use crate::plan::Plan;
use crate::plan::TIMEOUT;
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
    pub(crate) is_python: bool,
    /// When something was read from it.
    pub(crate) heard: Vec<Micros>,
    /// When its client was given up, and after how many milliseconds of silence.
    pub(crate) silences: Vec<(Micros, u64)>,
    /// When it lost a connection.
    pub(crate) losses: Vec<Micros>,
    /// It may be its turn to leave.
    may_leave: bool,
}

/// For how many milliseconds silence is borne.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) with_all: u64,
    /// Before those that owe an answer are asked, and in all.
    before_asking: u64,
    pub(crate) with_handlers: u64,
}

impl Patience {
    fn new(plan: &Plan) -> Self {
        let period = plan.config.ping_period.as_millis() as u64;
        let handlers = plan.config.liveness.handler_timeout.as_millis() as u64;
        let unless = |never: bool, time| if never { u64::MAX } else { time };
        let is_off = period == 0 || handlers == 0;
        Self {
            with_all: unless(period == 0, period * u64::from(plan.config.liveness.missed_pings)),
            before_asking: unless(is_off, handlers / 3),
            with_handlers: unless(is_off, handlers),
        }
    }
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
    families: Vec<Family>,
    pub(crate) patience: Patience,
    /// When all silence was pardoned.
    pub(crate) pardons: Vec<Micros>,
    /// Sessions were given up and others ended at once.
    pub(crate) is_unsure_of_locks: bool,
    is_draining: bool,
    /// The sessions that a drain has ended, and when.
    pub(crate) parted: BTreeMap<SessionId, Micros>,
    /// How many sessions may have been told to leave.
    may_have_left: usize,
    /// Those with handlers too.
    all_may_leave: bool,
    has_spectator: bool,
}

impl Model {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            sessions: BTreeMap::new(),
            locks: BTreeMap::new(),
            listeners: Vec::new(),
            told: BTreeMap::new(),
            grants: Vec::new(),
            hands: 0,
            cancelled: Vec::new(),
            is_shut_down: None,
            tight: plan.tight,
            families: plan.clients.iter().map(|client| client.0).collect(),
            patience: Patience::new(plan),
            pardons: Vec::new(),
            is_unsure_of_locks: false,
            is_draining: false,
            parted: BTreeMap::new(),
            may_have_left: 0,
            all_may_leave: false,
            has_spectator: true,
        }
    }

    pub(crate) fn opened(
        &mut self,
        session: SessionId,
        (who, kept_for): (Who, Micros),
        now: Micros,
    ) {
        let known = Known {
            who,
            is_alive: true,
            is_connected: true,
            kept_for,
            lost: 0,
            may_end: false,
            registered: Vec::new(),
            breaks: Vec::new(),
            is_python: self.families[who].is_python(),
            heard: vec![now],
            silences: Vec::new(),
            losses: Vec::new(),
            may_leave: false,
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

    /// How many sessions there are, with the spectator's.
    pub(crate) fn count(&self) -> usize {
        self.alive().count() + usize::from(self.has_spectator)
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
        known.losses.push(now);
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
        known.heard.push(now);
        if is_anew {
            known.registered.clear();
            known.breaks.push(now);
            self.listeners.retain(|listener| listener.session != session);
            self.forget_locks(&[session]);
        }
        self.tell(session, Change::Reconnected);
    }

    /// A call is served.
    pub(crate) fn serve(
        &mut self,
        session: SessionId,
        (serial, ask): (Serial, &Ask),
        now: Micros,
    ) -> Expect {
        match ask {
            ask if ask.is_request() && self.is_shut_down.is_some() => {
                Expect::Refused(Reason::CLUSTER_ROUTING)
            }
            Ask::Path(path) => Expect::Handlers(self.handlers(path, now)),
            Ask::Session(to) => Expect::Addressee(*to, self.is_alive(*to)),
            Ask::Filter(filter) => Expect::Matches(self.matches(FILTERS[*filter].1)),
            Ask::Register(_) if self.is_draining => Expect::Refused(Reason::CLUSTER_ROUTING),
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

    /// Those that may be handed a request: of the most specific branch, unless its handlers may have gone.
    fn handlers(&self, path: &str, now: Micros) -> Vec<SessionId> {
        let (mut branch, mut found) = (path, Vec::new());
        loop {
            let handles = |known: &&Known| known.registered.contains(&branch);
            let all: Vec<_> = self.sessions.iter().filter(|(_, known)| handles(known)).collect();
            let is_there = |known: &Known| {
                known.is_connected
                    && !known.may_leave
                    && self.silent_for(known, now) < self.patience.before_asking
            };
            // If one is there that may be preferred, nobody without a connection is handed anything.
            let is_choosy = all.iter().any(|(_, known)| is_there(known)) && !self.tight;
            let may = all.iter().filter(|(_, known)| known.is_connected || !is_choosy);
            found.extend(may.map(|(session, _)| **session));
            let stays = all.iter().any(|(_, known)| !known.may_leave);
            match branch.rfind('/') {
                Some(end) if !stays => branch = &branch[..end],
                _ => return found,
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

/// Silence.
impl Model {
    /// Something is read from a session, or it reads.
    pub(crate) fn heard(&mut self, session: SessionId, now: Micros) {
        if let Some(known) = self.sessions.get_mut(&session) {
            known.heard.push(now);
        }
    }

    pub(crate) fn pardon(&mut self, now: Micros) {
        self.pardons.push(now);
    }

    /// In milliseconds, as the broker's clock has them.
    fn silent_for(&self, known: &Known, now: Micros) -> u64 {
        let since = known.heard.last().max(self.pardons.last()).copied().unwrap_or_default();
        now / MILLISECOND - since / MILLISECOND
    }

    /// A client is given up; an error if it was not silent for long enough.
    pub(crate) fn given_up(&mut self, session: SessionId, now: Micros) -> Result<(), String> {
        let silent = self.silent_for(&self.sessions[&session], now);
        let Some(known) = self.sessions.get_mut(&session) else { return Ok(()) };
        known.silences.push((now, silent));
        let Patience { with_all, with_handlers, .. } = self.patience;
        if silent >= with_all || (!known.is_python && silent >= with_handlers) {
            return Ok(());
        }
        Err(format!("{session} is given up after {silent} ms"))
    }

    /// The sessions that have been silent for so long that they must have been given up, whatever they owe.
    pub(crate) fn overlooked(&self, now: Micros) -> Vec<SessionId> {
        let is_overlooked = |known: &Known| {
            let busy = if known.is_python { TIMEOUT.as_millis() as u64 } else { 0 };
            let most = self.patience.with_all.saturating_add(busy);
            known.is_connected && self.silent_for(known, now) >= most
        };
        self.alive().filter(|session| is_overlooked(&self.sessions[session])).collect()
    }
}

/// Drains.
impl Model {
    /// Up to `most` more sessions are told to leave.
    pub(crate) fn drain(&mut self, most: usize) {
        self.is_draining = true;
        let asks = |known: &Known| known.is_alive && known.registered.is_empty();
        if !self.has_spectator && !self.sessions.values().any(asks) {
            self.all_may_leave = true;
        }
        if most == 0 {
            return;
        }
        self.may_have_left += most;
        for known in self.sessions.values_mut().filter(|known| known.is_alive) {
            known.may_leave |= self.all_may_leave || known.registered.is_empty();
        }
    }

    /// Who may be about to leave, if the server drains.
    pub(crate) fn leaving(&self) -> Option<Vec<SessionId>> {
        let leaves = |session: &SessionId| self.sessions[session].may_leave;
        self.is_draining.then(|| self.alive().filter(leaves).collect())
    }

    /// A drain has ended sessions; an error if it was not their turn.
    pub(crate) fn parted(&mut self, sessions: &[SessionId], now: Micros) -> Result<(), String> {
        let (own, others): (Vec<_>, Vec<_>) =
            sessions.iter().partition(|session| self.sessions.contains_key(session));
        self.has_spectator &= others.is_empty();
        self.ended(&own, now);
        self.parted.extend(own.iter().map(|session| (*session, now)));
        if let Some(session) = own.iter().find(|session| !self.sessions[session].may_leave) {
            return Err(format!("{session} leaves before its turn"));
        }
        let left = self.parted.len() + usize::from(!self.has_spectator);
        if left > self.may_have_left {
            return Err(format!("{left} have left, not {}", self.may_have_left));
        }
        Ok(())
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
