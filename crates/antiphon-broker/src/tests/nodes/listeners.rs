//! Session listeners are told of the sessions of all nodes.

use std::collections::BTreeSet;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::PropertyChange;
use antiphon_wire::service::events::RemoveEventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvents;

use crate::BrokerConfig;
use crate::batch::Void;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::decoded;
use crate::tests::world::response;

const BOBS: &str = "$Principal is 'bob'";

/// Registers listener 9 of a session of node 0.
fn listen(f: &mut Fabric, watcher: &Client, filter: Option<&str>) {
    let body = EventListener {
        cluster_aware: true,
        filter,
        keys: Some(vec!["$Principal", "team"]),
        after: None,
        conversation: ConversationId(9),
    };
    f.nodes[0].ask(watcher, Service::SessionEventRegistration, 5, &body);
}

/// What happened, in words, in the order in which it was told.
fn told(watcher: &Client) -> Vec<(SessionId, String)> {
    let mut told = Vec::new();
    for received in watcher.received() {
        let body = match received {
            Received::Request { service: Service::SessionPropertiesEvent, body, .. } => body,
            answer => {
                assert_eq!(answer, response(5, &Vec::<ErrorReport<'_>>::new()));
                continue;
            }
        };
        let SessionEvents { conversation, events } = decoded(&body);
        assert_eq!(conversation, ConversationId(9));
        told.extend(events.iter().map(|event| (event.session, words(&event.change))));
    }
    told
}

fn words(change: &SessionChange<'_>) -> String {
    match change {
        SessionChange::Opened(properties) => format!("opened {properties:?}"),
        SessionChange::Updated { kind, properties } => {
            let change = |(key, change): &(&str, PropertyChange<'_>)| format!("{key} {change:?}");
            let changes: Vec<_> = properties.iter().map(change).collect();
            format!("{kind:?} {}", changes.join(" "))
        }
        SessionChange::Closed { reason, properties } => format!("{reason:?} {properties:?}"),
    }
}

fn opened(client: &Client) -> (SessionId, String) {
    (client.id(), r#"opened [("$Principal", "bob")]"#.to_owned())
}

/// A watcher on node 0 of two, who listens for bob.
fn watched() -> (Fabric, Client) {
    let mut f = Fabric::new(2);
    let watcher = f.nodes[0].open("alice");
    listen(&mut f, &watcher, Some(BOBS));
    f.run();
    assert_eq!(told(&watcher), []);
    (f, watcher)
}

/// How many listeners a node has for others.
fn foreign(f: &Fabric, node: usize) -> usize {
    let listeners = f.nodes[node].broker.listeners.lock();
    listeners.listeners.iter().filter(|listener| listener.session.is_link()).count()
}

#[test]
fn sessions_that_are_open_on_any_node_are_told_first() {
    let mut f = Fabric::new(3);
    let watcher = f.nodes[0].open("alice");
    let bobs: Vec<_> = (0..3).map(|node| f.nodes[node].open("bob")).collect();
    f.nodes[1].open("carol");
    listen(&mut f, &watcher, Some(BOBS));
    f.run();
    assert_eq!(told(&watcher), bobs.iter().map(opened).collect::<Vec<_>>());
}

#[test]
fn what_becomes_of_a_session_of_another_node_is_told_in_order() {
    let (mut f, watcher) = watched();
    let bob = f.nodes[1].open("bob");
    let set =
        SetSessionProperties { session: bob.id(), set: Some(vec![("team", "blue")]), remove: None };
    f.nodes[1].ask(&bob, Service::SetSessionProperties, 3, &set);
    f.nodes[1].close(&bob, CloseReason::ClosedByClient);
    f.run();
    let all = told(&watcher);
    let what: Vec<_> = all.iter().map(|(_, what)| &**what).collect();
    assert!(all.iter().all(|(session, _)| *session == bob.id()));
    assert_eq!(
        what,
        [
            r#"opened [("$Principal", "bob")]"#,
            r#"Updated team New("blue")"#,
            r#"ClosedByClient [("$Principal", "bob"), ("team", "blue")]"#,
        ]
    );
}

#[test]
fn a_node_that_comes_later_tells_of_its_sessions_too() {
    let (mut f, watcher) = watched();
    let late = f.add(&BrokerConfig::default());
    let bob = f.nodes[late].open("bob");
    f.run();
    assert_eq!(told(&watcher), [opened(&bob)]);
    f.assert_up();
}

#[test]
fn many_sessions_are_told_in_pieces() {
    let mut f = Fabric::new(2);
    let watcher = f.nodes[0].open("alice");
    let bobs: BTreeSet<_> = (0..1_000).map(|_| f.nodes[1].open("bob").id()).collect();
    listen(&mut f, &watcher, Some(BOBS));
    f.run();
    let all = told(&watcher);
    assert_eq!(all.len(), 1_000);
    assert_eq!(all.into_iter().map(|(session, _)| session).collect::<BTreeSet<_>>(), bobs);
    f.cut(0, 1);
    let all = told(&watcher);
    assert_eq!(all.len(), 1_000);
    assert_eq!(all.into_iter().map(|(session, _)| session).collect::<BTreeSet<_>>(), bobs);
}

#[test]
fn sessions_of_a_node_that_is_lost_are_closed_and_open_again_when_it_is_back() {
    let (mut f, watcher) = watched();
    let (bob, gone) = (f.nodes[1].open("bob"), f.nodes[1].open("bob"));
    f.run();
    assert_eq!(told(&watcher), [opened(&bob), opened(&gone)]);
    f.nodes[1].close(&gone, CloseReason::ClosedByClient);
    f.run();
    told(&watcher);
    f.part(0, 1);
    assert_eq!(told(&watcher), [(bob.id(), "ConnectionLost []".to_owned())]);
    // The other end has not noticed, and goes on telling.
    let missed = f.nodes[1].open("bob");
    f.run();
    assert_eq!(told(&watcher), []);
    f.join(0, 1);
    f.run();
    assert_eq!(told(&watcher), [opened(&bob), opened(&missed)]);
    assert_eq!(foreign(&f, 1), 1);
}

#[test]
fn who_does_not_listen_any_more_is_forgotten_everywhere() {
    let (mut f, watcher) = watched();
    assert_eq!(foreign(&f, 1), 1);
    let remove = RemoveEventListener { conversation: ConversationId(9) };
    f.nodes[0].ask(&watcher, Service::SessionEventDeregistration, 6, &remove);
    f.run();
    assert_eq!(watcher.received(), [response(6, &Void)]);
    assert_eq!(foreign(&f, 1), 0);
    f.nodes[1].open("bob");
    f.run();
    assert_eq!(watcher.received(), []);

    listen(&mut f, &watcher, None);
    f.run();
    assert_eq!(foreign(&f, 1), 1);
    f.nodes[0].close(&watcher, CloseReason::ClosedByClient);
    f.run();
    assert_eq!(foreign(&f, 1), 0);
    let again = f.nodes[0].open("alice");
    listen(&mut f, &again, None);
    f.run();
    f.cut(0, 1);
    assert_eq!(foreign(&f, 1), 0);
}

#[test]
fn a_listener_is_told_of_nobody_twice_when_its_registration_crosses_a_new_link() {
    let mut f = Fabric::new(2);
    let (watcher, bob) = (f.nodes[0].open("alice"), f.nodes[1].open("bob"));
    f.cut(0, 1);
    f.join(0, 1);
    f.join(1, 0);
    listen(&mut f, &watcher, Some(BOBS));
    f.run();
    assert_eq!(told(&watcher), [opened(&bob)]);
    assert_eq!(foreign(&f, 1), 1);
}
