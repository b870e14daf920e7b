//! Nodes of a cluster, each a server process with its figures.

use std::ops::Deref;
use std::ops::DerefMut;
use std::time::Duration;
use std::time::Instant;

use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::Session;
use tokio::time::sleep;

use crate::own_address::OwnAddress;
use crate::stage::ANYWHERE;
use crate::stage::GUARD;
use crate::stage::Stage;
use crate::stage::ask;

/// Where a node runs.
pub(crate) struct Place {
    /// What its shell does first.
    pub(crate) first: String,
    /// Where clients and operators are answered, each with a port that is free.
    pub(crate) clients: String,
    /// Where other nodes connect.
    pub(crate) endpoint: String,
    /// Kept for it.
    pub(crate) _address: Option<OwnAddress>,
}

impl Place {
    /// This host, at an address of its own.
    pub(crate) fn here() -> Self {
        let address = OwnAddress::take();
        Self {
            first: String::new(),
            clients: ANYWHERE.to_owned(),
            endpoint: address.endpoint(),
            _address: Some(address),
        }
    }
}

/// A node.
pub(crate) struct Node {
    stage: Stage,
    /// Where other nodes connect.
    pub(crate) endpoint: String,
    pub(crate) id: String,
    _place: Place,
}

impl Node {
    /// A node that begins with these seeds.
    pub(crate) fn start(seeds: &[&Self]) -> Self {
        Self::with(seeds, &[])
    }

    /// One with other settings too.
    pub(crate) fn with(seeds: &[&Self], settings: &[(&str, &str)]) -> Self {
        Self::at(Place::here(), seeds, settings)
    }

    pub(crate) fn at(place: Place, seeds: &[&Self], settings: &[(&str, &str)]) -> Self {
        let seeds: Vec<_> = seeds.iter().map(|node| node.endpoint.as_str()).collect();
        let seeds = seeds.join(",");
        let own = [
            ("OPERATIONS_LISTEN", place.clients.as_str()),
            ("CLUSTER_LISTEN", &place.endpoint),
            ("CLUSTER_SEEDS", &seeds),
        ];
        let mut stage = Stage::prepared(&place.first, &place.clients, &[&own, settings].concat());
        let line = stage.log_line("other nodes connect to ");
        let word_after = |text: &str| {
            let rest = line.split(text).nth(1).unwrap();
            rest.split([' ', '"']).next().unwrap().to_owned()
        };
        let (endpoint, id) = (word_after("connect to "), word_after("node "));
        Self { stage, endpoint, id, _place: place }
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
