//! What happens where a limit is reached: at once, to the one who asks, and until there is room again.

use antiphon_wire::error::Reason;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;

use crate::BrokerConfig;
use crate::Choice;
use crate::Limits;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::outcome;
use crate::tests::world::response;
use crate::tests::world::world;

fn limited(limits: Limits) -> World {
    World::with(BrokerConfig { limits, ..BrokerConfig::default() })
}

fn overloaded(conversation: u64) -> Received {
    let text = "overloaded: the recipient has too many requests to answer";
    error(conversation, Reason::REJECTED_REQUEST, text)
}

#[test]
fn a_handler_with_too_many_requests_gets_no_more_until_it_answers() {
    let mut w = limited(Limits { requests_per_handler: 2, ..Limits::default() });
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    for conversation in 1..=3 {
        w.send_to_path(&sender, conversation, "a");
    }
    w.send_to_session(&sender, 4, handler.id());
    assert_eq!(sender.received(), [overloaded(3), overloaded(4)]);
    let held = handler.conversations();
    assert_eq!(held.len(), 2);

    w.respond(&handler, held[0], &world());
    w.send_to_session(&sender, 5, handler.id());
    assert_eq!(sender.received(), [response(1, &world())]);
    let (_, last, _) = handler.request();
    w.respond(&handler, last, &world());
    w.respond(&handler, held[1], &world());
    assert_eq!(sender.received(), [response(5, &world()), response(2, &world())]);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn a_full_handler_is_passed_over_for_an_equal_one() {
    for choice in [Choice::LeastInFlight, Choice::RoundRobin, Choice::Sticky] {
        let limits = Limits { requests_per_handler: 2, ..Limits::default() };
        let mut w = World::with(BrokerConfig { limits, choice, ..BrokerConfig::default() });
        let (sender, one, two) = (w.open("alice"), w.open("bob"), w.open("bob"));
        w.register(&one, "a", &[]);
        w.register(&two, "a", &[]);
        for conversation in 1..=5 {
            w.send_to_path(&sender, conversation, "a/b");
        }
        assert_eq!(sender.received(), [overloaded(5)], "{choice:?}");
        assert_eq!((one.conversations().len(), two.conversations().len()), (2, 2), "{choice:?}");
    }
}

#[test]
fn a_full_handler_is_not_passed_over_for_one_above_it() {
    let mut w = limited(Limits { requests_per_handler: 1, ..Limits::default() });
    let (sender, above, below) = (w.open("alice"), w.open("bob"), w.open("bob"));
    w.register(&above, "a", &[]);
    w.register(&below, "a/b", &[]);
    w.send_to_path(&sender, 1, "a/b");
    w.send_to_path(&sender, 2, "a/b");
    assert_eq!(sender.received(), [overloaded(2)]);
    assert_eq!(below.conversations().len(), 1);
    assert_quiet(&[&above]);
}

#[test]
fn a_handler_that_does_not_read_gets_no_more_until_it_does() {
    // Room for one request, which is taken to be some 50 bytes long.
    let mut w = limited(Limits { mailbox: 60, ..Limits::default() });
    let (sender, slow, other) = (w.open("alice"), w.open("bob"), w.open("bob"));
    w.register(&slow, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    w.send_to_path(&sender, 2, "a");
    assert_eq!(sender.received(), [overloaded(2)]);
    w.register(&other, "a", &[]);
    w.send_to_path(&sender, 3, "a");
    w.send_to_path(&sender, 4, "a");
    assert_eq!(sender.received(), [overloaded(4)]);
    let (_, third, _) = other.request();
    let (_, first, _) = slow.request();
    w.send_to_path(&sender, 5, "a");
    w.send_to_path(&sender, 6, "a");
    assert_eq!(sender.received(), []);
    for (handler, earlier) in [(&slow, first), (&other, third)] {
        let (_, conversation, _) = handler.request();
        w.respond(handler, conversation, &world());
        w.respond(handler, earlier, &world());
    }
    assert_eq!(sender.received().len(), 4);
    assert_quiet(&[&sender, &slow, &other]);
}

#[test]
fn a_request_larger_than_any_mailbox_is_refused() {
    let mut w = limited(Limits { mailbox: 100, ..Limits::default() });
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    let value = Value { type_name: "binary", bytes: &[0; 100] };
    w.ask(&sender, Service::MessagingSend, 5, &SendRequest { path: "a", value });
    assert_eq!(sender.received(), [overloaded(5)]);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn a_sender_that_awaits_too_much_may_ask_no_more_until_it_is_answered() {
    let mut w = limited(Limits { requests_per_sender: 2, ..Limits::default() });
    let (sender, other, handler) = (w.open("alice"), w.open("carol"), w.open("bob"));
    w.register(&handler, "a", &[]);
    for conversation in 1..=3 {
        w.send_to_path(&sender, conversation, "a");
    }
    w.send_to_session(&sender, 4, handler.id());
    w.send_to_filter(&sender, 5, "all");
    let text = "overloaded: the session awaits too many responses";
    let refused = |conversation| error(conversation, Reason::REJECTED_REQUEST, text);
    assert_eq!(sender.received(), [refused(3), refused(4), refused(5)]);
    w.send_to_path(&other, 1, "a");
    let held = handler.conversations();
    assert_eq!(held.len(), 3);

    w.fail(&handler, held[0], Reason::REJECTED_REQUEST, "no");
    w.send_to_path(&sender, 6, "a");
    assert_eq!(sender.received(), [error(1, Reason::REJECTED_REQUEST, "no")]);
    for conversation in held[1..].iter().copied().chain(handler.conversations()) {
        w.respond(&handler, conversation, &world());
    }
    assert_eq!(sender.received(), [response(2, &world()), response(6, &world())]);
    assert_eq!(other.received(), [response(1, &world())]);
    assert_quiet(&[&sender, &other, &handler]);
}

#[test]
fn one_filter_request_may_go_beyond_what_its_sender_may_await() {
    let mut w = limited(Limits { requests_per_sender: 1, ..Limits::default() });
    let (sender, one, two) = (w.open("alice"), w.open("bob"), w.open("bob"));
    w.send_to_filter(&sender, 5, "$Principal is 'bob'");
    w.send_to_filter(&sender, 6, "$Principal is 'bob'");
    let text = "overloaded: the session awaits too many responses";
    let refused = error(6, Reason::REJECTED_REQUEST, text);
    assert_eq!(sender.received(), [response(5, &Sent::To(2)), refused.clone()]);
    let (_, conversation, _) = one.request();
    w.respond(&one, conversation, &world());
    let first = outcome(one.id(), Outcome::Response(world()));
    assert_eq!(sender.bodies(Service::FilterResponse), [first]);
    w.send_to_filter(&sender, 6, "$Principal is 'bob'");
    assert_eq!(sender.received(), [refused]);
    let (_, conversation, _) = two.request();
    w.respond(&two, conversation, &world());
    let second = outcome(two.id(), Outcome::Response(world()));
    assert_eq!(sender.bodies(Service::FilterResponse), [second]);
    assert_quiet(&[&sender, &one, &two]);
}

#[test]
fn a_change_of_a_limit_holds_at_once_and_drops_nothing() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    w.send_to_path(&sender, 2, "a");
    let limits = Limits { requests_per_handler: 1, ..Limits::default() };
    w.broker.reconfigure(&BrokerConfig { limits, ..BrokerConfig::default() });
    w.send_to_path(&sender, 3, "a");
    assert_eq!(sender.received(), [overloaded(3)]);
    let held = handler.conversations();
    held.iter().for_each(|&conversation| w.respond(&handler, conversation, &world()));
    assert_eq!(sender.received(), [response(1, &world()), response(2, &world())]);
    assert_quiet(&[&sender, &handler]);
}
