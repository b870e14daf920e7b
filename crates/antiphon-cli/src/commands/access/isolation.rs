//! `antiphon access isolate` and `unisolate`: paths that what is granted above them does not reach.

use std::mem;

use antiphon_server::security::access::Security;
use clap::Args;
use serde_json::json;

use crate::arguments::store::StoreFlags;
use crate::arguments::store::change;
use crate::arguments::store::normalised;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

#[derive(Args)]
pub(super) struct Paths {
    /// Paths, such as payroll
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    pub(super) output: OutputFlags,
}

pub(super) fn isolate(arguments: &Paths, output: Output) -> Result<(), Failure> {
    edit(arguments, "isolated", output, |security, path| {
        if security.isolated().contains(path) {
            return Err(Failure::usage(format!("the path {path:?} is isolated already")));
        }
        *security = mem::take(security).isolate(path);
        Ok(())
    })
}

pub(super) fn unisolate(arguments: &Paths, output: Output) -> Result<(), Failure> {
    edit(arguments, "unisolated", output, |security, path| match security.unisolate(path) {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "the path {path:?} is not isolated itself; `antiphon access show` lists those that are"
        ))),
    })
}

fn edit(
    arguments: &Paths,
    what: &str,
    output: Output,
    edit: impl Fn(&mut Security, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let paths: Vec<_> = arguments.paths.iter().map(|path| normalised(path)).collect();
    change(&arguments.store.open()?, output, |contents| {
        paths.iter().try_for_each(|path| edit(&mut contents.security, path))
    })?;
    match output {
        Output::Json => output.json(&json!({ what: paths })),
        Output::Text | Output::Raw => {
            paths.iter().try_for_each(|path| output.line(format_args!("{what} {}", one_line(path))))
        }
    }
}
