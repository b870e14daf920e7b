//! Each exit code that a client can meet, with what is said beside it.

use std::net::TcpListener;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::fifo::Fifo;
use crate::process::Handler;
use crate::process::Said;
use crate::process::Server;
use crate::process::antiphon;

#[test]
fn arguments_that_make_no_sense() {
    assert_snapshot!(Said::by(antiphon(&["ping", "--url", "http://localhost"])), @r#"
    exit 1
    stderr:
    error: invalid URL: "http://localhost" does not begin with ws:// or wss://; write it as ws://HOST:PORT or wss://HOST:PORT
    "#);
    assert_snapshot!(Said::by(antiphon(&["ping", "--timeout", "10"])), @r#"
    exit 1
    stderr:
    error: invalid value '10' for '--timeout <DURATION>': "10" is not a duration; write one like 300ms, 10s, 2m or 1h

    For more information, try '--help'.
    "#);
    let server = Server::dev();
    assert_snapshot!(server.said(&["request", "a//b", "x", "--json"]), @r#"
    exit 1
    stderr:
    {"error":{"code":202,"kind":"invalid_path","may_have_executed":false,"text":"invalid path \"a//b\": a path has no empty segment"}}
    "#);
}

#[test]
fn no_server() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("ws://127.0.0.1:{port}");
    assert_snapshot!(Said::by(antiphon(&["ping", "--url", &url])), @"
    exit 2
    stderr:
    error: cannot connect: no connection to ADDRESS: Connection refused (os error N)
      --url names the server; `antiphon serve --dev` starts one on ws://ADDRESS
    ");
    assert_snapshot!(Said::by(antiphon(&["ping", "--url", &url, "--json"])), @r#"
    exit 2
    stderr:
    {"error":{"kind":"connect","may_have_executed":false,"text":"no connection to ADDRESS: Connection refused (os error N)"}}
    "#);
}

#[test]
fn a_server_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", silent.local_addr().unwrap());
    assert_snapshot!(Said::by(antiphon(&["ping", "--url", &url, "--timeout", "50ms"])), @"
    exit 2
    stderr:
    error: cannot connect: the server did not answer within 50ms
      --url names the server; `antiphon serve --dev` starts one on ws://ADDRESS
    ");
}

#[test]
fn wrong_credentials_and_missing_permissions() {
    let server = Server::dev();
    let mut command = server.client(&["ping", "--principal", "admin"]);
    command.env("ANTIPHON_PASSWORD", "wrong");
    assert_snapshot!(Said::by(command), @"
    exit 3
    stderr:
    error: authentication failed: the server does not accept the principal and its credentials
      check --principal and --password
    ");
    assert_snapshot!(Said::by(server.client(&["sessions"])), @"
    exit 3
    stderr:
    error: access denied: VIEW_SESSION is needed
      log in as somebody who may, with --principal and --password
    ");
    assert_snapshot!(Said::by(server.client(&["handle", "greetings", "--echo"])), @"
    exit 3
    stderr:
    error: access denied: REGISTER_HANDLER is needed at path greetings
      log in as somebody with the permission REGISTER_HANDLER, by --principal and --password; --addressed needs none
    ");
    assert_snapshot!(Said::by(server.client(&["sessions", "--json"])), @r#"
    exit 3
    stderr:
    {"error":{"code":103,"kind":"access_denied","may_have_executed":false,"text":"access denied: VIEW_SESSION is needed"}}
    "#);
}

#[test]
fn nobody_handles_the_path() {
    let server = Server::dev();
    assert_snapshot!(server.said(&["request", "greetings", "world"]), @"
    exit 4
    stderr:
    error: no handler for path greetings
      `antiphon handle PATH` registers a handler
    ");
    assert_snapshot!(server.said(&["request", "greetings", "world", "--json"]), @r#"
    exit 4
    stderr:
    {"error":{"code":109,"kind":"unhandled_message","may_have_executed":false,"text":"no handler for path greetings"}}
    "#);
}

#[test]
fn the_handler_rejects() {
    let server = Server::dev();
    let _handler = Handler::start(&server, &["greetings", "--fail", "not \u{1b}[31mtoday"]);
    assert_snapshot!(server.said(&["request", "greetings", "world"]), @r"
    exit 5
    stderr:
    error: rejected: not \u{1b}[31mtoday
    ");
    assert_snapshot!(server.said(&["request", "greetings", "world", "--json"]), @r#"
    exit 5
    stderr:
    {"error":{"code":9003,"kind":"rejected","may_have_executed":true,"text":"not \u001b[31mtoday"}}
    "#);
}

#[test]
fn the_handler_takes_too_long() {
    let server = Server::configured("request_timeout = \"50ms\"");
    let fifo = Fifo::make();
    let _handler = Handler::start(&server, &["slow", "--exec", &fifo.wait()]);
    assert_snapshot!(server.said(&["request", "slow", "now"]), @"
    exit 6
    stderr:
    error: request timed out: no response within 50ms; the request may have been executed
    ");
}

#[test]
fn the_client_does_not_wait_for_ever() {
    let server = Server::dev();
    let fifo = Fifo::make();
    let _handler = Handler::start(&server, &["slow", "--exec", &fifo.wait()]);
    let said = server.said(&["request", "slow", "now", "--timeout", "2s", "--json"]);
    assert_eq!(said.code, Some(6), "{said}");
    assert!(said.stderr.contains(r#""may_have_executed":true"#), "{said}");
}

#[test]
fn the_session_is_gone() {
    let server = Server::dev();
    let session = "0000000000000001-0000000000000001";
    assert_snapshot!(server.said(&["request", "takings", "x", "--session", session]), @"
    exit 7
    stderr:
    error: no such session: no session SESSION
      `antiphon sessions` lists those that there are
    ");
    assert_snapshot!(server.said(&["close", session]), @"
    exit 7
    stderr:
    error: no such session: no session SESSION
      `antiphon sessions` lists those that there are
    ");
}

#[test]
fn the_handler_has_too_much_to_do() {
    let server = Server::configured("[limits]\nrequests_per_handler = 1");
    let fifo = Fifo::make();
    let mut handler = Handler::start(&server, &["slow", "--exec", &fifo.wait()]);
    let first = server.admin(&["request", "slow", "first"]).stdout(Stdio::piped()).spawn();
    handler.event("request");
    assert_snapshot!(server.said(&["request", "slow", "second"]), @"
    exit 9
    stderr:
    error: overloaded: the recipient has too many requests to answer
    ");
    fifo.release();
    assert_eq!(first.unwrap().wait_with_output().unwrap().stdout, b"released\n");
}
