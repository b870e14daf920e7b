//! Pings, and the end of sessions that say nothing.

use std::time::Duration;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;

use crate::BrokerConfig;
use crate::Liveness;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::response;

fn pinging(seconds: u64) -> World {
    World::with(BrokerConfig {
        ping_period: Duration::from_secs(seconds),
        liveness: Liveness { handler_timeout: Duration::ZERO, ..Liveness::default() },
        ..BrokerConfig::default()
    })
}

/// Lets time pass in steps of a sweep.
fn pass(w: &mut World, millis: u64) {
    for _ in 0..millis / 100 {
        w.advance(100);
    }
}

fn pings(client: &Client) -> usize {
    client.bodies(Service::SystemPing).iter().filter(|body| body.is_empty()).count()
}

#[test]
fn a_session_is_pinged_at_every_period() {
    let mut w = pinging(10);
    let client = w.open("alice");
    pass(&mut w, 9_900);
    assert_quiet(&[&client]);
    for _ in 0..10 {
        pass(&mut w, 100);
        let (service, conversation, body) = client.request();
        assert_eq!((service, body), (Service::SystemPing, vec![]));
        assert_ne!(conversation.0, 0, "a client does not answer conversation 0");
        w.respond(&client, conversation, &Void);
        pass(&mut w, 9_900);
        assert_quiet(&[&client]);
    }
}

#[test]
fn each_session_has_periods_of_its_own() {
    let mut w = pinging(10);
    w.now.0 += 1_000_000;
    let first = w.open("alice");
    pass(&mut w, 5_000);
    let second = w.open("bob");
    pass(&mut w, 5_000);
    assert_eq!((pings(&first), pings(&second)), (1, 0));
    pass(&mut w, 5_000);
    assert_eq!((pings(&first), pings(&second)), (0, 1));
}

#[test]
fn a_session_that_is_silent_for_three_periods_ends() {
    let mut w = pinging(10);
    let (silent, sender) = (w.open("alice"), w.open("bob"));
    pass(&mut w, 25_000);
    w.send_to_session(&sender, 5, silent.id());
    pass(&mut w, 4_900);
    let [ping, other, Received::Request { service: Service::MessagingSend, .. }] =
        &silent.received()[..]
    else {
        panic!("two pings and a request were expected");
    };
    for message in [ping, other] {
        assert!(matches!(message, Received::Request { service: Service::SystemPing, .. }));
    }
    assert_eq!(sender.received().len(), 2);
    pass(&mut w, 100);
    assert_eq!(silent.received(), [Received::Abort, Received::Close(Some(1000))]);
    let text = format!("session {} ended; the request may have been executed", silent.id());
    let [Received::Request { service: Service::SystemPing, .. }, outcome] = &sender.received()[..]
    else {
        panic!("a ping and an outcome were expected");
    };
    assert_eq!(*outcome, error(5, Reason::NO_SUCH_SESSION, text));
    assert_quiet(&[&silent, &sender]);
}

#[test]
fn any_message_keeps_a_session_alive_and_pings_go_on() {
    let mut w = pinging(10);
    let client = w.open("alice");
    for _ in 0..5 {
        pass(&mut w, 29_900);
        w.ask(&client, Service::UserPing, 1, &Void);
    }
    let received = client.received();
    let answers = received.iter().filter(|message| **message == response(1, &Void)).count();
    assert_eq!((answers, received.len()), (5, 5 + 14));
    // An answer to nothing is a message too.
    w.fail(&client, ConversationId(77), Reason::UNSUPPORTED, "");
    pass(&mut w, 29_900);
    assert_eq!(pings(&client), 3);
    pass(&mut w, 100);
    assert_eq!(client.received(), [Received::Abort, Received::Close(Some(1000))]);
}

#[test]
fn a_period_of_zero_means_no_pings() {
    let mut w = pinging(0);
    let client = w.open("alice");
    for _ in 0..10 {
        w.advance(1_000_000);
    }
    assert_quiet(&[&client]);
    assert_eq!(w.broker.stats().sessions, 1);
}

#[test]
fn a_client_may_ping_too() {
    let mut w = World::new();
    let client = w.open_with_roles("alice", &[]);
    w.ask(&client, Service::UserPing, 1, &Void);
    w.ask(&client, Service::SystemPing, 2, &Void);
    assert_eq!(client.received(), [response(1, &Void), response(2, &Void)]);
}
