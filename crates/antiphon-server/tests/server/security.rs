//! Principals and roles that are changed while sessions are open.

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::message::Message;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::security::SystemAuthentication;
use antiphon_wire::service::security::UpdateSecurity;

use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
use crate::client::USER_PING;
use crate::client::USER_PONG;
use crate::client::within;

/// `0123456789` as credentials in Base64: `01`, the length, the text.
const DIGITS: &str = "AQowMTIzNDU2Nzg5";
/// `012345678`.
const FEWER_DIGITS: &str = "AQkwMTIzNDU2Nzg%3D";
/// `another one`.
const ANOTHER_ONE: &str = "AQthbm90aGVyIG9uZQ%3D%3D";

struct Void;

impl Encode for Void {
    fn encode(&self, _: &mut Vec<u8>) {}
}

/// Has a script applied; returns the reports on it.
pub(crate) async fn update(client: &mut Client, service: Service, script: &str) -> Vec<String> {
    client.request(service, 1, &UpdateSecurity { script }).await;
    let message = client.expect_message().await;
    let Ok(Message::Response { body, .. }) = Message::decode(&message) else {
        panic!("expected a response, not {message:02x?}");
    };
    let reports = Vec::<ErrorReport<'_>>::decode_all(body).unwrap();
    reports.iter().map(|report| report.message.to_owned()).collect()
}

/// Whether alice is let in with one of the passwords below.
async fn let_in(server: &TestServer, password: &str) -> bool {
    let query = format!("ty=WB&v=29&username=alice&password={password}");
    let mut client = Client::upgrade(server.address, &query).await;
    match client.expect_message().await.get(2) {
        Some(100) => true,
        Some(116) => false,
        code => panic!("{code:?}"),
    }
}

#[tokio::test]
async fn who_is_added_is_let_in_and_who_is_removed_is_not() {
    let server = TestServer::start();
    let mut admin = Client::open(server.address).await;
    let service = Service::UpdateSystemAuthentication;
    assert!(!let_in(&server, DIGITS).await);
    let script = "add principal 'alice' '0123456789' ['OPERATOR']";
    assert!(update(&mut admin, service, script).await.is_empty());
    assert!(let_in(&server, DIGITS).await);
    assert!(!let_in(&server, FEWER_DIGITS).await);
    assert!(update(&mut admin, service, "set password 'alice' 'another one'").await.is_empty());
    assert!(!let_in(&server, DIGITS).await && let_in(&server, ANOTHER_ONE).await);
    let script = "verify password 'alice' 'another one'\nremove principal 'alice'";
    assert!(update(&mut admin, service, script).await.is_empty());
    assert!(!let_in(&server, ANOTHER_ONE).await);
    let reports = update(&mut admin, service, script).await;
    assert_eq!(reports, [r#"there is no principal "alice""#; 2]);
}

#[tokio::test]
async fn the_principals_are_told() {
    let server = TestServer::start();
    let mut admin = Client::open(server.address).await;
    admin.request(Service::GetSystemAuthentication, 1, &Void).await;
    let message = admin.expect_message().await;
    let told = SystemAuthentication::decode_all(&message[2..]).unwrap();
    let names: Vec<_> = told.principals.iter().map(|principal| principal.name).collect();
    assert_eq!(names, ["admin", "client", "control", "operator"]);
    assert_eq!(told.anonymous_roles, ["CLIENT"]);
}

#[tokio::test]
async fn what_comes_behind_a_change_waits_for_it() {
    let server = TestServer::start();
    let mut admin = Client::open(server.address).await;
    let script = "set roles for named sessions []";
    for _ in 0..20 {
        admin.request(Service::UpdateSecurityConfiguration, 1, &UpdateSecurity { script }).await;
        admin.message(USER_PING).await;
        assert_eq!(admin.frame().await, Frame::Message(vec![0x06, 1, 0]));
        assert_eq!(admin.frame().await, Frame::Message(USER_PONG.to_vec()));
    }
}

#[tokio::test]
async fn a_session_that_goes_away_does_not_stop_its_change() {
    let server = TestServer::start();
    let mut admin = Client::open(server.address).await;
    let script = "add principal 'alice' '0123456789'";
    admin.request(Service::UpdateSystemAuthentication, 1, &UpdateSecurity { script }).await;
    drop(admin);
    within(async { while !let_in(&server, DIGITS).await {} }).await;
}
