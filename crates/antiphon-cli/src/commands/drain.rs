//! `antiphon drain`: makes a server end without harm, as SIGTERM does.

use antiphon_server::config::Span;
use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::operations;
use crate::operations::Method;
use crate::output::Output;

/// Make a server drain and end
///
/// It takes no new sessions and handlers from here on, and is not ready any more. Requests that are under way are
/// answered, sessions leave one after the other, and then it ends, at the latest after its `drain.timeout`. SIGTERM does
/// the same.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Host and port on which the server answers operators
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    operations: String,

    /// Time limit for each step of asking it
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    answer_timeout: Span,
}

const EXAMPLES: &str = "\
Examples:
  antiphon drain                                 the server on this host
  antiphon drain --operations 10.0.0.7:8081      another one";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let Arguments { operations: address, answer_timeout: Span(limit) } = arguments;
    operations::tell(address, (Method::Post, "/drain", 202), *limit, output)
}
