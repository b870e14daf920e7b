//! `antiphon completions`: scripts that let shells complete commands and flags.

use clap::Args;
use clap_complete::Shell;
use clap_complete::generate;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Print a script that completes commands in a shell
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Which shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  antiphon completions bash >~/.local/share/bash-completion/completions/antiphon
  antiphon completions zsh >~/.zfunc/_antiphon
  antiphon completions fish >~/.config/fish/completions/antiphon.fish";

pub(crate) fn run(arguments: &Arguments, mut command: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, NAME, &mut script);
    Output::Raw.bytes(&script)?;
    Ok(Exit::Done)
}

const NAME: &str = "antiphon";
