//! The whole server: binds, accepts, keeps time, drains.

use std::future::Future;
use std::future::pending;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_broker::Broker;
use antiphon_broker::BrokerConfig;
use antiphon_broker::Millis;
use antiphon_broker::access::Security;
use antiphon_wire::ids::NodeId;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::timeout;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::auth::Authenticators;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::ConfigError;
use crate::connection::Connection;
use crate::connection::LINGER;
use crate::door::Door;
use crate::drain::Draining;
use crate::flush;
use crate::handle::Handle;
use crate::handshake::handshake;
use crate::keepalive::keep_alive;
use crate::line::Line;
use crate::listener;
use crate::listener::Arrival;
use crate::listener::Bound;
use crate::listener::Listeners;
use crate::operations;
use crate::operations::audit::Audit;
use crate::operations::audit::Event;
use crate::operations::figures::Figures;
use crate::random;
use crate::readiness::Readiness;
use crate::readiness::Ready;
use crate::security::Store;
use crate::tls::Acceptor;
use crate::tls::Acceptors;
use crate::upgrade::Rules;
use crate::upgrade::scheme;

/// A server that listens, but serves nobody before [`Server::run`].
pub struct Server {
    listeners: Vec<Bound>,
    addresses: Vec<SocketAddr>,
    operations: Option<(std::net::TcpListener, SocketAddr)>,
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
    /// The address for operators is taken, is not this host's, or may not be used.
    #[error(
        "cannot listen on {address} for operators: {problem}; choose another with `--operations` or the key \
         `operations.listen`, or switch it off with \"off\""
    )]
    Operations {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        problem: io::ErrorKind,
    },
    /// The audit log cannot be written.
    #[error(
        "cannot write the audit log {}: {problem}; choose another file with the key `audit.file`", path.display()
    )]
    Audit {
        /// The file.
        path: PathBuf,
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
    pub(crate) authenticators: Authenticators,
    pub(crate) figures: Figures,
    pub(crate) audit: Audit,
    pub(crate) clock: Clock,
    pub(crate) maximum_message: usize,
    /// What counts at present.
    pub(crate) config: ArcSwap<Config>,
    /// Held by whoever changes it.
    pub(crate) reloading: Mutex<()>,
    pub(crate) readiness: Ready,
    pub(crate) rules: ArcSwap<Rules>,
    pub(crate) door: Arc<Door>,
    pub(crate) acceptors: Acceptors,
}

impl Server {
    /// Checks the configuration and listens. Clients may connect from here on, and wait. Needs no runtime.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn bind(config: Config) -> Result<Self, BindError> {
        config.check()?;
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        let mut acceptors = Vec::new();
        for listener in &config.listeners {
            let address = listener.address;
            let tls = Acceptor::load(listener)?;
            acceptors.extend(tls.clone().map(|acceptor| (address, acceptor)));
            let not_bound =
                |problem: io::Error| BindError::Listen { address, problem: problem.kind() };
            let socket = listener::listen(address).map_err(not_bound)?;
            addresses.push(socket.local_addr().map_err(not_bound)?);
            listeners.push(Bound { socket, tls });
        }
        let operations = config.operations.listen.0.map(listen_for_operators).transpose()?;
        let audit = config.audit.file.as_deref();
        let audit = Audit::start(audit).map_err(|problem| BindError::Audit {
            path: config.audit.file.clone().unwrap_or_default(),
            problem: problem.kind(),
        })?;
        let node = random::node().map_err(|problem| BindError::Random(problem.kind()))?;
        let acceptors = Acceptors::new(acceptors);
        let shared = Arc::new(Shared::new(config, node, (acceptors, audit))?);
        Ok(Self { listeners, addresses, operations, shared })
    }

    /// The addresses in use, with their real ports, in the order of the configuration.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address for operators, with its real port, if there is one.
    #[must_use]
    pub fn operations_addr(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(|(_, address)| *address)
    }

    /// What may be done with the server while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Serves until `shutdown` is ready or [`Handle::drain`] was called and is over, then accepts no more, ends every
    /// session and returns when the clients have been told, at the latest after 3 seconds. Dropping the future ends
    /// everything at once.
    ///
    /// # Errors
    /// If a listening socket becomes useless.
    pub async fn run<F: Future>(self, shutdown: F) -> io::Result<()> {
        announce(&self.addresses, &self.listeners);
        let has_authenticators = !self.shared.authenticators.is_empty();
        warn_of_open_doors(self.shared.config.load().dev, !has_authenticators);
        let mut listeners = Listeners::new(self.listeners)?;
        // Ends with this function; until then it says how far the server is.
        let mut operations = JoinSet::new();
        if let Some((listener, address)) = self.operations {
            info!("operators are answered on http://{address}");
            operations.spawn(operations::serve(listener, Arc::clone(&self.shared)));
        }
        let address = self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let mut shutdown = pin!(shutdown);
        let shared = Arc::clone(&self.shared);
        shared.audit.write(|| Event::Started { address });
        shared.readiness.advance_to(Readiness::Ready);
        let mut must_drain = pin!(shared.readiness.draining());
        let mut tasks = Tasks::new(self.shared);
        while !tasks.have_drained() {
            let has_room = tasks.has_room();
            tokio::select! {
                _ = &mut shutdown => break,
                accepted = poll_fn(|cx| listeners.poll_accept(cx)), if has_room => {
                    tasks.receive(accepted?);
                }
                () = &mut must_drain, if tasks.draining.is_none() => tasks.begin_drain(),
                () = tasks.advance() => {}
            }
        }
        drop(listeners);
        shared.readiness.advance_to(Readiness::Draining);
        tasks.finish().await;
        shared.audit.write(|| Event::Stopped);
        shared.audit.settle();
        Ok(())
    }
}

impl Shared {
    /// What `config` says, for a node whose session ids begin with `node`.
    ///
    /// # Errors
    /// A file that it names cannot be used.
    pub(crate) fn new(
        config: Config,
        node: NodeId,
        (acceptors, audit): (Acceptors, Audit),
    ) -> Result<Self, ConfigError> {
        let store = open_store(&config)?;
        let security =
            store.as_ref().map_or_else(Security::stock, |store| store.current().security.clone());
        Ok(Self {
            authenticators: Authenticators::new(&config, store)?,
            figures: Figures::new(),
            clock: Clock::start(),
            maximum_message: config.limits.maximum_message,
            readiness: Ready::new(),
            rules: ArcSwap::from_pointee(Rules::new(&config)),
            door: Arc::new(Door::new(&config.limits)),
            acceptors,
            broker: Broker::new(BrokerConfig {
                node,
                notes: audit.is_on(),
                security,
                authenticators: config.security.sessions(config.dev),
                ..broker_config(&config)
            }),
            audit,
            config: ArcSwap::from_pointee(config),
            reloading: Mutex::default(),
        })
    }
}

/// What the configuration says to the broker.
pub(crate) fn broker_config(config: &Config) -> BrokerConfig {
    let limits = &config.limits;
    BrokerConfig {
        server_name: config.server_name.clone(),
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
        paths: config.paths.clone(),
        choice: config.choice,
        recovery: config.recovery,
        liveness: antiphon_broker::Liveness {
            missed_pings: config.liveness.missed_pings,
            handler_timeout: config.liveness.handler_timeout,
        },
        ..BrokerConfig::default()
    }
}

fn open_store(config: &Config) -> Result<Option<Arc<Store>>, ConfigError> {
    let Some(path) = &config.security.store else { return Ok(None) };
    Store::open(path).map(|store| Some(Arc::new(store))).map_err(|error| ConfigError::Invalid {
        key: "security.store".to_owned(),
        problem: format!("cannot be used: {error}"),
        fix: "put that right".to_owned(),
    })
}

/// Every task of a running server. Dropping it ends them.
struct Tasks {
    shared: Arc<Shared>,
    handshakes: JoinSet<Option<Connection>>,
    connections: JoinSet<()>,
    ticks: Interval,
    last_tick: Millis,
    next_sweep: Millis,
    draining: Option<Draining>,
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
            last_tick: Millis(0),
            next_sweep: Millis(0),
            draining: None,
            unaudited: 0,
        }
    }

    /// Whether one more connection may come; how many there may be in all is the door's to say.
    fn has_room(&self) -> bool {
        self.handshakes.len() < self.shared.config.load().limits.handshakes
    }

    fn receive(&mut self, arrival: Arrival) {
        let (door, now) = (&self.shared.door, self.shared.clock.now());
        let client = arrival.client.ip();
        keep_alive(&arrival.stream, &self.shared.config.load().liveness);
        match door.admit(client, now) {
            Ok(admission) => {
                let shared = Arc::clone(&self.shared);
                shared.figures.connections.fetch_add(1, Relaxed);
                self.handshakes.spawn(handshake(shared, arrival, admission));
            }
            Err(why) => {
                door.turn_away(&arrival.stream, arrival.tls.is_none(), why);
                door.refused(client, now, why);
            }
        }
    }

    /// Waits for a task to end or a tick, and does what follows from it. May be dropped and called again at any time.
    async fn advance(&mut self) {
        tokio::select! {
            Some(ended) = self.handshakes.join_next() => self.serve(ended),
            Some(ended) = self.connections.join_next() => report_panic(&ended),
            _ = self.ticks.tick(), if self.must_tick() => self.tick(),
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
        if now.0 - self.last_tick.0 > STANDSTILL {
            self.shared.broker.pardon(now);
        }
        self.last_tick = now;
        if now >= self.next_sweep {
            self.next_sweep = Millis(now.0 + SWEEP_PERIOD);
            let mut outbox = flush::delivery();
            self.shared.broker.sweep(now, &mut outbox);
            self.shared.audit.take(&mut outbox.notes, None);
            drop(outbox);
            if let Some(draining) = &mut self.draining {
                draining.step(&self.shared);
            }
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

    fn must_tick(&self) -> bool {
        !self.connections.is_empty() || self.draining.is_some()
    }

    fn begin_drain(&mut self) {
        let drain = self.shared.config.load().drain.clone();
        self.draining = Some(Draining::begin(&self.shared, &drain));
    }

    fn have_drained(&self) -> bool {
        self.draining.as_ref().is_some_and(|draining| draining.is_over(&self.shared))
    }

    /// Ends all sessions and gives their clients some time to hear it.
    async fn finish(mut self) {
        self.draining = None;
        while let Some(ended) = self.handshakes.try_join_next() {
            self.serve(ended);
        }
        let mut outbox = flush::delivery();
        self.shared.broker.shut_down(&mut outbox);
        self.shared.audit.take(&mut outbox.notes, None);
        drop(outbox);
        let told = timeout(LONGEST_FAREWELL, async {
            while !self.connections.is_empty() {
                self.advance().await;
            }
        });
        match told.await {
            Ok(()) => info!("stopped"),
            Err(_) => warn!("stopped before every client was told"),
        }
    }
}

fn listen_for_operators(
    address: SocketAddr,
) -> Result<(std::net::TcpListener, SocketAddr), BindError> {
    let not_bound = |problem: io::Error| BindError::Operations { address, problem: problem.kind() };
    let listener = listener::listen(address).map_err(not_bound)?;
    let address = listener.local_addr().map_err(not_bound)?;
    Ok((listener, address))
}

fn announce(addresses: &[SocketAddr], listeners: &[Bound]) {
    let version = env!("CARGO_PKG_VERSION");
    for (address, bound) in addresses.iter().zip(listeners) {
        let scheme = scheme(bound.tls.is_some());
        let reachable = match address.ip() {
            ip if ip.is_unspecified() => format!("localhost:{}", address.port()),
            _ => address.to_string(),
        };
        info!(
            "Antiphon {version} listens on {address}; connect to {scheme}://{reachable}/diffusion"
        );
    }
}

fn warn_of_open_doors(dev: bool, nobody_knows_anybody: bool) {
    if dev {
        warn!(
            "development mode: whoever reaches this address may log in as admin with password `password`"
        );
    } else if nobody_knows_anybody {
        warn!(
            "no authenticator is configured, so all clients are refused; see the table [security], or use `--dev` for development"
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
pub(crate) const SWEEP_PERIOD: u64 = 100;

/// In milliseconds: a tick that comes so late means that nothing was read either.
const STANDSTILL: u64 = 1_000;

/// A little longer than each connection may linger.
const LONGEST_FAREWELL: Duration = Duration::from_secs(LINGER.as_secs() + 1);
