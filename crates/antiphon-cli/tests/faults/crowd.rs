//! A thousand sessions that lose their connections at once, and come back at once.

use std::process::Command;

use antiphon::Addressing;
use antiphon::Error;
use antiphon::Registration;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use antiphon::SessionId;
use antiphon::SessionState;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;

use crate::proxy::Proxy;
use crate::stage::ANYWHERE;
use crate::stage::Stage;
use crate::stage::join;
use crate::stage::within;

const SESSIONS: usize = 1_000;

/// How often they are all cut off.
const CUTS: usize = 3;

/// By how much the server's memory may differ after all of that.
const MEMORY: u64 = 16 << 20;

/// Enough open files for this process, as far as the system lets it.
fn open_files() {
    let this = std::process::id().to_string();
    let _ = Command::new("prlimit").args(["--nofile=16384:", "--pid", &this]).status();
}

/// Sessions that answer what is sent to them.
async fn crowd(address: &str) -> Vec<(Session, Registration)> {
    let mut joining = JoinSet::new();
    for _ in 0..SESSIONS {
        let address = address.to_owned();
        joining.spawn(async move {
            let session = join(&address).await;
            let answer = |number: i64, _: RequestContext| async move { Ok::<_, Rejection>(number) };
            let messaging = session.messaging();
            let added = messaging.add_request_handler("crowd", answer, Addressing::Addressed);
            let registration = added.unwrap();
            (session, registration)
        });
    }
    joining.join_all().await
}

/// Sends each session its number.
fn ask_each(asker: &Session, sessions: &[SessionId]) -> Vec<JoinHandle<Result<i64, Error>>> {
    let ask = |(number, session): (i64, SessionId)| {
        let asker = asker.clone();
        tokio::spawn(async move {
            within(asker.messaging().send_request_to_session("crowd", session, number)).await
        })
    };
    (0..).zip(sessions.iter().copied()).map(ask).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sessions_come_back_at_once_and_lose_nothing() {
    open_files();
    let settings = [("REQUEST_TIMEOUT", "10m"), ("RECOVERY_KEEP_FOR", "10m")];
    let stage = Stage::prepared("ulimit -n 8192", ANYWHERE, &settings);
    let proxy = Proxy::to(stage.socket_address());
    let crowd = crowd(&proxy.address().to_string()).await;
    let ids: Vec<_> = crowd.iter().map(|(session, _)| session.id()).collect();
    let asker = stage.join().await;
    let mut memory = Vec::new();
    for cut in 0..=CUTS {
        if cut > 0 {
            proxy.break_down();
            stage.expect_away(SESSIONS as u64);
        }
        let asked = ask_each(&asker, &ids);
        if cut > 0 {
            stage.expect("antiphon_requests_in_flight", "", |count| count == SESSIONS as u64);
            proxy.mend();
        }
        for (number, answer) in (0..).zip(asked) {
            assert_eq!(answer.await.unwrap().unwrap(), number);
        }
        stage.expect_away(0);
        memory.push(stage.memory());
    }
    for ((session, _), id) in crowd.iter().zip(ids) {
        assert_eq!((session.state(), session.id()), (SessionState::Connected, id));
    }
    assert!(memory[CUTS] < memory[0] + MEMORY, "it grew: {memory:?}");
    assert_eq!(stage.settle(), (SESSIONS * (CUTS + 1)) as u64);
    assert_eq!(stage.figure("antiphon_sessions_reconnected_total", "began_anew"), 0);
    stage.end_well();
}
