//! A server in this process, sessions with it, and handlers that tests can watch and hold.

use std::future::Future;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use antiphon::Addressing;
use antiphon::Error;
use antiphon::Handler;
use antiphon::Registration;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::RequestHandler;
use antiphon::Session;
use antiphon::SessionBuilder;
use antiphon::Value;
use antiphon_server::Config;
use antiphon_server::Server;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A development server on a free port of this host. It stops when this is dropped.
pub(crate) struct TestServer {
    url: String,
    running: JoinHandle<io::Result<()>>,
    stop: oneshot::Sender<()>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::dev("127.0.0.1:0".parse().unwrap());
        change(&mut config);
        let server = Server::bind(config).unwrap();
        let url = format!("ws://{}", server.local_addrs()[0]);
        let (stop, stopped) = oneshot::channel();
        Self { url, running: tokio::spawn(server.run(stopped)), stop }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("ws://").unwrap()
    }

    /// A session with all rights that is yet to be opened.
    pub(crate) fn builder(&self) -> SessionBuilder {
        Session::builder(&self.url).principal("admin").password("password")
    }

    /// A session with all rights.
    pub(crate) async fn join(&self) -> Session {
        within(self.builder().connect()).await.unwrap()
    }

    /// A session that may do no more than send to paths and answer what is addressed to it.
    pub(crate) async fn join_as_client(&self) -> Session {
        within(self.builder().principal("client").connect()).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        within(self.running).await.unwrap().unwrap();
    }
}

/// Fails instead of waiting for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("no answer in 20 s")
}

/// Sends a text to a path in a task of its own.
pub(crate) fn ask(session: &Session, path: &'static str) -> JoinHandle<Result<String, Error>> {
    let messaging = session.messaging().clone();
    tokio::spawn(async move { messaging.send_request_to_path(path, "question").await })
}

/// Answers every value with itself.
pub(crate) struct Echo;

impl RequestHandler for Echo {
    type Request = Value;
    type Response = Value;

    async fn handle(&self, request: Value, _: RequestContext) -> Result<Value, Rejection> {
        Ok(request)
    }
}

/// Answers every text with the same one.
pub(crate) struct Reply(pub(crate) &'static str);

impl RequestHandler for Reply {
    type Request = String;
    type Response = String;

    async fn handle(&self, _: String, _: RequestContext) -> Result<String, Rejection> {
        Ok(self.0.to_owned())
    }
}

/// Rejects everything.
pub(crate) struct Reject(pub(crate) &'static str);

impl RequestHandler for Reject {
    type Request = Value;
    type Response = Value;

    async fn handle(&self, _: Value, _: RequestContext) -> Result<Value, Rejection> {
        Err(Rejection::new(self.0))
    }
}

/// Never answers.
pub(crate) struct Silence;

impl RequestHandler for Silence {
    type Request = Value;
    type Response = Value;

    async fn handle(&self, _: Value, _: RequestContext) -> Result<Value, Rejection> {
        pending().await
    }
}

/// Sees each request that comes to a [`Gated`] handler, and lets it be answered.
pub(crate) struct Gate {
    arrivals: mpsc::UnboundedReceiver<Value>,
    open: Arc<Semaphore>,
}

/// Answers a value with itself, as soon as its gate lets one through.
pub(crate) struct Gated {
    arrivals: mpsc::UnboundedSender<Value>,
    open: Arc<Semaphore>,
}

pub(crate) fn gate() -> (Gate, Gated) {
    let open = Arc::new(Semaphore::new(0));
    let (sender, arrivals) = mpsc::unbounded_channel();
    (Gate { arrivals, open: Arc::clone(&open) }, Gated { arrivals: sender, open })
}

impl Gate {
    /// Waits for the next request to come.
    pub(crate) async fn arrival(&mut self) -> Value {
        within(self.arrivals.recv()).await.unwrap()
    }

    /// How many came that were not waited for.
    pub(crate) fn arrived(&self) -> usize {
        self.arrivals.len()
    }

    pub(crate) fn let_through(&self, count: usize) {
        self.open.add_permits(count);
    }
}

impl RequestHandler for Gated {
    type Request = Value;
    type Response = Value;

    async fn handle(&self, request: Value, _: RequestContext) -> Result<Value, Rejection> {
        self.arrivals.send(request.clone())?;
        self.open.acquire().await?.forget();
        Ok(request)
    }
}

/// Registers a handler, without properties.
pub(crate) async fn register<M: 'static>(
    session: &Session,
    path: &str,
    handler: impl Handler<M>,
) -> Registration {
    within(session.messaging().register_request_handler(path, handler, &[])).await.unwrap()
}

/// Adds a handler for requests that are addressed to the session.
pub(crate) fn add<M: 'static>(
    session: &Session,
    path: &str,
    handler: impl Handler<M>,
) -> Registration {
    session.messaging().add_request_handler(path, handler, Addressing::Addressed).unwrap()
}

/// Asks a path, and insists that the question be answered with itself.
pub(crate) async fn expect_echo(session: &Session, path: &str) {
    let answer = session.messaging().send_request_to_path::<String>(path, "x");
    assert_eq!(within(answer).await.unwrap(), "x");
}
