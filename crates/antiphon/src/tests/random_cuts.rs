//! Connections that break anywhere, in the middle of frames too: whatever the server keeps, no request is executed
//! twice, none is without its one outcome, and what is reported as never executed never was.

use std::collections::HashSet;

use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::session::Session;
use crate::tests::fake_server::FakeServer;
use crate::tests::fake_server::Keeps;
use crate::tests::open;
use crate::tests::pipe::Cut;
use crate::tests::within;

const REQUESTS: usize = 60;

fn cut() -> impl Strategy<Value = Cut> {
    // The first bytes are the connection response; a cut inside it fails the attempt to connect.
    (1..600_usize, 1..600_usize).prop_map(|(to_server, to_client)| Cut { to_server, to_client })
}

fn keeps() -> impl Strategy<Value = Keeps> {
    prop_oneof![Just(Keeps::Everything), Just(Keeps::OnlyTheSession), Just(Keeps::Nothing)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_request_has_one_outcome_and_none_is_executed_twice(
        cuts in prop::collection::vec(cut(), 0..12),
        keeps in keeps(),
        at_once in 1..20_usize,
    ) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(check(cuts, keeps, at_once));
    }
}

async fn check(cuts: Vec<Cut>, keeps: Keeps, at_once: usize) {
    let server = FakeServer::new(keeps);
    let session = open(&server).await;
    server.cut(cuts);
    server.hang_up();
    let outcomes = ask(&session, at_once).await;
    let executed = server.executed();
    let unique: HashSet<&String> = executed.iter().collect();
    assert_eq!(unique.len(), executed.len(), "executed twice: {executed:?}");
    for (request, outcome) in &outcomes {
        match outcome {
            Ok(response) => assert_eq!(response, request),
            Err(error) if keeps == Keeps::Everything => panic!("{request} failed: {error}"),
            Err(error) => {
                assert!(error.is_closed(), "{error}");
                assert!(error.may_have_executed() || !unique.contains(request), "{error}");
            }
        }
    }
    assert_eq!(outcomes.len(), REQUESTS);
    if keeps == Keeps::Everything {
        assert_eq!(executed.len(), REQUESTS);
    }
}

type Outcomes = Vec<(String, Result<String, crate::Error>)>;

/// Sends all requests, some at once, and waits for their outcomes.
async fn ask(session: &Session, at_once: usize) -> Outcomes {
    let (mut tasks, mut outcomes) = (JoinSet::new(), Vec::new());
    for number in 0..REQUESTS {
        if tasks.len() == at_once {
            outcomes.extend(within(tasks.join_next()).await.map(Result::unwrap));
        }
        let messaging = session.messaging().clone();
        tasks.spawn(async move {
            let request = format!("request {number}");
            let outcome = messaging.send_request_to_path::<String>("echo", request.as_str()).await;
            (request, outcome)
        });
    }
    while let Some(outcome) = within(tasks.join_next()).await {
        outcomes.push(outcome.unwrap());
    }
    outcomes
}
