//! A configuration that is read again while sessions are open: keys of tokens, rules for attempts, the audit log, and
//! that one bad file leaves everything as it was.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::ListenerConfig;
use antiphon_server::config::JwtConfig;
use antiphon_server::security::Contents;
use antiphon_server::security::Store;
use antiphon_server::security::access::Security;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::authentication::SECRET;
use crate::authentication::connect;
use crate::authentication::now;
use crate::authentication::signed;
use crate::certificates::Authority;
use crate::certificates::Files;
use crate::client::Client;
use crate::client::TestServer;
use crate::client::any_port;
use crate::operations::values;

const ANOTHER: &str = "another secret of more than thirty-two bytes";

/// A server that believes tokens, and the files of its configuration.
struct Stage {
    server: TestServer,
    config: Config,
    folder: TempDir,
}

impl Stage {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("secret"), SECRET).unwrap();
        let contents = Contents { security: Security::stock(), ..Contents::default() };
        Store::create(&file("security.toml"), contents).unwrap();
        let mut config = Config { dev: false, ..Config::dev(any_port()) };
        config.operations.listen.0 = Some(any_port());
        config.audit.file = Some(file("audit.log"));
        config.security.store = Some(file("security.toml"));
        config.security.authenticators = Some(vec!["jwt".to_owned()]);
        config.security.jwt = JwtConfig { secret: Some(file("secret")), ..JwtConfig::default() };
        let server = TestServer::with(|running| *running = config.clone());
        Self { server, config, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether somebody with a token by this secret is let in.
    async fn believes(&self, secret: &str) -> bool {
        let token = signed(secret, "bob", now() + 3_600);
        let mut client = connect(self.server.address, "bob", &token).await;
        match client.expect_message().await.get(2) {
            Some(100) => true,
            Some(116) => false,
            code => panic!("{code:?}"),
        }
    }

    /// The events of the audit log with this name, when the server has ended.
    async fn audited(self, name: &str) -> Vec<Value> {
        let log = self.file("audit.log");
        self.server.stop().await.unwrap().unwrap();
        let text = fs::read_to_string(log).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["event"] == name).collect()
    }
}

#[tokio::test]
async fn another_key_counts_for_the_next_token_and_ends_no_session() {
    let stage = Stage::start();
    let token = signed(SECRET, "bob", now() + 3_600);
    let mut session = connect(stage.server.address, "bob", &token).await;
    session.expect_accepted(29).await;
    assert!(!stage.believes(ANOTHER).await);

    fs::write(stage.file("secret"), ANOTHER).unwrap();
    assert!(stage.believes(SECRET).await, "nobody has said that it has changed");
    assert_eq!(stage.server.handle.reload(&stage.config), Ok(Vec::new()));
    assert!(stage.believes(ANOTHER).await);
    assert!(!stage.believes(SECRET).await);
    session.expect_alive().await;

    let values = values(stage.server.operations.unwrap()).await;
    let counted = |result: &str| {
        values[&format!("antiphon_authentications_total{{link=\"jwt\",result=\"{result}\"}}")]
    };
    assert_eq!((counted("allowed"), counted("denied")), (3.0, 2.0), "both before and after");
}

#[tokio::test]
async fn one_bad_file_leaves_everything_as_it_was() {
    let stage = Stage::start();
    let mut session =
        connect(stage.server.address, "bob", &signed(SECRET, "bob", now() + 3_600)).await;
    session.expect_accepted(29).await;
    let store = fs::read_to_string(stage.file("security.toml")).unwrap();
    let mut changed = stage.config.clone();
    changed.limits.sessions = 1;
    for (name, text, reason) in [
        ("secret", "short", "security.jwt.secret"),
        ("security.toml", "[roles.A]\nincludes = ['B']\n[roles.B]\nincludes = ['A']", "circle"),
    ] {
        fs::write(stage.file("secret"), ANOTHER).unwrap();
        fs::write(stage.file(name), text).unwrap();
        let error = stage.server.handle.reload(&changed).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        // Neither the key, which was good the second time, nor the limit: another session opens.
        assert!(stage.believes(SECRET).await, "{name}");
        fs::write(stage.file("security.toml"), &store).unwrap();
    }
    stage.server.handle.reload(&changed).unwrap();
    assert!(stage.audited("reload").await.len() == 1, "those that failed have changed nothing");
}

#[tokio::test]
async fn what_was_reloaded_is_audited_without_values() {
    let stage = Stage::start();
    let mut changed = stage.config.clone();
    changed.threads += 1;
    changed.request_timeout = Duration::from_secs(77);
    changed.security.jwt.issuers = vec!["https://secret.example".to_owned()];
    let store = fs::read_to_string(stage.file("security.toml")).unwrap();
    fs::write(stage.file("security.toml"), store + "[roles.NEW]\n").unwrap();
    assert_eq!(stage.server.handle.reload(&changed), Ok(vec!["threads"]));
    stage.server.handle.reload(&changed).unwrap();
    let mut events = stage.audited("reload").await;
    for event in &mut events {
        event.as_object_mut().unwrap().remove("time").unwrap();
    }
    let first = json!({
        "event": "reload", "changed": ["request_timeout", "security.jwt.issuers"],
        "waiting": ["threads"], "store": true,
    });
    let second =
        json!({ "event": "reload", "changed": [], "waiting": ["threads"], "store": false });
    assert_eq!(events, [first, second]);
}

#[tokio::test]
async fn too_many_attempts_are_refused_counted_and_audited_by_rules_that_change_live() {
    let mut stage = Stage::start();
    for _ in 0..5 {
        assert!(!stage.believes(ANOTHER).await);
    }
    assert!(stage.believes(SECRET).await, "ten are forgiven, and this host is a proxy");
    stage.config.security.attempts.principal_and_address = 5;
    stage.config.security.attempts.window = Duration::from_secs(24 * 3_600);
    stage.server.handle.reload(&stage.config).unwrap();
    for _ in 0..5 {
        assert!(!stage.believes(ANOTHER).await);
    }
    assert!(!stage.believes(SECRET).await);
    let values = values(stage.server.operations.unwrap()).await;
    let name = "antiphon_authentication_attempts_total{result=\"refused\"}";
    assert!(values[name] >= 1.0, "{values:#?}");
    let refused = values[name];
    let events = stage.audited("too_many_attempts").await;
    assert_eq!(events.len() as f64, refused);
    assert_eq!(
        (&events[0]["principal"], &events[0]["address"]),
        (&json!("bob"), &json!("127.0.0.1"))
    );
    assert_eq!(events[0]["session"], Value::Null);
}

#[tokio::test]
async fn a_listener_begins_or_ceases_to_speak_tls_at_a_restart() {
    let (authority, files) = (Authority::new(), Files::new());
    let tls = files.listener(&authority.sign("localhost"));
    let server = TestServer::start();
    let with = |listener: &ListenerConfig| Config {
        listeners: vec![listener.clone()],
        ..Config::dev(any_port())
    };
    let waiting = server.handle.reload(&with(&tls)).unwrap();
    assert_eq!(waiting, ["listener.certificate", "listener.key"]);
    Client::open(server.address).await.expect_alive().await;
    // What was not taken over still waits the next time, and the old one waits for nothing.
    assert_eq!(server.handle.reload(&with(&tls)).unwrap(), waiting);
    let plain = ListenerConfig::plain(any_port());
    assert!(server.handle.reload(&with(&plain)).unwrap().is_empty());
    let elsewhere = ListenerConfig::plain(([127, 0, 0, 2], 0).into());
    assert_eq!(server.handle.reload(&with(&elsewhere)).unwrap(), ["listener.address"]);
}
