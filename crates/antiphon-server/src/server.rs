//! The whole server: binds, accepts, drains.

use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use antiphon_wire::ids::NodeId;
use thiserror::Error;
use tokio::task::JoinSet;
use tracing::info;
use tracing::warn;

use crate::cluster;
use crate::cluster::identity;
use crate::config::Config;
use crate::config::ConfigError;
use crate::handle::Handle;
use crate::listener;
use crate::listener::Bound;
use crate::listener::Listeners;
use crate::operations;
use crate::operations::audit::Audit;
use crate::operations::audit::Event;
use crate::readiness::Readiness;
use crate::shared::Shared;
use crate::tasks::Tasks;
use crate::tls::Acceptor;
use crate::tls::Acceptors;
use crate::tls::Credentials;
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
    /// The file with the node's id cannot be used.
    #[error(
        "cannot use the node id in {}: {problem}; choose another file with the key `cluster.node_file`", path.display()
    )]
    Node {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// There are to be other nodes, but this program was built without them.
    #[error(
        "this program was built without the feature `cluster`; build it with it, or leave out `cluster.listen`"
    )]
    NoCluster,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(io::ErrorKind),
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
        look_at_cluster(&config)?;
        let node = node(&config)?;
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
        let mut tasks = Tasks::new(self.shared);
        let mut joining = pin!(cluster::join(&shared));
        let membership = loop {
            tokio::select! {
                joined = &mut joining => break joined?,
                _ = &mut shutdown => return Ok(()),
                () = tasks.advance() => {}
            }
        };
        shared.audit.write(|| Event::Started { address });
        shared.readiness.advance_to(Readiness::Ready);
        let mut must_drain = pin!(shared.readiness.draining());
        while !tasks.have_drained() {
            let has_room = tasks.has_room();
            tokio::select! {
                _ = &mut shutdown => break,
                accepted = poll_fn(|cx| listeners.poll_accept(cx)), if has_room => {
                    tasks.receive(accepted?);
                }
                () = &mut must_drain, if !tasks.is_draining() => tasks.begin_drain(),
                () = tasks.advance() => {}
            }
        }
        drop(listeners);
        shared.readiness.advance_to(Readiness::Draining);
        tasks.finish().await;
        membership.leave(&shared).await;
        shared.audit.write(|| Event::Stopped);
        shared.audit.settle();
        Ok(())
    }
}

/// Zenoh would say less of files that are of no use, and nothing of a certificate that no other node accepts. The clock may be
/// wrong, so that is no reason not to serve.
fn look_at_cluster(config: &Config) -> Result<(), BindError> {
    let credentials =
        if config.cluster.is_on() { Credentials::load(&config.cluster)? } else { None };
    if let Some(Err(problem)) = credentials.map(|credentials| credentials.verify()) {
        warn!("{problem}");
    }
    Ok(())
}

fn node(config: &Config) -> Result<NodeId, BindError> {
    if config.cluster.is_on() && !cfg!(feature = "cluster") {
        return Err(BindError::NoCluster);
    }
    let file = config.cluster.node_file.as_deref().filter(|_| config.cluster.is_on());
    identity::node(file).map_err(|problem| match file {
        Some(path) => BindError::Node { path: path.to_owned(), problem: problem.to_string() },
        None => BindError::Random(problem.kind()),
    })
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
