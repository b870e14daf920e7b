//! What a configuration may say, and what is said about one that may not.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use antiphon_server::BindError;
use antiphon_server::Choice;
use antiphon_server::Config;
use antiphon_server::ConfigError;
use antiphon_server::Server;

use crate::client::any_port;

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = Config::parse("").unwrap();
    assert_eq!(addresses(&config), ["127.0.0.1:8080"]);
    assert!(!config.server_name.is_empty());
    assert!(config.threads >= 1);
    assert!(!config.dev);
    assert_eq!(config.request_timeout, Duration::from_secs(10));
    assert_eq!(config.limits.maximum_message, 1 << 20);
    assert_eq!(config.choice, Choice::LeastInFlight);
    assert!(config.paths.is_empty());
}

#[test]
fn the_documented_example_shows_the_defaults() {
    let page = include_str!("../../../../docs/configuration.md");
    let example = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (shown, default) = (Config::parse(example).unwrap(), Config::default());
    assert_eq!(format!("{:?}", shown.limits), format!("{:?}", default.limits));
    assert!(example.contains("[recovery]"));
    assert_eq!(shown.recovery, default.recovery);
    assert_eq!(
        (shown.listeners, shown.ping_period, shown.request_timeout, shown.choice),
        (default.listeners, default.ping_period, default.request_timeout, default.choice),
    );
}

#[test]
fn every_key_is_read() {
    let config = Config::parse(
        r#"
        server_name = "one"
        threads = 3
        dev = true
        ping_period = "0s"
        request_timeout = "300ms"
        choice = "round-robin"

        [recovery]
        keep_for = "2m"
        messages = 10
        bytes = 11

        [limits]
        maximum_message = 2_000_000
        mailbox = 3_000_000
        sessions = 5
        handshakes = 6
        requests_per_handler = 7
        requests_per_sender = 8
        handshake_timeout = "9s"

        [[path]]
        path = "reports"
        timeout = "2m"
        choice = "sticky"

        [[path]]
        path = "orders/eu"

        [[listener]]
        address = "[::1]:9000"

        [[listener]]
        address = "0.0.0.0:0"
        "#,
    )
    .unwrap();
    assert_eq!(addresses(&config), ["[::1]:9000", "0.0.0.0:0"]);
    assert_eq!((config.server_name.as_str(), config.threads, config.dev), ("one", 3, true));
    assert_eq!(config.ping_period, Duration::ZERO);
    assert_eq!(config.request_timeout, Duration::from_millis(300));
    assert_eq!(config.choice, Choice::RoundRobin);
    let recovery = config.recovery;
    assert_eq!(recovery.keep_for, Duration::from_secs(120));
    assert_eq!((recovery.messages, recovery.bytes), (10, 11));
    let limits = &config.limits;
    assert_eq!((limits.maximum_message, limits.mailbox), (2_000_000, 3_000_000));
    assert_eq!((limits.sessions, limits.handshakes), (5, 6));
    assert_eq!((limits.requests_per_handler, limits.requests_per_sender), (7, 8));
    assert_eq!(limits.handshake_timeout, Duration::from_secs(9));
    assert_eq!(config.paths[0].path, "reports");
    assert_eq!(config.paths[0].timeout, Some(Duration::from_secs(120)));
    assert_eq!(config.paths[0].choice, Some(Choice::Sticky));
    assert_eq!((config.paths[1].timeout, config.paths[1].choice), (None, None));
}

#[test]
fn an_error_names_the_key_the_problem_and_the_way_out() {
    for (text, expected) in [
        (
            "[[listener]]\naddress = \"localhost\"",
            ["listener.address is \"localhost\"", "write one like \"127.0.0.1:8080\""],
        ),
        ("[[listner]]", ["unknown field `listner`", "did you mean `listener`?"]),
        ("[[listener]]\nadress = \"a\"", ["line 2", "did you mean `address`?"]),
        ("[[listener]]", ["missing field", "`address`"]),
        ("limits.session = 1", ["unknown field `session`", "did you mean `sessions`?"]),
        ("[[path]]\npath = \"a\"\ntimeuot = \"1s\"", ["line 3", "did you mean `timeout`?"]),
        ("[[path]]\ntimeout = \"1s\"", ["missing field", "`path`"]),
        ("threads = \"two\"", ["threads = \"two\"", "expected usize"]),
        ("threads = 0", ["threads is 0", "choose at least 1"]),
        ("request_timeout = 10", ["request_timeout = 10", "expected a duration such as \"300ms\""]),
        ("request_timeout = \"10\"", ["request_timeout", "expected a duration such as \"300ms\""]),
        ("request_timeout = \"0s\"", ["request_timeout allows no time", "such as \"10s\""]),
        ("choice = \"random\"", ["unknown variant `random`", "`round-robin`"]),
        ("recovery.keepfor = \"1s\"", ["unknown field `keepfor`", "did you mean `keep_for`?"]),
        ("recovery.keep_for = 60", ["keep_for = 60", "expected a duration such as \"300ms\""]),
        ("limits.sessions = 0", ["limits.sessions is 0", "choose at least 1"]),
        ("limits.handshakes = 0", ["limits.handshakes is 0", "choose at least 1"]),
        ("limits.maximum_message = 10", ["limits.maximum_message is 10 bytes", "between 1024"]),
        ("limits.maximum_message = 3_000_000_000", ["limits.maximum_message", "2147483647"]),
        ("limits.mailbox = 5", ["limits.mailbox is 5 bytes", "at least limits.maximum_message"]),
        ("[[path]]\npath = \"a//b\"", ["path \"a//b\" is illegal", "single slashes"]),
        ("[[path]]\npath = \"a\"\n[[path]]\npath = \"/a/\"", ["path \"/a/\" has more than", "one"]),
        ("[[path]]\npath = \"a\"\ntimeout = \"0s\"", ["path \"a\" timeout allows no time", "10s"]),
        ("threads = ", ["line 1", "threads ="]),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{text:?} must be answered with {part:?}, not {error}");
        }
    }
}

fn addresses(config: &Config) -> Vec<String> {
    config.listeners.iter().map(|listener| listener.address.to_string()).collect()
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/no/such/antiphon.toml")).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert!(error.to_string().contains("/no/such/antiphon.toml"), "{error}");
}

#[test]
fn a_server_checks_a_configuration_that_was_made_by_hand() {
    let mut config = Config::dev(any_port());
    config.limits.sessions = 0;
    assert!(matches!(Server::bind(config).err(), Some(BindError::Config(_))));
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::bind(Config::dev(address)).err().unwrap();
    assert!(matches!(error, BindError::Listen { .. }));
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot listen on {address}: address in use; choose another")),
        "{text}"
    );
}
