//! Several servers in one process that are one system, sessions with each of them, and the end of one server.

use std::future::Future;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::time::Duration;
use std::time::Instant;

use antiphon::Addressing;
use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use antiphon_server::ClusterConfig;
use antiphon_server::Config;
use antiphon_server::Handle;
use antiphon_server::Readiness;
use antiphon_server::Server;
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::commands::demo::narrator::Narrator;
use crate::failure::Failure;
use crate::failure::Report;

/// A server, and a till that is connected to it.
struct Node {
    url: String,
    handle: Handle,
    serving: JoinHandle<std::io::Result<()>>,
}

/// Plays with so many nodes, at least two.
pub(super) async fn play(count: usize, narrator: Narrator) -> Result<(), Failure> {
    let mut nodes = start(count)?;
    for node in &nodes {
        let is_ready = async || (node.handle.readiness() == Readiness::Ready).then_some(());
        until(is_ready).await.ok_or_else(|| Failure::usage("the nodes did not find each other"))?;
    }
    let urls: Vec<_> = nodes.iter().map(|node| node.url.as_str()).collect();
    narrator.nodes(&urls)?;
    let (first, last) = (&nodes[0], &nodes[count - 1]);
    let office = log_in(&first.url).await?;
    let prices = log_in(&last.url).await?;
    path(&office, &prices, count, narrator).await?;
    let tills = tills(&nodes).await?;
    session(&office, &tills, narrator).await?;
    filter(&office, narrator).await?;
    if let Some(doomed) = nodes.pop() {
        end(&office, &prices, doomed, narrator).await?;
    }
    narrator.closing()
}

/// The first one is the seed of the others.
fn start(count: usize) -> Result<Vec<Node>, Failure> {
    let cannot = |problem: &dyn std::fmt::Display| {
        Failure::usage(format!("the demo has no servers: {problem}"))
    };
    let mut nodes = Vec::new();
    let mut seeds = Vec::new();
    for number in 1..=count {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let listen = vec![free.map_err(|error| cannot(&error))?.to_string()];
        let mut config = Config::dev(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        config.server_name = format!("node-{number}");
        config.cluster = ClusterConfig { listen, seeds: seeds.clone(), ..config.cluster };
        if seeds.is_empty() {
            seeds.clone_from(&config.cluster.listen);
        }
        let server = Server::bind(config).map_err(|error| cannot(&error))?;
        let url = format!("ws://{}", server.local_addrs()[0]);
        let handle = server.handle();
        nodes.push(Node {
            url,
            handle,
            serving: tokio::spawn(server.run(std::future::pending::<()>())),
        });
    }
    Ok(nodes)
}

async fn log_in(url: &str) -> Result<Session, Error> {
    Session::builder(url).principal("admin").password("password").connect().await
}

/// A till at each node.
async fn tills(nodes: &[Node]) -> Result<Vec<Session>, Error> {
    let mut tills = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let till = Session::builder(&node.url)
            .property("Till", format!("till-{}", index + 1))
            .connect()
            .await?;
        let takings = 700 + 100 * index as i64;
        let answer =
            move |_day: String, _: RequestContext| async move { Ok::<_, Rejection>(takings) };
        till.messaging().add_request_handler("takings", answer, Addressing::Addressed)?.keep();
        tills.push(till);
    }
    Ok(tills)
}

async fn path(
    office: &Session,
    prices: &Session,
    count: usize,
    narrator: Narrator,
) -> Result<(), Failure> {
    narrator.scene(
        "A request to a path",
        "`prices` is connected to the last node and registers a handler there. All nodes know of it at once.",
    )?;
    let price = |cups: i64, _: RequestContext| async move { Ok::<_, Rejection>(cups as f64 * 1.9) };
    prices.messaging().register_request_handler("prices", price, &[]).await?.keep();
    narrator.line(format_args!("office asks node-1 for path \"prices/tea\""))?;
    let began = Instant::now();
    let price = until(async || match ask(office).await {
        Err(error) if error.kind() == ErrorKind::UnhandledMessage => None,
        outcome => Some(outcome),
    });
    let price = price.await.unwrap_or_else(|| Ok(f64::NAN))?;
    let sent = Instant::now();
    ask(office).await?;
    let (known, took) = (began.elapsed(), sent.elapsed());
    narrator.line(format_args!(
        "answered by way of node-{count}: {price}; known after {known:.1?}, answered in {took:.1?}"
    ))?;
    narrator.object(&json!({ "scene": "path", "path": "prices/tea", "response": price }))
}

async fn ask(office: &Session) -> Result<f64, Error> {
    office.messaging().send_request_to_path("prices/tea", 2_i64).await
}

async fn session(office: &Session, tills: &[Session], narrator: Narrator) -> Result<(), Failure> {
    narrator.scene(
        "A request to a session",
        "A session id names its node, so it is one step from any node to any session.",
    )?;
    let Some(till) = tills.get(1) else { return Ok(()) };
    narrator.line(format_args!("office asks till-2, {}", till.id()))?;
    let sent = Instant::now();
    let messaging = office.messaging();
    let takings: i64 = messaging.send_request_to_session("takings", till.id(), "today").await?;
    narrator
        .line(format_args!("answered by way of node-2 after {:.1?}: {takings}", sent.elapsed()))?;
    narrator.object(
        &json!({ "scene": "session", "session": till.id().to_string(), "response": takings }),
    )
}

async fn filter(office: &Session, narrator: Narrator) -> Result<(), Failure> {
    let filter = "has Till";
    narrator.scene(
        "A request to a filter",
        "Every node looks among its sessions. First comes the sum of them, then one outcome for each.",
    )?;
    let messaging = office.messaging();
    let mut responses = messaging.request_filter::<i64>(filter, "takings", "today").await?;
    let expected = responses.expected();
    narrator.line(format_args!("office asks filter \"{filter}\": {expected} sessions"))?;
    let mut total = 0;
    while let Some(response) = responses.next().await {
        total += response.outcome?;
    }
    narrator.line(format_args!("that makes {total}"))?;
    narrator.object(
        &json!({ "scene": "filter", "filter": filter, "expected": expected, "total": total }),
    )
}

/// The last node ends without a word, while it has a request.
async fn end(
    office: &Session,
    prices: &Session,
    doomed: Node,
    narrator: Narrator,
) -> Result<(), Failure> {
    narrator.scene(
        "The end of a node",
        "The last node ends without a word, while it has a request. The others notice at once.",
    )?;
    let (tell, mut told) = unbounded_channel();
    let forget = move |_: i64, _: RequestContext| {
        let _ = tell.send(());
        std::future::pending::<Result<i64, Rejection>>()
    };
    prices.messaging().register_request_handler("prices/rare", forget, &[]).await?.keep();
    let office = office.clone();
    let asked = tokio::spawn(async move {
        let messaging = office.messaging();
        (messaging.send_request_to_path::<i64>("prices/rare", 1_i64).await, office)
    });
    told.recv().await;
    doomed.serving.abort();
    let killed = Instant::now();
    let Ok((outcome, office)) = asked.await else { return Ok(()) };
    let Err(error) = outcome else { return Ok(()) };
    narrator.line(format_args!("after {:.1?} the request failed: {error}", killed.elapsed()))?;
    let Err(nobody) = ask(&office).await else { return Ok(()) };
    narrator.line(format_args!("and nobody is asked in vain any more: {nobody}"))?;
    narrator.object(&json!({
        "scene": "end", "error": Report::of(&error), "afterwards": Report::of(&nobody),
    }))
}

/// Tries for some seconds.
async fn until<T, F: Future<Output = Option<T>>>(attempt: impl Fn() -> F) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match attempt().await {
            None if Instant::now() < deadline => sleep(Duration::from_millis(1)).await,
            outcome => return outcome,
        }
    }
}
