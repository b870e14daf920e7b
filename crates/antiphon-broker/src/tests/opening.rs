//! How sessions begin: who is let in, and what they are sent first.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Credentials;
use antiphon_wire::connect::Refusal;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::NodeId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::principal::ChangePrincipal;

use crate::Broker;
use crate::BrokerConfig;
use crate::Grant;
use crate::Limit;
use crate::Limits;
use crate::Millis;
use crate::Next;
use crate::Opening;
use crate::Outbox;
use crate::Session;
use crate::Spare;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::encoded;
use crate::tests::world::hello;
use crate::tests::world::request;

#[test]
fn a_session_is_told_first_who_it_is_and_what_it_may_expect() {
    let limits = Limits { message: 0x0001_0203, ..Limits::default() };
    let ping_period = Duration::from_millis(0x0405);
    let config =
        BrokerConfig { node: NodeId(0x0607), limits, ping_period, ..BrokerConfig::default() };
    let mut w = World::with(config);
    for (version, number) in [(19, 1), (29, 2)] {
        let client = w.open_as(&format!("v={version}"), "alice", &[]);
        let mut bytes = Vec::new();
        client.session.flush(&mut Spare::default(), |_, some| {
            bytes.extend_from_slice(some);
            Ok(some.len())
        });
        let mut expected = b"\x82\x37#".to_vec();
        expected.extend_from_slice(&[version, 100]);
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 6, 7]);
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, number]);
        expected.extend_from_slice(b"ABCDEFGHIJKLMNOPQRSTUVWX");
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 4, 5]);
        expected.extend_from_slice(&[0, 1, 2, 3]);
        assert_eq!(bytes, expected);
    }
}

#[test]
fn nobody_is_let_in_beyond_the_limit_or_during_a_shut_down() {
    let limits = Limits { sessions: 1, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let first = w.open("alice");
    assert_eq!(w.try_open("ty=WB&v=29", "bob", &[]).err(), Some(Refusal::LicenseExceeded));
    w.close(&first, CloseReason::ClosedByClient);
    w.open("bob");
    w.shut_down();
    assert_eq!(w.try_open("ty=WB&v=29", "carol", &[]).err(), Some(Refusal::ServerInitialising));
    assert_eq!(w.broker.stats().sessions, 0);
}

#[test]
fn nothing_precedes_the_connection_response_whoever_is_sending() {
    let mut w = World::new();
    let (sender, now) = (w.open("alice"), w.now);
    let (broker, enough) = (w.broker.clone(), AtomicBool::new(false));
    let to_new_ones = SendToFilter {
        conversation: ConversationId(9),
        filter: "$Principal is 'new'",
        path: "p",
        value: hello(),
    };
    let message = request(102, 5, &encoded(&to_new_ones));
    let mut first = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut outbox = Outbox::default();
            while !enough.load(Relaxed) {
                broker.batch(&sender.session, now).message(&message, &mut outbox);
                sender.session.flush(&mut Spare::default(), |_, bytes| Ok(bytes.len()));
                outbox.touched.clear();
            }
        });
        for _ in 0..5_000 {
            let new = w.open_as("ty=WB&v=29", "new", &[]);
            first.push(new.received().remove(0));
            w.close(&new, CloseReason::ClosedByClient);
        }
        enough.store(true, Relaxed);
    });
    let early: Vec<_> = first.iter().filter(|message| **message != Received::Welcome).collect();
    assert!(early.is_empty(), "{} sessions, such as {:?}", early.len(), early[0]);
}

/// A session of this principal, which begins as it or becomes it.
fn come(
    broker: &Broker<()>,
    principal: &str,
    becomes: bool,
    outbox: &mut Outbox<()>,
) -> Option<Arc<Session<()>>> {
    let grant = |name: &str| Grant { principal: name.to_owned(), ..Grant::default() };
    let opening = Opening {
        request: &ConnectionRequest::parse("ty=WB&v=29", |_| None).unwrap(),
        grant: grant(if becomes { "other" } else { principal }),
        client_address: String::new(),
        connector: "test",
        start_time: 0,
        token: SessionToken(*b"ABCDEFGHIJKLMNOPQRSTUVWX"),
        now: Millis(0),
    };
    let session = broker.open(opening, (), outbox).ok()?;
    if becomes {
        let body = ChangePrincipal { principal, credentials: Credentials::None };
        let mut batch = broker.batch(&session, Millis(0));
        let message = request(Service::ChangePrincipal.number(), 1, &encoded(&body));
        let Next::Authenticate(asked) = batch.message(&message, outbox) else { panic!("it asks") };
        batch.authenticated(&asked, Some(grant(principal)), outbox);
    }
    let is_it = session.profile().properties.get("$Principal") == Some(principal);
    if !is_it {
        broker.close(&session, CloseReason::ClosedByClient, outbox);
    }
    is_it.then_some(session)
}

#[test]
fn a_principal_never_has_more_sessions_than_it_may_however_many_come_at_once() {
    const MOST: usize = 3;
    let limits = Limits { sessions_per_principal: MOST, ..Limits::default() };
    let broker = Broker::new(BrokerConfig { limits, ..BrokerConfig::default() });
    let (present, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let visit = |becomes| {
        let mut outbox = Outbox::default();
        for _ in 0..300 {
            let Some(session) = come(&broker, "till", becomes, &mut outbox) else {
                refused.fetch_add(1, Relaxed);
                continue;
            };
            assert!(present.fetch_add(1, Relaxed) < MOST);
            thread::yield_now();
            present.fetch_sub(1, Relaxed);
            broker.close(&session, CloseReason::ClosedByClient, &mut outbox);
        }
    };
    thread::scope(|scope| {
        for worker in 0..8 {
            let visit = &visit;
            scope.spawn(move || visit(worker % 2 == 0));
        }
    });
    let refused = refused.into_inner() as u64;
    assert_eq!(broker.stats().exceeded(Limit::SessionsPerPrincipal), refused);
    let mut outbox = Outbox::default();
    let full: Vec<_> = (0..MOST).map(|_| come(&broker, "till", false, &mut outbox)).collect();
    assert!(full.iter().all(Option::is_some), "nobody is left, so there is room");
    for becomes in [false, true] {
        assert!(come(&broker, "till", becomes, &mut outbox).is_none());
        assert!(come(&broker, "", becomes, &mut outbox).is_some(), "anonymous");
    }
}
