//! `antiphon man`: manual pages.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Print the manual page, or write the pages of all commands
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folder to write the pages of all commands into
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  antiphon man | man -l -                        read it
  antiphon man ~/.local/share/man/man1           install all pages";

pub(crate) fn run(arguments: &Arguments, command: clap::Command) -> Result<Exit, Failure> {
    match &arguments.folder {
        Some(folder) => write_all(folder, command)?,
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page).map_err(Failure::Output)?;
            Output::Raw.bytes(&page)?;
        }
    }
    Ok(Exit::Done)
}

fn write_all(folder: &Path, command: clap::Command) -> Result<(), Failure> {
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| {
        Failure::usage(format!("cannot write manual pages into {}: {error}", folder.display()))
    })
}
