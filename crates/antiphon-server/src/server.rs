//! The whole server: binds, accepts, keeps time, drains.

use std::future::Future;
use std::future::pending;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use antiphon_broker::Broker;
use antiphon_broker::BrokerConfig;
use antiphon_broker::Millis;
use antiphon_wire::ids::NodeId;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::timeout;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::ConfigError;
use crate::config::Limits;
use crate::connection::Connection;
use crate::connection::LINGER;
use crate::flush;
use crate::handshake::handshake;
use crate::line::Line;
use crate::listener;
use crate::listener::Listeners;
use crate::random;

/// A server that listens, but serves nobody before [`Server::run`].
pub struct Server {
    listeners: Vec<std::net::TcpListener>,
    addresses: Vec<SocketAddr>,
    dev: bool,
    limits: Limits,
    shared: Arc<Shared>,
}

/// Why a server cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BindError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is taken, is not this host's, or may not be used.
    #[error(
        "cannot listen on {address}: {problem}; choose another with `--listen` or in its [[listener]] table"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        problem: io::ErrorKind,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(io::ErrorKind),
}

/// What all connections of a server have in common.
pub(crate) struct Shared {
    pub(crate) broker: Broker<Line>,
    pub(crate) authenticator: Authenticator,
    pub(crate) clock: Clock,
    pub(crate) maximum_message: usize,
    pub(crate) handshake_timeout: Duration,
}

impl Server {
    /// Checks the configuration and listens. Clients may connect from here on, and wait. Needs no runtime.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn bind(config: Config) -> Result<Self, BindError> {
        config.check()?;
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for listener in &config.listeners {
            let address = listener.address;
            let not_bound =
                |problem: io::Error| BindError::Listen { address, problem: problem.kind() };
            let listener = listener::listen(address).map_err(not_bound)?;
            addresses.push(listener.local_addr().map_err(not_bound)?);
            listeners.push(listener);
        }
        let node = random::node().map_err(|problem| BindError::Random(problem.kind()))?;
        Ok(Self {
            listeners,
            addresses,
            dev: config.dev,
            limits: config.limits.clone(),
            shared: Arc::new(Shared::new(config, node)),
        })
    }

    /// The addresses in use, with their real ports, in the order of the configuration.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown` is ready, then accepts no more, ends every session and returns when the clients have
    /// been told, at the latest after 3 seconds. Dropping the future ends everything at once.
    ///
    /// # Errors
    /// If a listening socket becomes useless.
    pub async fn run<F: Future>(self, shutdown: F) -> io::Result<()> {
        let mut listeners = Listeners::new(self.listeners)?;
        announce(&self.addresses, self.dev);
        let mut shutdown = pin!(shutdown);
        let mut tasks = Tasks::new(self.shared);
        loop {
            let has_room = tasks.handshakes.len() < self.limits.handshakes
                && tasks.connections.len()
                    < self.limits.sessions.saturating_add(self.limits.handshakes);
            tokio::select! {
                _ = &mut shutdown => break,
                accepted = poll_fn(|cx| listeners.poll_accept(cx)), if has_room => {
                    let (stream, client) = accepted?;
                    tasks.receive(stream, client);
                }
                () = tasks.advance() => {}
            }
        }
        drop(listeners);
        tasks.drain().await;
        Ok(())
    }
}

impl Shared {
    /// What `config` says, for a node whose session ids begin with `node`.
    pub(crate) fn new(config: Config, node: NodeId) -> Self {
        let limits = config.limits;
        Self {
            authenticator: Authenticator::new(config.dev),
            clock: Clock::start(),
            maximum_message: limits.maximum_message,
            handshake_timeout: limits.handshake_timeout,
            broker: Broker::new(BrokerConfig {
                server_name: config.server_name,
                node,
                ping_period: config.ping_period,
                limits: antiphon_broker::Limits {
                    sessions: limits.sessions,
                    message: limits.maximum_message,
                    mailbox: limits.mailbox,
                    requests_per_handler: limits.requests_per_handler,
                    requests_per_sender: limits.requests_per_sender,
                    ..antiphon_broker::Limits::default()
                },
                request_timeout: config.request_timeout,
                paths: config.paths,
                choice: config.choice,
                recovery: config.recovery,
                ..BrokerConfig::default()
            }),
        }
    }
}

/// Every task of a running server. Dropping it ends them.
struct Tasks {
    shared: Arc<Shared>,
    handshakes: JoinSet<Option<Connection>>,
    connections: JoinSet<()>,
    ticks: Interval,
    next_sweep: Millis,
    /// Ticks since the last audit of the requests.
    unaudited: u32,
}

impl Tasks {
    fn new(shared: Arc<Shared>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            shared,
            handshakes: JoinSet::new(),
            connections: JoinSet::new(),
            ticks,
            next_sweep: Millis(0),
            unaudited: 0,
        }
    }

    fn receive(&mut self, stream: TcpStream, client: SocketAddr) {
        let shared = Arc::clone(&self.shared);
        self.handshakes.spawn(handshake(shared, stream, client));
    }

    /// Waits for a task to end or a tick, and does what follows from it. May be dropped and called again at any time.
    async fn advance(&mut self) {
        tokio::select! {
            Some(ended) = self.handshakes.join_next() => self.serve(ended),
            Some(ended) = self.connections.join_next() => report_panic(&ended),
            _ = self.ticks.tick(), if !self.connections.is_empty() => self.tick(),
            else => pending().await,
        }
    }

    fn serve(&mut self, handshake: Result<Option<Connection>, JoinError>) {
        report_panic(&handshake);
        if let Ok(Some(connection)) = handshake {
            self.connections.spawn(connection.run());
        }
    }

    fn tick(&mut self) {
        flush::write_stranded();
        let now = self.shared.clock.now();
        if now >= self.next_sweep {
            self.next_sweep = Millis(now.0 + SWEEP_PERIOD);
            self.shared.broker.sweep(now, &mut flush::delivery());
        }
        // Ticks are counted, and no time is read: while the process is stopped time goes by, but no call comes to its end.
        self.unaudited += 1;
        if self.unaudited >= AUDIT_TICKS {
            self.unaudited = 0;
            if let Err(mismatch) = self.shared.broker.audit() {
                error!(%mismatch, "a request was lost or ended twice, by a defect of the server");
            }
        }
    }

    /// Ends all sessions and gives their clients some time to hear it.
    async fn drain(mut self) {
        while let Some(ended) = self.handshakes.try_join_next() {
            self.serve(ended);
        }
        self.shared.broker.shut_down(&mut flush::delivery());
        let drained = timeout(DRAIN_LIMIT, async {
            while !self.connections.is_empty() {
                self.advance().await;
            }
        });
        match drained.await {
            Ok(()) => info!("stopped"),
            Err(_) => warn!("stopped before every client was told"),
        }
    }
}

fn announce(addresses: &[SocketAddr], dev: bool) {
    let version = env!("CARGO_PKG_VERSION");
    for address in addresses {
        let reachable = match address.ip() {
            ip if ip.is_unspecified() => format!("localhost:{}", address.port()),
            _ => address.to_string(),
        };
        info!("Antiphon {version} listens on {address}; connect to ws://{reachable}/diffusion");
    }
    if dev {
        warn!(
            "development mode: whoever reaches this address may log in as admin with password `password`"
        );
    } else {
        warn!(
            "no authentication is configured, so all clients are refused; `--dev` lets them in for development"
        );
    }
}

fn report_panic<T>(ended: &Result<T, JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a connection ended by a defect of the server");
    }
}

/// How soon a list of written sessions is noticed to stand still: at most twice this.
const TICK: Duration = Duration::from_millis(10);

/// About 10 s between two audits. Every call of the broker is over within some milliseconds.
const AUDIT_TICKS: u32 = 1_000;

/// In milliseconds; the precision of timeouts.
const SWEEP_PERIOD: u64 = 100;

/// A little longer than each connection may linger.
const DRAIN_LIMIT: Duration = Duration::from_secs(LINGER.as_secs() + 1);
