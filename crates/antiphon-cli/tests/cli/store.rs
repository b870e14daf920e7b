//! A security store for commands to work on.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use antiphon_server::security::Store;
use tempfile::TempDir;

use crate::process::Said;
use crate::process::antiphon;
use crate::process::fed;

/// A folder with a security store, which is where the commands run.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// The first store of a server.
    pub(crate) fn stock() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        antiphon_server::security::init(&folder.file()).unwrap();
        folder
    }

    pub(crate) fn with(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(text);
        folder
    }

    pub(crate) fn write(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(self.file(), text).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("security.toml")
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.file()).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = antiphon(arguments);
        command.current_dir(self.0.path());
        command
    }

    pub(crate) fn said(&self, arguments: &[&str]) -> Said {
        Said::by(self.command(arguments))
    }

    /// What it says with this on its standard input.
    pub(crate) fn fed(&self, arguments: &[&str], input: &str) -> Said {
        Said::of(fed(self.command(arguments), input.as_bytes()))
    }

    /// The names of the files in it.
    pub(crate) fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
