//! Requests to a filter that matches sessions of several nodes: one count, and then exactly as many outcomes.

use antiphon_wire::error::Reason;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::Sent;

use crate::BrokerConfig;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::nodes::fabric::node_id;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::outcome;
use crate::tests::world::response;
use crate::tests::world::world;

const BOBS: &str = "$Principal is 'bob'";

/// A sender on node 0, and a session of bob on each of three nodes.
fn bobs() -> (Fabric, Client, Vec<Client>) {
    let mut f = Fabric::new(3);
    let sender = f.nodes[0].open("alice");
    let bobs = (0..3).map(|node| f.nodes[node].open("bob")).collect();
    (f, sender, bobs)
}

fn answer(f: &mut Fabric, node: usize, client: &Client) {
    let (service, conversation, _) = client.request();
    assert_eq!(service, Service::MessagingSend);
    f.nodes[node].respond(client, conversation, &world());
    f.run();
}

#[test]
fn sessions_of_all_nodes_are_counted_before_any_of_them_is_asked() {
    let (mut f, sender, bobs) = bobs();
    f.nodes[0].send_to_filter(&sender, 5, BOBS);
    assert_eq!(sender.received(), []);
    assert_quiet(&[&bobs[0]]);
    f.run();
    assert_eq!(sender.received(), [response(5, &Sent::To(3))]);
    for (node, bob) in bobs.iter().enumerate() {
        answer(&mut f, node, bob);
        let told = [outcome(bob.id(), Outcome::Response(world()))];
        assert_eq!(sender.bodies(Service::FilterResponse), told);
    }
    assert_quiet(&[&sender, &bobs[0], &bobs[1], &bobs[2]]);
}

#[test]
fn a_filter_that_matches_nobody_anywhere_is_answered_with_zero() {
    let (mut f, sender, _) = bobs();
    f.nodes[0].send_to_filter(&sender, 5, "$Principal is 'nobody'");
    f.run();
    assert_eq!(sender.received(), [response(5, &Sent::To(0))]);
    assert_quiet(&[&sender]);
}

#[test]
fn a_node_that_says_too_late_who_matches_is_named_and_its_sessions_are_left_alone() {
    let (mut f, sender, bobs) = bobs();
    f.nodes[0].send_to_filter(&sender, 5, BOBS);
    f.transmit();
    let held = f.ways.remove(&(0, 1)).unwrap();
    f.run();
    assert_eq!(sender.received(), []);
    f.nodes[0].advance(999);
    assert_eq!(sender.received(), []);
    f.nodes[0].advance(1);
    assert_eq!(std::mem::take(&mut f.nodes[0].outbox.unheard), [node_id(1)]);
    assert_eq!(sender.received(), [response(5, &Sent::To(2))]);
    f.ways.insert((0, 1), held);
    f.run();
    f.assert_up();
    assert_quiet(&[&bobs[1]]);
    for node in [0, 2] {
        answer(&mut f, node, &bobs[node]);
    }
    assert_eq!(sender.bodies(Service::FilterResponse).len(), 2);
    assert_quiet(&[&sender, &bobs[0], &bobs[1], &bobs[2]]);
}

#[test]
fn a_node_that_is_lost_before_it_answers_is_not_counted() {
    let (mut f, sender, bobs) = bobs();
    f.nodes[0].send_to_filter(&sender, 5, BOBS);
    f.cut(0, 1);
    f.run();
    assert_eq!(sender.received(), [response(5, &Sent::To(2))]);
    assert_eq!(f.nodes[0].outbox.unheard, [node_id(1)]);
    assert_quiet(&[&bobs[1]]);
}

#[test]
fn a_node_that_is_lost_after_its_count_ends_each_of_its_outcomes() {
    let (mut f, sender, bobs) = bobs();
    let second = f.nodes[1].open("bob");
    f.nodes[0].send_to_filter(&sender, 5, BOBS);
    f.run();
    assert_eq!(sender.received(), [response(5, &Sent::To(4))]);
    f.cut(0, 1);
    let mut lost: Vec<_> = sender
        .bodies(Service::FilterResponse)
        .iter()
        .map(|body| {
            let FilterResponse { session, outcome, .. } = decoded(body);
            let text = "node 0000000000000065 is lost; the request may have been executed";
            assert_eq!(outcome, Outcome::Error { reason: Reason::NO_SUCH_SESSION, text });
            session
        })
        .collect();
    lost.sort();
    assert_eq!(lost, [bobs[1].id(), second.id()]);
    answer(&mut f, 1, &bobs[1]);
    assert_quiet(&[]);
    for node in [0, 2] {
        answer(&mut f, node, &bobs[node]);
    }
    assert_eq!(sender.bodies(Service::FilterResponse).len(), 2);
    assert_quiet(&[&sender]);
}

#[test]
fn a_session_that_ends_between_count_and_request_has_an_outcome_all_the_same() {
    let (mut f, sender, bobs) = bobs();
    f.nodes[0].send_to_filter(&sender, 5, BOBS);
    f.transmit();
    for way in [(0, 1), (0, 2)] {
        f.deliver(way);
    }
    f.transmit();
    for node in [0, 1] {
        f.nodes[node].close(&bobs[node], antiphon_wire::service::events::CloseReason::Aborted);
    }
    f.run();
    let received = sender.received();
    assert_eq!(received.len(), 3);
    assert_eq!(received[0], response(5, &Sent::To(3)));
    for received in &received[1..] {
        let Received::Request { service: Service::FilterResponse, body, .. } = received else {
            panic!("{received:?}");
        };
        let FilterResponse { outcome, .. } = decoded(body);
        assert!(matches!(outcome, Outcome::Error { reason: Reason::NO_SUCH_SESSION, .. }));
    }
    answer(&mut f, 2, &bobs[2]);
    assert_eq!(sender.bodies(Service::FilterResponse).len(), 1);
    assert_quiet(&[&sender]);
}

#[test]
fn outcomes_that_are_due_are_told_for_sessions_of_other_nodes_too() {
    let (mut f, sender, bobs) = bobs();
    f.nodes[0].send_to_filter(&sender, 5, BOBS);
    f.run();
    sender.received();
    f.advance(10_000);
    f.advance(500);
    let outcomes = sender.bodies(Service::FilterResponse);
    assert_eq!(outcomes.len(), 3);
    for body in &outcomes {
        let FilterResponse { outcome, .. } = decoded(body);
        assert!(matches!(outcome, Outcome::Error { reason: Reason::REQUEST_TIME_OUT, .. }));
    }
    bobs.iter().for_each(|bob| drop(bob.received()));
    assert_quiet(&[&sender]);
}

#[test]
fn a_sender_that_is_gone_when_all_is_counted_has_asked_nobody() {
    let (mut f, sender, bobs) = bobs();
    f.nodes[0].send_to_filter(&sender, 5, BOBS);
    f.nodes[0].close(&sender, antiphon_wire::service::events::CloseReason::Aborted);
    f.run();
    assert_quiet(&[&bobs[0], &bobs[1], &bobs[2]]);
}

#[test]
fn a_link_that_is_full_is_an_outcome_for_each_of_its_sessions() {
    let mut config = BrokerConfig::default();
    config.nodes.mailbox = 500;
    let mut f = Fabric::with(2, &config);
    let sender = f.nodes[0].open("alice");
    let bobs: Vec<_> = (0..40).map(|_| f.nodes[1].open("bob")).collect();
    f.nodes[0].send_to_filter(&sender, 5, BOBS);
    f.run();
    let received = sender.received();
    assert_eq!((received.len(), &received[0]), (41, &response(5, &Sent::To(40))));
    for received in &received[1..] {
        let Received::Request { body, .. } = received else { panic!("{received:?}") };
        let FilterResponse { outcome, .. } = decoded(body);
        assert!(matches!(outcome, Outcome::Error { reason: Reason::REJECTED_REQUEST, .. }));
    }
    assert_quiet(&bobs.iter().chain([&sender]).collect::<Vec<_>>());
}
