//! Nodes of a cluster, each a server process with its figures.

use std::ops::Deref;
use std::ops::DerefMut;
use std::time::Duration;
use std::time::Instant;

use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::Session;
use tokio::time::sleep;

use crate::stage::GUARD;
use crate::stage::Stage;
use crate::stage::ask;

/// A node.
pub(crate) struct Node {
    stage: Stage,
    /// Where other nodes connect.
    pub(crate) endpoint: String,
    pub(crate) id: String,
}

impl Node {
    /// A node that begins with these seeds.
    pub(crate) fn start(seeds: &[&Self]) -> Self {
        Self::with(seeds, &[])
    }

    /// One with other settings too.
    pub(crate) fn with(seeds: &[&Self], settings: &[(&str, &str)]) -> Self {
        let seeds: Vec<_> = seeds.iter().map(|node| node.endpoint.as_str()).collect();
        let seeds = seeds.join(",");
        let own = [("CLUSTER_LISTEN", "127.0.0.1:0"), ("CLUSTER_SEEDS", seeds.as_str())];
        let mut stage = Stage::open(&[&own, settings].concat());
        let line = stage.log_line("other nodes connect to ");
        let word_after = |text: &str| {
            let rest = line.split(text).nth(1).unwrap();
            rest.split([' ', '"']).next().unwrap().to_owned()
        };
        let (endpoint, id) = (word_after("connect to "), word_after("node "));
        Self { stage, endpoint, id }
    }

    /// Waits until it is ready and has links to so many other nodes.
    pub(crate) fn expect_nodes(&self, count: u64) {
        self.expect("antiphon_state", "\"ready\"", |ready| ready == 1);
        self.expect("antiphon_link_up", "", |up| up == count);
    }

    pub(crate) fn end_well(self) {
        self.stage.end_well();
    }
}

impl Deref for Node {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

/// Three nodes that know each other; the first is everybody's seed.
pub(crate) fn three() -> [Node; 3] {
    three_with(&[])
}

pub(crate) fn three_with(settings: &[(&str, &str)]) -> [Node; 3] {
    let a = Node::with(&[], settings);
    let b = Node::with(&[&a], settings);
    let c = Node::with(&[&a], settings);
    let nodes = [a, b, c];
    nodes.iter().for_each(|node| node.expect_nodes(2));
    nodes
}

/// Asks again for as long as nobody is known who answers.
pub(crate) async fn ask_until_known(
    session: &Session,
    path: &str,
    number: i64,
) -> Result<i64, Error> {
    let deadline = Instant::now() + GUARD;
    loop {
        match ask(session, path, number).await {
            Err(error)
                if error.kind() == ErrorKind::UnhandledMessage && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(2)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Asks until nobody is known any more who answers.
pub(crate) async fn expect_unhandled(session: &Session, path: &str) {
    let deadline = Instant::now() + GUARD;
    loop {
        match ask(session, path, 0).await {
            Err(error) if error.kind() == ErrorKind::UnhandledMessage => return,
            outcome => assert!(Instant::now() < deadline, "{outcome:?}"),
        }
        sleep(Duration::from_millis(2)).await;
    }
}
