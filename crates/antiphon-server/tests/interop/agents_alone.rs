//! The agents without a server: they start, load the right SDK, and report errors.

use std::net::Ipv4Addr;
use std::net::TcpListener;

use serde_json::json;

use crate::environment;
use crate::pool::Agent;
use crate::sdk::Sdk;
use crate::sdk::for_every_published_sdk;
use crate::sdk::for_every_sdk;

for_every_published_sdk!(an_agent_names_the_release_that_it_drives, super::names_its_release);

fn names_its_release(sdk: Sdk) {
    if !environment::has(&[sdk]) {
        return;
    }
    let mut agent = Agent::take(sdk);
    assert_eq!(agent.must("version", json!({}))["version"], sdk.release());
}

for_every_sdk!(a_closed_port_is_a_connection_error, super::reports_a_closed_port);

fn reports_a_closed_port(sdk: Sdk) {
    if !environment::has(&[sdk]) {
        return;
    }
    let mut agent = Agent::take(sdk);
    let failure = agent
        .call("connect", json!({"host": "127.0.0.1", "port": closed_port()}))
        .expect_err("an error");
    match sdk {
        Sdk::Js => assert_eq!((failure.class(), failure.code()), ("CloseReasonImpl", Some(7))),
        Sdk::Py66 | Sdk::Py612 => assert_eq!(failure.class(), "ServerConnectionError"),
        Sdk::Rust => assert_eq!(failure.class(), "Connect"),
    }
}

/// A port that was free a moment ago, and on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address").port()
}
