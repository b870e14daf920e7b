//! Everything that can end a request, a lock or a session, at once.

use antiphon_broker_interleaved::Connection;
use antiphon_broker_interleaved::Millis;
use antiphon_broker_interleaved::Outbox;
use antiphon_wire::codec::Decode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::value::Value;
use shuttle::thread;

use crate::check;
use crate::stage::Broker;
use crate::stage::NOW;
use crate::stage::Session;
use crate::stage::answer;
use crate::stage::ask;
use crate::stage::broker;
use crate::stage::flush;
use crate::stage::heard;
use crate::stage::open;
use crate::stage::request;
use crate::stage::send;

/// The conversations of all responses and errors, in order of their numbers.
fn outcomes(session: &Session) -> Vec<u64> {
    let mut outcomes = Vec::new();
    heard(session, |message| match message {
        Message::Response { conversation, .. } | Message::Error { conversation, .. } => {
            outcomes.push(conversation.0);
        }
        other => panic!("{other:?}"),
    });
    outcomes.sort_unstable();
    outcomes
}

fn close(broker: &Broker, session: &Session) {
    let mut outbox = Outbox::default();
    broker.close(session, CloseReason::ConnectionLost, &mut outbox);
    flush(&mut outbox);
}

fn sweep(broker: &Broker, now: Millis) {
    let mut outbox = Outbox::default();
    broker.sweep(now, &mut outbox);
    flush(&mut outbox);
}

fn audit(broker: &Broker) {
    (0..4).for_each(|_| broker.audit().unwrap());
}

#[test]
fn answer_deadline_and_end_compete_for_each_request_and_one_wins() {
    check(|| {
        let broker = broker();
        let (sender, handler) = (open(&broker, b'a'), open(&broker, b'b'));
        send(&broker, &sender, &[ask(handler.id(), 1), ask(handler.id(), 2)]);
        let (answering, same) = (handler.clone(), broker.clone());
        let answers = [1 << 20, 2 << 20 | 1].map(|number| answer(ConversationId(number)));
        let threads = [thread::spawn(move || send(&same, &answering, &answers)), {
            let broker = broker.clone();
            thread::spawn(move || sweep(&broker, Millis(NOW.0 + 10_000)))
        }];
        close(&broker, &handler);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(outcomes(&sender), [1, 2]);
        audit(&broker);
    });
}

#[test]
fn a_request_to_a_path_has_one_outcome_while_its_handlers_come_and_go() {
    check(|| {
        let broker = broker();
        let (sender, handler, other) =
            (open(&broker, b'a'), open(&broker, b'b'), open(&broker, b'c'));
        let register = |conversation| {
            let path = "a";
            let conversation = ConversationId(conversation);
            let body =
                RegisterHandler { receiver: Receiver, group: "", path, keys: vec![], conversation };
            request(Service::MessagingReceiverControlRegistration, 9, &body)
        };
        send(&broker, &handler, &[register(1)]);
        let (same, registering) = (broker.clone(), other.clone());
        let message = register(2);
        let threads = [
            thread::spawn(move || {
                send(&same, &registering, &[message]);
                close(&same, &registering);
            }),
            {
                let broker = broker.clone();
                thread::spawn(move || close(&broker, &handler))
            },
        ];
        let value = Value { type_name: "binary", bytes: &[1] };
        let body = SendRequest { path: "a", value };
        send(&broker, &sender, &[request(Service::MessagingSend, 1, &body)]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(outcomes(&sender), [1]);
        assert_eq!((broker.stats().routes, broker.stats().sessions), (0, 1));
        audit(&broker);
    });
}

#[test]
fn a_lock_is_passed_on_once_whatever_ends() {
    check(|| {
        let broker = broker();
        let sessions = [b'a', b'b', b'c'].map(|principal| open(&broker, principal));
        let scope = LockScope::Connection;
        for session in &sessions {
            let acquire = AcquireLock { name: "l", request: 1, scope };
            send(&broker, session, &[request(Service::AcquireSessionLock, 1, &acquire)]);
        }
        let [holder, waiting, last] = sessions;
        let release = HeldLock { name: "l", sequence: 0, scope };
        let release = request(Service::ReleaseSessionLock, 2, &release);
        let (same, releasing, leaving) = (broker.clone(), holder.clone(), broker.clone());
        let threads = [
            thread::spawn(move || send(&same, &releasing, &[release])),
            thread::spawn(move || close(&leaving, &waiting)),
        ];
        let mut outbox = Outbox::default();
        broker.lose(&holder, Connection::FIRST, NOW, &mut outbox);
        flush(&mut outbox);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut grants = 0;
        heard(&last, |message| {
            let Message::Response { body, .. } = message else { panic!("{message:?}") };
            assert_eq!(HeldLock::decode_all(body).unwrap().name, "l");
            grants += 1;
        });
        assert_eq!(grants, 1);
    });
}

/// Sessions that end each other, lose their connections and are swept: nothing waits for ever, and all are gone.
#[test]
fn nobody_waits_for_ever_when_everything_ends_at_once() {
    check(|| {
        let broker = broker();
        let (one, other) = (open(&broker, b'a'), open(&broker, b'b'));
        let kick =
            |to: &Session| request(Service::CloseClient, 3, &CloseClient { session: to.id() });
        let kicks = [kick(&other), kick(&one)];
        let threads = [one, other].into_iter().zip(kicks).map(|(session, kick)| {
            let broker = broker.clone();
            thread::spawn(move || {
                let mut outbox = Outbox::default();
                let own = session.id();
                send(&broker, &session, &[ask(own, 1), kick]);
                broker.lose(&session, Connection::FIRST, NOW, &mut outbox);
                flush(&mut outbox);
            })
        });
        let threads: Vec<_> = threads.collect();
        sweep(&broker, Millis(NOW.0 + 100_000));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        sweep(&broker, Millis(NOW.0 + 200_000));
        assert_eq!(broker.stats().sessions, 0);
        audit(&broker);
    });
}
