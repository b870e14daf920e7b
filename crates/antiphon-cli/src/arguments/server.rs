//! The configuration of a server as the command line gives it: a file, the environment, and flags for what is common.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use antiphon_server::config::ConfigError;
use antiphon_server::config::Flag;
use antiphon_server::config::Layers;
use antiphon_server::config::Loaded;
use antiphon_server::config::Refused;
use clap::Args;
use clap::builder::FalseyValueParser;
use tracing_subscriber::EnvFilter;

use crate::arguments::environment;
use crate::failure::Failure;

/// What the server of this command is told.
#[derive(Args)]
pub(crate) struct ServerFlags {
    /// Configuration file, in TOML
    #[arg(long, value_name = "FILE", env = "ANTIPHON_CONFIG")]
    config: Option<PathBuf>,

    /// Address and port to listen on, without TLS, in place of the configured ones; port 0 takes a free one. May be given
    /// more than once
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    listen: Vec<String>,

    /// Development mode: let in `admin`, `control`, `client` and `operator` with password `password`, and anonymous
    /// clients
    #[arg(long, value_parser = FalseyValueParser::new())]
    dev: bool,

    /// Address and port for health checks and metrics, or `off`; by default 127.0.0.1:8081
    #[arg(long, value_name = "ADDR|off")]
    operations: Option<String>,

    /// Threads that serve sockets
    #[arg(long, value_name = "N")]
    threads: Option<String>,
}

/// Flags that set a key, and the keys; the variable of such a flag is that of the key.
pub(crate) const KEYS: [(&str, &str); 4] = [
    ("listen", "ANTIPHON_LISTENER_0_ADDRESS"),
    ("dev", "ANTIPHON_DEV"),
    ("operations", "ANTIPHON_OPERATIONS_LISTEN"),
    ("threads", "ANTIPHON_THREADS"),
];

impl ServerFlags {
    /// Where the configuration comes from.
    pub(crate) fn layers(&self) -> Layers {
        let flag = |name: &str, key: String, value: &str| Flag {
            name: name.to_owned(),
            key,
            value: value.to_owned(),
        };
        let mut flags: Vec<_> = self
            .listen
            .iter()
            .enumerate()
            .map(|(index, value)| flag("--listen", format!("listener.{index}.address"), value))
            .collect();
        flags.extend(self.dev.then(|| flag("--dev", "dev".to_owned(), "true")));
        let operations = |at: &String| flag("--operations", "operations.listen".to_owned(), at);
        flags.extend(self.operations.iter().map(operations));
        flags.extend(self.threads.iter().map(|n| flag("--threads", "threads".to_owned(), n)));
        let log = env::var(LOG).ok().filter(|level| !level.is_empty());
        flags.extend(log.map(|level| flag(LOG, "log.level".to_owned(), &level)));
        Layers { file: self.config.clone(), flags, ..surroundings() }
    }
}

/// What the environment says.
pub(crate) fn surroundings() -> Layers {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Layers {
        environment: env::vars_os().filter_map(text).collect(),
        foreign: environment::variables(&crate::command()),
        ..Layers::default()
    }
}

/// Reads and checks a configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(layers: &Layers) -> Result<Loaded, Failure> {
    let loaded = layers.load().map_err(Failure::Configuration)?;
    match EnvFilter::try_new(&loaded.config.log.level) {
        Ok(_) => Ok(loaded),
        Err(problem) => {
            let error = ConfigError::Invalid {
                key: "log.level".to_owned(),
                problem: format!("is {:?}: {problem}", loaded.config.log.level),
                fix: "write a level such as \"info\", or \"info,antiphon_server=debug\"".to_owned(),
            };
            Err(Failure::Configuration(Refused { problems: vec![loaded.blame(error)] }))
        }
    }
}

/// What all commands heed when they log; for a server it counts more than its key `log.level`.
pub(crate) const LOG: &str = "ANTIPHON_LOG";
