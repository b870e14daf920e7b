//! One run: the queue of what happens next, and what happens by chance.

use std::collections::BTreeMap;

use antiphon_wire::ids::SessionId;
use antiphon_wire::service::locks::LockScope;

use crate::client::Client;
use crate::client::State;
use crate::draining::Draining;
use crate::judge;
use crate::model::Model;
use crate::network::Link;
use crate::network::LinkId;
use crate::network::Micros;
use crate::network::Who;
use crate::plan::Plan;
use crate::plan::TIMEOUT;
use crate::plan::Talk;
use crate::random::Random;
use crate::record::Ask;
use crate::record::FILTERS;
use crate::record::Kind;
use crate::record::Record;
use crate::record::Serial;
use crate::record::What;
use crate::server::Server;
use crate::tally::Tally;
use crate::wire;

#[derive(Debug)]
pub(crate) enum Event {
    Connect(Who),
    Handshake(LinkId, String),
    /// Bytes of a client reach the server.
    Arrive(LinkId, Vec<u8>),
    /// A client reads.
    Read(LinkId),
    Writable(LinkId),
    Flush(SessionId),
    Act(Who),
    Answer(Who, SessionId, u64, Kind),
    Cut(Who),
    ServerNotices(LinkId),
    ClientNotices(LinkId),
    Sweep,
    ShutDown,
    Drain,
    /// A client does nothing for a while.
    Stop(Who),
    /// The server does nothing for a while.
    Stand,
    /// From here on nothing breaks, and nobody is slow.
    Heal,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) now: Micros,
    queue: BTreeMap<(Micros, u64), Event>,
    pub(crate) server: Server,
    pub(crate) links: Vec<Link>,
    pub(crate) clients: Vec<Client>,
    pub(crate) model: Model,
    pub(crate) record: Record,
    pub(crate) is_healing: bool,
    pub(crate) draining: Option<Draining>,
    /// The server does nothing until then.
    stands_until: Micros,
    pub(crate) last_sweep: Micros,
    /// How many events had to wait for somebody that stands still.
    deferred: u64,
    /// Of all that clients heard.
    digest: u64,
    is_traced: bool,
}

/// What a run came to.
pub(crate) struct Verdict {
    pub(crate) faults: Vec<String>,
    pub(crate) digest: u64,
    pub(crate) tally: Tally,
}

/// Does all that follows from a seed.
pub(crate) fn run(seed: u64, is_traced: bool) -> Verdict {
    let mut random = Random::new(seed);
    let plan = Plan::new(&mut random);
    let mut world = World {
        server: Server::new(&plan),
        clients: plan.clients.iter().map(|client| Client::new(*client)).collect(),
        model: Model::new(&plan),
        plan,
        random,
        now: 0,
        queue: BTreeMap::new(),
        links: Vec::new(),
        record: Record::default(),
        is_healing: false,
        draining: None,
        stands_until: 0,
        last_sweep: 0,
        deferred: 0,
        digest: 0,
        is_traced,
    };
    world.note(|| format!("{:?}", world.plan));
    world.schedule();
    while let Some(((at, _), event)) = world.queue.pop_first() {
        world.now = at;
        match world.stands_still(&event) {
            // Before all that happens at that time by itself, and in order.
            Some(until) => {
                world.deferred += 1;
                world.queue.insert((until, world.deferred), event);
            }
            None => world.step(event),
        }
        if world.now > world.end() || !world.record.faults.is_empty() {
            break;
        }
    }
    world.finish()
}

impl World {
    fn schedule(&mut self) {
        let active = self.plan.active;
        for who in 0..self.clients.len() {
            let at = self.random.below(active / 4);
            self.later(at, Event::Connect(who));
        }
        for _ in 0..self.plan.actions {
            let (at, who) =
                (self.random.below(active), self.random.below(self.clients.len() as u64));
            self.later(at, Event::Act(who as usize));
        }
        for _ in 0..self.plan.cuts {
            let (at, who) =
                (self.random.below(active), self.random.below(self.clients.len() as u64));
            self.later(at, Event::Cut(who as usize));
        }
        for _ in 0..self.plan.stops {
            let (at, who) =
                (self.random.below(active), self.random.below(self.clients.len() as u64));
            self.later(at, Event::Stop(who as usize));
        }
        for _ in 0..self.plan.standstills {
            let at = self.random.below(active);
            self.later(at, Event::Stand);
        }
        if self.plan.shut_down || self.plan.drain.is_some() {
            let at = self.random.between(active / 2..active);
            let event = if self.plan.shut_down { Event::ShutDown } else { Event::Drain };
            self.later(at, event);
        }
        self.later(SWEEP, Event::Sweep);
        self.later(active, Event::Heal);
    }

    fn end(&self) -> Micros {
        let drain = if self.plan.drain.is_some() { LONGEST_DRAIN } else { 0 };
        self.plan.active + drain + 2 * TIMEOUT.as_micros() as Micros + 1_000_000
    }

    /// Until when whoever an event happens to stands still.
    fn stands_still(&self, event: &Event) -> Option<Micros> {
        let until = match event {
            Event::Connect(who) | Event::Act(who) | Event::Answer(who, ..) => {
                self.clients[*who].stopped_until
            }
            Event::Read(link) | Event::ClientNotices(link) => {
                self.clients[self.links[*link].client].stopped_until
            }
            Event::Handshake(..)
            | Event::Arrive(..)
            | Event::Writable(_)
            | Event::Flush(_)
            | Event::ServerNotices(_)
            | Event::Sweep
            | Event::ShutDown
            | Event::Drain => self.stands_until,
            Event::Cut(_) | Event::Stop(_) | Event::Stand | Event::Heal => 0,
        };
        (until > self.now).then_some(until)
    }

    /// For how long somebody stands still, but not longer than anything is broken.
    fn standstill(&mut self, most: Micros) -> Micros {
        let until = self.now + self.random.between(20_000..most);
        until.min(self.plan.active)
    }

    fn stop(&mut self, who: Who) {
        let until = self.standstill(4_000_000);
        self.note(|| format!("c{who} stands still until {until}"));
        let client = &mut self.clients[who];
        client.stopped_until = client.stopped_until.max(until);
    }

    fn stand(&mut self) {
        let until = self.standstill(2_500_000);
        self.note(|| format!("the server stands still until {until}"));
        self.stands_until = self.stands_until.max(until);
    }

    pub(crate) fn later(&mut self, delay: Micros, event: Event) {
        let tie = self.random.next();
        self.queue.insert((self.now + delay, tie), event);
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{:>9.3} ms  {}", self.now as f64 / 1_000.0, what());
        }
    }

    pub(crate) fn digest(&mut self, who: Who, bytes: &[u8]) {
        for part in [&(who as u64).to_be_bytes()[..], &self.now.to_be_bytes(), bytes] {
            for byte in part {
                self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }

    /// Of bytes on their way.
    pub(crate) fn latency(&mut self) -> Micros {
        self.random.between(50..3_000)
    }

    /// How long a slow client reads nothing.
    pub(crate) fn reluctance(&mut self) -> Micros {
        if !self.plan.slow || self.is_healing {
            return 0;
        }
        match self.random.below(20) {
            0 => self.random.between(0..2_000_000),
            1..5 => self.random.between(0..100_000),
            _ => 0,
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Connect(who) => self.connect(who),
            Event::Handshake(link, query) => self.handshake(link, &query),
            Event::Arrive(link, bytes) => self.receive(link, &bytes),
            Event::Read(link) => self.read(link),
            Event::Writable(link) => self.writable(link),
            Event::Flush(session) => self.flush(session),
            Event::Act(who) => self.act(who),
            Event::Answer(who, session, conversation, kind) => {
                self.answer((who, session), conversation, kind);
            }
            Event::Cut(who) => self.cut(who),
            Event::ServerNotices(link) => self.lose(link),
            Event::ClientNotices(link) => {
                let this = &self.links[link];
                if this.has_something() && !this.is_cut {
                    self.later(20_000, Event::ClientNotices(link));
                } else {
                    self.disconnected(link);
                }
            }
            Event::Sweep => {
                self.sweep();
                self.later(SWEEP, Event::Sweep);
            }
            Event::ShutDown => self.shut_down(),
            Event::Drain => self.begin_drain(),
            Event::Stop(who) => self.stop(who),
            Event::Stand => self.stand(),
            Event::Heal => self.heal(),
        }
    }

    fn cut(&mut self, who: Who) {
        let Some(link) = self.clients[who].link.filter(|link| !self.links[*link].is_cut) else {
            return;
        };
        self.note(|| format!("link {link} of c{who} is cut"));
        self.links[link].is_cut = true;
        self.links[link].arrives_still = self.random.chance(50);
        let delay = self.random.between(1_000..60_000);
        self.later(delay, Event::ClientNotices(link));
        if !self.plan.silent_cuts || self.random.chance(50) {
            let delay = self.random.between(1..60_000);
            self.later(delay, Event::ServerNotices(link));
        }
    }

    fn heal(&mut self) {
        self.note(|| "everything heals".to_owned());
        self.is_healing = true;
        for link in 0..self.links.len() {
            if self.links[link].is_cut {
                self.later(1, Event::ServerNotices(link));
                self.later(1, Event::ClientNotices(link));
            }
        }
    }

    /// A client does something, or a few things at once.
    fn act(&mut self, who: Who) {
        let can_wait = self.clients[who].family == crate::plan::Family::Rust;
        let Some(session) = self.clients[who].session else { return };
        if self.clients[who].state != State::On && !can_wait {
            return;
        }
        let mut messages = Vec::new();
        let most = if self.plan.tight { 12 } else { 4 };
        for _ in 0..self.random.between(1..most) {
            let talk = *self.random.pick(&self.plan.talks);
            match talk {
                Talk::Leave => {
                    self.say(who, &messages);
                    return self.leave(who);
                }
                Talk::RegisterAndAsk => {
                    let path = *self.random.pick(PATHS);
                    messages.push(self.ask((who, session), Ask::Register(path)));
                    messages.push(self.ask((who, session), Ask::Path(path)));
                }
                Talk::Forge => {
                    let conversation = self.random.between(0..12) << 20 | self.random.below(3);
                    let stamp = self.record.answer(session, conversation, Kind::Value);
                    messages.push(wire::answer(conversation, stamp, Kind::Value, 4));
                }
                talk => {
                    if let Some(ask) = self.choose((who, session), talk) {
                        messages.push(self.ask((who, session), ask));
                    }
                }
            }
        }
        self.say(who, &messages);
    }

    fn ask(&mut self, by: (Who, SessionId), ask: Ask) -> Vec<u8> {
        let length = self.random.between(4..5 + self.plan.longest) as usize;
        let grant = match ask {
            Ask::Release(_, wait) => self.granted(wait).unwrap_or_default(),
            _ => 0,
        };
        let serial = self.record.call(by, ask.clone());
        match ask {
            Ask::Acquire(..) => self.clients[by.0].locks.push(serial),
            Ask::Listen => self.clients[by.0].listens = true,
            _ => {}
        }
        self.note(|| format!("c{} {} asks {serial}: {ask:?}", by.0, by.1));
        wire::call(serial, &ask, length, grant)
    }

    fn granted(&self, wait: Serial) -> Option<u64> {
        match self.record.calls[wait].replies.first() {
            Some((_, What::Grant(sequence))) => Some(*sequence),
            _ => None,
        }
    }

    fn choose(&mut self, (who, session): (Who, SessionId), talk: Talk) -> Option<Ask> {
        let path = *self.random.pick(PATHS);
        let lock = *self.random.pick(&["l", "m"]);
        Some(match talk {
            Talk::ToPath => Ask::Path(path),
            Talk::ToSession => Ask::Session(self.somebody(session)),
            Talk::ToFilter => Ask::Filter(self.random.below(FILTERS.len() as u64) as usize),
            Talk::Register => Ask::Register(path),
            Talk::Deregister => Ask::Deregister(path),
            Talk::Lock => {
                let scopes = [LockScope::Session, LockScope::Connection];
                Ask::Acquire(lock, *self.random.pick(&scopes))
            }
            Talk::CancelLock | Talk::Release => self.some_lock(who, talk == Talk::Release)?,
            Talk::Listen if self.clients[who].listens => return None,
            Talk::Listen => Ask::Listen,
            Talk::Kick => Ask::Kick(self.somebody(session)),
            Talk::Ping | Talk::Leave | Talk::Forge | Talk::RegisterAndAsk => Ask::Ping,
        })
    }

    /// Gives up a lock, or the wait for one.
    fn some_lock(&mut self, who: Who, is_granted: bool) -> Option<Ask> {
        let place = self.random.below(8) as usize;
        let serial = *self.clients[who].locks.get(place)?;
        let Ask::Acquire(name, _) = self.record.calls[serial].ask else { return None };
        match (is_granted, self.granted(serial)) {
            (true, Some(_)) => Some(Ask::Release(name, serial)),
            (false, _) => Some(Ask::Cancel(name, serial)),
            (true, None) => None,
        }
    }

    /// Mostly one of those that are there.
    fn somebody(&mut self, otherwise: SessionId) -> SessionId {
        let known: Vec<_> = self.model.sessions.keys().copied().collect();
        if known.is_empty() { otherwise } else { *self.random.pick(&known) }
    }

    fn finish(mut self) -> Verdict {
        if self.record.faults.is_empty() {
            self.check_rest();
        }
        if self.record.faults.is_empty() {
            self.shut_down();
            let stats = self.server.broker.stats();
            if (stats.sessions, stats.routes) != (0, 0) {
                self.record.fault(format!("left behind: {stats:?}"));
            }
        }
        Verdict {
            faults: self.record.faults,
            digest: self.digest,
            tally: Tally::of(&self.record.calls, &self.model),
        }
    }

    /// When all is quiet nothing waits that nobody will write, and every call has what it must have.
    fn check_rest(&mut self) {
        for (id, session) in &self.server.sessions {
            let is_waited_for = self.server.listed.contains(id)
                || self.links.iter().any(|link| link.session == Some(*id) && link.is_blocked);
            let mut bytes = 0;
            session.flush(&mut antiphon_broker::Spare::default(), |_, some| {
                bytes += some.len();
                Ok(some.len())
            });
            if bytes > 0 && !is_waited_for {
                self.record.fault(format!("{id} has {bytes} bytes that nobody writes"));
            }
        }
        self.server.listed.clear();
        let present = |session| {
            let has =
                |client: &&Client| client.session == Some(session) && client.state == State::On;
            self.clients.iter().any(|client| has(&client))
        };
        let faults = judge::Judge::new((&self.record, &self.model, &self.plan), &present).faults();
        self.record.faults.extend(faults);
    }
}

pub(crate) const PATHS: &[&str] = &["a", "a/b", "a/b/c", "d"];

/// After all has healed a drain takes at most so long: whoever leaves has answered, and heard, all within two time limits,
/// and asks no more then; the askers first, then the others.
pub(crate) const LONGEST_DRAIN: Micros = 8_000_000;

/// The precision of time-outs.
pub(crate) const SWEEP: Micros = 100_000;
