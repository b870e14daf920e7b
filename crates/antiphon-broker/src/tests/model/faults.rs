//! Faults that were found by these searches or on the way to them, each as the shortest case that shows it.

use std::sync::Arc;

use antiphon_wire::connect::Credentials;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::principal::ChangePrincipal;
use antiphon_wire::websocket::put_pong;

use crate::Grant;
use crate::Next;
use crate::Outbox;
use crate::Spare;
use crate::properties::Bounds;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::hello;

#[test]
fn nothing_is_heard_of_a_session_that_has_been_closed() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.close(&sender, CloseReason::ClosedByController);
    let request =
        encoded_request(Service::MessagingSend, &SendRequest { path: "a", value: hello() });
    w.touched();
    assert!(matches!(w.send(&sender, &request), Next::Closed));
    assert_eq!(w.touched(), []);
    assert_eq!(handler.received(), []);
    assert_eq!(w.broker.stats().ledger.all_accepted(), 0);
}

#[test]
fn a_session_that_takes_its_own_roles_away_lacks_them_at_its_next_message() {
    let mut w = World::new();
    let (sender, other) = (w.open("alice"), w.open("bob"));
    let remove = vec!["ADMINISTRATOR", "CLIENT_CONTROL"];
    let change = ChangeRoles { session: sender.id(), remove, add: vec![] };
    let send = SendToSession { session: other.id(), path: "p", value: hello() };
    let mut outbox = Outbox::default();
    let mut batch = w.broker.batch(&sender.session, w.now);
    batch.message(&encoded_request(Service::ChangeAuthorisationRoles, &change), &mut outbox);
    batch.message(&encoded_request(Service::MessagingReceiverServer, &send), &mut outbox);
    assert!(matches!(
        sender.received()[..],
        [Received::Response { .. }, Received::Error { reason: Reason::ACCESS_DENIED, .. }]
    ));
    assert_eq!(other.received(), []);
}

#[test]
fn a_session_that_sets_its_own_property_sends_its_next_request_with_it() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &["u"]);
    let set = Some(vec![("u", "1")]);
    let change = SetSessionProperties { session: sender.id(), set, remove: None };
    let send = SendRequest { path: "a", value: hello() };
    let mut outbox = Outbox::default();
    let mut batch = w.broker.batch(&sender.session, w.now);
    batch.message(&encoded_request(Service::SetSessionProperties, &change), &mut outbox);
    batch.message(&encoded_request(Service::MessagingSend, &send), &mut outbox);
    let (_, _, body) = handler.request();
    assert_eq!(decoded::<HandlerRequest<'_>>(&body).properties, [("u", "1")]);
}

#[test]
fn listeners_hear_nothing_of_a_session_after_its_end() {
    let mut w = World::new();
    let (listener, session) = (w.open("alice"), w.open("bob"));
    let listen = EventListener {
        cluster_aware: true,
        filter: None,
        keys: Some(vec!["$Principal"]),
        after: None,
        conversation: ConversationId(3),
    };
    w.ask(&listener, Service::SessionEventRegistration, 1, &listen);
    let become_ = ChangePrincipal { principal: "carol", credentials: Credentials::None };
    let request = encoded_request(Service::ChangePrincipal, &become_);
    let Next::Authenticate(asked) = w.send(&session, &request) else { panic!("not asked") };
    w.close(&session, CloseReason::ConnectionLost);
    assert!(!listener.received().is_empty());

    let grant = Grant { principal: "carol".to_owned(), ..Grant::default() };
    let mut outbox = Outbox::default();
    w.broker.batch(&session.session, w.now).authenticated(&asked, Some(grant), &mut outbox);
    assert_eq!(listener.received(), []);
}

#[test]
fn sessions_that_ask_once_each_are_spread_over_equal_handlers() {
    let mut w = World::new();
    let handlers: Vec<_> = (0..4).map(|_| w.open("bob")).collect();
    for handler in &handlers {
        w.register(handler, "a", &[]);
    }
    let mut turns = [0; 4];
    for _ in 0..8 {
        let sender = w.open("alice");
        w.send_to_path(&sender, 5, "a");
        for (handler, turns) in handlers.iter().zip(&mut turns) {
            for message in handler.received() {
                let Received::Request { conversation, .. } = message else { panic!("{message:?}") };
                w.respond(handler, conversation, &hello());
                *turns += 1;
            }
        }
    }
    assert_eq!(turns, [2; 4]);
}

#[test]
fn a_client_that_pings_and_never_reads_is_not_answered_for_ever() {
    let mut w = World::new();
    let session = w.open("alice").session;
    let mut outbox = Outbox::default();
    for _ in 0..300_000 {
        session.put_frame(|out| put_pong(out, &[0; 125]), &mut outbox);
    }
    let mut waiting = 0;
    session.flush(&mut Spare::default(), |_, some| {
        waiting += some.len();
        Ok(some.len())
    });
    assert!(waiting <= 17 << 20, "{waiting} bytes");
}

#[test]
fn authenticating_again_and_again_adds_no_more_properties_than_a_session_may_have() {
    let mut w = World::new();
    let client = w.open("alice");
    let become_ = ChangePrincipal { principal: "alice", credentials: Credentials::None };
    let become_ = encoded_request(Service::ChangePrincipal, &become_);
    let mut outbox = Outbox::default();
    for round in 0..3 {
        let Next::Authenticate(asked) = w.send(&client, &become_) else { panic!("not asked") };
        let key = |n: u32| (Arc::from(format!("{round}-{n}")), Arc::from("1"));
        let grant = Grant { properties: (0..40).map(key).collect(), ..Grant::default() };
        w.broker.batch(&client.session, w.now).authenticated(&asked, Some(grant), &mut outbox);
    }
    let profile = client.session.profile();
    assert_eq!(profile.properties.user().count(), Bounds::default().count);
    assert_eq!(profile.properties.get("0-39"), Some("1"));
    assert_eq!(profile.properties.get("2-0"), None);
}

fn encoded_request(service: Service, body: &impl antiphon_wire::codec::Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_request(&mut bytes, service, ConversationId(5));
    bytes.extend(encoded(body));
    bytes
}
