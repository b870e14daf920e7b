//! Log lines on standard error. `ANTIPHON_LOG` chooses what is shown, in the syntax of the crate `tracing-subscriber`:
//! `debug`, or `info,antiphon_server=trace`. Without it each command has a level of its own.

use std::io;
use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Starts logging for the whole process, from this level on unless the environment says otherwise.
pub(crate) fn start(level: LevelFilter) {
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .with_env_var("ANTIPHON_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
