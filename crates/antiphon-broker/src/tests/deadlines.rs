//! How long a handler may take: for which path, to the millisecond, and what comes too late.

use std::time::Duration;

use antiphon_wire::error::Reason;

use crate::BrokerConfig;
use crate::End;
use crate::Millis;
use crate::PathRule;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::response;
use crate::tests::world::world;

fn timed_out(conversation: u64, allowed: &str) -> Received {
    let text = format!("no response within {allowed}; the request may have been executed");
    error(conversation, Reason::REQUEST_TIME_OUT, text)
}

fn rule(path: &str, timeout: Option<u64>) -> PathRule {
    PathRule { path: path.to_owned(), timeout: timeout.map(Duration::from_millis), choice: None }
}

#[test]
fn an_unanswered_request_times_out_once() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 5, "a");
    handler.request();
    w.advance(9_999);
    assert_eq!(sender.received(), []);
    w.advance(1);
    assert_eq!(sender.received(), [timed_out(5, "10s")]);
    w.advance(10_000);
    assert_eq!(w.broker.stats().ledger.ended(End::TimedOut), 1);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn an_answer_after_the_time_out_is_dropped() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.send_to_session(&sender, 5, handler.id());
    let (_, conversation, _) = handler.request();
    w.advance(10_000);
    assert_eq!(sender.received(), [timed_out(5, "10s")]);
    w.respond(&handler, conversation, &world());
    w.fail(&handler, conversation, Reason::REJECTED_REQUEST, "late");
    assert_eq!(w.broker.stats().stray_answers, 2);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn an_answer_counts_until_a_sweep_has_found_the_deadline() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.send_to_session(&sender, 5, handler.id());
    let (_, conversation, _) = handler.request();
    w.advance(9_999);
    w.now.0 += 50;
    w.respond(&handler, conversation, &world());
    assert_eq!(sender.received(), [response(5, &world())]);
    w.advance(50);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn each_request_has_its_own_deadline() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.send_to_session(&sender, 1, handler.id());
    w.advance(4_000);
    w.send_to_session(&sender, 2, handler.id());
    w.advance(2_000);
    w.send_to_session(&sender, 3, handler.id());
    w.advance(1_000);
    w.send_to_session(&sender, 4, handler.id());
    let held = handler.conversations();
    w.respond(&handler, held[1], &world());
    assert_eq!(sender.received(), [response(2, &world())]);
    for (millis, conversation) in [(3_000, 1), (6_000, 3), (1_000, 4)] {
        w.advance(millis - 1);
        assert_eq!(sender.received(), []);
        w.advance(1);
        assert_eq!(sender.received(), [timed_out(conversation, "10s")]);
    }
    assert_eq!(handler.session.next_deadline(), Millis::NEVER);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn the_most_specific_rule_that_sets_a_time_counts() {
    let paths = vec![
        rule("a", Some(2_000)),
        rule("/a/b/", Some(1_500)),
        rule("a/b/c", None),
        rule("a/b/c/d", Some(250)),
    ];
    let mut w = World::with(BrokerConfig { paths, ..BrokerConfig::default() });
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.register(&handler, "ab", &[]);
    for (path, millis, allowed) in [
        ("a", 2_000, "2s"),
        ("a/x", 2_000, "2s"),
        ("a/bc", 2_000, "2s"),
        ("/a/b", 1_500, "1.5s"),
        ("a/b/x", 1_500, "1.5s"),
        ("a/b/c", 1_500, "1.5s"),
        ("a/b/c/x", 1_500, "1.5s"),
        ("a/b/c/d/e", 250, "250ms"),
        ("ab", 10_000, "10s"),
    ] {
        w.send_to_path(&sender, 5, path);
        handler.request();
        w.advance(millis - 1);
        assert_eq!(sender.received(), [], "{path}");
        w.advance(1);
        assert_eq!(sender.received(), [timed_out(5, allowed)], "{path}");
    }
}

#[test]
fn a_rule_counts_for_the_path_of_a_request_to_a_session_too() {
    let paths = vec![rule("p", Some(100))];
    let mut w = World::with(BrokerConfig { paths, ..BrokerConfig::default() });
    let (sender, recipient) = (w.open("alice"), w.open("bob"));
    w.send_to_session(&sender, 5, recipient.id());
    recipient.request();
    w.advance(100);
    assert_eq!(sender.received(), [timed_out(5, "100ms")]);
    assert_quiet(&[&sender, &recipient]);
}
