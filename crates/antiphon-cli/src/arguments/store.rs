//! Which security store a command reads or changes.

use std::path::PathBuf;

use antiphon_server::config::Layers;
use antiphon_server::security::Contents;
use antiphon_server::security::Store;
use clap::Args;

use crate::arguments::server;
use crate::failure::Failure;
use crate::output::Output;

/// What every command has that works on the security store.
#[derive(Args)]
pub(crate) struct StoreFlags {
    /// Security store [default: that of the configuration, or else security.toml]
    #[arg(long, env = "ANTIPHON_STORE", value_name = "FILE", display_order = 800)]
    store: Option<PathBuf>,

    /// Configuration of the server, which names its store
    #[arg(long, env = "ANTIPHON_CONFIG", value_name = "FILE", display_order = 801)]
    config: Option<PathBuf>,
}

impl StoreFlags {
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        let path = match &self.store {
            Some(path) => path.clone(),
            None => self.configured()?.unwrap_or_else(|| PathBuf::from(DEFAULT)),
        };
        Ok(Store::open(&path)?)
    }

    /// The store of the server with this configuration and environment.
    fn configured(&self) -> Result<Option<PathBuf>, Failure> {
        let layers = Layers { file: self.config.clone(), ..server::surroundings() };
        let store = server::load(&layers)?.config.security.store;
        match (&self.config, &store) {
            (Some(config), None) => Err(Failure::usage(format!(
                "{} names no security store; add the key `store` to its table [security], or give --store FILE",
                config.display()
            ))),
            _ => Ok(store),
        }
    }
}

const DEFAULT: &str = "security.toml";

/// Changes a store and says what a running server makes of it.
pub(crate) fn change(
    store: &Store,
    output: Output,
    change: impl FnOnce(&mut Contents) -> Result<(), Failure>,
) -> Result<(), Failure> {
    store.change(change)?;
    output.note("a running server takes this over when it gets SIGHUP");
    Ok(())
}

/// A path as a store keeps it.
pub(crate) fn normalised(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.collect::<Vec<_>>().join("/")
}

/// Says which of these roles are no more than names.
pub(crate) fn mention_undefined<'r>(
    contents: &Contents,
    roles: impl IntoIterator<Item = &'r str>,
    output: Output,
) {
    for role in roles {
        if contents.security.get(role).is_none() {
            output.note(format_args!(
                "there is no role {role:?} yet: it permits nothing, but session filters know it"
            ));
        }
    }
}
