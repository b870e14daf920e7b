//! One module for each command: its arguments, and what it does.

pub(crate) mod access;
pub(crate) mod ask;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod close;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod demo;
pub(crate) mod drain;
pub(crate) mod filter;
pub(crate) mod handle;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod ping;
pub(crate) mod principal;
pub(crate) mod request;
pub(crate) mod role;
pub(crate) mod serve;
pub(crate) mod sessions;

use std::future::Future;

use tokio::runtime::Builder;

use crate::exit::Exit;
use crate::failure::Failure;

/// Runs a command that needs no more than one thread.
fn block_on(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("the system gives no event queue: {error}")))?;
    runtime.block_on(command)
}
