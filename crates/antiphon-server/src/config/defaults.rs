//! Every default of the configuration, with its reason. What the keys mean stands in [`super::Config`].

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// The port that applications written for Diffusion expect; loopback, until somebody decides who may reach it.
pub(super) const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// 1 MiB: far above a request, far below what hurts when many sessions send one at once.
pub(super) const MAXIMUM_MESSAGE: usize = 1 << 20;

/// 8 MiB: eight of the largest messages, and tens of thousands of small ones, may wait for one session.
pub(super) const MAILBOX: usize = 8 << 20;

/// At about 1 KiB for an idle session these take 100 MiB. The limit on open files is usually met before.
pub(super) const SESSIONS: usize = 100_000;

/// Enough for a whole fleet that comes back at once, since the rest waits in the accept queue.
pub(super) const HANDSHAKES: usize = 1_000;

/// A handler that is this far behind will not answer in time.
pub(super) const REQUESTS_PER_HANDLER: u32 = 16_384;

/// As much as one handler takes.
pub(super) const REQUESTS_PER_SENDER: u32 = 16_384;

/// What the JavaScript SDK waits by default.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Half of the minute after which common NAT routers forget a silent connection.
pub(super) const PING_PERIOD: Duration = Duration::from_secs(30);

/// What the original allows a forwarded request.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

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
