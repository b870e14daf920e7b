//! Which security store a command reads or changes.

use std::path::PathBuf;

use antiphon_server::security::Contents;
use antiphon_server::security::Store;
use clap::Args;

use crate::failure::Failure;
use crate::output::Output;

/// What every command has that works on the security store.
#[derive(Args)]
pub(crate) struct StoreFlags {
    /// Security store
    #[arg(
        long,
        env = "ANTIPHON_STORE",
        value_name = "FILE",
        default_value = "security.toml",
        display_order = 800
    )]
    store: PathBuf,
}

impl StoreFlags {
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.store)?)
    }
}

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
