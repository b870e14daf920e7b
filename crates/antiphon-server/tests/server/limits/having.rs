//! Limits on sessions, and on what one of them has.

use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;

use crate::client::Client;
use crate::limits::stage::Stage;
use crate::limits::stage::expect_no_room;
use crate::limits::stage::expect_overloaded;

pub(super) async fn sessions() {
    let mut stage = Stage::set("[limits]\nsessions = 3").await;
    let third = stage.open().await;
    let fourth = stage.knock("admin").await;
    stage.go_on().await;
    expect_no_room(fourth).await;
    stage.go_on().await;
    assert_eq!(stage.met("sessions").await, 1);
    assert_eq!(stage.failed("license_exceeded").await, 1);
    third.leave().await;
    stage.open().await.expect_alive().await;
}

pub(super) async fn sessions_per_principal() {
    let mut stage = Stage::set("[limits]\nsessions_per_principal = 3").await;
    let third = stage.open().await;
    let fourth = stage.knock("admin").await;
    stage.go_on().await;
    expect_no_room(fourth).await;
    // Others are not concerned, and whoever wants to become one of the many stays who it is.
    let mut other = stage.open_as("control").await;
    let become_admin = b"\x00\x05\x09\x05admin\x01\x08password";
    other.message(become_admin).await;
    stage.go_on().await;
    assert_eq!(other.expect_message().await, [0x06, 9, 0]);
    assert_eq!(stage.met("sessions_per_principal").await, 2);
    assert_eq!(stage.failed("license_exceeded").await, 1);
    for _ in 0..5 {
        let mut anonymous = Client::upgrade(stage.server.address, "ty=WB&v=29").await;
        anonymous.expect_accepted(29).await;
    }
    third.leave().await;
    other.message(become_admin).await;
    assert_eq!(other.expect_message().await, [0x06, 9, 1]);
    expect_no_room(stage.knock("admin").await).await;
    // To be oneself again is always possible.
    other.message(become_admin).await;
    assert_eq!(other.expect_message().await, [0x06, 9, 1]);
    stage.go_on().await;
}

pub(super) async fn handlers_per_session() {
    let mut stage = Stage::set("[limits]\nhandlers_per_session = 2").await;
    let mut greedy = stage.open().await;
    for (conversation, path) in [(1, "a"), (2, "b"), (3, "c")] {
        let body = RegisterHandler {
            receiver: Receiver,
            group: "",
            path,
            keys: Vec::new(),
            conversation: ConversationId(conversation),
        };
        greedy.request(Service::MessagingReceiverControlRegistration, conversation, &body).await;
        stage.go_on().await;
    }
    assert_eq!(greedy.expect_message().await, [0x06, 1]);
    assert_eq!(greedy.expect_message().await, [0x06, 2]);
    expect_overloaded(&mut greedy, 3, "the session has too many handlers").await;
    assert_eq!(stage.met("handlers_per_session").await, 1);
}

pub(super) async fn listeners_per_session() {
    let mut stage = Stage::set("[limits]\nlisteners_per_session = 1").await;
    let mut greedy = stage.open().await;
    for conversation in [1, 2] {
        let body = EventListener {
            cluster_aware: true,
            filter: Some("$Principal is 'nobody'"),
            keys: None,
            after: None,
            conversation: ConversationId(conversation),
        };
        greedy.request(Service::SessionEventRegistration, conversation, &body).await;
        stage.go_on().await;
    }
    assert_eq!(greedy.expect_message().await[..2], [0x06, 1]);
    expect_overloaded(&mut greedy, 2, "the session has too many session listeners").await;
    assert_eq!(stage.met("listeners_per_session").await, 1);
}

pub(super) async fn locks_per_session() {
    let mut stage = Stage::set("[limits]\nlocks_per_session = 1").await;
    let mut greedy = stage.open().await;
    for (request, name) in [(1, "one"), (2, "two")] {
        let body = AcquireLock { name, request, scope: LockScope::Session };
        greedy.request(Service::AcquireSessionLock, request, &body).await;
        stage.go_on().await;
    }
    assert_eq!(greedy.expect_message().await[..2], [0x06, 1]);
    expect_overloaded(&mut greedy, 2, "the session has too many locks").await;
    assert_eq!(stage.met("locks_per_session").await, 1);
}

pub(super) async fn properties_per_session() {
    let mut stage = Stage::set("[limits]\nproperties_per_session = 2").await;
    let (mut client, id) = stage.open_known().await;
    set(&mut client, id, &[("a", "1"), ("b", "2")]).await;
    assert_eq!(client.expect_message().await[..2], [0x06, 4]);
    set(&mut client, id, &[("c", "3")]).await;
    stage.go_on().await;
    expect_invalid(&mut client, "a session has at most 2 user properties").await;
    stage.go_on().await;
    assert_eq!(stage.met("properties_per_session").await, 1);
}

pub(super) async fn property_size() {
    let mut stage = Stage::set("[limits]\nproperty_size = 8").await;
    let (mut client, id) = stage.open_known().await;
    set(&mut client, id, &[("a", "12345678")]).await;
    assert_eq!(client.expect_message().await[..2], [0x06, 4]);
    set(&mut client, id, &[("a", "123456789")]).await;
    stage.go_on().await;
    expect_invalid(&mut client, "is longer than 8 bytes").await;
    stage.go_on().await;
    assert_eq!(stage.met("property_size").await, 1);
}

async fn set(client: &mut Client, session: SessionId, properties: &[(&str, &str)]) {
    let body = SetSessionProperties { session, set: Some(properties.to_vec()), remove: None };
    client.request(Service::SetSessionProperties, 4, &body).await;
}

/// The next message is error 106 that says `why`.
async fn expect_invalid(client: &mut Client, why: &str) {
    let told = client.expect_message().await;
    let text = String::from_utf8_lossy(&told);
    assert!(text.contains(why), "{text}");
    assert_eq!((told[..2].to_vec(), told.last()), (vec![0x07, 4], Some(&106)));
}
