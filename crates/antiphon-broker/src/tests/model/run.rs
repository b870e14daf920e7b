//! The real broker and the naive one side by side, with what must be true after every step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::path::Path;

use crate::Broker;
use crate::BrokerConfig;
use crate::Choice;
use crate::Grant;
use crate::Limits;
use crate::Millis;
use crate::Next;
use crate::Opening;
use crate::Outbox;
use crate::PathRule;
use crate::Session;
use crate::properties;
use crate::properties::Trust;
use crate::properties::proposed;
use crate::tests::model::got::Got;
use crate::tests::model::got::compare;
use crate::tests::model::ledger::Ledger;
use crate::tests::model::naive;
use crate::tests::model::naive::Caller;
use crate::tests::model::naive::Naive;
use crate::tests::model::naive::Person;
use crate::tests::model::op::Call;
use crate::tests::model::op::Op;
use crate::tests::model::op::Open;
use crate::tests::model::op::PATHS;
use crate::tests::model::op::Which;
use crate::tests::world::Client;
use crate::tests::world::assert_balanced;

pub(super) struct Run {
    broker: Arc<Broker<()>>,
    outbox: Outbox<()>,
    sessions: Vec<Arc<Session<()>>>,
    naive: Naive,
    ledger: Ledger,
    next_conversation: u64,
}

impl Run {
    pub(super) fn new() -> Self {
        Self {
            broker: Arc::new(Broker::new(config())),
            outbox: Outbox::default(),
            sessions: Vec::new(),
            naive: Naive::default(),
            ledger: Ledger::default(),
            next_conversation: 1,
        }
    }

    pub(super) fn step(&mut self, op: &Op) {
        match op {
            Op::Open(open) => self.open(open),
            _ if self.sessions.is_empty() => return,
            Op::Batch(who, calls) => self.batch(self.naive.person(*who), calls),
            Op::Reply(number, how) => {
                let open = &self.naive.requests;
                let Some(asked) = open.get(usize::from(*number) % open.len().max(1)) else {
                    return;
                };
                let (who, which) = (asked.recipient, Which::Raw(asked.conversation));
                self.batch(who, &[Call::Answer(which, *how)]);
            }
            Op::Lose(who, reason) => {
                let who = self.naive.person(*who);
                self.look();
                self.broker.close(&self.sessions[who], *reason, &mut self.outbox);
                self.collect();
                self.naive.close(who, *reason);
            }
            Op::Advance(millis) => {
                self.naive.now += millis;
                self.look();
                self.broker.sweep(self.now(), &mut self.outbox);
                self.collect();
                self.naive.sweep();
            }
        }
        assert_eq!(self.broker.overlooked(), None);
        self.check();
        self.check_locks();
    }

    /// Shuts down; every request must have had its outcome.
    pub(super) fn finish(mut self) {
        self.look();
        let left: Vec<_> = self.naive.order.clone();
        self.broker.shut_down(&mut self.outbox);
        self.collect();
        self.naive.shut_down();
        self.check();
        self.ledger.close(&left);
        assert_eq!(self.broker.stats().sessions, 0);
        assert_eq!(self.broker.stats().routes, 0);
        assert!(self.naive.requests.is_empty() && self.naive.locks.is_empty());
        let parameters = ConnectionRequest::parse("v=29", |_| None).unwrap();
        let refusal = self.broker.open(opening(&parameters, None, Millis(0)), (), &mut self.outbox);
        assert_eq!(refusal.err(), Some(Refusal::ServerInitialising));
    }

    fn open(&mut self, open: &Open) {
        let mut parameters = ConnectionRequest::parse(open.query, |_| None).unwrap();
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        parameters.properties = open.property.into_iter().map(owned).collect();
        let opening = opening(&parameters, Some(open), self.now());
        let is_full = self.naive.people.iter().filter(|person| person.open).count() == SESSIONS;
        match self.broker.open(opening, (), &mut self.outbox) {
            Ok(session) => {
                assert!(!is_full);
                let known = self.naive.people.iter().any(|person| person.id == session.id());
                assert!(!known, "{} comes twice", session.id());
                self.naive.open(Person::new(session.id(), open, self.naive.now));
                self.sessions.push(session);
            }
            Err(refusal) => assert!(is_full && refusal == Refusal::LicenseExceeded),
        }
        self.collect();
    }

    fn batch(&mut self, me: usize, calls: &[Call]) {
        let session = self.sessions[me].clone();
        let broker = self.broker.clone();
        let mut batch = broker.batch(&session, self.now());
        self.naive.people[me].heard = self.naive.now;
        for call in calls {
            let caller = Caller { me, conversation: self.next_conversation };
            self.next_conversation += 1;
            let bytes = self.naive.bytes(caller, call);
            self.look();
            self.ledger.ask(caller, call, &self.naive);
            let mut next = batch.message(&bytes, &mut self.outbox);
            if let (Next::Authenticate(asked), Call::Become(principal, roles)) = (&next, call) {
                batch.authenticated(asked, grant(principal, roles.as_deref()), &mut self.outbox);
                next = Next::Continue;
            }
            self.collect();
            self.naive.call(caller, call);
            self.compare();
            let ended = matches!(next, Next::Closed);
            assert_eq!(ended, !self.naive.people[me].open, "{next:?}");
        }
    }

    /// Tells the naive broker in which order the real one goes through its sessions.
    fn look(&mut self) {
        let known = |session: &Arc<Session<()>>| {
            self.naive.people.iter().position(|person| person.id == session.id()).unwrap()
        };
        self.naive.order = self.broker.registry.read().iter().map(known).collect();
    }

    /// Reads what every session was sent. A session is listed as touched if, and only if, that is something.
    fn collect(&mut self) {
        let mut touched = BTreeSet::new();
        for session in self.outbox.touched.drain(..) {
            assert!(touched.insert(session.id()), "{} is listed twice", session.id());
        }
        let mut seen = Vec::new();
        for session in &self.sessions {
            let received = Client { session: session.clone() }.received();
            assert_eq!(touched.remove(&session.id()), !received.is_empty(), "{}", session.id());
            seen.push(received.into_iter().flat_map(Got::read).collect());
        }
        assert!(touched.is_empty());
        self.naive.seen = seen;
    }

    fn compare(&mut self) {
        let wants = std::mem::take(&mut self.naive.wants);
        for (who, seen) in std::mem::take(&mut self.naive.seen).iter().enumerate() {
            let own = wants.iter().filter(|(wanting, _)| *wanting == who);
            compare(who, own.map(|(_, got)| got.clone()).collect(), seen);
            self.ledger.read(who, seen);
        }
    }

    fn check(&mut self) {
        self.compare();
        self.ledger.check_deadlines(&self.naive);
        self.check_counters();
        assert_balanced(&self.broker);
        self.check_routes();
        let registry = self.broker.registry.read();
        assert!(registry.is_consistent());
        let open = self.naive.people.iter().filter(|person| person.open).map(|person| person.id);
        let registered: BTreeSet<_> = registry.iter().map(|session| session.id()).collect();
        assert_eq!(registered, open.collect());
    }

    fn check_counters(&self) {
        for (who, session) in self.sessions.iter().enumerate() {
            let awaiting = self.naive.requests.iter().filter(|asked| asked.sender == who).count();
            assert_eq!(session.awaiting.load(Relaxed) as usize, awaiting, "awaited by {who}");
            assert_eq!(session.in_flight() as usize, self.naive.load(who), "in flight at {who}");
        }
        let mut paths: Vec<_> = self.naive.registrations.iter().map(|own| &own.path).collect();
        paths.sort();
        paths.dedup();
        let sessions = self.naive.people.iter().filter(|person| person.open).count();
        let mut counted = self.naive.counted;
        (counted.sessions, counted.routes) = (sessions, paths.len());
        counted.ledger.in_flight = self.naive.requests.len() as u64;
        let stats = self.broker.stats();
        // What the naive broker has no idea of.
        counted.connected = sessions;
        (counted.opened, counted.queued_bytes) = (self.sessions.len() as u64, stats.queued_bytes);
        (counted.filters, counted.filtered) = (stats.filters, stats.filtered);
        (counted.matched, counted.exceeded) = (stats.matched, stats.exceeded);
        assert_eq!(stats, counted);
    }

    fn check_routes(&self) {
        let guard = self.broker.routes.guard();
        for path in PATHS.iter().filter_map(|path| naive::clean(path).ok()) {
            let mut handlers = Vec::new();
            for route in self.broker.routes.above(Path::parse(path).unwrap(), &guard) {
                let here = route.handlers.iter().filter(|handler| handler.path() == path);
                handlers.extend(here.map(|handler| handler.session.id()));
            }
            let own = self.naive.registrations.iter().filter(|own| own.path == path);
            let wanted: Vec<_> = own.map(|own| self.naive.people[own.owner].id).collect();
            assert_eq!(handlers, wanted, "{path}");
        }
    }

    /// Somebody who may see the locks looks at them.
    fn check_locks(&mut self) {
        let viewer = |person: &Person| person.open && person.may_view_server();
        if let Some(viewer) = self.naive.people.iter().position(viewer) {
            self.batch(viewer, &[Call::Locks]);
        }
    }

    fn now(&self) -> Millis {
        Millis(self.naive.now)
    }
}

fn opening<'a>(request: &'a ConnectionRequest, open: Option<&Open>, now: Millis) -> Opening<'a> {
    let offered = request.properties.iter().map(|(key, value)| (&**key, &**value));
    let properties = proposed(offered, &Trust::all(), properties::Bounds::default()).0;
    let grant = open.and_then(|open| grant(open.principal, Some(&open.roles))).unwrap_or_default();
    Opening {
        request,
        grant: Grant { properties, ..grant },
        client_address: "127.0.0.1".to_owned(),
        connector: "test",
        start_time: 1_700_000_000_000 + now.0,
        token: SessionToken([b'a'; 24]),
        now,
    }
}

fn grant(principal: &str, roles: Option<&[&str]>) -> Option<Grant> {
    let roles = roles?.iter().map(|role| Arc::from(*role)).collect();
    Some(Grant { principal: principal.to_owned(), roles, ..Grant::default() })
}

fn config() -> BrokerConfig {
    let rule = |path: &str, seconds: Option<u64>, choice| PathRule {
        path: path.to_owned(),
        timeout: seconds.map(Duration::from_secs),
        choice: Some(choice),
    };
    BrokerConfig {
        paths: vec![
            rule("/ring/", Some(3), Choice::RoundRobin),
            rule("home", None, Choice::Sticky),
        ],
        limits: Limits {
            sessions: SESSIONS,
            requests_per_handler: naive::TO_ANSWER as u32,
            requests_per_sender: naive::AWAITED as u32,
            handlers_per_session: naive::HANDLERS,
            listeners_per_session: naive::LISTENERS,
            locks_per_session: naive::LOCKS,
            ..Limits::default()
        },
        ..BrokerConfig::default()
    }
}

const SESSIONS: usize = 7;
