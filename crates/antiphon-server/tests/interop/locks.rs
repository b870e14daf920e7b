//! Session locks of JavaScript 6.12.1 and Python 6.12.2.

use serde_json::Value;
use serde_json::json;

use crate::agent::Pending;
use crate::sdk::Sdk;
use crate::shown::ACCESS_DENIED;
use crate::shown::assert_failure;
use crate::stage::Session;
use crate::stage::Stage;

const NAME: &str = "vault";

/// Asks for the lock; the ping behind it shows that the server has the request.
fn ask(session: &mut Session) -> Pending {
    let pending = session.send("lock", json!({"name": NAME}));
    session.ping();
    pending
}

fn lock(session: &mut Session) -> u64 {
    sequence(&session.must("lock", json!({"name": NAME})))
}

fn unlock(session: &mut Session) -> Value {
    session.must("unlock", json!({"name": NAME}))["released"].clone()
}

fn sequence(answer: &Value) -> u64 {
    answer["sequence"].as_str().and_then(|text| text.parse().ok()).expect("a sequence number")
}

/// Asserts, after a round trip, that the lock has not been granted.
#[track_caller]
fn assert_waiting(session: &mut Session, pending: Pending) {
    session.ping();
    assert!(!session.has_answered(pending), "{} has the lock already", session.id());
}

#[test]
fn waiting_sessions_get_the_lock_in_turn() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut first = stage.join(Sdk::Js, "control");
    let mut second = stage.join(Sdk::Js, "control");
    let mut third = stage.join(Sdk::Js, "control");
    let sequence_of_first = lock(&mut first);
    let for_second = ask(&mut second);
    let for_third = ask(&mut third);
    assert_waiting(&mut second, for_second);

    assert_eq!(unlock(&mut first), true);
    let sequence_of_second = sequence(&second.wait(for_second).expect("the lock"));
    assert!(sequence_of_second > sequence_of_first);
    assert_waiting(&mut third, for_third);

    assert_eq!(unlock(&mut second), true);
    let sequence_of_third = sequence(&third.wait(for_third).expect("the lock"));
    assert!(sequence_of_third > sequence_of_second);
}

#[test]
fn a_closing_session_leaves_its_lock_to_the_next() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    for sdk in [Sdk::Js, Sdk::Py612] {
        let mut owner = stage.join(sdk, "control");
        let mut next = stage.join(Sdk::Js, "control");
        lock(&mut owner);
        let for_next = ask(&mut next);
        assert_waiting(&mut next, for_next);
        owner.close();
        next.wait(for_next).expect("the lock");
    }
}

#[test]
fn a_session_that_closes_while_waiting_loses_its_turn() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut owner = stage.join(Sdk::Js, "control");
    let mut leaving = stage.join(Sdk::Js, "control");
    let mut next = stage.join(Sdk::Js, "control");
    lock(&mut owner);
    ask(&mut leaving);
    let for_next = ask(&mut next);
    leaving.close();
    assert_eq!(unlock(&mut owner), true);
    next.wait(for_next).expect("the lock");
}

#[test]
fn an_owner_that_asks_again_keeps_its_lock() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    for sdk in [Sdk::Js, Sdk::Py612] {
        let mut owner = stage.join(sdk, "control");
        assert_eq!(lock(&mut owner), lock(&mut owner), "{sdk}");
        assert_eq!(unlock(&mut owner), true, "{sdk}");
    }
}

#[test]
fn python_and_javascript_take_turns() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    let mut python = stage.join(Sdk::Py612, "control");
    let mut javascript = stage.join(Sdk::Js, "control");
    let first = lock(&mut python);
    let for_javascript = ask(&mut javascript);
    assert_waiting(&mut javascript, for_javascript);
    assert_eq!(unlock(&mut python), true);
    let second = sequence(&javascript.wait(for_javascript).expect("the lock"));
    assert!(second > first);

    let for_python = ask(&mut python);
    assert_waiting(&mut python, for_python);
    assert_eq!(unlock(&mut javascript), true);
    assert!(sequence(&python.wait(for_python).expect("the lock")) > second);
}

#[test]
fn a_cancelled_wait_gives_up_its_turn() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    let mut owner = stage.join(Sdk::Js, "control");
    let mut wavering = stage.join(Sdk::Py612, "control");
    let mut next = stage.join(Sdk::Js, "control");
    lock(&mut owner);
    let given_up = ask(&mut wavering);
    let for_next = ask(&mut next);
    wavering.must("cancel", json!({"target": given_up.id()}));
    assert_eq!(wavering.wait(given_up).expect_err("an error").class(), "CancelledError");
    wavering.ping();
    assert_eq!(unlock(&mut owner), true);
    next.wait(for_next).expect("the lock");
}

#[test]
fn locks_of_different_names_do_not_meet() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut one = stage.join(Sdk::Js, "control");
    let mut other = stage.join(Sdk::Js, "control");
    lock(&mut one);
    other.must("lock", json!({"name": "another"}));
}

#[test]
fn the_owner_of_a_lock_can_be_looked_up() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    let mut owner = stage.join(Sdk::Py612, "control");
    let mut admin = stage.join(Sdk::Js, "admin");
    assert_eq!(admin.must("get_lock", json!({"name": NAME})), Value::Null);
    assert_eq!(admin.must("get_locks", json!({})), json!({}));

    let taken = lock(&mut owner);
    let details = admin.must("get_lock", json!({"name": NAME}));
    assert_eq!(details["session_id"], owner.id());
    assert_eq!(sequence(&details), taken);
    assert_eq!(admin.must("get_locks", json!({})), json!({NAME: details}));

    unlock(&mut owner);
    assert_eq!(admin.must("get_lock", json!({"name": NAME})), Value::Null);
}

#[test]
fn a_lost_connection_leaves_a_lock_of_its_scope_to_the_next() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    for sdk in [Sdk::Js, Sdk::Py612] {
        let mut owner = stage.join(sdk, "control");
        let mut next = stage.join(Sdk::Js, "control");
        let taken = sequence(&lock_until_connection_loss(&mut owner));
        let for_next = ask(&mut next);
        assert_waiting(&mut next, for_next);
        owner.kill();
        assert!(sequence(&next.wait(for_next).expect("the lock")) > taken, "{sdk}");
    }
}

#[test]
fn an_owner_may_ask_again_with_another_scope() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    for sdk in [Sdk::Js, Sdk::Py612] {
        let mut owner = stage.join(sdk, "control");
        let first = sequence(&lock_until_connection_loss(&mut owner));
        assert_eq!(lock(&mut owner), first, "{sdk}");
        assert_eq!(unlock(&mut owner), true, "{sdk}");
        assert!(lock(&mut owner) > first, "{sdk}: a new grant has a new sequence");
    }
}

#[test]
fn all_locks_are_listed_with_their_owners() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut owners = [stage.join(Sdk::Js, "control"), stage.join(Sdk::Py612, "control")];
    for (owner, names) in owners.iter_mut().zip([["a", "shared/b"], ["c", "d"]]) {
        for name in names {
            let granted = owner.must("lock", json!({"name": name}));
            assert_eq!(granted["name"], name);
            let all = admin.must("get_locks", json!({}));
            assert_eq!(all[name]["session_id"], owner.id());
            assert_eq!(all[name]["sequence"], granted["sequence"]);
            assert_eq!(all[name], admin.must("get_lock", json!({"name": name})));
        }
    }
    let [javascript, _python] = &mut owners;
    javascript.close();
    let left = admin.must("get_locks", json!({}));
    assert_eq!(left.as_object().expect("a map").keys().collect::<Vec<_>>(), ["c", "d"]);
}

/// 1 is UNLOCK_ON_CONNECTION_LOSS.
fn lock_until_connection_loss(session: &mut Session) -> Value {
    session.must("lock", json!({"name": NAME, "scope": 1}))
}

#[test]
fn locks_need_permission() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    for sdk in [Sdk::Js, Sdk::Py612] {
        let mut client = stage.join(sdk, "client");
        let failure = client.call("lock", json!({"name": NAME})).expect_err("an error");
        assert_failure(sdk, &failure, ACCESS_DENIED, NAME);
    }
    let mut control = stage.join(Sdk::Js, "control");
    let failure = control.call("get_locks", json!({})).expect_err("an error");
    assert_failure(Sdk::Js, &failure, ACCESS_DENIED, "");
}
