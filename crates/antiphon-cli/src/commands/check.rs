//! `antiphon check`: is a server well? For container health checks, so it needs neither a session nor a runtime.

use antiphon_server::config::Span;
use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::operations;
use crate::operations::Method;
use crate::output::Output;

/// Check whether a server is ready
///
/// Asks the address on which the server answers operators. It is not ready while it starts and while it drains. Any
/// problem is exit code 1, as container health checks want it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Host and port on which the server answers operators
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    operations: String,

    /// Ask only whether it is alive, which it also is while it starts or drains
    #[arg(long)]
    live: bool,

    /// Time limit for each step
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    timeout: Span,
}

const EXAMPLES: &str = "\
Examples:
  antiphon check                                 is the server on this host ready?
  antiphon check --live                          is it there at all?
  antiphon check --operations 10.0.0.7:8081      is another one ready?";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let Arguments { operations: address, live, timeout: Span(limit) } = arguments;
    let path = if *live { "/livez" } else { "/readyz" };
    operations::tell(address, (Method::Get, path, 200), *limit, output)
}
