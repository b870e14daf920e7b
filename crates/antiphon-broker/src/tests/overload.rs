//! What happens where a limit is reached: at once, to the one who asks, and until there is room again.

use std::time::Duration;

use antiphon_wire::error::Reason;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;

use crate::BrokerConfig;
use crate::Choice;
use crate::Limit;
use crate::Limits;
use crate::Rate;
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

fn unread(conversation: u64) -> Received {
    let text = "overloaded: the recipient has too much to read";
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
    assert_eq!(sender.received(), [unread(2)]);
    w.register(&other, "a", &[]);
    w.send_to_path(&sender, 3, "a");
    w.send_to_path(&sender, 4, "a");
    assert_eq!(sender.received(), [unread(4)]);
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
fn a_handler_that_does_not_read_gets_so_many_messages_and_no_more() {
    let mut w = limited(Limits { mailbox_messages: 2, ..Limits::default() });
    let (sender, slow) = (w.open("alice"), w.open("bob"));
    w.register(&slow, "a", &[]);
    (1..=4).for_each(|conversation| w.send_to_path(&sender, conversation, "a"));
    assert_eq!(sender.received(), [unread(3), unread(4)]);
    assert_eq!(slow.received().len(), 2);
    w.send_to_path(&sender, 5, "a");
    assert_eq!(sender.received(), []);
    assert_eq!(w.broker.stats().exceeded(Limit::MailboxMessages), 2);
}

#[test]
fn a_session_that_asks_too_fast_is_refused_until_its_time_comes() {
    let mut w = limited(Limits { rate: Rate::new(10, 2), ..Limits::default() });
    let (sender, other) = (w.open("alice"), w.open("alice"));
    let too_fast = |conversation| {
        let text = "overloaded: the session asks too fast";
        error(conversation, Reason::REJECTED_REQUEST, text)
    };
    w.register(&other, "a", &[]);
    for conversation in 1..=3 {
        w.send_to_path(&sender, conversation, "a");
        w.send_to_path(&other, conversation, "a");
    }
    assert_eq!(sender.received(), [too_fast(3)]);
    w.now = w.now.after(Duration::from_millis(100));
    (4..=5).for_each(|conversation| w.send_to_path(&sender, conversation, "a"));
    assert_eq!(sender.received(), [too_fast(5)]);
    assert_eq!(w.broker.stats().exceeded(Limit::Rate), 3);
}

#[test]
fn a_request_larger_than_any_mailbox_is_refused() {
    let mut w = limited(Limits { mailbox: 100, ..Limits::default() });
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    let value = Value { type_name: "binary", bytes: &[0; 100] };
    w.ask(&sender, Service::MessagingSend, 5, &SendRequest { path: "a", value });
    assert_eq!(sender.received(), [unread(5)]);
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
fn limits_that_are_met_are_counted_by_their_name() {
    let limits = Limits {
        sessions: 2,
        requests_per_handler: 1,
        requests_per_sender: 2,
        handlers_per_session: 1,
        ..Limits::default()
    };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    assert!(w.try_open("v=29", "carol", &[]).is_err());
    w.register(&handler, "a", &[]);
    w.ask_to_register(&handler, "b", &[]);
    w.send_to_path(&sender, 1, "a");
    w.send_to_path(&sender, 2, "a");
    w.send_to_session(&sender, 3, sender.id());
    w.send_to_path(&sender, 4, "a");
    let stats = w.broker.stats();
    for (limit, count) in [
        (Limit::Sessions, 1),
        (Limit::Handlers, 1),
        (Limit::Recipient, 1),
        (Limit::Sender, 1),
        (Limit::Mailbox, 0),
        (Limit::Unread, 0),
    ] {
        assert_eq!(stats.exceeded(limit), count, "{limit:?}");
    }
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
