//! Sessions of different SDKs on different nodes of a cluster: what they do with each other is what they do on one server.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::commands::Handler;
use crate::own_address::OwnAddress;
use crate::sdk::Sdk;
use crate::sdk::for_every_pair;
use crate::sdk::for_every_sdk;
use crate::shown::UNHANDLED_MESSAGE;
use crate::stage::Session;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

const CLIENTS: &str = "$Principal is 'client'";

/// Longer than anything here can take; only a hang reaches it.
const GUARD: Duration = Duration::from_secs(60);

/// Two servers that are one system. They are linked before anybody is served.
struct Cluster {
    nodes: [Stage; 2],
    _addresses: [OwnAddress; 2],
}

impl Cluster {
    fn open(sdks: &[Sdk]) -> Option<Self> {
        let addresses = [OwnAddress::take(), OwnAddress::take()];
        let open = |own: usize| {
            Stage::open_with(sdks, |config| {
                config.cluster.listen = vec![addresses[own].endpoint()];
                config.cluster.seeds = vec![addresses[1 - own].endpoint()];
                config.cluster.join_timeout = GUARD;
            })
        };
        Some(Self { nodes: [open(0)?, open(1)?], _addresses: addresses })
    }
}

/// Waits until the node of somebody knows a handler of `path`, which answers once.
fn expect_known(asking: &mut Session, path: &str) {
    let deadline = Instant::now() + GUARD;
    loop {
        match asking.request_path(path, &string("anybody?")) {
            Ok(answer) => return assert_eq!(answer, string("anybody?")),
            Err(failure) => {
                assert_eq!(failure.code(), Some(UNHANDLED_MESSAGE), "{failure:?}");
                assert!(Instant::now() < deadline, "nobody is known");
            }
        }
    }
}

for_every_pair!(requests_go_from_one_node_to_the_other, super::requests_cross);

fn requests_cross(sender: Sdk, handler: Sdk) {
    let Some(cluster) = Cluster::open(&[sender, handler, Sdk::Js]) else {
        return;
    };
    let [here, there] = &cluster.nodes;
    let mut sending = here.join(sender, "control");
    let mut handling = there.join(handler, "control");
    handling.register(Handler::of("string", "orders", echo()));
    let mut near = here.join(Sdk::Js, "client");
    expect_known(&mut near, "orders");
    assert_eq!(handling.event("request")["sender"], near.id());
    assert_eq!(sending.request_path("orders", &string("tea")), Ok(string("tea")));
    let seen = handling.event("request");
    assert_eq!((&seen["value"], &seen["sender"]), (&string("tea"), &json!(sending.id())));

    let mut far = there.join(handler, "client");
    for session in [&mut near, &mut far] {
        session.stream(Handler::of("string", "jobs", echo()));
    }
    let answer = sending.request_session(&far.id(), "jobs", &string("dig"));
    assert_eq!(answer, Ok(string("dig")));
    assert_eq!(far.event("request")["value"], string("dig"));

    assert_eq!(sending.request_filter(CLIENTS, "jobs", &string("fill")), Ok(2));
    let mut answered = [(); 2].map(|()| {
        let event = sending.event("filter_response");
        assert_eq!(event["value"], string("fill"));
        event["session_id"].as_str().expect("an id").to_owned()
    });
    let mut expected = [near.id(), far.id()];
    answered.sort_unstable();
    expected.sort_unstable();
    assert_eq!(answered, expected);
    for session in [&mut near, &mut far] {
        assert_eq!(session.event("request")["value"], string("fill"));
    }
    sending.ping();
    assert_eq!(sending.events_so_far("filter_response"), Vec::<Value>::new());
}

for_every_sdk!(a_listener_hears_of_sessions_on_another_node, super::listener_hears_of);

fn listener_hears_of(sdk: Sdk) {
    let Some(cluster) = Cluster::open(&[Sdk::Js, sdk]) else {
        return;
    };
    let [here, there] = &cluster.nodes;
    let mut admin = here.join(Sdk::Js, "admin");
    let old = there.join(sdk, "client");
    admin.must("listen", json!({"filter": CLIENTS, "keys": ["$Principal", "*U"]}));
    let mut young = there.join(sdk, "client");
    let mut opened = [(); 2].map(|()| {
        let event = admin.event("session_event");
        assert_eq!(
            (&event["open"], &event["properties"]["$Principal"]),
            (&json!(true), &json!("client"))
        );
        event["session_id"].as_str().expect("an id").to_owned()
    });
    let mut expected = [old.id(), young.id()];
    opened.sort_unstable();
    expected.sort_unstable();
    assert_eq!(opened, expected);

    let parameters = json!({"session_id": young.id(), "properties": {"Team": "blue"}});
    admin.must("set_properties", parameters);
    let updated = admin.event("session_event");
    assert_eq!(
        (&updated["session_id"], &updated["type"]),
        (&json!(young.id()), &json!("PROPERTIES"))
    );
    assert_eq!(updated["properties"]["Team"], "blue");
    let keys = json!({"session_id": young.id(), "keys": ["*U"]});
    assert_eq!(admin.must("get_properties", keys)["Team"], "blue");

    young.close();
    let closed = admin.event("session_event");
    assert_eq!((&closed["session_id"], &closed["state"]), (&json!(young.id()), &json!("CLOSED")));
    let mut left = old;
    admin.must("close_session", json!({"target": left.id()}));
    let closed = admin.event("session_event");
    assert_eq!((&closed["session_id"], &closed["state"]), (&json!(left.id()), &json!("CLOSED")));
    left.expect_closed_by_server();
    admin.ping();
    assert_eq!(admin.events_so_far("session_event"), Vec::<Value>::new());
}

#[test]
fn a_lock_goes_from_a_session_to_one_on_another_node_and_back() {
    let Some(cluster) = Cluster::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    let [here, there] = &cluster.nodes;
    let mut admin = here.join(Sdk::Js, "admin");
    let mut holding = here.join(Sdk::Js, "control");
    let mut waiting = there.join(Sdk::Py612, "control");
    let lock = json!({"name": "vault"});
    let mut granted = holding.must("lock", lock.clone());
    for _ in 0..4 {
        let pending = waiting.send("lock", lock.clone());
        let seen = admin.must("get_lock", lock.clone());
        assert_eq!(
            (&seen["session_id"], &seen["sequence"]),
            (&json!(holding.id()), &granted["sequence"])
        );
        waiting.ping();
        assert!(!waiting.has_answered(pending), "two sessions hold it");
        assert_eq!(holding.must("unlock", lock.clone())["released"], true);
        let next = waiting.wait(pending).expect("the lock");
        assert!(sequence(&next) > sequence(&granted), "{next} after {granted}");
        granted = next;
        std::mem::swap(&mut holding, &mut waiting);
    }
}

fn sequence(granted: &Value) -> u64 {
    granted["sequence"].as_str().and_then(|text| text.parse().ok()).expect("a sequence number")
}
