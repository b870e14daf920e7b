//! Nodes that do not reach each other any more, and do again: cables are pulled while all processes go on. Clients keep reaching
//! the node that they are connected to.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::Registration;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use crate::locker::Locker;
use crate::network;
use crate::network::Network;
use crate::nodes::Node;
use crate::nodes::ask_until_known;
use crate::process::unaware;
use crate::stage::GUARD;
use crate::stage::PATIENT;
use crate::stage::ask;
use crate::stage::ask_many;
use crate::stage::echo;
use crate::stage::expect_error;
use crate::stage::within;

const REQUESTS: i64 = 20;

/// Three nodes on hosts of their own. All are everybody's seeds, as they should be where any cable can be pulled.
fn three_on(network: &Network) -> [Node; 3] {
    let places = [0, 1, 2].map(|host| network.place(host));
    let seeds = places.each_ref().map(|place| place.endpoint.clone()).join(",");
    let settings = [("CLUSTER_SEEDS", &*seeds), ("CLUSTER_LEASE", "1s"), PATIENT[0], PATIENT[1]];
    let nodes = places.map(|place| Node::at(place, &[], &settings));
    nodes.iter().for_each(|node| node.expect_nodes(2));
    nodes
}

/// A handler that answers nothing before it may, and tells of all that it is asked.
struct Holder {
    _registration: Registration,
    told: UnboundedReceiver<i64>,
    may: watch::Sender<bool>,
}

impl Holder {
    async fn at(session: &Session, path: &str) -> Self {
        let ((tell, told), (may, waits)) = (unbounded_channel(), watch::channel(false));
        let answer = move |number: i64, _: RequestContext| {
            let _ = tell.send(number);
            let mut waits = waits.clone();
            async move {
                let _ = waits.wait_for(|may| *may).await;
                Ok::<_, Rejection>(number)
            }
        };
        let registered = session.messaging().register_request_handler(path, answer, &[]);
        Self { _registration: within(registered).await.unwrap(), told, may }
    }

    async fn expect_requests(&mut self, count: i64) {
        for _ in 0..count {
            within(self.told.recv()).await.unwrap();
        }
    }
}

fn told_so_far(told: &mut UnboundedReceiver<i64>) -> Vec<i64> {
    std::iter::from_fn(|| told.try_recv().ok()).collect()
}

/// The exit code of `antiphon cluster status`, and for each node, this one first, what it has.
fn status(node: &Node) -> (Option<i32>, Vec<(String, u64, u64)>) {
    let mut command: Command = unaware(env!("CARGO_BIN_EXE_antiphon"));
    command.args(["cluster", "status", "--json", "--operations", &node.operations]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let row = |row: Value| {
        let figure = |key: &str| row[key].as_u64().unwrap();
        (row["node"].as_str().unwrap().to_owned(), figure("sessions"), figure("handlers"))
    };
    (output.status.code(), rows.map(row).collect())
}

/// Waits until all nodes agree that there are these, each with so many sessions and handlers.
fn expect_counted(nodes: &[Node; 3], has: [(u64, u64); 3]) {
    let mut wanted: Vec<_> =
        nodes.iter().zip(has).map(|(n, (s, h))| (n.id.clone(), s, h)).collect();
    wanted.sort();
    for node in nodes {
        let deadline = Instant::now() + GUARD;
        loop {
            let (code, mut rows) = status(node);
            rows.sort();
            if (code, &rows) == (Some(0), &wanted) {
                break;
            }
            assert!(Instant::now() < deadline, "{code:?} {rows:?}, not {wanted:?}");
        }
    }
}

/// The sessions that somebody is told of, each once.
async fn sessions_seen_by(session: &Session) -> BTreeSet<String> {
    let fetched = within(session.clients().fetch("all", &[], 100)).await.unwrap();
    let ids: BTreeSet<_> = fetched.sessions.iter().map(|one| one.id.to_string()).collect();
    assert_eq!((ids.len(), ids.len()), (fetched.sessions.len(), fetched.total as usize));
    ids
}

async fn ask_session(sender: &Session, to: &Session) -> Result<i64, Error> {
    within(sender.messaging().send_request_to_session("none", to.id(), 1_i64)).await
}

/// A cluster with a session on each node. Those on the second and the third have a handler at `orders`, which answers nothing yet,
/// and one at `bills`.
struct Scene {
    network: Network,
    nodes: [Node; 3],
    sessions: [Session; 3],
    holders: [Holder; 2],
    told: [UnboundedReceiver<i64>; 2],
    _bills: [Registration; 2],
}

/// Sessions and handlers of each node.
const HAS: [(u64, u64); 3] = [(1, 0), (1, 2), (1, 2)];

impl Scene {
    async fn set() -> Self {
        let network = Network::of(3);
        let nodes = three_on(&network);
        let [a, b, c] = &nodes;
        let sessions = [a.join().await, b.join().await, c.join().await];
        let [one, two, three] = &sessions;
        let holders = [Holder::at(two, "orders/b").await, Holder::at(three, "orders/c").await];
        let (near, mut told_near) = echo(two, "bills/b").await;
        let (far, mut told_far) = echo(three, "bills/c").await;
        for (sender, path) in [(one, "bills/b"), (one, "bills/c"), (three, "bills/b")] {
            assert_eq!(ask_until_known(sender, path, 0).await.unwrap(), 0);
        }
        told_so_far(&mut told_near);
        told_so_far(&mut told_far);
        expect_counted(&nodes, HAS);
        let (told, _bills) = ([told_near, told_far], [near, far]);
        Self { network, nodes, sessions, holders, told, _bills }
    }

    /// Both sides have requests of the other one to answer when the cable of the third is pulled, and more follow before that is
    /// noticed.
    async fn cut(&mut self) {
        let [one, _, three] = &self.sessions;
        let flying =
            [ask_many(three, "orders/b", 0..REQUESTS), ask_many(one, "orders/c", 0..REQUESTS)];
        for holder in &mut self.holders {
            holder.expect_requests(REQUESTS).await;
        }
        self.network.cut(2);
        let gap = 100..100 + REQUESTS;
        let lost = [ask_many(one, "bills/c", gap.clone()), ask_many(three, "bills/b", gap)];
        for request in flying.into_iter().flatten() {
            expect_error(request.await.unwrap(), 107);
        }
        for request in lost.into_iter().flatten() {
            let error = request.await.unwrap().unwrap_err();
            let is_one = error.code().is_some_and(|code| [107, 109, 110, 112].contains(&code));
            assert!(is_one, "{error}: {:?}", self.nodes.each_ref().map(status));
        }
        for (node, others) in self.nodes.iter().zip([1, 1, 0]) {
            node.expect_nodes(others);
        }
    }

    async fn expect_two_clusters(&self) {
        let [one, two, three] = &self.sessions;
        for (sender, path) in [(one, "bills/b"), (three, "bills/c")] {
            assert_eq!(ask(sender, path, 200).await.unwrap(), 200);
        }
        for (sender, path) in [(one, "bills/c"), (two, "orders/c"), (three, "bills/b")] {
            let error = ask(sender, path, 201).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnhandledMessage, "{error}");
        }
        for (sender, to) in [(one, three), (three, two)] {
            let error = ask_session(sender, to).await.unwrap_err();
            assert_eq!((error.code(), error.may_have_executed()), (Some(107), false), "{error}");
        }
        assert_eq!(sessions_seen_by(one).await, ids(&[one, two]));
        assert_eq!(sessions_seen_by(three).await, ids(&[three]));
    }

    async fn expect_one_cluster(&mut self) {
        self.nodes.iter().for_each(|node| node.expect_nodes(2));
        let [one, two, three] = &self.sessions;
        let asked = [(one, "bills/b"), (two, "bills/c"), (three, "orders/b"), (two, "orders/c")];
        for (number, (sender, path)) in (300..).zip(asked) {
            assert_eq!(ask(sender, path, number).await.unwrap(), number);
        }
        expect_counted(&self.nodes, HAS);
        for session in &self.sessions {
            assert_eq!(sessions_seen_by(session).await, ids(&[one, two, three]));
            let error = ask_session(session, one).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnhandledMessage, "it is reached: {error}");
        }
        // What was sent into the gap has not come out of it.
        assert_eq!(self.told.each_mut().map(told_so_far), [[200, 300], [200, 301]]);
        let held = self.holders.each_mut().map(|holder| told_so_far(&mut holder.told));
        assert_eq!(held, [[302], [303]]);
    }
}

fn ids(sessions: &[&Session]) -> BTreeSet<String> {
    sessions.iter().map(|session| session.id().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_and_the_others_serve_what_they_have_and_are_one_again() {
    if !network::enter(
        "partition::a_node_that_is_cut_off_and_the_others_serve_what_they_have_and_are_one_again",
    ) {
        return;
    }
    let mut scene = Scene::set().await;
    scene.cut().await;
    scene.expect_two_clusters().await;
    // These answers come too late for anybody.
    for holder in &scene.holders {
        holder.may.send(true).unwrap();
    }
    for node in &scene.nodes {
        node.settle();
    }
    scene.network.heal(2);
    scene.expect_one_cluster().await;
    for node in &scene.nodes {
        node.settle();
    }
    scene.nodes.into_iter().for_each(Node::end_well);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_side_may_grant_a_lock_and_nobody_else_is_granted_it_before_both_have_given_it_back() {
    if !network::enter(
        "partition::each_side_may_grant_a_lock_and_nobody_else_is_granted_it_before_both_have_given_it_back",
    ) {
        return;
    }
    let network = Network::of(3);
    let [a, b, c] = three_on(&network);
    let mut one = Locker::ask(a.socket_address()).await;
    let first = one.granted().await;
    let mut three = Locker::ask(c.socket_address()).await;
    three.expect_waiting().await;
    network.cut(2);
    // Whoever holds it is lost, for this side.
    let second = three.granted().await;
    assert!(second > first, "{second} after {first}");
    a.expect_nodes(1);
    network.heal(2);
    for node in [&a, &b, &c] {
        node.expect_nodes(2);
    }
    let mut two = Locker::ask(b.socket_address()).await;
    three.give_back(second).await;
    two.expect_waiting().await;
    one.give_back(first).await;
    let third = two.granted().await;
    assert!(third > first && third > second, "{third} after {first} and {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_a_third_one_still_reaches_find_each_other_again() {
    if !network::enter("partition::two_nodes_that_a_third_one_still_reaches_find_each_other_again")
    {
        return;
    }
    let network = Network::of(3);
    let nodes = three_on(&network);
    let [a, b, c] = &nodes;
    let (one, two, three) = (a.join().await, b.join().await, c.join().await);
    let mut kept = Vec::new();
    for (session, path) in [(&one, "bills/a"), (&two, "bills/b"), (&three, "bills/c")] {
        kept.push(echo(session, path).await);
    }
    for sender in [&one, &two, &three] {
        for path in ["bills/a", "bills/b", "bills/c"] {
            assert_eq!(ask_until_known(sender, path, 0).await.unwrap(), 0);
        }
    }
    let mut holder = Locker::ask(a.socket_address()).await;
    let first = holder.granted().await;
    network.part(&[1, 2]);
    a.expect_nodes(2);
    b.expect_nodes(1);
    c.expect_nodes(1);
    for (sender, path) in
        [(&one, "bills/b"), (&one, "bills/c"), (&two, "bills/a"), (&three, "bills/a")]
    {
        assert_eq!(ask(sender, path, 1).await.unwrap(), 1);
    }
    for (sender, path) in [(&two, "bills/c"), (&three, "bills/b")] {
        let error = ask(sender, path, 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnhandledMessage, "{error}");
    }
    // Who has the lock keeps it; nobody is given it as long as nodes do not agree on who is there.
    let mut waiting = Locker::ask(b.socket_address()).await;
    holder.give_back(first).await;
    waiting.expect_waiting().await;
    network.join(&[1, 2]);
    nodes.iter().for_each(|node| node.expect_nodes(2));
    assert!(waiting.granted().await > first);
    for (sender, path) in [(&two, "bills/c"), (&three, "bills/b")] {
        assert_eq!(ask(sender, path, 3).await.unwrap(), 3);
    }
    expect_counted(&nodes, [(2, 1), (2, 1), (1, 1)]);
    for node in &nodes {
        node.settle();
    }
}
