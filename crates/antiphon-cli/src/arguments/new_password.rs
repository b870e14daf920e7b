//! A password to be set. Never an argument: other users of a host can see those.

use std::io;
use std::io::IsTerminal;
use std::io::Read;
use std::path::PathBuf;

use antiphon_server::security::password;
use clap::Args;

use crate::arguments::connection::read_password;
use crate::arguments::connection::without_line_break;
use crate::failure::Failure;

/// Where the password comes from; without a flag from a prompt that does not show it.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct NewPasswordFlags {
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,

    /// Read the password from a file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Make a password, and show it this once
    #[arg(long)]
    generate: bool,
}

/// A password that can be set.
pub(crate) struct NewPassword {
    pub(crate) hash: String,
    /// The password itself, if nobody knows it yet.
    pub(crate) generated: Option<String>,
}

impl NewPasswordFlags {
    /// Reads, asks for, or makes the password, and hashes it.
    pub(crate) fn take(&self) -> Result<NewPassword, Failure> {
        if self.generate {
            let text = password::generate()?;
            return Ok(NewPassword { hash: password::hash(&text)?, generated: Some(text) });
        }
        let text = match &self.password_file {
            Some(path) => read_password(path)?,
            None if self.password_stdin => from_stdin()?,
            None => from_prompt()?,
        };
        Ok(NewPassword { hash: password::hash(&text)?, generated: None })
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let most = password::MAXIMUM_BYTES as u64 + 3;
    io::stdin()
        .take(most)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("cannot read the password: {error}")))?;
    Ok(without_line_break(text))
}

fn from_prompt() -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to ask for the password; \
             give --password-stdin, --password-file FILE or --generate",
        ));
    }
    let ask = |prompt| {
        rpassword::prompt_password(prompt)
            .map_err(|error| Failure::usage(format!("cannot ask for the password: {error}")))
    };
    let text = ask("New password: ")?;
    if ask("Once more: ")? != text {
        return Err(Failure::usage("these are two different passwords; nothing has changed"));
    }
    Ok(text)
}
