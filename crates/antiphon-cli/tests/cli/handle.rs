//! `antiphon handle`: the ways to answer, and how it begins, survives and ends.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Command;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::fifo::Fifo;
use crate::process::Handler;
use crate::process::Said;
use crate::process::Server;

#[test]
fn the_reply_is_always_the_same() {
    let server = Server::dev();
    let _handler = Handler::start(&server, &["greetings", "--reply", r#"{"hello": "world"}"#]);
    let said = server.said(&["request", "greetings", "x", "--json"]);
    assert_snapshot!(said, @r#"
    exit 0
    stdout:
    {"elapsed_us":N,"type":"json","value":{"hello":"world"}}
    "#);
}

#[test]
fn a_command_has_the_request_on_its_input_and_in_its_environment() {
    let server = Server::dev();
    let script =
        r#"read line; echo "$line/$ANTIPHON_REQUEST/$ANTIPHON_PATH/${ANTIPHON_SENDER%-*}""#;
    let handler = Handler::start(&server, &["greetings", "--exec", script]);
    let said = server.said(&["request", "greetings/all", "world"]);
    let node = handler.session.split('-').next().unwrap();
    assert_eq!(said.stdout, format!("world/world/greetings/all/{node}\n"), "{said}");
}

#[test]
fn what_a_command_prints_has_the_type_that_it_looks_like_or_that_is_forced() {
    let server = Server::dev();
    let _looks = Handler::start(&server, &["looks", "--exec", "wc -c"]);
    let said = server.said(&["request", "looks", "12345", "--json"]);
    assert_snapshot!(said, @r#"
    exit 0
    stdout:
    {"elapsed_us":N,"type":"int64","value":5}
    "#);
    let _forced = Handler::start(&server, &["forced", "--exec", "cat", "--string"]);
    let said = server.said(&["request", "forced", "12345", "--json"]);
    assert_snapshot!(said, @r#"
    exit 0
    stdout:
    {"elapsed_us":N,"type":"string","value":"12345"}
    "#);
    let _bytes = Handler::start(&server, &["bytes", "--exec", "printf '\\377'"]);
    let said = server.said(&["request", "bytes", "12345", "--json"]);
    assert_snapshot!(said, @r#"
    exit 0
    stdout:
    {"elapsed_us":N,"type":"binary","value":"/w=="}
    "#);
}

#[test]
fn a_command_that_fails_is_a_rejection() {
    let server = Server::dev();
    let _loud = Handler::start(&server, &["loud", "--exec", "echo sorry >&2; exit 3"]);
    assert_snapshot!(server.said(&["request", "loud", "x"]), @"
    exit 5
    stderr:
    error: rejected: sorry
    ");
    let _silent = Handler::start(&server, &["silent", "--exec", "exit 3"]);
    assert_snapshot!(server.said(&["request", "silent", "x"]), @"
    exit 5
    stderr:
    error: rejected: the command failed: exit status: 3
    ");
    let _wrong = Handler::start(&server, &["wrong", "--exec", "echo x", "--int64"]);
    assert_snapshot!(server.said(&["request", "wrong", "x"]), @r#"
    exit 5
    stderr:
    error: rejected: --int64: "x" is not a whole number from -9223372036854775808 to 9223372036854775807
    "#);
}

#[test]
fn it_ends_after_the_requests_that_it_was_told_to_count() {
    let server = Server::dev();
    let handler = Handler::start(&server, &["echo", "--echo", "--count", "2"]);
    assert_eq!(server.said(&["request", "echo", "1"]).stdout, "1\n");
    assert_eq!(server.said(&["request", "echo", "2"]).stdout, "2\n");
    assert_eq!(handler.end(), Some(0));
    assert_eq!(server.said(&["request", "echo", "3"]).code, Some(4));
}

#[test]
fn each_request_is_shown_and_a_signal_waits_for_its_answer() {
    let server = Server::dev();
    let fifo = Fifo::make();
    let mut command = server.admin(&["handle", "slow", "--exec", &fifo.wait_at("slow/er")]);
    let mut handler = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(handler.stdout.take().unwrap()).lines();
    let mut notes = BufReader::new(handler.stderr.take().unwrap()).lines();
    assert!(notes.next().unwrap().unwrap().ends_with(" answers requests to slow"));
    let mut request = server.admin(&["request", "slow/er", "42"]);
    let request = request.stdout(Stdio::piped()).spawn().unwrap();
    let line = shown.next().unwrap().unwrap();
    let fields: Vec<_> = line.split('\t').collect();
    assert_eq!((fields[0], fields[2], fields[3]), ("slow/er", "int64", "42"));
    let id = handler.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert!(notes.next().unwrap().unwrap().starts_with("stopping"));
    // It takes no more.
    while server.said(&["request", "slow", "x"]).code != Some(4) {}
    fifo.release();
    assert_eq!(request.wait_with_output().unwrap().stdout, b"released\n");
    assert_eq!(handler.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let server = Server::dev();
    let fifo = Fifo::make();
    let mut handler = Handler::start(&server, &["slow", "--exec", &fifo.wait_at("slow/er")]);
    let mut request = server.admin(&["request", "slow/er", "x"]);
    let mut request = request.stderr(Stdio::null()).spawn().unwrap();
    handler.event("request");
    handler.signal("INT");
    // The first was heard when the handler is deregistered.
    while server.said(&["request", "slow", "x"]).code != Some(4) {}
    handler.signal("INT");
    assert_eq!(handler.end(), Some(130));
    assert_ne!(request.wait().unwrap().code(), Some(0));
}

#[test]
fn it_comes_back_when_the_server_does() {
    let mut server = Server::dev();
    let mut handler = Handler::start(&server, &["echo", "--echo"]);
    let before = handler.session.clone();
    let address = server.address.clone();
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    handler.event("recovering");
    let server = Server::start(&["serve", "--dev", "--listen", &address]);
    assert_ne!(handler.event("reconnected")["session"], before);
    // It registers just after that.
    while server.said(&["request", "echo", "x"]).code != Some(0) {}
    handler.signal("TERM");
    assert_eq!(handler.end(), Some(0));
}

#[test]
fn it_ends_cleanly_while_the_server_is_away() {
    let mut server = Server::dev();
    let mut handler = Handler::start(&server, &["echo", "--echo"]);
    server.signal("TERM");
    server.end();
    handler.event("recovering");
    handler.signal("TERM");
    assert_eq!(handler.end(), Some(0));
}

#[test]
fn one_way_to_answer_has_to_be_chosen() {
    let server = Server::dev();
    assert_snapshot!(server.said(&["handle", "echo"]), @"
    exit 1
    stderr:
    error: the following required arguments were not provided:
      <--echo|--reply <VALUE>|--exec <COMMAND>|--fail <TEXT>>

    Usage: antiphon handle --url <URL> --principal <NAME> <--echo|--reply <VALUE>|--exec <COMMAND>|--fail <TEXT>> <PATH>

    For more information, try '--help'.
    ");
    let said = Said::by(server.admin(&["handle", "echo", "--echo", "--fail", "x"]));
    assert_snapshot!(said, @"
    exit 1
    stderr:
    error: the argument '--echo' cannot be used with '--fail <TEXT>'

    Usage: antiphon handle --url <URL> --principal <NAME> <--echo|--reply <VALUE>|--exec <COMMAND>|--fail <TEXT>> <PATH>

    For more information, try '--help'.
    ");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let server = Server::dev();
    let mut command = server.admin(&["handle", "echo", "--echo"]);
    let mut handler = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut notes = BufReader::new(handler.stderr.take().unwrap()).lines();
    assert!(notes.next().unwrap().unwrap().contains("answers requests"));
    drop(handler.stdout.take());
    server.said(&["request", "echo", "x"]);
    assert_eq!(handler.wait().unwrap().code(), Some(0));
}
