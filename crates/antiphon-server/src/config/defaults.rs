//! The defaults of the configuration that are the server's own, with their reasons; those of the broker stand in
//! [`antiphon_broker::BrokerConfig`]. What the keys mean stands in [`super::Config`].

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::config::Network;

/// The port that applications written for Diffusion expect; loopback, until somebody decides who may reach it.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Next to the default port for clients; loopback, because whoever reaches it may look at everything.
pub(super) const OPERATIONS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// Enough for a whole fleet that comes back at once, since the rest waits in the accept queue.
pub(super) const HANDSHAKES: usize = 1_000;

/// Some more than the sessions, so that whoever finds no room for a session is told so.
pub(super) const CONNECTIONS: usize = 110_000;

/// A large site behind one address, and not so much that a single one could take all.
pub(super) const CONNECTIONS_PER_ADDRESS: usize = 10_000;

/// Half of all handshakes, so that one address cannot keep the others out.
pub(super) const HANDSHAKES_PER_ADDRESS: usize = 500;

/// A large site comes back within seconds, and signing for as many TLS handshakes takes a fifth of a core at the most.
pub(super) const CONNECTS_PER_ADDRESS: usize = 200;

/// Off: what is too much for a server differs by more than any guess, and what a session has in flight is limited anyway, so
/// that one which asks fast waits for its answers as everybody does.
pub(super) const REQUESTS_PER_SECOND: u32 = 0;

/// A client that starts asks for much at once.
pub(super) const REQUEST_BURST: u32 = 1_000;

/// Proposed session properties, credentials and tokens travel in it.
pub(super) const REQUEST_HEAD: usize = 64 << 10;

/// Browsers and SDKs put all of that into the target.
pub(super) const REQUEST_TARGET: usize = 32 << 10;

/// Browsers send a dozen, and proxies add some.
pub(super) const REQUEST_HEADERS: usize = 100;

/// Whoever connects from this host is a proxy, a test or a tool.
pub(super) fn proxies() -> Vec<Network> {
    let this_host = [(IpAddr::V4(Ipv4Addr::LOCALHOST), 8), (IpAddr::V6(Ipv6Addr::LOCALHOST), 128)];
    this_host.iter().filter_map(|(address, prefix)| Network::new(*address, *prefix)).collect()
}

/// What the JavaScript SDK waits by default.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// TCP cannot tell a host that is gone from a client that reads nothing for a while, and one that works may be such.
pub(super) const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Only matters for sessions without pings: a ping that is not acknowledged says the same.
pub(super) const TCP_IDLE: Duration = Duration::from_secs(30);
pub(super) const TCP_INTERVAL: Duration = Duration::from_secs(10);
pub(super) const TCP_PROBES: u32 = 3;

/// What Kubernetes waits between SIGTERM and SIGKILL unless told otherwise, and three times what a request may take.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// As many handshakes, with a password to be verified each, as another server does aside.
pub(super) const DRAIN_RATE: u32 = 500;

/// A node that is killed is noticed at once; this is for cables that are pulled and processes that stand still. Half of it
/// was measured to raise no false alarms on a machine with eight times as much to do as it could.
pub(super) const LEASE: Duration = Duration::from_secs(2);

/// Nodes that are there are found within milliseconds, unless a name or a route to them takes its time.
pub(super) const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A node that is well answers within milliseconds, and people wait for the result.
pub(super) const GATHER: Duration = Duration::from_secs(1);

/// What a busy link carries within half a lease, and little beside the mailboxes of all sessions.
pub(super) const LINK_MAILBOX: usize = 32 << 20;

/// Half of the cores: the other half is for the kernel's side of the sockets. One alone would keep everybody waiting
/// for whatever takes it long, and wakes its processor for each message when there is little to do.
pub(super) fn threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(2)
}

/// The host's name, where it can be read from a file.
pub(super) fn server_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "antiphon".to_owned())
}
