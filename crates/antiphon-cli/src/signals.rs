//! The signals that end a command.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::Signal;
#[cfg(unix)]
use tokio::signal::unix::SignalKind;
#[cfg(unix)]
use tokio::signal::unix::signal;

/// Who wants a command to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGINT: somebody pressed Ctrl-C, and waits.
    ByPerson,
    /// SIGTERM: a service manager, which has time.
    #[cfg(unix)]
    BySystem,
}

/// SIGINT and SIGTERM; where there are no such signals, Ctrl-C.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::ByPerson,
            _ = self.terminate.recv() => Asked::BySystem,
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Asked {
        // An error means that Ctrl-C cannot be heard, so it never comes.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Asked::ByPerson
    }
}
