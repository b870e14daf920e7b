//! `antiphon init`: the files of a new server, and its one administrator.

use std::fs;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use antiphon_server::config::initial_file;
use antiphon_server::security::Administrator;
use antiphon_server::security::InitError;
use antiphon_server::security::init;
use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;

/// Make the configuration and the security store of a new server
///
/// Writes antiphon.toml, which explains every key, and security.toml, which has the stock roles and the principal `admin`
/// with a new password. It is shown once and stands nowhere else. Only you can read the files. Nothing is overwritten.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folder to write into; made if there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon init /etc/antiphon                       and write down the password
  antiphon init . --json | jq -r .password > admin.password";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let folder = &arguments.folder;
    let (config, store) = (folder.join("antiphon.toml"), folder.join("security.toml"));
    for path in [&config, &store] {
        // A link to nowhere is there too.
        if fs::symlink_metadata(path).is_ok() {
            let text = format!("{} is there already, and is left as it is", path.display());
            return Err(Failure::usage(text));
        }
    }
    make_folder(folder).map_err(|error| cannot("make", folder, &error))?;
    write(&config).map_err(|error| cannot("write", &config, &error))?;
    let administrator = init(&store).map_err(|error| {
        // Without a store it would only stand in the way of the next attempt.
        let _ = fs::remove_file(&config);
        match error {
            InitError::Store(error) => Failure::from(error),
            InitError::Password(error) => Failure::from(error),
        }
    })?;
    report(&config, &store, &administrator, output)?;
    Ok(Exit::Done)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn write(config: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(config)?;
    file.write_all(initial_file().as_bytes())?;
    file.sync_all()
}

fn cannot(action: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot {action} {}: {error}", path.display()))
}

fn report(
    config: &Path,
    store: &Path,
    administrator: &Administrator,
    output: Output,
) -> Result<(), Failure> {
    let Administrator { principal, password } = administrator;
    if output == Output::Json {
        return output.json(&json!({
            "config": config,
            "store": store,
            "principal": principal,
            "password": password,
        }));
    }
    output.note(format_args!("made {} and {}", config.display(), store.display()));
    output.note("the password of the administrator is shown once and stands nowhere else:");
    output.line(format_args!("{principal}\t{password}"))?;
    output.note(format_args!(
        "next:\n  antiphon serve --config {0}\n  antiphon principal add NAME --role CLIENT --config {0}\n  \
         kill -HUP PID       so that the server knows NAME\n\
         it listens on this host alone; for others give [[listener]] in {0} a certificate and its key",
        config.display()
    ));
    Ok(())
}
