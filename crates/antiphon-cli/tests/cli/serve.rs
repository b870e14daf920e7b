//! `antiphon serve` as a process: what it says, what it refuses, and how it ends.

use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;

use crate::fifo::Fifo;
use crate::process::Handler;
use crate::process::Said;
use crate::process::Server;
use crate::process::antiphon;
use crate::process::check_refused;

/// What a browser is told.
fn ask(address: &str) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_says_where_it_listens_and_ends_cleanly_on_either_signal() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
        assert!(ask(&server.address).contains("Antiphon"));
        server.signal(signal);
        let (code, log) = server.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("development mode"), "{log}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
    // A session that does not close holds the server up after the first signal.
    let mut client = TcpStream::connect(&server.address).unwrap();
    client
        .write_all(
            b"GET /diffusion?v=29 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut received = Vec::new();
    while !received.ends_with(&[0, 0x10, 0, 0]) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        received.extend(byte);
    }
    server.signal("TERM");
    client.read_to_end(&mut received).unwrap();
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, Some(130), "{log}");
}

#[test]
fn a_termination_lets_requests_under_way_finish_and_takes_nobody_new() {
    let mut server = Server::dev();
    let fifo = Fifo::make();
    let mut handler = Handler::start(&server, &["slow", "--exec", &fifo.wait()]);
    let mut request = server.admin(&["request", "slow", "x"]);
    let request = request.stdout(Stdio::piped()).spawn().unwrap();
    handler.event("request");
    server.signal("TERM");
    server.log_line("draining");
    let refused = Said::by(server.client(&["ping"]));
    assert_eq!(refused.code, Some(2), "{refused}");
    fifo.release();
    assert_eq!(request.wait_with_output().unwrap().stdout, b"released\n");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drained") && !log.contains("cut off"), "{log}");
}

#[test]
fn an_interrupt_does_not_wait_for_requests_under_way() {
    let mut server = Server::dev();
    let fifo = Fifo::make();
    let mut handler = Handler::start(&server, &["slow", "--exec", &fifo.wait()]);
    let mut request = server.admin(&["request", "slow", "x"]);
    let mut request = request.stderr(Stdio::null()).spawn().unwrap();
    handler.event("request");
    server.signal("INT");
    assert_ne!(request.wait().unwrap().code(), Some(0));
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("drain"), "{log}");
}

#[test]
fn a_handler_that_stands_still_is_found_and_comes_back_when_it_goes_on() {
    let server = Server::configured(
        "[liveness]\nhandler_timeout = \"600ms\"\n[[path]]\npath = \"echo\"\ntimeout = \"1h\"",
    );
    let handler = Handler::start(&server, &["echo", "--echo"]);
    handler.signal("STOP");
    let said = server.said(&["request", "echo", "x", "--timeout", "60s"]);
    handler.signal("CONT");
    assert_eq!(said.code, Some(7), "{said}");
    assert!(said.stderr.contains("may have been executed"), "{said}");
    assert_eq!(server.said(&["request", "echo", "x", "--timeout", "60s"]).stdout, "x\n");
}

#[test]
fn without_authentication_it_names_the_way_to_have_some() {
    let mut server = Server::start(&["serve", "--listen", "127.0.0.1:0"]);
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("all clients are refused") && log.contains("--dev"), "{log}");
}

#[test]
fn development_mode_is_refused_where_others_can_reach_it_unless_forced() {
    let remote = ["serve", "--dev", "--listen", "0.0.0.0:0"];
    check_refused(&remote, 1, &["0.0.0.0:0", "--allow-remote-dev"]);
    let mut server = Server::start(&[&remote[..], &["--allow-remote-dev"]].concat());
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn an_address_in_use_is_a_failure_of_its_own() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check_refused(&["serve", "--dev", "--listen", &address], 2, &[&address, "address in use"]);
}

#[test]
fn it_survives_the_limit_on_open_files() {
    let mut command = Command::new("sh");
    let antiphon = env!("CARGO_BIN_EXE_antiphon");
    command.args(["-c", "ulimit -n 40; exec \"$0\" serve --dev --listen 127.0.0.1:0", antiphon]);
    let mut server = Server::run(command);
    let crowd: Vec<_> = (0..60).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    server.log_line("raise the limit on open files");
    drop(crowd);
    assert!(ask(&server.address).contains("Antiphon"));
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn wrong_usage_is_explained() {
    check_refused(&["serve", "--listen", "nowhere"], 1, &["--listen", "nowhere"]);
    check_refused(&["serve", "--threads", "0"], 1, &["threads is 0", "at least 1"]);
    check_refused(&["serve", "--config", "/no/such/file"], 1, &["/no/such/file"]);
}

#[test]
fn a_configuration_file_is_obeyed_and_arguments_override_it() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"dev = true\n[[listener]]\naddress = \"127.0.0.2:0\"\n").unwrap();
    let path = file.path().to_str().unwrap();
    for (arguments, host) in [
        (&["serve", "--config", path][..], "127.0.0.2:"),
        (&["serve", "--config", path, "--listen", "127.0.0.1:0"], "127.0.0.1:"),
    ] {
        let mut server = Server::start(arguments);
        assert!(server.address.starts_with(host), "{}", server.address);
        server.signal("TERM");
        assert!(server.end().1.contains("development mode"));
    }
}

#[test]
fn it_listens_on_several_addresses() {
    let mut command = antiphon(&["serve", "--dev"]);
    command.env("ANTIPHON_LISTENER_0_ADDRESS", "127.0.0.1:0");
    command.env("ANTIPHON_LISTENER_1_ADDRESS", "127.0.0.2:0");
    for mut server in [
        Server::start(&["serve", "--dev", "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]),
        Server::run(command),
    ] {
        let line = server.log_line(" listens on 127.0.0.2:");
        let other = line.split(" listens on ").nth(1).unwrap().split(';').next().unwrap();
        assert!(ask(other).contains("Antiphon"));
        assert!(ask(&server.address).contains("Antiphon"));
    }
}

#[test]
fn the_environment_stands_for_flags() {
    let mut command = antiphon(&["serve"]);
    command.env("ANTIPHON_DEV", "1").env("ANTIPHON_LISTENER_0_ADDRESS", "127.0.0.1:0");
    let mut server = Server::run(command);
    server.signal("TERM");
    assert!(server.end().1.contains("development mode"));
}

#[test]
fn a_log_that_cannot_be_written_harms_nothing() {
    // One descriptor is closed, the other is that of a disk that is always full.
    for redirection in ["2>&-", "2>/dev/full"] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        drop(taken);
        let script = format!("exec \"$0\" serve --dev --listen {address} {redirection}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_antiphon")]);
        command.env("ANTIPHON_LOG", "trace");
        let mut child = command.spawn().unwrap();
        // It says nowhere that it listens.
        while TcpStream::connect(&address).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "{redirection}");
            std::thread::yield_now();
        }
        for _ in 0..10 {
            assert!(ask(&address).contains("Antiphon"), "{redirection}");
        }
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{redirection}");
    }
}
