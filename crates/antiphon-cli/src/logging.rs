//! Log lines on standard error. A server's are configured and may change while it runs; those of other commands go by
//! `ANTIPHON_LOG`, in the syntax of the crate `tracing-subscriber`: `debug`, or `info,antiphon=trace`.
//!
//! What cannot be written is lost, and nothing else: a full disk or a closed pipe is no reason to stop serving.

use std::env;
use std::io;
use std::io::IsTerminal;

use antiphon_server::config::Log;
use antiphon_server::config::LogFormat;
use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::Registry;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::server::LOG;

/// Changes what a running server logs.
pub(crate) struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// `level` has been checked.
    pub(crate) fn change(&self, level: &str) {
        if let Err(error) = self.0.reload(filter(level)) {
            warn!("the log goes on as it was: {error}");
        }
    }
}

/// Starts logging for the whole process, from this level on unless the environment says otherwise.
pub(crate) fn start(level: LevelFilter) {
    let asked = env::var(LOG).ok().filter(|asked| !asked.is_empty());
    begin(filter(&asked.unwrap_or_else(|| level.to_string())), LogFormat::Text);
}

/// Starts logging as configured. The level has been checked.
pub(crate) fn start_server(log: &Log) -> Level {
    let by_place = if io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json };
    begin(filter(&log.level), log.format.unwrap_or(by_place))
}

/// What Zenoh says is for those who ask for it: all that operators need to know of links is said by the server. While it leaves
/// it takes what still comes for errors, and it tries for ever to connect to a seed that is this very node.
fn filter(level: &str) -> EnvFilter {
    let silent = "zenoh::api::session=off,zenoh_transport::unicast::establishment::open=off";
    EnvFilter::new(format!("zenoh=error,{silent},{level}"))
}

fn begin(filter: EnvFilter, format: LogFormat) -> Level {
    let (filter, handle) = reload::Layer::new(filter);
    // It would complain on standard error about what cannot be written there, and panic over that.
    let lines = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    Level(handle)
}
