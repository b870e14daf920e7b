//! Real threads where sessions open, change and end, and where locks change hands.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::control::SetSessionPropertiesFilter;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::PropertyChange;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::value::Value;
use parking_lot::Mutex;

use crate::Broker;
use crate::BrokerConfig;
use crate::Millis;
use crate::tests::model::wire::AtWork;
use crate::tests::model::wire::Inbox;
use crate::tests::model::wire::Wire;
use crate::tests::model::wire::Wired;
use crate::tests::model::wire::Worker;
use crate::tests::model::wire::request;
use crate::tests::world::decoded;

const NOW: Millis = Millis(0);

/// Somebody asks for sessions before they can be known.
#[test]
fn nothing_comes_to_a_session_before_its_connection_response() {
    let (broker, busy) = (&Broker::new(BrokerConfig::default()), &AtomicU32::new(1));
    let mut worker = Worker::default();
    let prober = worker.open(broker, NOW);
    let newest = &AtomicU64::new(prober.id().client);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut worker = Worker::default();
            let value = Value { type_name: "binary", bytes: b"1" };
            while busy.load(Acquire) > 0 {
                let client = newest.load(Relaxed) + 1;
                let session = SessionId { server: 1, client };
                let body = SendToSession { session, path: "a", value: value.clone() };
                let bytes = request(Service::MessagingReceiverServer, 1, &body);
                broker.batch(&prober, NOW).message(&bytes, &mut worker.outbox);
                worker.flush();
            }
            worker.finish();
        });
        let _at_work = AtWork(busy);
        for _ in 0..OPENINGS {
            let session = worker.open(broker, NOW);
            newest.store(session.id().client, Relaxed);
            worker.finish();
            let mut first = None;
            Inbox::new(session.clone()).read(|bytes| first = first.or(Some(bytes[0])));
            assert_eq!(first, Some(b'#'), "{}", session.id());
            broker.close(&session, CloseReason::ConnectionLost, &mut worker.outbox);
        }
    });
}

/// What a listener knows of a session: nothing yet, the value of its property `u`, or that it has ended.
#[derive(Debug, Default, PartialEq, Eq)]
enum Known {
    #[default]
    Nothing,
    Open(Option<String>),
    Ended,
}

impl Known {
    fn hear(&mut self, change: &SessionChange<'_>) {
        let text = |value: &str| Some(value.to_owned());
        let value = |properties: &[(&str, &str)]| properties.first().and_then(|pair| text(pair.1));
        let (before, after) = match change {
            SessionChange::Opened(properties) => (Self::Nothing, Self::Open(value(properties))),
            SessionChange::Updated { properties, .. } => match properties[..] {
                [("u", PropertyChange::New(new))] => (Self::Open(None), Self::Open(text(new))),
                [("u", PropertyChange::Changed { old, new })] => {
                    (Self::Open(text(old)), Self::Open(text(new)))
                }
                _ => panic!("{change:?}"),
            },
            SessionChange::Closed { properties, .. } => {
                (Self::Open(value(properties)), Self::Ended)
            }
        };
        assert_eq!(*self, before, "before {change:?}");
        *self = after;
    }
}

#[test]
fn listeners_hear_of_each_session_in_order_while_threads_open_change_and_close() {
    let (broker, busy) = (&Broker::new(BrokerConfig::default()), &AtomicU32::new(1));
    let mut worker = Worker::default();
    let (listener, changer) = (worker.open(broker, NOW), worker.open(broker, NOW));
    let newest = &AtomicU64::new(changer.id().client);
    let listen = EventListener {
        cluster_aware: true,
        filter: None,
        keys: Some(vec!["u"]),
        after: None,
        conversation: ConversationId(3),
    };
    let listen = request(Service::SessionEventRegistration, 1, &listen);
    broker.batch(&listener, NOW).message(&listen, &mut worker.outbox);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut worker = Worker::default();
            for round in 0u32.. {
                if busy.load(Acquire) == 0 {
                    break;
                }
                let bytes = change(newest.load(Relaxed), round);
                broker.batch(&changer, NOW).message(&bytes, &mut worker.outbox);
                worker.flush();
            }
            worker.finish();
        });
        let _at_work = AtWork(busy);
        for _ in 0..OPENINGS / 4 {
            let session = worker.open(broker, NOW);
            newest.store(session.id().client, Relaxed);
            thread::yield_now();
            broker.close(&session, CloseReason::ConnectionLost, &mut worker.outbox);
            worker.finish();
        }
    });
    worker.finish();
    let mut known: BTreeMap<SessionId, Known> = BTreeMap::new();
    Inbox::new(listener).read(|bytes| {
        if let Ok(Message::Request { service: 82, body, .. }) = Message::decode(bytes) {
            for event in decoded::<SessionEvents<'_>>(body).events {
                known.entry(event.session).or_default().hear(&event.change);
            }
        }
    });
    let ended = known.values().filter(|known| **known == Known::Ended).count();
    assert_eq!((ended, known.len()), (OPENINGS / 4, OPENINGS / 4 + 2));
    assert!(broker.registry.read().is_consistent());
}

/// Sets `u` of the newest session, or of all.
fn change(newest: u64, round: u32) -> Vec<u8> {
    let value = round.to_string();
    let set = Some(vec![("u", &*value)]);
    if round.is_multiple_of(4) {
        let body = SetSessionPropertiesFilter { filter: "all", set, remove: None };
        return request(Service::SetSessionPropertiesFilter, 1, &body);
    }
    let session = SessionId { server: 1, client: newest };
    request(Service::SetSessionProperties, 1, &SetSessionProperties { session, set, remove: None })
}

#[test]
fn a_lock_has_one_holder_at_a_time_while_threads_take_release_and_lose_it() {
    let (broker, holder) = (&Broker::new(BrokerConfig::default()), &AtomicU64::new(0));
    let (victim, busy) = (&Mutex::new(None), &AtomicU32::new(1));
    let mut sequences = thread::scope(|scope| {
        scope.spawn(|| ask_and_be_ended(broker, victim, busy));
        scope.spawn(|| end_others(broker, victim, busy));
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| take_turns(broker, holder))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let turns = sequences.len();
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!((sequences.len(), turns), (turns, 3 * LOCKINGS / 4 * 3));

    let mut worker = Worker::default();
    let viewer = worker.open(broker, NOW);
    let bytes = request(Service::GetSessionLocks, 1, &Vec::<u8>::new());
    let bytes = &bytes[..bytes.len() - 1];
    broker.batch(&viewer, NOW).message(bytes, &mut worker.outbox);
    worker.finish();
    let mut locks = None;
    Inbox::new(viewer).read(|bytes| {
        if let Ok(Message::Response { body, .. }) = Message::decode(bytes) {
            locks = Some(decoded::<Vec<(&str, LockDetails<'_>)>>(body).len());
        }
    });
    assert_eq!(locks, Some(0));
}

/// Takes a lock over and over; tells the numbers of the grants.
fn take_turns(broker: &Broker<Wire>, holder: &AtomicU64) -> Vec<u64> {
    let (mut worker, mut sequences) = (Worker::default(), Vec::new());
    for round in 0..LOCKINGS {
        let session = worker.open(broker, NOW);
        let (name, scope) = ("l", LockScope::Session);
        let acquire = AcquireLock { name, request: 0, scope };
        let acquire = request(Service::AcquireSessionLock, 1, &acquire);
        broker.batch(&session, NOW).message(&acquire, &mut worker.outbox);
        // Of four, one does not wait for the lock and one ends while it has it.
        if round % 4 > 0 {
            let sequence = wait_for_lock(&session, &mut worker);
            sequences.push(sequence);
            assert_eq!(holder.swap(session.id().client, SeqCst), 0, "two hold the lock");
            thread::yield_now();
            holder.store(0, SeqCst);
            if round % 4 > 1 {
                let release = HeldLock { name, sequence, scope };
                let release = request(Service::ReleaseSessionLock, 2, &release);
                broker.batch(&session, NOW).message(&release, &mut worker.outbox);
            }
        }
        broker.close(&session, CloseReason::ConnectionLost, &mut worker.outbox);
        worker.flush();
    }
    worker.finish();
    sequences
}

/// Asks for the lock in sessions that another thread ends at the same time.
fn ask_and_be_ended(broker: &Broker<Wire>, victim: &Mutex<Option<Wired>>, busy: &AtomicU32) {
    let _at_work = AtWork(busy);
    let mut worker = Worker::default();
    let acquire = AcquireLock { name: "l", request: 0, scope: LockScope::Session };
    let acquire = request(Service::AcquireSessionLock, 1, &acquire);
    for _ in 0..ENDINGS {
        let session = worker.open(broker, NOW);
        *victim.lock() = Some(session.clone());
        broker.batch(&session, NOW).message(&acquire, &mut worker.outbox);
        broker.close(&session, CloseReason::ConnectionLost, &mut worker.outbox);
        worker.flush();
    }
    worker.finish();
}

fn end_others(broker: &Broker<Wire>, victim: &Mutex<Option<Wired>>, busy: &AtomicU32) {
    let mut worker = Worker::default();
    while busy.load(Acquire) > 0 {
        if let Some(session) = victim.lock().take() {
            broker.close(&session, CloseReason::ConnectionLost, &mut worker.outbox);
            worker.flush();
        }
    }
    worker.finish();
}

/// The number of the grant.
fn wait_for_lock(session: &Wired, worker: &mut Worker) -> u64 {
    let mut inbox = Inbox::new(session.clone());
    for _ in 0..PATIENCE {
        worker.flush();
        let mut sequence = None;
        inbox.read(|bytes| {
            if let Ok(Message::Response { body, .. }) = Message::decode(bytes) {
                sequence = Some(decoded::<HeldLock<'_>>(body).sequence);
            }
        });
        if let Some(sequence) = sequence {
            return sequence;
        }
        thread::yield_now();
    }
    panic!("{} never has the lock", session.id());
}

const OPENINGS: usize = 8_000;
const LOCKINGS: usize = 400;
const ENDINGS: usize = 10_000;
/// How often to look for what must come.
const PATIENCE: usize = 10_000_000;
