//! The audit log of a server: what is in it, what is not, and that its troubles are nobody else's.

use std::fs;
use std::path::Path;

use antiphon_wire::service::Service;
use serde_json::Value;

use crate::client::Client;
use crate::client::TestServer;
use crate::client::any_port;
use crate::messages::register;
use crate::messages::send;
use crate::security::update;

fn server(file: &Path) -> TestServer {
    TestServer::with(|config| {
        config.audit.file = Some(file.to_owned());
        config.operations.listen.0 = Some(any_port());
    })
}

/// What a session did, and the lines that came of it.
async fn story(file: &Path) -> Vec<Value> {
    let server = server(file);
    let mut client = Client::open(server.address).await;
    register(&mut client, "orders").await;
    let mut stranger =
        Client::upgrade(server.address, "v=29&username=eve&password=AQhzZXNhbWVvcA%3D%3D").await;
    stranger.expect_message().await;
    let mut anybody = Client::upgrade(server.address, "v=29").await;
    anybody.expect_accepted(29).await;
    client.message(antiphon_wire::message::CLOSE_REQUEST_MESSAGE).await;
    client.rest().await;
    server.stop().await.unwrap().unwrap();
    let text = fs::read_to_string(file).unwrap();
    for secret in ["password", "sesame", "AQhw", "AQhz"] {
        assert!(!text.contains(secret), "{text}");
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn who_came_and_what_they_did_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let lines = story(&folder.path().join("audit.log")).await;
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        ["started", "login", "registration", "refused", "login", "close", "close", "stopped"]
    );
    let admin = &lines[1]["session"];
    assert_eq!(
        (lines[1]["principal"].as_str(), lines[1]["authenticator"].as_str()),
        (Some("admin"), Some("dev"))
    );
    assert!(lines[1]["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!((&lines[2]["session"], lines[2]["path"].as_str()), (admin, Some("orders")));
    assert_eq!(lines[3]["principal"], "eve");
    assert_eq!(lines[3]["reason"], "authentication_failed");
    assert_eq!((&lines[5]["session"], &lines[5]["by"]), (admin, admin));
    assert_eq!(lines[5]["reason"], "closed_by_client");
    assert_eq!((&lines[6]["by"], lines[6]["reason"].as_str()), (&Value::Null, Some("aborted")));
}

/// Scripts have passwords in them.
#[tokio::test]
async fn who_changes_security_is_written_down_and_not_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let server = server(&path);
    let mut admin = Client::open(server.address).await;
    let script = "add principal 'alice' 'open sesame'\nassign roles 'alice' ['OPERATOR']";
    for _ in 0..2 {
        update(&mut admin, Service::UpdateSystemAuthentication, script).await;
    }
    let script = "set 'TILL' permissions [VIEW_SERVER]";
    update(&mut admin, Service::UpdateSecurityConfiguration, script).await;
    server.stop().await.unwrap().unwrap();
    let text = fs::read_to_string(path).unwrap();
    for secret in ["sesame", "alice", "TILL"] {
        assert!(!text.contains(secret), "{text}");
    }
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let changes: Vec<_> = lines.filter(|line| line["event"] == "security").collect();
    let told: Vec<_> = changes
        .iter()
        .map(|line| (line["of"].as_str().unwrap(), &line["commands"], &line["changed"]))
        .collect();
    let (two, one) = (Value::from(2), Value::from(1));
    let (yes, no) = (Value::from(true), Value::from(false));
    assert_eq!(
        told,
        [("principals", &two, &yes), ("principals", &two, &no), ("roles", &one, &yes)]
    );
    assert!(changes.iter().all(|line| line["principal"] == "admin"), "{changes:?}");
}

#[tokio::test]
async fn a_renamed_file_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("audit.log"), folder.path().join("old"));
    let server = server(&path);
    Client::open(server.address).await;
    fs::rename(&path, &old).unwrap();
    server.handle.reopen_audit_log();
    let mut client = Client::open(server.address).await;
    register(&mut client, "later").await;
    server.stop().await.unwrap().unwrap();
    let (old, new) = (fs::read_to_string(old).unwrap(), fs::read_to_string(path).unwrap());
    assert!(old.contains("\"started\"") && !old.contains("\"stopped\""), "{old}");
    assert!(new.contains("\"later\"") && new.contains("\"stopped\""), "{new}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_holds_no_session_up_and_shows() {
    let server = server(Path::new("/dev/full"));
    let mut client = Client::open(server.address).await;
    register(&mut client, "orders").await;
    send(&mut client, 2, "nobody", b"x").await;
    client.expect_message().await;
    client.expect_alive().await;
    // The writer comes to it in its own time.
    loop {
        let mut scraper = Client::connect(server.operations.unwrap()).await;
        scraper.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let text = String::from_utf8(scraper.rest().await).unwrap();
        assert!(text.contains("antiphon_audit_events_total{result=\"written\"} 0\n"), "{text}");
        let failed = text.split("antiphon_audit_events_total{result=\"failed\"} ").nth(1).unwrap();
        if failed.lines().next() == Some("3") {
            return;
        }
    }
}
