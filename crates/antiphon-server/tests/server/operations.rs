//! What operators are told over HTTP, in raw bytes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::net::TcpListener;

use antiphon_server::BindError;
use antiphon_server::Config;
use antiphon_server::Server;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::value::Value;

use crate::client::Client;
use crate::client::TestServer;
use crate::client::any_port;
use crate::messages::answer;
use crate::messages::register;
use crate::messages::send;

/// The status line's code and the whole answer.
async fn ask(operations: SocketAddr, request: &str) -> (u16, String) {
    let mut client = Client::connect(operations).await;
    client.send(format!("{request}\r\nHost: localhost\r\n\r\n").as_bytes()).await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    let code = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
    (code, answer)
}

fn start() -> (TestServer, SocketAddr) {
    let server = TestServer::with(|config| config.operations.listen.0 = Some(any_port()));
    let operations = server.operations.unwrap();
    (server, operations)
}

/// The body of `/metrics`.
async fn metrics(operations: SocketAddr) -> String {
    let (code, answer) = ask(operations, "GET /metrics HTTP/1.1").await;
    assert_eq!(code, 200, "{answer}");
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Every value by its name and labels.
pub(crate) async fn values(operations: SocketAddr) -> BTreeMap<String, f64> {
    let text = metrics(operations).await;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let value = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(value).collect()
}

#[tokio::test]
async fn every_endpoint_answers_and_nothing_else_does() {
    let (_server, operations) = start();
    for (request, code, body) in [
        ("GET /livez HTTP/1.1", 200, "alive\n"),
        ("GET /readyz HTTP/1.1", 200, "ready\n"),
        ("GET /healthz HTTP/1.0", 200, "ready\n"),
        ("GET /readyz?verbose HTTP/1.1", 200, "ready\n"),
        ("HEAD /livez HTTP/1.1", 200, "\r\n\r\n"),
        ("GET / HTTP/1.1", 404, "There is nothing here."),
        ("GET /livez/ HTTP/1.1", 404, "There is nothing here."),
        ("PUT /livez HTTP/1.1", 405, "allow: GET, HEAD\r\n"),
        ("OPTIONS /metrics HTTP/1.1", 405, "allow: GET, HEAD\r\n"),
        ("POST /livez HTTP/1.1", 403, "Antiphon-Operation"),
        ("POST /livez HTTP/1.1\r\nAntiphon-Operation: 1", 405, "allow: GET, HEAD\r\n"),
        ("POST /none HTTP/1.1\r\nAntiphon-Operation: 1", 404, "There is nothing here."),
        ("POST /livez HTTP/1.1\r\nAntiphon-Operation: 1\r\nOrigin: http://x", 403, "browser"),
        ("HELLO", 400, ""),
    ] {
        let (got, answer) = ask(operations, request).await;
        assert_eq!(got, code, "{request}: {answer}");
        assert!(answer.contains(body), "{request}: {answer}");
        if code != 400 {
            assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{answer}");
            assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
            assert!(answer.contains("content-security-policy: default-src 'none'"), "{answer}");
        }
    }
    let (_, answer) = ask(operations, "GET /version HTTP/1.1").await;
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn clients_that_say_too_much_or_nothing_do_not_keep_others_out() {
    let (_server, operations) = start();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Client::connect(operations).await);
    }
    let long = format!("GET /livez HTTP/1.1\r\nX: {}", "x".repeat(32 << 10));
    assert_eq!(ask(operations, &long).await.0, 431);
    assert_eq!(ask(operations, "GET /livez HTTP/1.1").await.0, 200);
}

#[tokio::test]
async fn a_server_that_drains_is_alive_but_not_ready() {
    let (server, operations) = start();
    // It never closes its side, so the server waits for it.
    let _client = Client::open(server.address).await;
    let running = server.stop();
    loop {
        let (code, answer) = ask(operations, "GET /readyz HTTP/1.1").await;
        if code == 503 {
            assert!(answer.ends_with("draining\n"), "{answer}");
            break;
        }
        assert_eq!(code, 200, "{answer}");
    }
    assert_eq!(ask(operations, "GET /livez HTTP/1.1").await.0, 200);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_taken_address_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut config = Config::dev(any_port());
    config.operations.listen.0 = Some(address);
    let Err(error) = Server::bind(config) else { panic!("it is taken") };
    assert!(matches!(error, BindError::Operations { .. }));
    let said = error.to_string();
    for part in [&address.to_string(), "address in use", "operations.listen", "\"off\""] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_program_with_a_server_in_it_has_no_such_listener() {
    assert_eq!(TestServer::start().operations, None);
    assert_eq!(Config::default().operations.listen.0, Some("127.0.0.1:8081".parse().unwrap()));
}

/// Names and types, which dashboards and alerts are made of.
#[tokio::test]
async fn the_names_of_metrics_do_not_change() {
    let (_server, operations) = start();
    let text = metrics(operations).await;
    let types: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    insta::assert_snapshot!(types.join("\n"), @"
    antiphon_requests counter
    antiphon_request_seconds histogram
    antiphon_handlers gauge
    antiphon_requests_accepted counter
    antiphon_requests_ended counter
    antiphon_requests_in_flight gauge
    antiphon_ledger_mismatches counter
    antiphon_stray_answers counter
    antiphon_refused counter
    antiphon_limits_exceeded counter
    antiphon_sessions gauge
    antiphon_sessions_blocked gauge
    antiphon_sessions_opened counter
    antiphon_sessions_reconnected counter
    antiphon_sessions_closed counter
    antiphon_outbound_queue_bytes gauge
    antiphon_outbound_blocked_seconds histogram
    antiphon_filters counter
    antiphon_filter_compared_sessions counter
    antiphon_filter_matched_sessions counter
    antiphon_filter_seconds histogram
    antiphon_connections counter
    antiphon_handshakes_failed counter
    antiphon_authentications counter
    antiphon_authentication_attempts counter
    antiphon_authentication_seconds counter
    antiphon_audit_events counter
    antiphon_state gauge
    antiphon_build info
    process_cpu_seconds counter
    process_resident_memory_bytes gauge
    process_virtual_memory_bytes gauge
    process_threads gauge
    process_open_fds gauge
    process_max_fds gauge
    ");
    assert!(text.ends_with("# EOF\n"));
}

/// Whatever is on the page is explained: every name with its labels in its row, and every value of a label that does not
/// come from elsewhere in a row that has the label; outcomes have a table of their own.
#[tokio::test]
async fn the_documentation_has_every_metric_and_label() {
    let (_server, operations) = start();
    let text = metrics(operations).await;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, metrics) = page.split_once("## Metrics\n").unwrap();
    let rows: Vec<_> = metrics.lines().filter(|line| line.starts_with("| `")).collect();
    let mut missing = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (sample, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let family =
            ["_count", "_sum", "_bucket"].into_iter().find_map(|end| name.strip_suffix(end));
        let name = format!("`{}`", family.unwrap_or(name));
        let Some(row) = rows.iter().find(|row| row.contains(&name)) else {
            missing.insert(name);
            continue;
        };
        let labels = labels.trim_end_matches('}').split(',').filter_map(|l| l.split_once('='));
        // A bound is no label that anybody chooses by.
        for (label, value) in labels.filter(|(label, _)| *label != "le") {
            let (label, value) = (format!("`{label}`"), format!("`{}`", value.trim_matches('"')));
            if !row.contains(&label) {
                missing.insert(format!("{label} of {name}"));
            }
            let is_told = match label.as_str() {
                "`path`" | "`version`" | "`link`" => true,
                "`outcome`" => page.contains(&format!("| {value} |")),
                _ => rows.iter().any(|row| row.contains(&label) && row.contains(&value)),
            };
            if !is_told {
                missing.insert(format!("{value} of {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/operations.md does not have {missing:?}");
}

#[tokio::test]
async fn figures_say_what_was_done() {
    let (server, operations) = start();
    let mut handler = Client::open(server.address).await;
    let mut sender = Client::open(server.address).await;
    register(&mut handler, "orders \"eu\"").await;
    for conversation in 1..=3 {
        send(&mut sender, conversation, "orders \"eu\"/x", b"two").await;
        answer(&mut handler, b"two").await;
        sender.expect_message().await;
    }
    send(&mut sender, 4, "nobody", b"two").await;
    sender.expect_message().await;
    let filter = "$Principal is 'nobody'";
    let value = Value { type_name: "binary", bytes: b"x" };
    let body = SendToFilter { conversation: ConversationId(5), filter, path: "p", value };
    sender.request(Service::MessagingFilterSend, 5, &body).await;
    sender.expect_message().await;
    send(&mut sender, 6, "orders \"eu\"", b"two").await;
    handler.expect_message().await;
    let mut stranger = Client::upgrade(server.address, "ty=WB&v=29&username=eve").await;
    stranger.expect_message().await;

    let values = values(operations).await;
    let path = r#"path="orders \"eu\"""#;
    for (name, expected) in [
        (format!("antiphon_requests_total{{kind=\"path\",{path},outcome=\"responded\"}}"), 3.0),
        (format!("antiphon_handlers{{{path}}}"), 1.0),
        (format!("antiphon_request_seconds_count{{kind=\"path\",{path},part=\"handler\"}}"), 3.0),
        ("antiphon_request_seconds_count{part=\"queue\"}".to_owned(), 4.0),
        ("antiphon_requests_accepted_total{kind=\"path\"}".to_owned(), 4.0),
        ("antiphon_requests_ended_total{outcome=\"responded\"}".to_owned(), 3.0),
        ("antiphon_requests_in_flight".to_owned(), 1.0),
        ("antiphon_ledger_mismatches_total".to_owned(), 0.0),
        ("antiphon_refused_total{call=\"request\",reason=\"no_handler\"}".to_owned(), 1.0),
        ("antiphon_sessions{state=\"connected\"}".to_owned(), 2.0),
        ("antiphon_sessions_opened_total".to_owned(), 2.0),
        ("antiphon_filters_total".to_owned(), 1.0),
        ("antiphon_filter_matched_sessions_total".to_owned(), 0.0),
        ("antiphon_filter_seconds_count".to_owned(), 1.0),
        ("antiphon_connections_total".to_owned(), 3.0),
        ("antiphon_handshakes_failed_total{reason=\"authentication_failed\"}".to_owned(), 1.0),
        ("antiphon_authentications_total{link=\"dev\",result=\"allowed\"}".to_owned(), 2.0),
        ("antiphon_authentications_total{link=\"dev\",result=\"abstained\"}".to_owned(), 1.0),
        ("antiphon_state{state=\"ready\"}".to_owned(), 1.0),
    ] {
        assert_eq!(values.get(&name), Some(&expected), "{name} in {values:#?}");
    }
}

#[tokio::test]
async fn paths_that_are_only_asked_for_make_no_labels() {
    let (server, operations) = start();
    let mut handler = Client::open(server.address).await;
    let mut sender = Client::open(server.address).await;
    register(&mut handler, "a").await;
    let before = values(operations).await.len();
    for conversation in 1..=50 {
        send(&mut sender, conversation, &format!("a/{conversation}"), b"x").await;
        answer(&mut handler, b"x").await;
        sender.expect_message().await;
        send(&mut sender, conversation, &format!("b/{conversation}"), b"x").await;
        sender.expect_message().await;
    }
    assert_eq!(values(operations).await.len(), before);
}
