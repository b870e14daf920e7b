//! Becoming somebody else: what an authenticator is asked, and what its answer changes.

use antiphon_wire::connect::Credentials;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::PropertyChange;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::principal::ChangePrincipal;
use antiphon_wire::service::principal::ReAuthenticate;

use crate::Authentication;
use crate::Expiry;
use crate::Grant;
use crate::Millis;
use crate::Next;
use crate::Outbox;
use crate::batch::Void;
use crate::properties;
use crate::properties::Trust;
use crate::properties::given;
use crate::properties::proposed;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::request;
use crate::tests::world::response;

fn change(principal: &str) -> Vec<u8> {
    let credentials = Credentials::Password("secret");
    request(5, 1, &encoded(&ChangePrincipal { principal, credentials }))
}

fn reauthenticate(properties: &[(&str, &str)]) -> Vec<u8> {
    let (principal, credentials) = ("bob", Credentials::Custom(&[1, 2]));
    request(
        203,
        1,
        &encoded(&ReAuthenticate { principal, credentials, proposed: properties.to_vec() }),
    )
}

fn grant(principal: &str, roles: &[&str]) -> Grant {
    let roles = roles.iter().map(|role| (*role).into()).collect();
    Grant { principal: principal.to_owned(), roles, ..Grant::default() }
}

/// Hands over a message for an authenticator, and its answer.
fn authenticate(w: &mut World, client: &Client, message: &[u8], grant: Option<Grant>) {
    let authentication = ask(w, client, message);
    let mut batch = w.broker.batch(&client.session, w.now);
    batch.authenticated(&authentication, grant, &mut Outbox::default());
}

fn ask(w: &mut World, client: &Client, message: &[u8]) -> Authentication {
    match w.send(client, message) {
        Next::Authenticate(authentication) => *authentication,
        other => panic!("{other:?}"),
    }
}

fn property(client: &Client, key: &str) -> Option<String> {
    client.session.profile().properties.get(key).map(str::to_owned)
}

#[test]
fn an_authenticator_is_asked_before_anything_is_answered() {
    let mut w = World::new();
    let client = w.open("alice");
    let asked = ask(&mut w, &client, &change("bob"));
    assert_eq!((&*asked.principal, asked.credentials()), ("bob", Credentials::Password("secret")));
    assert_eq!(asked.proposed, []);
    let asked = ask(&mut w, &client, &reauthenticate(&[("a", "1"), ("b", "2")]));
    assert_eq!((&*asked.principal, asked.credentials()), ("bob", Credentials::Custom(&[1, 2])));
    let proposed = [("a", "1"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(asked.proposed, proposed);
    assert_quiet(&[&client]);
}

#[test]
fn without_a_grant_a_session_stays_who_it_is() {
    let mut w = World::new();
    let client = w.open("alice");
    let before = client.session.profile();
    for message in [change("bob"), reauthenticate(&[("a", "1")])] {
        authenticate(&mut w, &client, &message, None);
        assert_eq!(client.received(), [response(1, &false)]);
    }
    let after = client.session.profile();
    assert_eq!((&after.properties, &after.roles), (&before.properties, &before.roles));
}

#[test]
fn with_a_grant_a_session_is_whom_it_says() {
    let mut w = World::new();
    let client = w.open_with_roles("alice", &["OPERATOR"]);
    authenticate(&mut w, &client, &change("bob"), Some(grant("bob", &["B", "A"])));
    assert_eq!(client.received(), [response(1, &true)]);
    assert_eq!(property(&client, "$Principal").unwrap(), "bob");
    assert_eq!(property(&client, "$Roles").unwrap(), r#""A","B","CLIENT""#);

    let properties = proposed([("a", "1")], &Trust::all(), properties::Bounds::default()).0;
    let more = Grant { properties, ..grant("", &[]) };
    authenticate(&mut w, &client, &reauthenticate(&[("a", "1")]), Some(more));
    assert_eq!(client.received(), [response(1, &true)]);
    assert_eq!(property(&client, "$Principal").unwrap(), "");
    assert_eq!(property(&client, "$Roles").unwrap(), r#""CLIENT""#);
    assert_eq!(property(&client, "a").unwrap(), "1");
    assert!(w.broker.registry.read().is_consistent());
}

#[test]
fn user_properties_outlive_another_authentication_and_do_not_pile_up() {
    let mut w = World::new();
    let client = w.open("alice");
    for round in 0..3 {
        let keys: Vec<String> = (0..40).map(|number| format!("key{round}-{number}")).collect();
        let properties = proposed(
            keys.iter().map(|key| (&**key, "1")),
            &Trust::all(),
            properties::Bounds::default(),
        )
        .0;
        let grant = Grant { properties, ..grant("alice", &[]) };
        authenticate(&mut w, &client, &reauthenticate(&[]), Some(grant));
        assert_eq!(client.received(), [response(1, &true)]);
    }
    let profile = client.session.profile();
    let of_round = |round: u32| {
        let prefix = format!("key{round}-");
        profile.properties.user().filter(|(key, _)| key.starts_with(&prefix)).count()
    };
    assert_eq!([0, 1, 2].map(of_round), [40, 24, 0]);

    let properties =
        proposed([("key0-0", "2"), ("new", "1")], &Trust::all(), properties::Bounds::default()).0;
    let grant = Grant { properties, ..grant("alice", &[]) };
    authenticate(&mut w, &client, &reauthenticate(&[]), Some(grant));
    assert_eq!(property(&client, "key0-0").unwrap(), "2");
    assert_eq!(property(&client, "new"), None);
}

#[test]
fn the_next_message_of_the_same_read_has_the_new_permissions() {
    let mut w = World::new();
    let (client, other) = (w.open_with_roles("alice", &[]), w.open("carol"));
    let close = request(14, 2, &encoded(&CloseClient { session: other.id() }));
    let mut outbox = Outbox::default();
    let mut batch = w.broker.batch(&client.session, w.now);
    batch.message(&close, &mut outbox);
    let Next::Authenticate(authentication) = batch.message(&change("bob"), &mut outbox) else {
        panic!("an authenticator is to be asked");
    };
    let control = Some(grant("bob", &["CLIENT_CONTROL"]));
    batch.authenticated(&authentication, control, &mut outbox);
    batch.message(&close, &mut outbox);
    drop(batch);
    let denied = error(2, Reason::ACCESS_DENIED, "access denied: MODIFY_SESSION is needed");
    let closed = response(2, &Void);
    assert_eq!(client.received(), [denied, response(1, &true), closed]);
    assert_eq!(other.received(), [Received::Abort, Received::Close(Some(1000))]);
    assert_quiet(&[&client, &other]);
}

#[test]
fn handlers_and_filters_see_the_new_principal() {
    let mut w = World::new();
    let (client, handler) = (w.open("alice"), w.open("carol"));
    authenticate(&mut w, &client, &change("bob"), Some(grant("bob", &["CLIENT_CONTROL"])));
    client.received();
    w.send_to_filter(
        &handler,
        5,
        "$Principal is 'alice' or hasRoles 'ADMINISTRATOR' and $Principal is 'bob'",
    );
    assert_eq!(handler.received(), [Received::Response { conversation: 5, body: vec![0, 0] }]);
    w.send_to_filter(&handler, 6, "$Principal is 'bob'");
    assert_eq!(handler.received(), [Received::Response { conversation: 6, body: vec![0, 1] }]);
    assert_eq!(client.conversations().len(), 1);
}

/// Listens for changes of principals; reads what it is told at first.
fn watch(w: &mut World, watcher: &Client) {
    let body = EventListener {
        cluster_aware: true,
        filter: None,
        keys: Some(vec!["$Principal"]),
        after: None,
        conversation: ConversationId(9),
    };
    w.ask(watcher, Service::SessionEventRegistration, 5, &body);
    assert_eq!(watcher.received().len(), 2);
}

#[test]
fn listeners_are_told_of_the_new_principal() {
    let mut w = World::new();
    let (client, watcher) = (w.open("alice"), w.open("carol"));
    watch(&mut w, &watcher);
    authenticate(&mut w, &client, &change("bob"), Some(grant("bob", &[])));
    let bodies = watcher.bodies(Service::SessionPropertiesEvent);
    let [body] = &bodies[..] else { panic!("one event is expected") };
    let changes = match &decoded::<SessionEvents<'_>>(body).events[..] {
        [event] if event.session == client.id() => event.change.clone(),
        other => panic!("{other:?}"),
    };
    let SessionChange::Updated { properties, .. } = changes else { panic!("{changes:?}") };
    let changed = PropertyChange::Changed { old: "alice", new: "bob" };
    assert_eq!(properties, [("$Principal", changed)]);
}

#[test]
fn a_grant_for_a_session_that_has_ended_meanwhile_changes_nothing() {
    let mut w = World::new();
    let (client, watcher) = (w.open("alice"), w.open("carol"));
    watch(&mut w, &watcher);
    let authentication = ask(&mut w, &client, &change("bob"));
    w.ask(&watcher, Service::CloseClient, 6, &CloseClient { session: client.id() });
    assert_eq!(watcher.received().len(), 2);
    assert_eq!(client.received(), [Received::Abort, Received::Close(Some(1000))]);

    let mut batch = w.broker.batch(&client.session, w.now);
    batch.authenticated(&authentication, Some(grant("bob", &[])), &mut Outbox::default());
    drop(batch);
    assert_quiet(&[&client, &watcher]);
    assert_eq!(property(&client, "$Principal").unwrap(), "alice");
    assert!(w.broker.registry.read().is_consistent());
}

fn until(at: Millis) -> Grant {
    let expires = Some(Expiry { at, wall_time: 1_800_000_000_000 + at.0 });
    Grant { expires, ..grant("bob", &[]) }
}

#[test]
fn a_session_ends_when_its_authentication_is_over() {
    let mut w = World::new();
    let (client, watcher) = (w.open("alice"), w.open("carol"));
    watch(&mut w, &watcher);
    authenticate(&mut w, &client, &change("bob"), Some(until(Millis(5_000))));
    assert_eq!(client.received(), [response(1, &true)]);
    assert_eq!(property(&client, "$ExpiryTime").unwrap(), "1800000005000");
    watcher.received();

    w.advance(3_999);
    assert_eq!(client.received(), []);
    w.advance(1);
    assert_eq!(client.received(), [Received::Abort, Received::Close(Some(1000))]);
    let bodies = watcher.bodies(Service::SessionPropertiesEvent);
    let [body] = &bodies[..] else { panic!("one event is expected") };
    let closed = decoded::<SessionEvents<'_>>(body).events[0].change.clone();
    assert!(
        matches!(closed, SessionChange::Closed { reason: CloseReason::Expired, .. }),
        "{closed:?}"
    );
}

#[test]
fn another_authentication_moves_the_end_or_takes_it_away() {
    let mut w = World::new();
    let client = w.open("alice");
    for (granted, shown) in [
        (until(Millis(5_000)), Some("1800000005000")),
        (until(Millis(9_000)), Some("1800000009000")),
    ] {
        authenticate(&mut w, &client, &change("bob"), Some(granted));
        assert_eq!(property(&client, "$ExpiryTime").as_deref(), shown);
    }
    authenticate(&mut w, &client, &change("bob"), None);
    assert_eq!(property(&client, "$ExpiryTime").unwrap(), "1800000009000");
    w.advance(7_000);
    assert_eq!(client.received().len(), 3);
    authenticate(&mut w, &client, &change("bob"), Some(grant("bob", &[])));
    assert_eq!(property(&client, "$ExpiryTime"), None);
    w.advance(20_000);
    assert_eq!(client.received(), [response(1, &true)]);
}

#[test]
fn what_an_authenticator_gives_is_kept_in_canonical_form() {
    let mut w = World::new();
    let client = w.open("alice");
    let gives = [
        ("$Country", "de"),
        ("$Latitude", "51"),
        ("$ClientIP", "1.2.3.4"),
        ("$SessionId", "x"),
        ("a", "1"),
        ("b c", "2"),
    ];
    let properties = given(gives, properties::Bounds::default()).0;
    authenticate(&mut w, &client, &change("bob"), Some(Grant { properties, ..grant("bob", &[]) }));
    let seen = ["$Country", "$Latitude", "$ClientIP", "a", "b c"].map(|key| property(&client, key));
    let expected = [Some("DE"), Some("51.0"), Some("127.0.0.1"), Some("1"), None];
    assert_eq!(seen, expected.map(|value| value.map(str::to_owned)));
    assert_eq!(property(&client, "$SessionId").unwrap(), client.id().to_string());
}
