//! The defaults of the configuration that are the server's own, with their reasons; those of the broker stand in
//! [`antiphon_broker::BrokerConfig`]. What the keys mean stands in [`super::Config`].

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// The port that applications written for Diffusion expect; loopback, until somebody decides who may reach it.
pub(super) const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Next to the default port for clients; loopback, because whoever reaches it may look at everything.
pub(super) const OPERATIONS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// Enough for a whole fleet that comes back at once, since the rest waits in the accept queue.
pub(super) const HANDSHAKES: usize = 1_000;

/// What the JavaScript SDK waits by default.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

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
