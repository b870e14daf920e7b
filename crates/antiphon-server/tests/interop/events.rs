//! Session events, as the listener of JavaScript 6.12.1 sees them.

use serde_json::Value;
use serde_json::json;

use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::stage::Session;
use crate::stage::Stage;

const CLOSED_BY_CLIENT: u64 = 4;
const CLOSED_BY_CONTROLLER: u64 = 11;
const CLIENTS: &str = "$Principal is 'client'";

/// The events that have come in, after a round trip that no earlier event can be behind.
fn events_until_here(listening: &mut Session) -> Vec<Value> {
    listening.ping();
    listening.events_so_far("session_event")
}

for_every_sdk!(a_listener_follows_the_life_of_a_session, super::follows_a_life);

fn follows_a_life(sdk: Sdk) {
    let Some(stage) = Stage::open(&[Sdk::Js, sdk]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    admin.must("listen", json!({"filter": CLIENTS, "keys": ["$Principal", "*U"]}));
    assert!(events_until_here(&mut admin).is_empty(), "nobody is there yet");

    let mut watched = stage.join(sdk, "client");
    let opened = admin.event("session_event");
    assert_eq!(opened["session_id"], watched.id());
    assert_eq!(opened["open"], true);
    assert_eq!(opened["properties"], json!({"$Principal": "client"}));

    admin.must(
        "set_properties",
        json!({"session_id": watched.id(), "properties": {"Team": "blue"}}),
    );
    let updated = admin.event("session_event");
    assert_eq!(updated["type"], "PROPERTIES");
    assert_eq!(updated["properties"]["Team"], "blue");
    assert_eq!(updated["changed"], json!({"Team": null}));

    watched.close();
    let closed = admin.event("session_event");
    assert_eq!(closed["session_id"], watched.id());
    assert_eq!(closed["state"], "CLOSED");
    assert_eq!(closed["close_reason"], CLOSED_BY_CLIENT);
    assert!(events_until_here(&mut admin).is_empty(), "an event too many");
}

#[test]
fn a_new_listener_hears_first_of_every_open_session() {
    let Some(stage) = Stage::open(&Sdk::ALL) else {
        return;
    };
    let others = Sdk::ALL.map(|sdk| stage.join(sdk, "client"));
    let mut admin = stage.join(Sdk::Js, "admin");
    admin.must("listen", json!({"keys": ["$Principal"]}));
    let mut expected: Vec<String> = others.iter().map(Session::id).chain([admin.id()]).collect();
    let events: Vec<Value> = expected.iter().map(|_| admin.event("session_event")).collect();
    assert!(events.iter().all(|event| event["open"] == true), "{events:?}");
    let mut heard: Vec<&str> =
        events.iter().filter_map(|event| event["session_id"].as_str()).collect();
    heard.sort_unstable();
    expected.sort_unstable();
    assert_eq!(heard, expected);
    assert!(events_until_here(&mut admin).is_empty(), "an event too many");
}

#[test]
fn a_filter_keeps_other_sessions_from_a_listener() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    admin.must("listen", json!({"filter": "$Principal is 'operator'"}));
    let mut unheard = stage.join(Sdk::Js, "client");
    unheard.close();
    let heard = stage.join(Sdk::Js, "operator");
    assert_eq!(admin.event("session_event")["session_id"], heard.id());
    assert!(events_until_here(&mut admin).is_empty(), "an event too many");
}

#[test]
fn a_session_closed_by_another_says_so() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    admin.must("listen", json!({"filter": CLIENTS}));
    let target = stage.join(Sdk::Js, "client");
    assert_eq!(admin.event("session_event")["open"], true);
    admin.must("close_session", json!({"target": target.id()}));
    let closed = admin.event("session_event");
    assert_eq!(
        (&closed["state"], &closed["close_reason"]),
        (&json!("CLOSED"), &json!(CLOSED_BY_CONTROLLER))
    );
}

#[test]
fn without_keys_a_listener_hears_of_no_properties() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    admin.must("listen", json!({"filter": CLIENTS}));
    let target = stage.join(Sdk::Js, "client");
    assert_eq!(admin.event("session_event")["properties"], json!({}));
    admin
        .must("set_properties", json!({"session_id": target.id(), "properties": {"Team": "blue"}}));
    assert!(events_until_here(&mut admin).is_empty(), "an event too many");
}

#[test]
fn a_listener_can_leave() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    admin.must("listen", json!({}));
    // The SDK drops later events by itself: that the server agrees is all that shows.
    admin.must("unlisten", json!({}));
    admin.event("listener_closed");
    admin.ping();
}

#[test]
fn a_listener_with_a_bad_filter_is_refused() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let failure =
        admin.call("listen", json!({"filter": "$Principal iss 'x'"})).expect_err("an error");
    assert_eq!(failure.message(), "Session filter is invalid");
}

#[test]
fn a_listener_hears_nothing_of_sessions_that_started_before() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut old = stage.join(Sdk::Js, "client");
    let old_start = start_time(&mut old);
    let mut young = stage.join(Sdk::Js, "client");
    let between = old_start + 1;
    while start_time(&mut young) <= between {
        stage.rejoin(&mut young);
    }
    admin.must("listen", json!({"filter": CLIENTS, "after": between}));
    let opened = admin.event("session_event");
    assert_eq!((&opened["session_id"], &opened["open"]), (&json!(young.id()), &json!(true)));
    assert!(events_until_here(&mut admin).is_empty(), "an event too many");

    old.close();
    young.close();
    let closed = admin.event("session_event");
    assert_eq!(closed["session_id"], young.id());
    assert_eq!(closed["state"], "CLOSED");
    let later = stage.join(Sdk::Js, "client");
    assert_eq!(admin.event("session_event")["session_id"], later.id());
    assert!(events_until_here(&mut admin).is_empty(), "an event too many");
}

fn start_time(session: &mut Session) -> u64 {
    let own = session.must("own_properties", json!({}));
    own["$StartTime"].as_str().and_then(|text| text.parse().ok()).expect("a start time")
}
