//! Every flag can also be given by the environment. Flags that all commands share are named after themselves, as
//! `ANTIPHON_URL`; the others after their command too, as `ANTIPHON_BENCH_SECONDS`, because the same word means
//! different things in different commands. Flags that set a key of the server's configuration have the variable of the
//! key.

use clap::Arg;
use clap::ArgAction;
use clap::Command;
use clap::builder::FalseyValueParser;

use crate::arguments::server;

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
    if let Some(variable) = key_variable(long, prefix) {
        return mention(arg, variable);
    }
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

/// The variable of the key that a flag of a server sets.
fn key_variable(flag: &str, prefix: &str) -> Option<&'static str> {
    let is_server = prefix == "ANTIPHON_SERVE" || prefix.starts_with("ANTIPHON_CONFIG_");
    let (_, variable) = server::KEYS.iter().find(|(name, _)| is_server && *name == flag)?;
    Some(*variable)
}

/// All variables that mean something to this command or one below it, but are no keys of a server.
pub(crate) fn variables(command: &Command) -> Vec<String> {
    let of_flags = command.get_arguments().filter_map(Arg::get_env);
    let mut names: Vec<_> = of_flags.map(|name| name.to_string_lossy().into_owned()).collect();
    names.extend(command.get_subcommands().flat_map(variables));
    names.extend(OTHERS.map(str::to_owned));
    names
}

fn upper(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}

/// The variable in place of `--password`.
pub(crate) const PASSWORD: &str = "ANTIPHON_PASSWORD";

/// The variable in place of `--password-file`.
pub(crate) const PASSWORD_FILE: &str = "ANTIPHON_PASSWORD_FILE";

/// Variables that are no flags: of all commands, of contexts, and what `handle --exec` tells its command.
const OTHERS: [&str; 7] = [
    PASSWORD,
    PASSWORD_FILE,
    server::LOG,
    "ANTIPHON_CONFIG_DIR",
    "ANTIPHON_PATH",
    "ANTIPHON_SENDER",
    "ANTIPHON_REQUEST",
];

#[cfg(test)]
mod tests {
    use antiphon_server::config::keys;

    use super::*;

    #[test]
    fn no_variable_means_two_things() {
        let others = variables(&crate::command());
        assert!(others.iter().any(|name| name == "ANTIPHON_URL"));
        for key in keys() {
            let variable = key.variable();
            assert!(!others.contains(&variable), "{variable}");
        }
    }

    #[test]
    fn flags_that_set_a_key_have_its_variable() {
        let variables: Vec<_> = keys().iter().map(antiphon_server::config::Key::variable).collect();
        for (_, variable) in server::KEYS {
            assert!(variables.iter().any(|known| known == variable), "{variable}");
        }
    }
}
