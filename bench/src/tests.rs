//! That the benchmark measures what it says: against a server and a relay in this process, with every answer checked. Nothing
//! here looks at speed.

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::crowd::Crowd;
use crate::filters;
use crate::load;
use crate::open_loop;
use crate::relay;
use crate::row::Row;
use crate::settings::SETTINGS;
use crate::settings::Times;
use crate::target::Peer;
use crate::target::Target;

/// A server that runs as long as this is there.
struct Local {
    target: Target,
    _runtime: Runtime,
    _stop: oneshot::Sender<()>,
}

fn antiphon() -> Local {
    let runtime = Runtime::new().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = runtime.block_on(async { Server::bind(Config::dev(any_port())) }).unwrap();
    let target = Target::new(Peer::Antiphon, server.local_addrs()[0], None);
    runtime.spawn(server.run(stopped));
    Local { target, _runtime: runtime, _stop: stop }
}

fn relay() -> Local {
    let runtime = Runtime::new().unwrap();
    let (stop, _) = oneshot::channel();
    let listener = runtime.block_on(TcpListener::bind(any_port())).unwrap();
    let target = Target::new(Peer::Ws, listener.local_addr().unwrap(), None);
    runtime.spawn(relay::accept(listener));
    Local { target, _runtime: runtime, _stop: stop }
}

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Until something was measured, however busy the machine is. Nothing may go wrong.
#[track_caller]
fn until_measured(run: impl Fn() -> io::Result<Row>) -> Row {
    loop {
        let row = run().unwrap();
        assert_eq!((row.failures, &row.first_failure), (0, &None));
        if row.counts() {
            return row;
        }
    }
}

#[test]
fn every_setting_is_answered() {
    for start in [antiphon, relay] {
        for setting in SETTINGS {
            let local = start();
            let row = until_measured(|| load::run(&local.target, setting, Times::QUICK, false));
            assert!(row.p50 > 0.0 && row.p50 <= row.p99 && row.rate > 0.0, "{row:?}");
        }
    }
}

#[test]
fn an_open_loop_is_answered() {
    for local in [antiphon(), relay()] {
        let row =
            until_measured(|| open_loop::run(&local.target, SETTINGS[1], Times::QUICK, 2000.0));
        // Half a second at 2,000 a second has no more than that.
        assert!(row.requests <= 1000, "{row:?}");
    }
}

#[test]
fn a_crowd_answers_filters() {
    let local = antiphon();
    let mut crowd = Crowd::new(&local.target).unwrap();
    crowd.grow(30).unwrap();
    crowd.register(2, 20).unwrap();
    crowd.grow(50).unwrap();
    assert_eq!(crowd.size(), 50);
    // 48 are idle, 2 have registered and no properties.
    for (filter, matches) in [("Kind is 'till'", 48), ("Part is 'part-7'", 5)] {
        let row = filters::run(&local.target, filter, 3, 50).unwrap();
        assert_eq!((row.matches, row.requests), (matches, 3));
        assert!(row.count_p50 <= row.all_p50 && row.all_p50 <= row.all_max);
    }
    crowd.check().unwrap();
    assert!(filters::run(&local.target, "Kind is", 1, 50).is_err());
}

#[test]
fn a_server_that_hangs_up_does_not_count() {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind(any_port())).unwrap();
    let target = Target::new(Peer::Nats, listener.local_addr().unwrap(), None);
    // It greets like NATS, and goes as soon as it is asked something.
    runtime.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                stream.write_all(b"INFO {}\r\nPONG\r\n").await.unwrap();
                let mut said = Vec::new();
                while !said.windows(4).any(|four| four == b"PUB ") {
                    stream.readable().await.unwrap();
                    // Until then nothing that cannot be read is unexpected.
                    if stream.try_read_buf(&mut said).is_ok_and(|count| count == 0) {
                        return;
                    }
                }
            });
        }
    });
    let times = Times { warm_up: Duration::from_millis(300), ..Times::QUICK };
    let row = load::run(&target, SETTINGS[0], times, false).unwrap();
    assert!(!row.counts(), "{row:?}");
}
