//! Every flag can also be given by the environment. Flags that all commands share are named after themselves, as
//! `ANTIPHON_URL`; the others after their command too, as `ANTIPHON_BENCH_SECONDS`, because the same word means
//! different things in different commands.

use clap::Arg;
use clap::ArgAction;
use clap::Command;
use clap::builder::FalseyValueParser;

/// Adds the variables to all commands below this one.
pub(crate) fn bind(command: Command) -> Command {
    bind_commands(command, "ANTIPHON")
}

fn bind_commands(command: Command, prefix: &str) -> Command {
    command.mut_subcommands(|command| {
        let prefix = format!("{prefix}_{}", upper(command.get_name()));
        let command = command.mut_args(|arg| bind_flag(arg, &prefix));
        bind_commands(command, &prefix)
    })
}

fn bind_flag(arg: Arg, prefix: &str) -> Arg {
    // It keeps what it is told, and not what happens to be in the environment.
    if prefix == "ANTIPHON_CONTEXT_ADD" {
        return arg.env(None::<&str>);
    }
    let Some(long) = arg.get_long() else { return arg };
    match long {
        "help" | "version" => arg,
        // There it is a new password, and not the one to log in with.
        "password-file" if prefix.starts_with("ANTIPHON_PRINCIPAL") => arg,
        "password" => mention(arg, PASSWORD),
        "password-file" => mention(arg, PASSWORD_FILE),
        _ if arg.get_env().is_some() => arg,
        _ => {
            let name = format!("{prefix}_{}", upper(long));
            // The names follow a rule, and the help is long enough.
            let arg = arg.env(name).hide_env(true);
            match arg.get_action() {
                ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
                _ => arg,
            }
        }
    }
}

/// Shows a variable that is read elsewhere: where the password and the file with it are weighed against each other.
fn mention(arg: Arg, variable: &str) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(format!("{help} [env: {variable}]"))
}

fn upper(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}

/// The variable in place of `--password`.
pub(crate) const PASSWORD: &str = "ANTIPHON_PASSWORD";

/// The variable in place of `--password-file`.
pub(crate) const PASSWORD_FILE: &str = "ANTIPHON_PASSWORD_FILE";
