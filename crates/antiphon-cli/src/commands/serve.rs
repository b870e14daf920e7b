//! `antiphon serve`: runs a server until it is told to stop.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use antiphon_server::BindError;
use antiphon_server::Config;
use antiphon_server::Handle;
use antiphon_server::ListenerConfig;
use antiphon_server::Server;
use antiphon_server::config::Layers;
use antiphon_server::config::Loaded;
use clap::Args;
use tokio::sync::Notify;
use tokio::task::JoinError;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::arguments::server;
use crate::arguments::server::ServerFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::logging;
use crate::logging::Level;
use crate::signals::Asked;
use crate::signals::Hangups;
use crate::signals::Signals;

/// Run a server
///
/// SIGTERM drains it: new sessions are refused, requests that are under way are answered, and sessions are closed one
/// after the other, for at most `drain.timeout`. SIGINT (Ctrl-C) ends it without waiting: every session is told, and every
/// request that waits is answered with an error. A second signal ends it at once. SIGHUP reads the configuration again:
/// what can change without a restart does, and no session is lost. The audit log goes on in a new file then, if the old one
/// was renamed.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    /// Allow development mode on an address that other hosts can reach
    #[arg(long)]
    allow_remote_dev: bool,
}

const EXAMPLES: &str = "\
Examples:
  antiphon serve --dev                          try it out, on 127.0.0.1:8080
  antiphon serve --dev --listen 127.0.0.1:0     on a free port, which the first log line names
  antiphon serve --config /etc/antiphon.toml    as configured; `antiphon config` helps to write it";

/// Serves until a signal comes.
///
/// # Errors
/// What is wrong with the arguments or the configuration.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    // Before anything is read that can be read only once.
    #[cfg(all(unix, feature = "cluster"))]
    let obstacle = crate::fabric_threads::provide();
    let layers = arguments.server.layers();
    let Loaded { config, warnings, .. } = server::load(&layers)?;
    let level = logging::start_server(&config.log);
    warnings.iter().for_each(|warning| warn!("{warning}"));
    #[cfg(all(unix, feature = "cluster"))]
    if let Some(problem) = obstacle {
        warn!(%problem, "a node that is gone may hold up others for 10 s: this program could not start itself again");
    }
    refuse_remote_development(&config, arguments.allow_remote_dev)?;
    let threads = config.threads;
    let server = match Server::bind(config) {
        Ok(server) => server,
        Err(BindError::Config(error)) => return Err(Failure::usage(error.to_string())),
        Err(error) => return Ok(cannot_serve(&error)),
    };
    let runtime = match antiphon_server::runtime(threads) {
        Ok(runtime) => runtime,
        Err(error) => return Ok(cannot_serve(&error)),
    };
    let code = runtime.block_on(serve(server, &Source { layers, level }));
    // What is left has had its time.
    runtime.shutdown_background();
    Ok(code)
}

fn refuse_remote_development(config: &Config, is_allowed: bool) -> Result<(), Failure> {
    let remote = config.listeners.iter().find(|listener| !listener.address.ip().is_loopback());
    if let Some(ListenerConfig { address, .. }) = remote.filter(|_| config.dev) {
        if !is_allowed {
            return Err(Failure::usage(format!(
                "development mode on {address} would let everybody in the network log in as admin; \
                 listen on 127.0.0.1, or force it with --allow-remote-dev"
            )));
        }
        warn!("DEVELOPMENT MODE ON {address}: EVERYBODY IN THE NETWORK MAY LOG IN AS ADMIN");
    }
    Ok(())
}

/// Where the configuration comes from, to be read again.
struct Source {
    layers: Layers,
    level: Level,
}

impl Source {
    /// All or nothing.
    fn reload(&self, handle: &Handle) {
        let loaded = match server::load(&self.layers) {
            Ok(loaded) => loaded,
            Err(failure) => return error!("the configuration stays as it was: {failure}"),
        };
        match handle.reload(&loaded.config) {
            Ok(waiting) => {
                self.level.change(&loaded.config.log.level);
                loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
                if !waiting.is_empty() {
                    warn!("a restart is needed for what has changed of {}", waiting.join(", "));
                }
                info!("the configuration was reloaded");
            }
            Err(problem) => error!("the configuration stays as it was: {problem}"),
        }
    }
}

async fn serve(server: Server, source: &Source) -> Exit {
    let (mut signals, mut hangups) = match (Signals::listen(), Hangups::listen()) {
        (Ok(signals), Ok(hangups)) => (signals, hangups),
        (Err(error), _) | (_, Err(error)) => return cannot_serve(&error),
    };
    let handle = server.handle();
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop).notified_owned();
    // As a task of its own it runs on the threads that serve the sockets.
    let mut serving = tokio::spawn(server.run(stopped));
    let asked = loop {
        tokio::select! {
            ended = &mut serving => return code(ended),
            () = hangups.next() => {
                handle.reopen_audit_log();
                source.reload(&handle);
            }
            asked = signals.next() => break asked,
        }
    };
    info!("stopping; a second signal ends at once");
    match asked {
        Asked::ByPerson => stop.notify_one(),
        #[cfg(unix)]
        Asked::BySystem => handle.drain(),
    }
    tokio::select! {
        ended = serving => code(ended),
        _ = signals.next() => {
            warn!("ended before every client was told");
            Exit::Interrupted
        }
    }
}

fn code(ended: Result<io::Result<()>, JoinError>) -> Exit {
    match ended.map_err(io::Error::from).flatten() {
        Ok(()) => Exit::Done,
        Err(error) => cannot_serve(&error),
    }
}

fn cannot_serve(problem: &dyn Display) -> Exit {
    error!("cannot serve: {problem}");
    Exit::Connect
}
