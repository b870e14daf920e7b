//! What the command of a handler waits for, so that a test decides when a request is answered.

use std::fs;
use std::fs::OpenOptions;
use std::process::Command;

use tempfile::TempDir;

/// Something that a handler's command waits for.
pub(crate) struct Fifo {
    folder: TempDir,
}

impl Fifo {
    pub(crate) fn make() -> Self {
        let fifo = Self { folder: tempfile::tempdir().unwrap() };
        assert!(Command::new("mkfifo").arg(fifo.path()).status().unwrap().success());
        fifo
    }

    fn path(&self) -> String {
        self.folder.path().join("fifo").to_str().unwrap().to_owned()
    }

    /// The command that waits.
    pub(crate) fn wait(&self) -> String {
        format!("exec cat '{}'", self.path())
    }

    /// The command that waits if it is asked at this path, and is ready at once elsewhere.
    pub(crate) fn wait_at(&self, path: &str) -> String {
        format!("case \"$ANTIPHON_PATH\" in {path}) {};; esac", self.wait())
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        fs::write(self.path(), "released").unwrap();
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // A command whose handler was killed must not wait for ever. Opened both ways a pipe never blocks.
        let _ = OpenOptions::new().read(true).write(true).open(self.path());
    }
}
