//! `antiphon serve`: runs a server until it is told to stop.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use antiphon_server::BindError;
use antiphon_server::Config;
use antiphon_server::ListenerConfig;
use antiphon_server::Server;
use clap::Args;
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals::Signals;

/// Run a server
///
/// SIGINT or SIGTERM ends it: every session is told, and every request that waits is answered with an error. A second
/// signal ends it at once.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Configuration file, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Address and port to listen on, without TLS, in place of the configured ones; port 0 takes a free one. May be given
    /// more than once
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    listen: Vec<SocketAddr>,

    /// Development mode: let in `admin`, `control`, `client` and `operator` with password `password`, and anonymous
    /// clients
    #[arg(long)]
    dev: bool,

    /// Threads that serve sockets
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Allow development mode on an address that other hosts can reach
    #[arg(long)]
    allow_remote_dev: bool,
}

const EXAMPLES: &str = "\
Examples:
  antiphon serve --dev                          try it out, on 127.0.0.1:8080
  antiphon serve --dev --listen 127.0.0.1:0     on a free port, which the first log line names
  antiphon serve --config /etc/antiphon.toml    as configured";

/// Serves until a signal comes.
///
/// # Errors
/// What is wrong with the arguments or the configuration.
pub(crate) fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let config = configuration(arguments)?;
    let threads = config.threads;
    let server = match Server::bind(config) {
        Ok(server) => server,
        Err(BindError::Config(error)) => return Err(usage(error)),
        Err(error) => return Ok(cannot_serve(&error)),
    };
    let runtime = match antiphon_server::runtime(threads) {
        Ok(runtime) => runtime,
        Err(error) => return Ok(cannot_serve(&error)),
    };
    let code = runtime.block_on(serve(server));
    // What is left has had its time.
    runtime.shutdown_background();
    Ok(code)
}

fn configuration(arguments: Arguments) -> Result<Config, Failure> {
    let mut config = match &arguments.config {
        Some(path) => Config::load(path).map_err(usage)?,
        None => Config::default(),
    };
    if !arguments.listen.is_empty() {
        config.listeners = arguments.listen.into_iter().map(ListenerConfig::plain).collect();
    }
    config.threads = arguments.threads.unwrap_or(config.threads);
    config.dev |= arguments.dev;
    let remote = config.listeners.iter().find(|listener| !listener.address.ip().is_loopback());
    if let Some(ListenerConfig { address, .. }) = remote.filter(|_| config.dev) {
        if !arguments.allow_remote_dev {
            return Err(usage(format_args!(
                "development mode on {address} would let everybody in the network log in as admin; \
                 listen on 127.0.0.1, or force it with --allow-remote-dev"
            )));
        }
        warn!("DEVELOPMENT MODE ON {address}: EVERYBODY IN THE NETWORK MAY LOG IN AS ADMIN");
    }
    Ok(config)
}

async fn serve(server: Server) -> Exit {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return cannot_serve(&error),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    // As a task of its own it runs on the threads that serve the sockets.
    let mut serving = tokio::spawn(server.run(stopped));
    tokio::select! {
        ended = &mut serving => return code(ended),
        () = signals.next() => info!("stopping; a second signal ends at once"),
    }
    // The server may have ended in this moment.
    let _ = stop.send(());
    tokio::select! {
        ended = serving => code(ended),
        () = signals.next() => {
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

fn usage(problem: impl Display) -> Failure {
    Failure::usage(problem.to_string())
}
