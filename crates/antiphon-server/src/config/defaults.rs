//! The defaults of the configuration that are the server's own, with their reasons; those of the broker stand in
//! [`antiphon_broker::BrokerConfig`]. What the keys mean stands in [`super::Config`].

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// The port that applications written for Diffusion expect; loopback, until somebody decides who may reach it.
pub(super) const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Enough for a whole fleet that comes back at once, since the rest waits in the accept queue.
pub(super) const HANDSHAKES: usize = 1_000;

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

/// Half of the cores: the other half is for the kernel's side of the sockets. On two cores one thread was measured to be
/// faster than two.
pub(super) fn threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(1)
}

/// The host's name, where it can be read from a file.
pub(super) fn server_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "antiphon".to_owned())
}
