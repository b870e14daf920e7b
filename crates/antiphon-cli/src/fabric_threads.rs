//! The threads on which Zenoh reads from other nodes, writes to them and connects to them. It takes their number from the
//! environment and from nowhere else, before its first use, so this program begins itself again with a better one.
//!
//! Zenoh closes connections on these threads, and lets each wait up to 10 s until the other host has acknowledged all. By itself it has
//! two that read, and one for everything else. A single host that is gone keeps them all, so that nobody else would be heard meanwhile.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where Zenoh looks.
const VARIABLE: &str = "ZENOH_RUNTIME";

/// Those that read accept and connect as well: whoever does that hears of what comes over the connection ever after, and would only
/// wake up one that reads. A host that is gone keeps some for a while, most of those that read; and several may be gone at a time.
const THREADS: &str =
    "(rx: (worker_threads: 24), acc: (handover: rx), net: (handover: rx), tx: (worker_threads: 8))";

/// Begins this process again, unless the number of threads has been chosen already. What prevented it, if anything did.
pub(crate) fn provide() -> Option<io::Error> {
    if env::var_os(VARIABLE).is_some() {
        return None;
    }
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(problem) => return Some(problem),
    };
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    command.env(VARIABLE, THREADS);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    Some(command.args(arguments).exec())
}
