//! Every flag can also be given by the environment. Flags that all commands share are named after themselves, as
//! `ANTIPHON_URL`; the others after their command too, as `ANTIPHON_BENCH_SECONDS`, because the same word means
//! different things in different commands.

use clap::Arg;
use clap::ArgAction;
use clap::Command;
use clap::builder::FalseyValueParser;

/// Adds the variables to all commands below this one.
pub(crate) fn bind(command: Command) -> Command {
    command.mut_subcommands(|command| {
        let prefix = format!("ANTIPHON_{}", upper(command.get_name()));
        bind_flags(command, &prefix)
    })
}

/// Takes the variables away, for a command that keeps what it is told.
pub(crate) fn unbind(command: Command) -> Command {
    command.mut_args(|arg| arg.env(None::<&str>))
}

fn bind_flags(command: Command, prefix: &str) -> Command {
    let command = command.mut_args(|arg| bind_flag(arg, prefix));
    command.mut_subcommands(|command| {
        let prefix = format!("{prefix}_{}", upper(command.get_name()));
        bind_flags(command, &prefix)
    })
}

fn bind_flag(arg: Arg, prefix: &str) -> Arg {
    let Some(long) = arg.get_long() else { return arg };
    if arg.get_env().is_some() || UNBOUND.contains(&long) {
        return arg;
    }
    let name = format!("{prefix}_{}", upper(long));
    // The names follow a rule, and the help is long enough.
    let arg = arg.env(name).hide_env(true);
    match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
        _ => arg,
    }
}

fn upper(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}

/// The passwords' variables are read where the file and the text are weighed against each other.
const UNBOUND: [&str; 4] = ["help", "version", "password", "password-file"];
