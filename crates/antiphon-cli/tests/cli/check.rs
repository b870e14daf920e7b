//! `antiphon check` and `antiphon drain` against a server, against none, and against something else.

use std::net::TcpListener;

use crate::process::Server;
use crate::process::antiphon;
use crate::process::check_refused;
use crate::process::run;

/// A server, and where it answers operators.
fn server() -> (Server, String) {
    let mut command = antiphon(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
    command.env("ANTIPHON_OPERATIONS_LISTEN", "127.0.0.1:0");
    let mut server = Server::run(command);
    let line = server.log_line("operators are answered on http://");
    let address = line.split("http://").nth(1).unwrap().split('"').next().unwrap().trim();
    (server, address.to_owned())
}

#[test]
fn a_server_that_is_told_to_drain_ends() {
    let (mut server, address) = server();
    let output = run(&["drain", "--operations", &address]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "draining\n");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drained"), "{log}");
    check_refused(&["drain", "--operations", &address], 1, &["nobody answers", &address]);
}

#[test]
fn a_server_that_is_ready_is_said_to_be() {
    let (server, address) = server();
    let address = address.as_str();
    for (arguments, said) in [
        (&["check", "--operations", address][..], "ready\n"),
        (&["check", "--operations", address, "--live"], "alive\n"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), said);
    }
    // The address for clients is another one.
    check_refused(&["check", "--operations", &server.address], 1, &["answers 404"]);
    check_refused(&["drain", "--operations", &server.address], 1, &["answers 404"]);
}

#[test]
fn where_nobody_answers_the_code_is_1() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let check = ["check", "--timeout", "50ms", "--operations", &address];
    check_refused(&check, 1, &["nobody answers", "operations.listen"]);
    drop(silent);
    check_refused(&check, 1, &["nobody answers", &address]);
    check_refused(&["check", "--operations", "nowhere"], 1, &["nobody answers"]);
}

#[test]
fn the_default_port_that_is_taken_is_a_failure_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = ["serve", "--dev", "--listen", "127.0.0.1:0", "--operations", &address];
    check_refused(&serve, 2, &[&address, "operations.listen", "off"]);
    check_refused(&["serve", "--operations", "nowhere"], 1, &["--operations", "nowhere"]);
}
