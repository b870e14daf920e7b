//! `antiphon access`: what holds for everybody, whoever it is and whatever his roles, and who may do what in the end.

mod anonymous;
mod calls;
mod explain;
mod held;
mod isolation;
mod show;
mod trust;

use clap::Args;
use clap::Subcommand;

use crate::commands::access::anonymous::Anonymous;
use crate::commands::access::explain::Explain;
use crate::commands::access::isolation::Paths;
use crate::commands::access::show::Show;
use crate::commands::access::trust::Distrust;
use crate::commands::access::trust::Trust;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;

/// Manage what holds for all sessions, and ask who may do what
///
/// Works on the security store, whether a server runs or not. A running server takes changes over when it gets SIGHUP.
/// `antiphon role default` has the roles that all sessions get.
#[derive(Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Explain(Explain),
    Show(Show),
    /// Keep what is granted above a path, and by default, from reaching it and the paths below
    #[command(after_help = EXAMPLES)]
    Isolate(Paths),
    /// Let what is granted above a path reach it again
    #[command(after_help = EXAMPLES)]
    Unisolate(Paths),
    Anonymous(Anonymous),
    Trust(Trust),
    Distrust(Distrust),
}

const EXAMPLES: &str = "\
Examples:
  antiphon access explain till-7 send-to-path orders/eu
  antiphon access show
  antiphon access isolate payroll
  antiphon access unisolate payroll
  antiphon access anonymous allow --role GUEST
  antiphon access anonymous deny
  antiphon access trust Department --value Audit --value Sales
  antiphon access trust Till --matching '[0-9]{1,4}'
  antiphon access distrust Till";

impl Arguments {
    pub(crate) fn output(&self) -> &OutputFlags {
        match &self.command {
            Command::Explain(explain) => &explain.output,
            Command::Show(show) => &show.output,
            Command::Isolate(paths) | Command::Unisolate(paths) => &paths.output,
            Command::Anonymous(anonymous) => &anonymous.output,
            Command::Trust(trust) => &trust.output,
            Command::Distrust(distrust) => &distrust.output,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Explain(arguments) => return explain::explain(arguments, output),
        Command::Show(arguments) => show::show(arguments, output)?,
        Command::Isolate(arguments) => isolation::isolate(arguments, output)?,
        Command::Unisolate(arguments) => isolation::unisolate(arguments, output)?,
        Command::Anonymous(arguments) => anonymous::decide(arguments, output)?,
        Command::Trust(arguments) => trust::trust(arguments, output)?,
        Command::Distrust(arguments) => trust::distrust(arguments, output)?,
    }
    Ok(Exit::Done)
}
