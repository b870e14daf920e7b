//! What others see of a session without a connection: locks, events, filters, routes and pings.

use std::time::Duration;

use antiphon_wire::connect::Resumed;
use antiphon_wire::error::Reason;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::PropertyChange;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::UpdateKind;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::Sent;

use super::RUST;
use super::back;
use super::check_told;
use super::event;
use super::intact;
use super::listen;
use super::lose;
use super::open;
use super::patient;
use super::present;
use super::reconnect;
use crate::BrokerConfig;
use crate::Choice;
use crate::Connection;
use crate::Limits;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::response;
use crate::tests::world::world;

const SESSION: LockScope = LockScope::Session;
const CONNECTION: LockScope = LockScope::Connection;

pub(super) fn acquire(w: &mut World, client: &Client, number: u64, name: &str, scope: LockScope) {
    let body = AcquireLock { name, request: number, scope };
    w.ask(client, Service::AcquireSessionLock, number, &body);
}

pub(super) fn granted(number: u64, name: &str, sequence: u64, scope: LockScope) -> Received {
    response(number, &HeldLock { name, sequence, scope })
}

fn release(w: &mut World, client: &Client, name: &str, sequence: u64) -> Vec<Received> {
    let body = HeldLock { name, sequence, scope: SESSION };
    w.ask(client, Service::ReleaseSessionLock, 90, &body);
    client.received()
}

#[test]
fn a_lock_of_the_session_is_held_while_it_is_away() {
    let mut w = patient();
    let (holder, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
    acquire(&mut w, &holder, 1, "x", SESSION);
    acquire(&mut w, &other, 1, "x", SESSION);
    assert_eq!(holder.received(), [granted(1, "x", 0, SESSION)]);
    lose(&mut w, &holder);
    assert_quiet(&[&other]);
    reconnect(&mut w, RUST, "bob", (1, 1)).unwrap();
    assert_eq!(back(&holder), intact(2, []));
    assert_eq!(release(&mut w, &holder, "x", 0), [response(90, &true)]);
    assert_eq!(other.received(), [granted(1, "x", 1, SESSION)]);
}

#[test]
fn a_lock_of_the_connection_is_passed_on_when_it_is_lost() {
    let mut w = patient();
    let (holder, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
    acquire(&mut w, &holder, 1, "x", CONNECTION);
    acquire(&mut w, &holder, 2, "y", SESSION);
    acquire(&mut w, &holder, 3, "z", CONNECTION);
    assert_eq!(holder.received().len(), 3);
    acquire(&mut w, &other, 1, "x", SESSION);
    acquire(&mut w, &other, 2, "y", SESSION);
    lose(&mut w, &holder);
    assert_eq!(other.received(), [granted(1, "x", 3, SESSION)]);
    acquire(&mut w, &other, 3, "z", SESSION);
    assert_eq!(other.received(), [granted(3, "z", 4, SESSION)]);
    reconnect(&mut w, RUST, "bob", (1, 3)).unwrap();
    assert_eq!(back(&holder), intact(4, []));
    assert_eq!(release(&mut w, &holder, "x", 0), [response(90, &false)]);
    assert_eq!(release(&mut w, &holder, "z", 2), [response(90, &false)]);
    assert_eq!(release(&mut w, &holder, "y", 1), [response(90, &true)]);
    assert_eq!(other.received(), [granted(2, "y", 5, SESSION)]);
}

#[test]
fn whoever_does_not_know_of_a_lock_that_it_has_lost_is_never_told() {
    for noticed in [true, false] {
        for (received, resumes) in [(0, false), (1, true), (2, true)] {
            let mut w = patient();
            let (holder, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
            acquire(&mut w, &holder, 1, "x", CONNECTION);
            acquire(&mut w, &holder, 2, "y", SESSION);
            acquire(&mut w, &other, 1, "x", SESSION);
            holder.received();
            if noticed {
                lose(&mut w, &holder);
            }
            reconnect(&mut w, RUST, "bob", (1, received)).unwrap();
            assert_eq!(other.received(), [granted(1, "x", 2, SESSION)]);
            let held = granted(2, "y", 1, SESSION);
            let missed = if received == 1 { vec![held] } else { vec![] };
            let lost = (Resumed::WithLoss, vec![]);
            assert_eq!(back(&holder), if resumes { intact(3, missed) } else { lost });
        }
    }
}

#[test]
fn a_lock_that_is_granted_while_away_is_lost_with_the_next_connection() {
    let mut w = patient();
    let (holder, waiting) = (w.open("alice"), open(&mut w, RUST, "bob"));
    acquire(&mut w, &holder, 1, "x", SESSION);
    holder.received();
    acquire(&mut w, &waiting, 1, "x", CONNECTION);
    lose(&mut w, &waiting);
    assert_eq!(release(&mut w, &holder, "x", 0), [response(90, &true)]);
    acquire(&mut w, &holder, 2, "x", SESSION);
    reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_quiet(&[&holder]);
    lose(&mut w, &waiting);
    assert_eq!(holder.received(), [granted(2, "x", 2, SESSION)]);
    reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_eq!(back(&waiting), (Resumed::WithLoss, vec![]));
}

#[test]
fn whoever_waits_for_a_lock_waits_on_and_is_granted_it_while_away() {
    for scope in [SESSION, CONNECTION] {
        let mut w = patient();
        let (holder, waiting) = (w.open("alice"), open(&mut w, RUST, "bob"));
        acquire(&mut w, &holder, 1, "x", SESSION);
        acquire(&mut w, &waiting, 1, "x", scope);
        lose(&mut w, &waiting);
        assert_eq!(holder.received(), [granted(1, "x", 0, SESSION)]);
        assert_eq!(release(&mut w, &holder, "x", 0), [response(90, &true)]);
        reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
        assert_eq!(back(&waiting), intact(2, [granted(1, "x", 1, scope)]));
        assert_eq!(release(&mut w, &waiting, "x", 1), [response(90, &true)]);
    }
}

#[test]
fn the_locks_of_a_session_that_does_not_come_back_are_passed_on() {
    let mut w = patient();
    let (holder, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
    acquire(&mut w, &holder, 1, "x", SESSION);
    acquire(&mut w, &other, 1, "x", SESSION);
    lose(&mut w, &holder);
    w.advance(59_999);
    assert_quiet(&[&other]);
    w.advance(1);
    assert_eq!(other.received(), [granted(1, "x", 1, SESSION)]);
}

fn update<'a>(kind: UpdateKind, properties: &[(&'a str, &'a str)]) -> SessionChange<'a> {
    let same = |(key, value): &(&'a str, &'a str)| (*key, PropertyChange::Same(value));
    SessionChange::Updated { kind, properties: properties.iter().map(same).collect() }
}

#[test]
fn listeners_are_told_of_the_loss_and_of_the_return() {
    let mut w = patient();
    let (watcher, client) = (w.open("carol"), open(&mut w, RUST, "bob"));
    listen(&mut w, &watcher, &["$Principal", "$ClientType", "none"]);
    let known = [("$ClientType", "OTHER"), ("$Principal", "bob")];
    for _ in 0..2 {
        lose(&mut w, &client);
        check_told(&watcher, &client, [update(UpdateKind::Disconnected, &known)]);
        lose(&mut w, &client);
        assert_quiet(&[&watcher]);
        reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
        check_told(&watcher, &client, [update(UpdateKind::Reconnected, &known)]);
    }
}

#[test]
fn a_listener_that_was_away_is_told_all_that_it_missed() {
    let mut w = patient();
    let watcher = open(&mut w, RUST, "bob");
    listen(&mut w, &watcher, &[]);
    lose(&mut w, &watcher);
    let other = w.open("alice");
    reconnect(&mut w, RUST, "bob", (1, 2)).unwrap();
    let (_, missed) = back(&watcher);
    let bodies: Vec<_> = missed
        .into_iter()
        .map(|message| match message {
            Received::Request { service: Service::SessionPropertiesEvent, body, .. } => body,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        event(&watcher, update(UpdateKind::Disconnected, &[])),
        event(&other, SessionChange::Opened(vec![])),
        event(&watcher, update(UpdateKind::Reconnected, &[])),
    ];
    assert_eq!(bodies, expected);
}

#[test]
fn filters_match_only_sessions_with_a_connection() {
    let mut w = patient();
    let (sender, away, there) =
        (w.open("alice"), open(&mut w, RUST, "bob"), open(&mut w, RUST, "ben"));
    lose(&mut w, &away);
    for filter in ["$Principal is 'bob' or $Principal is 'ben'", "$ClientType is 'OTHER'"] {
        w.send_to_filter(&sender, 1, filter);
        assert_eq!(sender.received(), [response(1, &Sent::To(1))]);
        w.respond(&there, there.request().1, &world());
        assert_eq!(sender.received().len(), 1);
    }
    w.send_to_filter(&sender, 2, "$Principal is 'bob'");
    assert_eq!(sender.received(), [response(2, &Sent::To(0))]);
    reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_eq!(back(&away), intact(1, []));
    w.send_to_filter(&sender, 3, "$Principal is 'bob'");
    assert_eq!(sender.received(), [response(3, &Sent::To(1))]);
    away.request();
}

/// A world with two handlers of `a`, and a sender.
fn two_handlers(choice: Choice) -> (World, Client, [Client; 2]) {
    let config = BrokerConfig { choice, ping_period: Duration::ZERO, ..BrokerConfig::default() };
    let mut w = World::with(config);
    let handlers = [open(&mut w, RUST, "bob"), open(&mut w, RUST, "ben")];
    for handler in &handlers {
        w.register(handler, "a", &[]);
    }
    let sender = w.open("alice");
    (w, sender, handlers)
}

#[test]
fn requests_go_to_a_handler_that_is_there_if_there_is_one() {
    for choice in [Choice::LeastInFlight, Choice::RoundRobin, Choice::Sticky] {
        for gone in [0, 1] {
            let (mut w, sender, handlers) = two_handlers(choice);
            lose(&mut w, &handlers[gone]);
            (1..=10).for_each(|number| w.send_to_path(&sender, number, "a"));
            assert_eq!(handlers[1 - gone].conversations().len(), 10, "{choice:?}");
            assert_eq!(handlers[gone].session.in_flight(), 0);
        }
    }
}

#[test]
fn requests_go_to_a_handler_that_is_away_if_there_is_no_other() {
    for choice in [Choice::LeastInFlight, Choice::RoundRobin, Choice::Sticky] {
        let (mut w, sender, handlers) = two_handlers(choice);
        handlers.iter().for_each(|handler| lose(&mut w, handler));
        (1..=10).for_each(|number| w.send_to_path(&sender, number, "a"));
        assert_eq!(sender.received(), []);
        let mut outcomes = 0;
        for (handler, principal) in handlers.iter().zip(["bob", "ben"]) {
            reconnect(&mut w, RUST, principal, (2, 1)).unwrap();
            for message in back(handler).1 {
                let Received::Request { conversation, .. } = message else { panic!("{message:?}") };
                w.respond(handler, conversation, &world());
                outcomes += sender.received().len();
            }
        }
        assert_eq!(outcomes, 10);
        assert_quiet(&[&sender, &handlers[0], &handlers[1]]);
    }
}

#[test]
fn a_handler_that_is_away_takes_over_from_one_that_is_full() {
    let limits = Limits { requests_per_handler: 2, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let handlers = [open(&mut w, RUST, "bob"), open(&mut w, RUST, "ben")];
    handlers.iter().for_each(|handler| w.register(handler, "a", &[]));
    let sender = w.open("alice");
    lose(&mut w, &handlers[0]);
    (1..=4).for_each(|number| w.send_to_path(&sender, number, "a"));
    assert_eq!(sender.received(), []);
    w.send_to_path(&sender, 5, "a");
    let text = "overloaded: the recipient has too many requests to answer";
    assert_eq!(sender.received(), [error(5, Reason::REJECTED_REQUEST, text)]);
    let owed = handlers.each_ref().map(|handler| handler.session.in_flight());
    assert_eq!(owed, [2, 2]);
}

#[test]
fn nobody_is_pinged_while_away_and_pings_go_on_afterwards() {
    let ping_period = Duration::from_secs(10);
    let mut w = World::with(BrokerConfig { ping_period, ..BrokerConfig::default() });
    let client = open(&mut w, RUST, "bob");
    w.advance(5_000);
    lose(&mut w, &client);
    for _ in 0..11 {
        w.advance(5_000);
    }
    assert_eq!(reconnect(&mut w, RUST, "bob", (1, 0)), Ok(present(&w, &client)));
    assert_ne!(present(&w, &client), Connection::FIRST);
    assert_eq!(back(&client), intact(1, []));
    w.advance(9_999);
    assert_eq!(client.received(), []);
    w.advance(1);
    assert_eq!(client.request().0, Service::SystemPing);
    w.advance(10_000);
    assert_eq!(client.request().0, Service::SystemPing);
    w.advance(10_000);
    assert_eq!((client.received(), w.outbox.lost.len()), (vec![], 1));
}
