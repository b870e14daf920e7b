//! How fast nodes are: told at length if somebody asks for it, and only then worth anything,
//!
//!     ANTIPHON_MEASURED=tell cargo test --release -p antiphon-cli --test cluster measured -- --nocapture --test-threads 1
//!
//! and judged with `ANTIPHON_MEASURED=judge`, on a machine that does nothing else. Otherwise a little of all of it is done, to see
//! that it works.

use std::env;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use antiphon::Session;
use tokio::task::JoinSet;
use tokio::task::spawn_blocking;

use crate::nodes::Node;
use crate::nodes::ask_until_known;
use crate::nodes::three;
use crate::stage::PATIENT;
use crate::stage::ask;
use crate::stage::ask_many;
use crate::stage::echo;

fn judge(holds: bool, what: &str) {
    if env::var("ANTIPHON_MEASURED").is_ok_and(|mode| mode == "judge") {
        assert!(holds, "{what}");
    }
}

/// How much of it is done.
fn amount<T>(little: T, much: T) -> T {
    if env::var_os("ANTIPHON_MEASURED").is_some() { much } else { little }
}

/// Requests a second, and their p50 and p99.
struct Speed {
    rate: f64,
    half: Duration,
    most: Duration,
}

/// A closed loop with so many requests under way at a time.
async fn speed(sender: &Session, outstanding: usize) -> Speed {
    let time = Duration::from_millis(amount(100, 3_000));
    let (mut asking, began) = (JoinSet::new(), Instant::now());
    for _ in 0..outstanding {
        let sender = sender.clone();
        asking.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < time {
                let sent = Instant::now();
                let messaging = sender.messaging();
                messaging.send_request_to_path::<i64>("orders", 1_i64).await.unwrap();
                times.push(sent.elapsed());
            }
            times
        });
    }
    let mut times: Vec<_> = asking.join_all().await.into_iter().flatten().collect();
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    Speed { rate, half: at(50), most: at(99) }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_within_one_node_and_across_two() {
    let a = Node::start(&[]);
    let b = Node::start(&[&a]);
    b.expect_nodes(1);
    let (near, far) = (a.join().await, b.join().await);
    let sender = a.join().await;
    for outstanding in [1, 16, 256] {
        let (registration, _told) = echo_quietly(&near).await;
        let one = speed(&sender, outstanding).await;
        registration.close().await.unwrap();
        let (registration, _told) = echo_quietly(&far).await;
        assert_eq!(ask_until_known(&sender, "orders", 1).await.unwrap(), 1);
        let two = speed(&sender, outstanding).await;
        registration.close().await.unwrap();
        for (name, Speed { rate, half, most }) in [("one node ", &one), ("two nodes", &two)] {
            println!(
                "{outstanding:4} under way, {name}: {rate:9.0}/s, p50 {half:9.1?}, p99 {most:9.1?}"
            );
        }
        let (slower, less) = (two.half.as_secs_f64() / one.half.as_secs_f64(), two.rate / one.rate);
        println!(
            "{outstanding:4} under way: p50 is {slower:.2} times that of one node, the rate {less:.2} times"
        );
        if outstanding == 1 {
            judge(slower <= 3.0, "p50 across nodes is more than three times that of one node");
        }
        if outstanding == 256 {
            judge(two.rate >= 100_000.0, "less than 100,000 requests a second across nodes");
        }
    }
}

/// Sessions at one node, in a process of their own, since one process may not have enough files for those of all nodes.
struct Crowd(Child);

impl Crowd {
    fn open(node: &Node, count: usize) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "measured::many_handlers_and_sessions_on_each_node", "--nocapture"])
            .env(CROWD, format!("{} {count}", node.address))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.into_iter().any(|line| line.ends_with(ALL_THERE)), "no crowd");
        Self(child)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens so many sessions at that address and keeps them until nobody wants them any more.
#[expect(clippy::print_stdout, reason = "it is what the other process waits for")]
async fn hold(asked: &str) {
    let (address, count) = asked.split_once(' ').unwrap();
    let url: Arc<str> = format!("ws://{address}").into();
    let (mut sessions, mut opening) = (Vec::new(), JoinSet::new());
    for _ in 0..count.parse().unwrap() {
        if opening.len() >= 200 {
            sessions.push(opening.join_next().await.unwrap().unwrap());
        }
        let url = Arc::clone(&url);
        opening.spawn(async move { Session::builder(&url).connect().await.unwrap() });
    }
    sessions.extend(opening.join_all().await);
    println!("{ALL_THERE}");
    let nothing = spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await;
    nothing.unwrap().unwrap();
}

/// In the environment of a process that holds sessions: an address and how many.
const CROWD: &str = "ANTIPHON_CROWD";
const ALL_THERE: &str = "all are there";

async fn echo_quietly(session: &Session) -> (antiphon::Registration, ()) {
    let answer = |number: i64, _: antiphon::RequestContext| async move {
        Ok::<_, antiphon::Rejection>(number)
    };
    let registered = session.messaging().register_request_handler("orders", answer, &[]).await;
    (registered.unwrap(), ())
}

#[tokio::test(flavor = "multi_thread")]
async fn how_soon_all_nodes_know_a_handler() {
    let [a, b, _c] = three();
    let (handler, sender) = (b.join().await, a.join().await);
    let mut times = Vec::new();
    for number in 0..amount(5, 100) {
        let path = format!("path-{number}");
        let (registration, _told) = echo(&handler, &path).await;
        let registered = Instant::now();
        ask_until_known(&sender, &path, 1).await.unwrap();
        times.push(registered.elapsed());
        registration.close().await.unwrap();
    }
    times.sort();
    let (half, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "a new handler is known and has answered across nodes after {half:.1?}, {most:.1?} at the most"
    );
    judge(most <= Duration::from_millis(20), "a handler was known late");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_soon_the_death_of_a_node_is_known() {
    let mut times = Vec::new();
    for _ in 0..amount(1, 5) {
        let [a, _b, c] = crate::nodes::three_with(&PATIENT);
        let mut idler = crate::process::Handler::start(&c, &["orders", "--echo", "--delay", "1h"]);
        let sender = a.join().await;
        a.expect("antiphon_link_handlers", "", |handlers| handlers == 1);
        let mut flying = ask_many(&sender, "orders", 0..1);
        idler.event("request");
        let killed = Instant::now();
        c.signal("KILL");
        assert!(flying.remove(0).await.unwrap().is_err());
        times.push(killed.elapsed());
    }
    times.sort();
    println!("requests to a node that is killed end after {times:.1?}");
    judge(
        times[times.len() - 1] <= Duration::from_millis(50),
        "the death of a node was noticed late",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_handlers_and_sessions_on_each_node() {
    if let Ok(asked) = env::var(CROWD) {
        return hold(&asked).await;
    }
    let each = amount(100, 10_000);
    let settings = [("LIMITS_CONNECTS_PER_ADDRESS", "100000")];
    let nodes = crate::nodes::three_with(&settings);
    let began = Instant::now();
    let _crowds = nodes.each_ref().map(|node| Crowd::open(node, each));
    println!("{} sessions after {:.1?}", 3 * each, began.elapsed());
    let (mut sessions, mut kept) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for (index, node) in nodes.iter().enumerate() {
        let session = node.join().await;
        for number in 0..each {
            let answer = |number: i64, _: antiphon::RequestContext| async move {
                Ok::<_, antiphon::Rejection>(number)
            };
            let path = format!("node-{index}/{number}");
            let messaging = session.messaging();
            kept.push(messaging.register_request_handler(&path, answer, &[]).await.unwrap());
        }
        kept.shrink_to_fit();
        sessions.push(session);
    }
    println!("{} handlers after {:.1?}", kept.len(), began.elapsed());
    let sender = nodes[0].join().await;
    let began = Instant::now();
    for index in 0..3 {
        let last = format!("node-{index}/{}", each - 1);
        assert_eq!(ask_until_known(&sender, &last, 1).await.unwrap(), 1);
        assert_eq!(ask(&sender, &format!("node-{index}/0"), 2).await.unwrap(), 2);
    }
    println!("all known on all nodes {:.1?} later", began.elapsed());
    let late = Instant::now();
    let fourth = Node::with(&[&nodes[0]], &settings);
    fourth.expect_nodes(3);
    println!("a node that comes late is ready after {:.1?}", late.elapsed());
    for node in nodes.iter().chain([&fourth]) {
        println!("memory of a node: {} MiB", node.memory() >> 20);
    }
}
