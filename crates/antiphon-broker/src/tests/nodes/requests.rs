//! Requests between nodes: who gets them, who answers, and how they end when the way between is gone.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::HandlerRequest;

use crate::BrokerConfig;
use crate::Limits;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::nodes::fabric::node_id;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::error;
use crate::tests::world::hello;
use crate::tests::world::response;
use crate::tests::world::world;

/// A sender on node 0, and a handler for `a` on each other node.
fn spread(count: usize) -> (Fabric, Client, Vec<Client>) {
    spread_with(count, &BrokerConfig::default())
}

fn spread_with(count: usize, config: &BrokerConfig) -> (Fabric, Client, Vec<Client>) {
    let mut f = Fabric::with(count, config);
    let sender = f.nodes[0].open("alice");
    let mut handlers = Vec::new();
    for node in 1..count {
        let handler = f.nodes[node].open("bob");
        f.nodes[node].register(&handler, "a", &["$Principal"]);
        handlers.push(handler);
    }
    f.run();
    (f, sender, handlers)
}

fn reason(received: &[Received]) -> Reason {
    match received {
        [Received::Error { reason, .. }] => *reason,
        other => panic!("expected one error, not {other:?}"),
    }
}

#[test]
fn a_request_reaches_the_handler_of_another_node_and_its_response_the_sender() {
    let (mut f, sender, handlers) = spread(2);
    f.nodes[0].send_to_path(&sender, 5, "/a/b");
    f.run();
    let (service, conversation, body) = handlers[0].request();
    assert_eq!(service, Service::MessagingReceiverClient);
    let expected = HandlerRequest {
        registration: ConversationId(7),
        sender: sender.id(),
        path: "/a/b",
        properties: vec![("$Principal", "alice")],
        value: hello(),
    };
    assert_eq!(decoded::<HandlerRequest<'_>>(&body), expected);
    f.nodes[1].respond(&handlers[0], conversation, &world());
    f.run();
    assert_eq!(sender.received(), [response(5, &world())]);
    assert_quiet(&[&sender, &handlers[0]]);
    assert_eq!(f.link(0, 1).in_flight(), 0);
}

#[test]
fn each_handler_is_told_only_the_properties_that_it_asked_for() {
    let (mut f, sender, handlers) = spread(2);
    let second = f.nodes[1].open("bob");
    f.nodes[1].register(&second, "a", &["$ClientIP"]);
    f.run();
    let mut told = Vec::new();
    for conversation in 0..2 {
        f.nodes[0].send_to_path(&sender, conversation, "a");
        f.run();
        for handler in [&handlers[0], &second] {
            for body in handler.bodies(Service::MessagingReceiverClient) {
                let request: HandlerRequest<'_> = decoded(&body);
                told.extend(request.properties.iter().map(|(key, _)| (*key).to_owned()));
            }
        }
    }
    told.sort();
    assert_eq!(told, ["$ClientIP", "$Principal"]);
}

#[test]
fn an_error_of_a_handler_elsewhere_is_what_the_sender_gets() {
    let (mut f, sender, handlers) = spread(2);
    f.nodes[0].send_to_path(&sender, 5, "a");
    f.run();
    let (_, conversation, _) = handlers[0].request();
    f.nodes[1].fail(&handlers[0], conversation, Reason::CALLBACK_EXCEPTION, "no");
    f.run();
    assert_eq!(sender.received(), [error(5, Reason::CALLBACK_EXCEPTION, "no")]);
}

#[test]
fn a_handler_of_the_same_node_is_preferred_but_a_more_specific_one_elsewhere_wins() {
    let (mut f, sender, handlers) = spread(2);
    let near = f.nodes[0].open("carol");
    f.nodes[0].register(&near, "a", &[]);
    for conversation in 0..10 {
        f.nodes[0].send_to_path(&sender, conversation, "a/b");
    }
    f.run();
    assert_eq!(near.conversations().len(), 10);
    f.nodes[1].register(&handlers[0], "a/b", &[]);
    f.run();
    f.nodes[0].send_to_path(&sender, 11, "a/b");
    f.run();
    assert_eq!(handlers[0].conversations().len(), 1);
    assert_quiet(&[]);
}

#[test]
fn a_near_handler_without_a_connection_comes_after_those_elsewhere() {
    let mut f = Fabric::new(2);
    let near = f.nodes[0].open_as("ty=WB&v=29&r=60000", "bob", crate::tests::world::EVERYTHING);
    assert_eq!(near.received().len(), 1);
    f.nodes[0].register(&near, "a", &[]);
    let far = f.nodes[1].open("bob");
    f.nodes[1].register(&far, "a", &[]);
    f.run();
    let world = &mut f.nodes[0];
    world.broker.lose(&near.session, crate::Connection::FIRST, world.now, &mut world.outbox);
    let sender = f.nodes[0].open("alice");
    f.nodes[0].send_to_path(&sender, 1, "a");
    f.run();
    assert_eq!(far.conversations().len(), 1);
}

#[test]
fn without_a_handler_on_any_node_there_is_none() {
    let (mut f, sender, handlers) = spread(2);
    f.nodes[0].send_to_path(&sender, 5, "b");
    assert_eq!(sender.received(), [error(5, Reason::UNHANDLED_MESSAGE, "no handler for path b")]);
    f.nodes[1].deregister(&handlers[0], 9, "a");
    f.run();
    f.nodes[0].send_to_path(&sender, 6, "a");
    assert_eq!(sender.received(), [error(6, Reason::UNHANDLED_MESSAGE, "no handler for path a")]);
}

#[test]
fn a_request_whose_handler_has_just_gone_is_offered_to_others() {
    let (mut f, sender, handlers) = spread(3);
    for conversation in 0..4 {
        f.nodes[0].send_to_path(&sender, conversation, "a");
    }
    f.nodes[1].deregister(&handlers[0], 9, "a");
    f.run();
    let all = handlers[1].conversations();
    assert_eq!(all.len(), 4);
    for conversation in all {
        f.nodes[2].respond(&handlers[1], conversation, &world());
    }
    f.run();
    assert_eq!(sender.received().len(), 4);
    assert_quiet(&[&sender]);
    let ledger = f.nodes[0].broker.stats().ledger;
    let (rerouted, ended) =
        (ledger.accepted(crate::Kind::Rerouted), ledger.ended(crate::End::Rerouted));
    assert!(rerouted > 0 && rerouted == ended, "{ledger:?}");
}

#[test]
fn a_request_whose_last_handler_has_just_gone_finds_none_above_it_on_that_node() {
    let (mut f, sender, handlers) = spread(2);
    let above = f.nodes[1].open("carol");
    f.nodes[1].register(&above, "a", &[]);
    f.nodes[1].register(&handlers[0], "a/b", &[]);
    f.run();
    f.nodes[0].send_to_path(&sender, 5, "a/b");
    f.nodes[1].deregister(&handlers[0], 9, "a/b");
    f.run();
    assert_eq!(sender.received(), [error(5, Reason::UNHANDLED_MESSAGE, "no handler for path a/b")]);
    assert_quiet(&[&sender, &above]);
}

#[test]
fn when_the_handlers_session_ends_the_request_may_have_been_executed() {
    let (mut f, sender, handlers) = spread(2);
    f.nodes[0].send_to_path(&sender, 5, "a");
    f.run();
    f.nodes[1].close(&handlers[0], CloseReason::ConnectionLost);
    f.run();
    let text = format!("session {} ended; the request may have been executed", handlers[0].id());
    assert_eq!(sender.received(), [error(5, Reason::NO_SUCH_SESSION, text)]);
}

#[test]
fn a_node_that_is_lost_ends_what_it_had_to_answer_and_its_handlers_are_gone_at_once() {
    let (mut f, sender, handlers) = spread(2);
    let other = f.nodes[0].open("carol");
    f.nodes[0].send_to_path(&sender, 5, "a");
    f.nodes[0].send_to_session(&other, 6, handlers[0].id());
    f.run();
    let asked: Vec<_> = handlers[0].conversations();
    f.part(0, 1);
    let text = "node 0000000000000065 is lost; the request may have been executed";
    assert_eq!(sender.received(), [error(5, Reason::NO_SUCH_SESSION, text)]);
    assert_eq!(other.received(), [error(6, Reason::NO_SUCH_SESSION, text)]);
    f.nodes[0].send_to_path(&sender, 7, "a");
    assert_eq!(reason(&sender.received()), Reason::UNHANDLED_MESSAGE);
    f.nodes[0].send_to_session(&sender, 8, handlers[0].id());
    assert_eq!(reason(&sender.received()), Reason::NO_SUCH_SESSION);
    // What is answered on the other side is for nobody, also when the link is there again.
    f.part(1, 0);
    f.heal(0, 1);
    f.nodes[1].respond(&handlers[0], asked[0], &world());
    f.run();
    assert_quiet(&[&sender, &other]);
    f.assert_up();
    f.nodes[0].send_to_path(&sender, 9, "a");
    f.run();
    assert_eq!(handlers[0].conversations().len(), 1);
}

#[test]
fn an_answer_of_a_life_that_is_over_is_not_taken_for_one_of_the_next() {
    let (mut f, sender, handlers) = spread(2);
    f.nodes[0].send_to_path(&sender, 5, "a");
    f.run();
    let old = handlers[0].conversations();
    // Node 0 is started again as far as node 1 can tell: its conversations begin from 1.
    f.part(0, 1);
    assert_eq!(reason(&sender.received()), Reason::NO_SUCH_SESSION);
    f.join(0, 1);
    f.run();
    f.nodes[0].send_to_path(&sender, 6, "a");
    f.run();
    f.nodes[1].respond(&handlers[0], old[0], &hello());
    f.run();
    assert_eq!(sender.received(), []);
    let new = handlers[0].conversations();
    f.nodes[1].respond(&handlers[0], new[0], &world());
    f.run();
    assert_eq!(sender.received(), [response(6, &world())]);
}

#[test]
fn a_session_of_another_node_is_one_hop_away() {
    let (mut f, sender, handlers) = spread(2);
    f.nodes[0].send_to_session(&sender, 5, handlers[0].id());
    f.run();
    let (service, conversation, _) = handlers[0].request();
    assert_eq!(service, Service::MessagingSend);
    f.nodes[1].respond(&handlers[0], conversation, &world());
    f.run();
    assert_eq!(sender.received(), [response(5, &world())]);
    assert_quiet(&[&sender, &handlers[0]]);
}

#[test]
fn sessions_that_are_not_there_are_not_found_on_any_node() {
    let (mut f, sender, _) = spread(2);
    for server in [100, 101, 102] {
        let nobody = SessionId { server, client: 99 };
        f.nodes[0].send_to_session(&sender, 5, nobody);
        f.run();
        let text = format!("no session {nobody}");
        assert_eq!(sender.received(), [error(5, Reason::NO_SUCH_SESSION, text)]);
    }
}

#[test]
fn while_the_link_is_not_up_it_is_safe_to_try_again() {
    let (mut f, sender, handlers) = spread(2);
    f.cut(0, 1);
    f.join(0, 1);
    f.nodes[0].send_to_session(&sender, 5, handlers[0].id());
    assert_eq!(reason(&sender.received()), Reason::CLUSTER_ROUTING);
    f.join(1, 0);
    f.run();
    f.nodes[0].send_to_session(&sender, 6, handlers[0].id());
    f.run();
    assert_eq!(handlers[0].conversations().len(), 1);
}

#[test]
fn the_other_node_says_that_there_was_no_answer_in_time_and_this_one_if_it_does_not() {
    let (mut f, sender, handlers) = spread(2);
    f.nodes[0].send_to_path(&sender, 5, "a");
    f.run();
    f.advance(9_999);
    assert_eq!(sender.received(), []);
    f.advance(1);
    let text = "no response within 10s; the request may have been executed";
    assert_eq!(sender.received(), [error(5, Reason::REQUEST_TIME_OUT, text)]);
    f.nodes[0].send_to_path(&sender, 6, "a");
    f.run();
    // The other node stands still.
    f.nodes[0].advance(10_499);
    assert_eq!(sender.received(), []);
    f.nodes[0].advance(1);
    let text = "no response within 10.5s; the request may have been executed";
    assert_eq!(sender.received(), [error(6, Reason::REQUEST_TIME_OUT, text)]);
    assert_eq!(f.link(0, 1).in_flight(), 0);
    handlers[0].received();
}

#[test]
fn an_overloaded_node_gives_the_request_back_and_others_have_it() {
    let limits = Limits { requests_per_handler: 2, ..Limits::default() };
    let (mut f, sender, handlers) =
        spread_with(3, &BrokerConfig { limits, ..BrokerConfig::default() });
    for conversation in 0..5 {
        f.nodes[0].send_to_path(&sender, conversation, "a");
        f.run();
    }
    let taken: Vec<_> = handlers.iter().map(|handler| handler.conversations().len()).collect();
    assert_eq!(taken, [2, 2]);
    let received = sender.received();
    let overloaded = "overloaded: the recipient has too many requests to answer";
    assert_eq!(received, [error(4, Reason::REJECTED_REQUEST, overloaded)]);
}

#[test]
fn a_node_that_reads_nothing_fills_its_own_mailbox_only() {
    let mut config = BrokerConfig::default();
    config.nodes.mailbox = 10_000;
    let (mut f, sender, handlers) = spread_with(3, &config);
    f.stuck = vec![(0, 1)];
    let mut rejected = 0;
    for conversation in 0..1_000 {
        f.nodes[0].send_to_session(&sender, conversation, handlers[0].id());
        f.nodes[0].send_to_session(&sender, 10_000 + conversation, handlers[1].id());
        f.run();
        for received in sender.received() {
            assert!(matches!(received, Received::Error { reason: Reason::REJECTED_REQUEST, .. }));
            rejected += 1;
        }
    }
    assert!(rejected > 500, "{rejected}");
    assert_eq!(handlers[1].conversations().len(), 1_000);
    assert!(f.statuses(0)[0].is_blocked);
    f.stuck.clear();
    f.link(0, 1).unblock(crate::Connection::FIRST);
    f.nodes[0].send_to_session(&sender, 1, SessionId { server: node_id(1).0, client: 99 });
    f.cut(0, 1);
    f.heal(0, 1);
    f.assert_up();
}

#[test]
fn handlers_of_a_node_that_is_about_to_stop_are_the_last_choice() {
    let (mut f, sender, handlers) = spread(3);
    // A session that stays, so that the drain does not end the handler's.
    let staying = f.nodes[1].open("dave");
    f.nodes[1].send_to_session(&staying, 1, handlers[1].id());
    f.run();
    let world = &mut f.nodes[1];
    world.broker.drain(0, &mut world.outbox);
    f.run();
    assert_eq!(f.statuses(0)[0].state, crate::LinkState::Leaving);
    handlers[1].received();
    for conversation in 0..10 {
        f.nodes[0].send_to_path(&sender, conversation, "a");
    }
    f.run();
    assert_eq!(handlers[1].conversations().len(), 10);
    f.nodes[2].close(&handlers[1], CloseReason::ClosedByClient);
    f.run();
    assert_eq!(sender.received().len(), 10);
    f.nodes[0].send_to_path(&sender, 11, "a");
    f.run();
    assert_eq!(handlers[0].conversations().len(), 1);
}

#[test]
fn of_several_nodes_the_one_with_less_in_flight_is_chosen() {
    let (mut f, sender, handlers) = spread(3);
    let other = f.nodes[1].open("carol");
    for conversation in 0..30 {
        f.nodes[1].send_to_path(&other, conversation, "a");
    }
    f.advance(600);
    for conversation in 0..30 {
        f.nodes[0].send_to_path(&sender, conversation, "a");
    }
    f.run();
    assert_eq!(handlers[1].conversations().len(), 30);
    for conversation in 30..60 {
        f.nodes[0].send_to_path(&sender, conversation, "a");
    }
    f.run();
    let more = handlers[1].conversations().len();
    assert!((14..=16).contains(&more), "{more}");
}

#[test]
fn a_client_cannot_call_what_nodes_call() {
    let (mut f, sender, _) = spread(2);
    for service in antiphon_wire::node::NodeService::ALL {
        f.nodes[0].send(&sender, &crate::tests::world::request(service.number(), 1, &[]));
        assert_eq!(reason(&sender.received()), Reason::UNSUPPORTED);
    }
}
