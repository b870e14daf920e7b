//! What happens when something breaks for real: processes that are killed or stopped, networks, servers that end under
//! load, files, disks and clocks. Everything here is a process, a socket or a signal; nothing is simulated.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod clocks;
mod crowd;
mod exhaustion;
#[path = "../cli/fifo.rs"]
mod fifo;
mod half_open;
mod killed;
mod load;
#[path = "../cli/process.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "../../../antiphon-server/tests/interop/proxy.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod proxy;
mod restarts;
mod stage;
mod stopped;
