//! Real threads that drive one broker at once.
//!
//! Each thread reads its own sessions, hands what it reads to the broker, and writes whatever its calls touched, be it
//! its own session or not: as a server does. What must hold: every request has exactly one outcome, all counters go
//! back to zero, nobody writes a session that another writes, frames come in order, and no bytes are left behind.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;

use crate::Broker;
use crate::BrokerConfig;
use crate::End;
use crate::Limits;
use crate::Millis;
use crate::tests::model::wire::AtWork;
use crate::tests::model::wire::Inbox;
use crate::tests::model::wire::Wire;
use crate::tests::model::wire::Wired;
use crate::tests::model::wire::Worker;
use crate::tests::model::wire::is_forgotten;
use crate::tests::model::wire::request;
use crate::tests::world::assert_balanced;
use crate::tests::world::decoded;

/// What the threads share.
struct Stage {
    broker: Broker<Wire>,
    /// The time in milliseconds.
    clock: AtomicU64,
    /// How many senders are at work.
    senders: AtomicU32,
}

impl Stage {
    fn now(&self) -> Millis {
        Millis(self.clock.load(Relaxed))
    }
}

/// A session that asks, and what it knows of its requests.
struct Sender {
    inbox: Inbox,
    welcomed: bool,
    next: u64,
    /// How many outcomes each request has had and, for a filter request, how many it is to have.
    requests: BTreeMap<u64, (u32, Option<u32>)>,
}

impl Sender {
    fn new(session: Wired) -> Self {
        Self { inbox: Inbox::new(session), welcomed: false, next: 1, requests: BTreeMap::new() }
    }

    /// A few requests in one batch.
    fn ask(&mut self, stage: &Stage, handler: SessionId, worker: &mut Worker) {
        let session = self.inbox.session.clone();
        let mut batch = stage.broker.batch(&session, stage.now());
        for _ in 0..4 {
            let (serial, path) = (self.next, if self.next.is_multiple_of(2) { "a" } else { "a/b" });
            self.next += 1;
            let value = Value { type_name: "binary", bytes: &serial.to_be_bytes() };
            let bytes = match serial % 7 {
                0 => {
                    let (conversation, filter) = (ConversationId(serial), "has $Principal");
                    let body = SendToFilter { conversation, filter, path, value };
                    request(Service::MessagingFilterSend, serial, &body)
                }
                1 => {
                    let body = SendToSession { session: handler, path, value };
                    request(Service::MessagingReceiverServer, serial, &body)
                }
                _ => request(Service::MessagingSend, serial, &SendRequest { path, value }),
            };
            let filter = serial % 7 == 0;
            self.requests.insert(serial, (0, if filter { None } else { Some(1) }));
            batch.message(&bytes, &mut worker.outbox);
        }
        drop(batch);
        worker.flush();
    }

    /// Takes note of outcomes, and answers what it is asked itself by filter requests.
    fn listen(&mut self, stage: &Stage, worker: &mut Worker) {
        let session = self.inbox.session.clone();
        let mut batch = stage.broker.batch(&session, stage.now());
        let Self { inbox, welcomed, requests, .. } = self;
        inbox.read(|bytes| {
            assert_eq!(bytes[0] == b'#', !std::mem::replace(welcomed, true), "{bytes:?}");
            if bytes[0] == b'#' {
                return;
            }
            match Message::decode(bytes).unwrap() {
                Message::Response { conversation, body } => {
                    take_answer(requests, conversation, Some(body));
                }
                Message::Error { conversation, .. } => take_answer(requests, conversation, None),
                Message::Request { service: 103, body, .. } => {
                    let FilterResponse { conversation, .. } = decoded(body);
                    let (had, promised) = requests.get_mut(&conversation.0).unwrap();
                    *had += 1;
                    assert!(promised.is_some_and(|promised| *had <= promised));
                }
                Message::Request { conversation, .. } => {
                    batch
                        .message(&answer(conversation.0 >> 20, conversation.0), &mut worker.outbox);
                }
                other => panic!("{other:?}"),
            }
        });
        drop(batch);
        worker.flush();
    }

    fn check(&self) {
        assert!(self.welcomed);
        for (serial, (had, promised)) in &self.requests {
            assert_eq!(Some(*had), *promised, "request {serial} of {}", self.inbox.session.id());
        }
    }
}

/// An error or the count of a filter request decides how many outcomes it has; anything else is an outcome.
fn take_answer(
    requests: &mut BTreeMap<u64, (u32, Option<u32>)>,
    conversation: ConversationId,
    body: Option<&[u8]>,
) {
    let (had, promised) = requests.get_mut(&conversation.0).unwrap();
    match (&promised, body) {
        (Some(_), _) => *had += 1,
        (None, None) => *promised = Some(0),
        (None, Some(body)) => {
            let Sent::To(count) = decoded(body) else { panic!("refused") };
            *promised = Some(count);
        }
    }
    assert!(promised.is_some_and(|promised| *had <= promised), "{conversation:?} twice");
}

/// An error now and then.
fn answer(serial: u64, conversation: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if serial.is_multiple_of(5) {
        message::put_error(&mut bytes, ConversationId(conversation), Reason(105), "no");
    } else {
        message::put_response(&mut bytes, ConversationId(conversation));
        Value { type_name: "binary", bytes: b"1" }.encode(&mut bytes);
    }
    bytes
}

/// A session that handles requests, and the last one it had of each sender.
struct Answerer {
    inbox: Inbox,
    last: BTreeMap<SessionId, u64>,
}

impl Answerer {
    fn listen(&mut self, stage: &Stage, worker: &mut Worker) {
        let session = self.inbox.session.clone();
        let mut batch = stage.broker.batch(&session, stage.now());
        let Self { inbox, last } = self;
        inbox.read(|bytes| {
            if bytes[0] == b'#' {
                return;
            }
            let Message::Request { service, conversation, body } = Message::decode(bytes).unwrap()
            else {
                return;
            };
            if service == Service::MessagingReceiverClient.number() {
                let HandlerRequest { sender, value, .. } = decoded(body);
                let serial = u64::from_be_bytes(value.bytes.try_into().unwrap());
                let before = last.insert(sender, serial);
                assert!(before < Some(serial), "{sender}: {serial} after {before:?}");
            }
            // Some are never answered and some twice.
            for _ in 0..[1, 1, 1, 0, 1, 2, 1][(conversation.0 >> 20) as usize % 7] {
                batch.message(&answer(conversation.0 >> 20, conversation.0), &mut worker.outbox);
            }
        });
        drop(batch);
        worker.flush();
    }
}

fn register(stage: &Stage, session: &Wired, path: &str, worker: &mut Worker) {
    let body = RegisterHandler {
        receiver: Receiver,
        group: "",
        path,
        keys: vec!["$Principal"],
        conversation: ConversationId(7),
    };
    let bytes = request(Service::MessagingReceiverControlRegistration, 1, &body);
    stage.broker.batch(session, stage.now()).message(&bytes, &mut worker.outbox);
}

/// Opens handlers that answer nothing and closes them, moves the time and sweeps.
fn disturb(stage: &Stage) -> Vec<Wired> {
    let (mut worker, mut sessions) = (Worker::default(), Vec::new());
    while stage.senders.load(Acquire) > 0 {
        let session = worker.open(&stage.broker, stage.now());
        register(stage, &session, if sessions.len() % 2 == 0 { "a" } else { "a/b" }, &mut worker);
        sessions.push(session);
        worker.flush();
        if let Some(old) = sessions.len().checked_sub(3) {
            stage.broker.close(&sessions[old], CloseReason::ConnectionLost, &mut worker.outbox);
        }
        stage.clock.fetch_add(20, Relaxed);
        stage.broker.sweep(stage.now(), &mut worker.outbox);
        worker.flush();
        thread::yield_now();
    }
    worker.finish();
    sessions
}

fn run_senders(stage: &Stage, mut senders: Vec<Sender>, handler: SessionId) -> Vec<Sender> {
    let _at_work = AtWork(&stage.senders);
    let mut worker = Worker::default();
    for _ in 0..ROUNDS {
        for sender in &mut senders {
            sender.ask(stage, handler, &mut worker);
            sender.listen(stage, &mut worker);
        }
    }
    worker.finish();
    senders
}

fn run_handlers(stage: &Stage, mut handlers: Vec<Answerer>) -> Vec<Answerer> {
    let mut worker = Worker::default();
    while stage.senders.load(Acquire) > 0 {
        for handler in &mut handlers {
            handler.listen(stage, &mut worker);
        }
        thread::yield_now();
    }
    worker.finish();
    handlers
}

#[test]
fn threads_that_drive_one_broker_lose_nothing_and_get_nothing_twice() {
    let limits = Limits { requests_per_handler: 64, ..Limits::default() };
    let ping_period = std::time::Duration::ZERO;
    let config = BrokerConfig { limits, ping_period, ..BrokerConfig::default() };
    let stage = &Stage {
        broker: Broker::new(config),
        clock: AtomicU64::new(0),
        senders: AtomicU32::new(THREADS),
    };
    let mut worker = Worker::default();
    let mut open = || worker.open(&stage.broker, Millis(0));
    let senders: Vec<Vec<_>> =
        (0..THREADS).map(|_| (0..3).map(|_| Sender::new(open())).collect()).collect();
    let handlers: Vec<Vec<_>> = (0..THREADS).map(|_| (0..2).map(|_| open()).collect()).collect();
    for handler in handlers.iter().flatten() {
        register(stage, handler, "a", &mut worker);
    }
    worker.finish();
    let addressee = handlers[0][0].id();
    let (mut senders, handlers, others) = thread::scope(|scope| {
        let disturber = scope.spawn(|| disturb(stage));
        let senders: Vec<_> = senders
            .into_iter()
            .map(|own| scope.spawn(move || run_senders(stage, own, addressee)))
            .collect();
        let answerer = |session| Answerer { inbox: Inbox::new(session), last: BTreeMap::new() };
        let handlers: Vec<_> = handlers
            .into_iter()
            .map(|own| own.into_iter().map(answerer).collect())
            .map(|own| scope.spawn(move || run_handlers(stage, own)))
            .collect();
        let senders: Vec<Sender> =
            senders.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let handlers: Vec<Answerer> =
            handlers.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (senders, handlers, disturber.join().unwrap())
    });

    let asking = senders.iter().map(|sender| sender.inbox.session.clone());
    let answering = handlers.iter().map(|handler| handler.inbox.session.clone());
    let sessions: Vec<Wired> = asking.chain(answering).chain(others).collect();
    for session in &sessions {
        assert!(!is_forgotten(session), "{} has bytes that nobody writes", session.id());
    }
    settle(stage, &mut senders, &mut worker);
    check_rest(stage, &sessions, &mut worker);
}

/// Lets everything time out that nobody answers.
fn settle(stage: &Stage, senders: &mut [Sender], worker: &mut Worker) {
    for _ in 0..2 {
        for sender in &mut *senders {
            sender.listen(stage, worker);
        }
        worker.finish();
    }
    stage.clock.fetch_add(10_000, Relaxed);
    stage.broker.sweep(stage.now(), &mut worker.outbox);
    worker.finish();
    for sender in senders {
        sender.listen(stage, worker);
        sender.check();
    }
}

fn check_rest(stage: &Stage, sessions: &[Wired], worker: &mut Worker) {
    for session in sessions {
        assert_eq!(session.in_flight(), 0, "{}", session.id());
        assert_eq!(session.awaiting.load(Relaxed), 0, "{}", session.id());
    }
    assert!(stage.broker.registry.read().is_consistent());
    let stats = stage.broker.stats();
    for end in [End::Responded, End::HandlerError, End::TimedOut] {
        assert!(stats.ledger.ended(end) > 0, "{stats:?}");
    }
    assert_balanced(&stage.broker);
    stage.broker.shut_down(&mut worker.outbox);
    let stats = stage.broker.stats();
    assert_eq!((stats.sessions, stats.routes), (0, 0));
    assert_balanced(&stage.broker);
}

const THREADS: u32 = 2;
const ROUNDS: usize = 200;
