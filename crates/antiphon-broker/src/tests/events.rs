//! Session listeners: what they are told, of whom, in which order, and until when.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::ListenerAction;
use antiphon_wire::service::events::PropertiesListener;
use antiphon_wire::service::events::PropertyChange;
use antiphon_wire::service::events::RemoveEventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvent;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::events::UpdateKind;

use crate::BrokerConfig;
use crate::Limits;
use crate::batch::Void;
use crate::filter::Filter;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::response;

const ACCEPTED: Vec<ErrorReport<'static>> = Vec::new();

fn listener<'a>(filter: Option<&'a str>, keys: &[&'a str]) -> EventListener<'a> {
    let keys = Some(keys.to_vec()).filter(|keys| !keys.is_empty());
    EventListener {
        cluster_aware: true,
        filter,
        keys,
        after: Some(0),
        conversation: ConversationId(9),
    }
}

/// Registers a listener, as 9, and skips its answer and what it is told of the sessions that are there.
fn listen(w: &mut World, client: &Client, filter: Option<&str>, keys: &[&str]) {
    w.ask(client, Service::SessionEventRegistration, 5, &listener(filter, keys));
    assert_eq!(client.received()[0], response(5, &ACCEPTED));
}

/// The body of a message with these events for listener 9.
fn events<'a>(events: impl IntoIterator<Item = (&'a Client, SessionChange<'a>)>) -> Vec<u8> {
    let event = |(client, change): (&Client, _)| SessionEvent { session: client.id(), change };
    let events = events.into_iter().map(event).collect();
    encoded(&SessionEvents { conversation: ConversationId(9), events })
}

/// Checks that the listener has been told exactly these changes, a message each.
#[track_caller]
fn check<const N: usize>(listener: &Client, expected: [(&Client, SessionChange<'_>); N]) {
    let expected = expected.map(|event| events([event]));
    assert_eq!(listener.bodies(Service::SessionPropertiesEvent), expected);
}

fn opened<'a>(properties: &[(&'a str, &'a str)]) -> SessionChange<'a> {
    SessionChange::Opened(properties.to_vec())
}

fn updated<'a>(properties: &[(&'a str, PropertyChange<'a>)]) -> SessionChange<'a> {
    SessionChange::Updated { kind: UpdateKind::Updated, properties: properties.to_vec() }
}

fn closed<'a>(reason: CloseReason, properties: &[(&'a str, &'a str)]) -> SessionChange<'a> {
    SessionChange::Closed { reason, properties: properties.to_vec() }
}

fn set(w: &mut World, client: &Client, set: &[(&str, &str)], remove: &[&str]) {
    let (set, remove) = (Some(set.to_vec()), Some(remove.to_vec()));
    let body = SetSessionProperties { session: client.id(), set, remove };
    w.ask(client, Service::SetSessionProperties, 3, &body);
    assert!(matches!(client.received()[..], [Received::Response { .. }]));
}

#[test]
fn a_listener_is_told_first_of_the_sessions_that_are_there() {
    let mut w = World::new();
    let (one, gone, watcher) = (w.open("a"), w.open("gone"), w.open("b"));
    w.close(&gone, CloseReason::ConnectionLost);
    let two = w.open("c");
    w.ask(&watcher, Service::SessionEventRegistration, 5, &listener(None, &["$Principal"]));
    let received = watcher.received();
    assert_eq!(received[0], response(5, &ACCEPTED));
    let [Received::Request { service: Service::SessionPropertiesEvent, body, .. }] = &received[1..]
    else {
        panic!("{received:?}");
    };
    let open = |principal| opened(&[("$Principal", principal)]);
    assert_eq!(*body, events([(&one, open("a")), (&watcher, open("b")), (&two, open("c"))]));
    assert_quiet(&[&one, &watcher, &two]);
}

#[test]
fn a_listener_is_told_in_order_of_what_opens_changes_and_closes() {
    let mut w = World::new();
    let watcher = w.open("watcher");
    listen(&mut w, &watcher, None, &["a", "$Principal"]);
    let one = w.open("one");
    set(&mut w, &one, &[("a", "1"), ("b", "1")], &[]);
    let two = w.open("two");
    set(&mut w, &one, &[("a", "2")], &["b"]);
    set(&mut w, &one, &[], &["a"]);
    w.close(&one, CloseReason::ConnectionLost);
    w.close(&two, CloseReason::ClosedByClient);
    let (one_is, two_is) = (("$Principal", "one"), ("$Principal", "two"));
    check(
        &watcher,
        [
            (&one, opened(&[one_is])),
            (&one, updated(&[("a", PropertyChange::New("1"))])),
            (&two, opened(&[two_is])),
            (&one, updated(&[("a", PropertyChange::Changed { old: "1", new: "2" })])),
            (&one, updated(&[("a", PropertyChange::Removed("2"))])),
            (&one, closed(CloseReason::ConnectionLost, &[one_is])),
            (&two, closed(CloseReason::ClosedByClient, &[two_is])),
        ],
    );
    assert_quiet(&[&watcher]);
}

#[test]
fn without_keys_a_listener_is_told_of_opening_and_closing_alone() {
    let mut w = World::new();
    let (watcher, other) = (w.open("watcher"), w.open("other"));
    listen(&mut w, &watcher, None, &[]);
    set(&mut w, &other, &[("a", "1")], &[]);
    assert_quiet(&[&watcher]);
    w.close(&other, CloseReason::Expired);
    check(&watcher, [(&other, closed(CloseReason::Expired, &[]))]);
}

#[test]
fn stars_stand_for_all_properties_in_events_too() {
    let mut w = World::new();
    let (watcher, other) = (w.open("watcher"), w.open("other"));
    listen(&mut w, &watcher, None, &["*U"]);
    set(&mut w, &other, &[("b", "2"), ("a", "1"), ("$Country", "fr")], &[]);
    let changes = [("a", PropertyChange::New("1")), ("b", PropertyChange::New("2"))];
    check(&watcher, [(&other, updated(&changes))]);
    set(&mut w, &other, &[("b", "2"), ("$Country", "de")], &[]);
    assert_quiet(&[&watcher]);
    w.close(&other, CloseReason::Revoked);
    check(&watcher, [(&other, closed(CloseReason::Revoked, &[("a", "1"), ("b", "2")]))]);
}

#[test]
fn a_filter_decides_of_whom_a_listener_is_told() {
    let mut w = World::new();
    let (watcher, bob) = (w.open("watcher"), w.open("bob"));
    w.ask(
        &watcher,
        Service::SessionEventRegistration,
        5,
        &listener(Some("$Principal is 'bob'"), &["a"]),
    );
    let received = watcher.received();
    let [answer, Received::Request { body, .. }] = &received[..] else { panic!("{received:?}") };
    assert_eq!(*answer, response(5, &ACCEPTED));
    assert_eq!(*body, events([(&bob, opened(&[]))]));

    let (other, late) = (w.open("carol"), w.open("bob"));
    set(&mut w, &other, &[("a", "1")], &[]);
    set(&mut w, &late, &[("a", "2")], &[]);
    w.close(&other, CloseReason::ConnectionLost);
    w.close(&bob, CloseReason::ConnectionLost);
    check(
        &watcher,
        [
            (&late, opened(&[])),
            (&late, updated(&[("a", PropertyChange::New("2"))])),
            (&bob, closed(CloseReason::ConnectionLost, &[])),
        ],
    );
}

#[test]
fn a_session_that_stops_to_match_is_told_of_once_more() {
    let mut w = World::new();
    let (watcher, other) = (w.open("watcher"), w.open("other"));
    listen(&mut w, &watcher, Some("a is '1'"), &["a"]);
    set(&mut w, &other, &[("a", "1")], &[]);
    set(&mut w, &other, &[("a", "2")], &[]);
    set(&mut w, &other, &[("a", "3")], &[]);
    w.close(&other, CloseReason::ConnectionLost);
    check(
        &watcher,
        [
            (&other, updated(&[("a", PropertyChange::New("1"))])),
            (&other, updated(&[("a", PropertyChange::Changed { old: "1", new: "2" })])),
        ],
    );
}

#[test]
fn a_listener_may_leave_out_the_sessions_that_did_not_start_after_a_time() {
    let mut w = World::new();
    let before = w.open("before");
    let after = Some(1_700_000_000_000 + w.now.0);
    w.now.0 += 1;
    let watcher = w.open("watcher");
    let body = EventListener { after, ..listener(None, &[]) };
    w.ask(&watcher, Service::SessionEventRegistration, 5, &body);
    let received = watcher.received();
    let [_, Received::Request { body, .. }] = &received[..] else { panic!("{received:?}") };
    assert_eq!(*body, events([(&watcher, opened(&[]))]));
    let later = w.open("later");
    w.close(&before, CloseReason::ConnectionLost);
    w.close(&later, CloseReason::ConnectionLost);
    let reason = CloseReason::ConnectionLost;
    check(&watcher, [(&later, opened(&[])), (&later, closed(reason, &[]))]);
}

#[test]
fn the_older_form_listens_without_filter_and_answers_with_nothing() {
    let mut w = World::new();
    let watcher = w.open("watcher");
    let mut register = |action| {
        let body = PropertiesListener { action, conversation: ConversationId(9) };
        w.ask(&watcher, Service::SessionPropertiesRegistration, 5, &body);
        watcher.received()
    };
    let received = register(ListenerAction::Register(vec!["$Principal"]));
    let [answer, Received::Request { body, .. }] = &received[..] else { panic!("{received:?}") };
    assert_eq!(*answer, response(5, &Void));
    assert_eq!(*body, events([(&watcher, opened(&[("$Principal", "watcher")]))]));
    assert_eq!(register(ListenerAction::Deregister), [response(5, &Void)]);
    assert_eq!(register(ListenerAction::Deregister), [response(5, &Void)]);
    w.open("other");
    assert_quiet(&[&watcher]);
}

#[test]
fn a_listener_that_is_removed_or_whose_session_ends_is_told_no_more() {
    let mut w = World::new();
    let (removed, ending, other) = (w.open("a"), w.open("b"), w.open("c"));
    listen(&mut w, &removed, None, &[]);
    listen(&mut w, &ending, None, &[]);
    // Under the same name, but of another session.
    let body = RemoveEventListener { conversation: ConversationId(9) };
    for client in [&removed, &removed, &other] {
        w.ask(client, Service::SessionEventDeregistration, 6, &body);
        assert_eq!(client.received(), [response(6, &Void)]);
    }
    let late = w.open("d");
    check(&ending, [(&late, opened(&[]))]);
    w.close(&ending, CloseReason::ClosedByClient);
    assert_eq!(ending.received(), [Received::Close(Some(1000))]);
    w.close(&late, CloseReason::ConnectionLost);
    assert_quiet(&[&removed, &ending, &other]);
}

#[test]
fn a_filter_that_cannot_be_parsed_is_refused_and_nobody_listens() {
    let mut w = World::new();
    let watcher = w.open("watcher");
    let refused = Filter::parse("nonsense").unwrap_err();
    let (message, line, column) = (refused.message(), refused.line(), refused.column());
    w.ask(&watcher, Service::SessionEventRegistration, 5, &listener(Some("nonsense"), &[]));
    let reports = vec![ErrorReport { message, line, column }];
    assert_eq!(watcher.received(), [response(5, &reports)]);
    w.open("other");
    assert_quiet(&[&watcher]);
}

#[test]
fn a_session_may_have_a_few_listeners() {
    let limits = Limits { listeners_per_session: 2, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let (watcher, other) = (w.open("watcher"), w.open("other"));
    listen(&mut w, &watcher, None, &[]);
    listen(&mut w, &watcher, Some("$Principal is 'late'"), &[]);
    w.ask(&watcher, Service::SessionEventRegistration, 5, &listener(None, &[]));
    let text = "overloaded: the session has too many session listeners";
    assert_eq!(watcher.received(), [error(5, Reason::REJECTED_REQUEST, text)]);
    listen(&mut w, &other, None, &[]);
    let late = w.open("late");
    check(&watcher, [(&late, opened(&[])), (&late, opened(&[]))]);
    check(&other, [(&late, opened(&[]))]);
}

#[test]
fn sessions_that_are_there_are_told_in_messages_of_bounded_size() {
    let mut w = World::new();
    let watcher = w.open("watcher");
    let value = "v".repeat(4_000);
    let clients: Vec<_> = (0..300).map(|_| w.open("other")).collect();
    for client in &clients[..100] {
        set(&mut w, client, &[("a", &value), ("b", &value)], &[]);
    }
    w.ask(&watcher, Service::SessionEventRegistration, 5, &listener(None, &["*U"]));
    let received = watcher.received();
    let bodies = received[1..].iter().map(|message| match message {
        Received::Request { service: Service::SessionPropertiesEvent, body, .. } => body,
        other => panic!("{other:?}"),
    });
    let mut told = 0;
    for body in bodies {
        assert!(body.len() < 32_000, "{} bytes", body.len());
        let message: SessionEvents<'_> = decoded(body);
        told += message.events.len();
    }
    assert_eq!(told, 301);
}
