//! Servers that end under load, and come back at the same address.

use crate::load::Load;
use crate::stage::Stage;
use crate::stage::echo;

/// Each has one handler, so all of them must register again.
const PATHS: [&str; 2] = ["orders", "returns"];

/// An address of the loopback network from which no client connects, so that nobody can take a port of it by chance
/// while the server is away.
const ELSEWHERE: &str = "127.0.0.2:0";

/// Requests to every path that must be answered before, between and after faults.
const ANSWERS: usize = 500;

/// A server of which nothing is left when this returns.
type End = fn(Stage);

fn drained(stage: Stage) {
    stage.end_well();
}

fn killed(mut stage: Stage) {
    stage.signal("KILL");
    assert_eq!(stage.end().0, None);
}

async fn clients_come_back(ends: &[End]) {
    let mut stage = Stage::prepared("", ELSEWHERE, &[]);
    let address = stage.address.clone();
    let handlers = [stage.join().await, stage.join().await];
    let (first, second) = (echo(&handlers[0], PATHS[0]).await, echo(&handlers[1], PATHS[1]).await);
    let _registrations = [first.0, second.0];
    let senders = [stage.join().await, stage.join().await];
    let mut load = Load::start(&senders, &PATHS);
    for end in ends {
        load.expect_answers(ANSWERS).await;
        end(stage);
        stage = Stage::prepared("", &address, &[]);
    }
    load.expect_answers(ANSWERS).await;
    let summary = load.finish(&mut [first.1, second.1]).await;
    assert!(summary.answered >= (ANSWERS * PATHS.len() * (ends.len() + 1)) as u64, "{summary:?}");
    assert!(summary.failed > 0, "the load did not notice: {summary:?}");
    stage.expect_sessions(4);
    stage.settle();
    stage.end_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_come_back_to_a_server_that_was_drained_under_load() {
    clients_come_back(&[drained, drained]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_come_back_to_a_server_that_was_killed_under_load() {
    clients_come_back(&[killed, killed, killed]).await;
}
