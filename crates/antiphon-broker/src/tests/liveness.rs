//! Clients that are gone without a farewell: when that is found, what becomes of their requests, and who is spared.

use std::time::Duration;

use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::error::Reason;
use antiphon_wire::service::Service;

use crate::BrokerConfig;
use crate::Connection;
use crate::Liveness;
use crate::PathRule;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::response;
use crate::tests::world::world;

const JAVASCRIPT: &str = "ty=WB&v=29";
const RECOVERABLE: &str = "ty=RS&v=29&r=60000";
const PYTHON: &str = "ty=PY&v=29";

/// Requests may take two minutes, so that nothing but silence ends them.
fn patient() -> World {
    let slow = PathRule { path: "a".into(), timeout: Some(Duration::from_secs(120)), choice: None };
    World::with(BrokerConfig { paths: vec![slow], ..BrokerConfig::default() })
}

/// A handler for `a` of this kind, and a session that asks.
fn pair(w: &mut World, query: &str) -> (Client, Client) {
    let handler = w.open_as(query, "bob", EVERYTHING);
    assert_eq!(handler.received(), [Received::Welcome]);
    w.register(&handler, "a", &[]);
    (handler, w.open("alice"))
}

/// Lets time pass in steps of a sweep; everybody but `silent` says something at each.
fn pass(w: &mut World, millis: u64, others: &[&Client]) {
    for _ in 0..millis / 100 {
        others.iter().for_each(|client| client.session.heard(w.now));
        w.advance(100);
    }
}

/// What it was sent but for pings.
fn told(client: &Client) -> Vec<Received> {
    let mut received = client.received();
    received.retain(|message| !is_ping(std::slice::from_ref(message)));
    received
}

fn is_ping(received: &[Received]) -> bool {
    matches!(received, [Received::Request { service: Service::SystemPing, .. }])
}

fn silent(conversation: u64, handler: &Client) -> Received {
    let text = format!("session {} is silent; the request may have been executed", handler.id());
    error(conversation, Reason::NO_SUCH_SESSION, text)
}

fn ended(conversation: u64, handler: &Client) -> Received {
    let text = format!("session {} ended; the request may have been executed", handler.id());
    error(conversation, Reason::NO_SUCH_SESSION, text)
}

#[test]
fn a_silent_handler_is_asked_after_five_seconds_and_given_up_after_fifteen() {
    let mut w = patient();
    let (handler, sender) = pair(&mut w, JAVASCRIPT);
    w.send_to_path(&sender, 1, "a");
    handler.request();
    pass(&mut w, 4_900, &[&sender]);
    assert_eq!(handler.received(), []);
    pass(&mut w, 100, &[&sender]);
    assert!(is_ping(&handler.received()));
    pass(&mut w, 9_900, &[&sender]);
    assert_eq!((handler.received(), told(&sender)), (vec![], vec![]));
    pass(&mut w, 100, &[&sender]);
    assert_eq!(handler.received(), [Received::Abort, Received::Close(Some(1000))]);
    assert_eq!(told(&sender), [ended(1, &handler)]);
    assert_quiet(&[&handler, &sender]);
}

#[test]
fn a_handler_that_was_silent_for_long_before_it_owed_anything_is_asked_first() {
    let mut w = patient();
    let (handler, sender) = pair(&mut w, JAVASCRIPT);
    pass(&mut w, 29_900, &[&sender]);
    w.send_to_path(&sender, 1, "a");
    handler.request();
    pass(&mut w, 100, &[&sender]);
    assert!(is_ping(&handler.received()));
    pass(&mut w, 9_900, &[&sender]);
    assert_eq!((handler.received(), told(&sender)), (vec![], vec![]));
    pass(&mut w, 100, &[&sender]);
    assert_eq!(told(&sender), [ended(1, &handler)]);
}

#[test]
fn whatever_a_handler_says_it_is_there_and_is_asked_again_later() {
    let mut w = patient();
    let (handler, sender) = pair(&mut w, JAVASCRIPT);
    w.send_to_path(&sender, 1, "a");
    let (_, asked, _) = handler.request();
    for _ in 0..7 {
        pass(&mut w, 5_000, &[&sender]);
        let (_, ping, _) = handler.request();
        pass(&mut w, 9_900, &[&sender]);
        assert_eq!(handler.received(), []);
        w.respond(&handler, ping, &Void);
    }
    w.respond(&handler, asked, &world());
    assert_eq!(told(&sender), [response(1, &world())]);
    // It owes nothing any more, so it is asked no more than others.
    pass(&mut w, 29_900, &[&sender]);
    assert!(is_ping(&handler.received()));
    told(&sender);
    assert_quiet(&[&handler, &sender]);
}

#[test]
fn a_handler_that_can_come_back_is_let_go_without_a_word_and_its_requests_end() {
    let mut w = patient();
    let (handler, sender) = pair(&mut w, RECOVERABLE);
    w.send_to_path(&sender, 1, "a");
    let (_, conversation, _) = handler.request();
    pass(&mut w, 15_000, &[&sender]);
    assert_eq!(told(&sender), [silent(1, &handler)]);
    let lost: Vec<_> =
        w.outbox.lost.drain(..).map(|(session, lost)| (session.id(), lost)).collect();
    assert_eq!(lost, [(handler.id(), Connection::FIRST)]);
    assert_eq!((handler.session.is_connected(), w.broker.stats().sessions), (false, 2));
    // What comes late on that connection is not served: a driver compares.
    assert_ne!(w.broker.batch(&handler.session, w.now).connection(), Connection::FIRST);

    let token = String::from_utf8(w.token.0.to_vec()).unwrap();
    let query = format!("{RECOVERABLE}&c={token}&cs=1&ss=3");
    let request = ConnectionRequest::parse(&query, |_| None).unwrap();
    let (_, second) = w.broker.reconnect(&request, w.now, |_, _| {}, &mut w.outbox).unwrap();
    assert_eq!(w.broker.batch(&handler.session, w.now).connection(), second);
    assert_eq!(handler.received(), [Received::Welcome]);
    w.respond(&handler, conversation, &world());
    assert_eq!((sender.received(), w.broker.stats().stray_answers), (vec![], 1));
    w.send_to_path(&sender, 2, "a");
    let (_, conversation, _) = handler.request();
    w.respond(&handler, conversation, &world());
    assert_eq!(told(&sender), [response(2, &world())]);
    assert_quiet(&[&handler, &sender]);
}

#[test]
fn a_python_handler_may_be_busy_for_as_long_as_its_requests_may_take() {
    let mut w = patient();
    let (handler, sender) = pair(&mut w, PYTHON);
    pass(&mut w, 29_000, &[&sender]);
    w.send_to_path(&sender, 1, "a");
    let conversation = handler.conversations()[0];
    pass(&mut w, 119_900, &[&sender]);
    assert!(w.outbox.lost.is_empty());
    handler.received();
    w.respond(&handler, conversation, &world());
    assert_eq!(told(&sender), [response(1, &world())]);

    // One that says nothing while new requests keep coming is gone at last.
    for second in 0..209 {
        w.send_to_path(&sender, second, "a");
        pass(&mut w, 1_000, &[&sender]);
    }
    assert_eq!(w.broker.stats().sessions, 2);
    pass(&mut w, 1_000, &[&sender]);
    assert_eq!(w.broker.stats().sessions, 1);
}

#[test]
fn an_equal_handler_is_preferred_to_one_that_does_not_answer_when_it_is_asked() {
    for query in [JAVASCRIPT, PYTHON] {
        let mut w = patient();
        let (stuck, sender) = pair(&mut w, query);
        w.send_to_path(&sender, 1, "a");
        let stuck_with = stuck.conversations();
        let well = w.open("carol");
        w.register(&well, "a", &[]);
        pass(&mut w, 5_000, &[&sender, &well]);
        for conversation in 2..12 {
            // It has more to do, but does it.
            w.send_to_path(&sender, conversation, "a");
        }
        assert_eq!(well.conversations().len(), 10);
        assert!(is_ping(&stuck.received()));
        // As soon as it says something it has its share again.
        w.ask(&stuck, Service::UserPing, 5, &Void);
        stuck.received();
        w.send_to_path(&sender, 12, "a");
        assert_eq!((well.received().len(), stuck.conversations().len()), (0, 1));
        assert_eq!(stuck_with.len(), 1);
    }
}

#[test]
fn a_lonely_handler_that_does_not_answer_is_given_requests_all_the_same() {
    let mut w = patient();
    let (handler, sender) = pair(&mut w, JAVASCRIPT);
    w.send_to_path(&sender, 1, "a");
    pass(&mut w, 14_900, &[&sender]);
    w.send_to_path(&sender, 2, "a");
    assert_eq!((handler.received().len(), sender.received()), (3, vec![]));
}

#[test]
fn nobody_is_blamed_for_what_a_driver_that_stood_still_did_not_read() {
    let mut w = patient();
    let (handler, sender) = pair(&mut w, JAVASCRIPT);
    w.send_to_path(&sender, 1, "a");
    pass(&mut w, 5_000, &[]);
    w.now.0 += 50_000;
    w.broker.pardon(w.now);
    w.advance(0);
    pass(&mut w, 14_900, &[&sender]);
    assert_eq!(w.broker.stats().sessions, 2);
    pass(&mut w, 100, &[&sender]);
    assert_eq!(w.broker.stats().sessions, 1);
    assert_eq!(told(&sender), [ended(1, &handler)]);
}

#[test]
fn without_pings_nobody_is_asked_and_nobody_given_up() {
    let mut w = World::with(BrokerConfig {
        ping_period: Duration::ZERO,
        request_timeout: Duration::from_secs(1_000_000),
        ..BrokerConfig::default()
    });
    let (handler, sender) = pair(&mut w, JAVASCRIPT);
    w.send_to_path(&sender, 1, "a");
    handler.request();
    w.advance(900_000_000);
    assert_eq!((handler.received(), w.broker.stats().sessions), (vec![], 2));
}

#[test]
fn how_many_pings_may_be_missed_is_configured() {
    let liveness = Liveness { missed_pings: 1, handler_timeout: Duration::ZERO };
    let mut w = World::with(BrokerConfig { liveness, ..BrokerConfig::default() });
    let (handler, sender) = pair(&mut w, JAVASCRIPT);
    pass(&mut w, 29_900, &[&sender]);
    w.send_to_path(&sender, 1, "a");
    handler.request();
    pass(&mut w, 100, &[&sender]);
    assert_eq!(handler.received(), [Received::Abort, Received::Close(Some(1000))]);
    assert_eq!(told(&sender), [ended(1, &handler)]);
}
