//! A file that is only ever replaced as a whole, by one process at a time. Knows nothing of what stands in it.
//!
//! Who wants to change it holds the lock of its folder from before it is read until after it is replaced. A folder,
//! because the file is another one after each change, and because its lock leaves nothing behind.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use thiserror::Error;

/// Why a file cannot be read or replaced. The old one is as it was.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {problem}", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    problem: io::Error,
}

impl FileError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.problem.kind() == io::ErrorKind::NotFound
    }

    fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |problem| Self { action, path, problem }
    }
}

/// The sole right to replace a file, until it is dropped.
#[derive(Debug)]
pub(super) struct Exclusive {
    /// Where the file really is, if the name is a link.
    file: PathBuf,
    folder: File,
}

impl Exclusive {
    /// Waits until no other process, and no other thread, has it.
    pub(super) fn acquire(path: &Path) -> Result<Self, FileError> {
        let file = match fs::canonicalize(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(FileError::new("find", path)(error)),
        };
        let name = folder(&file);
        let folder = File::open(&name).map_err(FileError::new("open the folder", &name))?;
        folder.lock().map_err(FileError::new("lock the folder", &name))?;
        Ok(Self { file, folder })
    }

    /// Replaces the file, or makes it. Readable for its owner alone, who stays the same.
    pub(super) fn replace(&self, text: &str) -> Result<(), FileError> {
        let draft = self.draft();
        let replaced = self.write(&draft, text).and_then(|()| fs::rename(&draft, &self.file));
        replaced.map_err(|error| {
            // It may not be there.
            let _ = fs::remove_file(&draft);
            FileError::new("write", &self.file)(error)
        })?;
        self.folder.sync_all().map_err(FileError::new("write", &self.file))
    }

    /// Always the same name, so that whoever is killed leaves one at most.
    fn draft(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.file.file_name().unwrap_or_default());
        name.push(".new");
        self.file.with_file_name(name)
    }

    fn write(&self, draft: &Path, text: &str) -> io::Result<()> {
        match fs::remove_file(draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut new = options.open(draft)?;
        self.keep_owner(&new)?;
        new.write_all(text.as_bytes())?;
        new.sync_all()
    }

    /// What root changes stays readable for the server, which is not root.
    #[cfg(unix)]
    fn keep_owner(&self, new: &File) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        use std::os::unix::fs::fchown;
        let old = match fs::metadata(&self.file) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.folder.metadata()?,
            Err(error) => return Err(error),
        };
        let own = new.metadata()?;
        if (old.uid(), old.gid()) == (own.uid(), own.gid()) {
            return Ok(());
        }
        let kept = fchown(new, Some(old.uid()), Some(old.gid()));
        // The folder's owner is but the best guess for a new file.
        if self.file.exists() { kept } else { Ok(()) }
    }

    #[cfg(not(unix))]
    fn keep_owner(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file, unless it is larger than any that is written here.
pub(super) fn read(path: &Path) -> Result<String, FileError> {
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAXIMUM_BYTES + 1).read_to_string(&mut text))
        .and_then(|bytes| {
            let fits = bytes as u64 <= MAXIMUM_BYTES;
            if fits { Ok(()) } else { Err(io::Error::other("it is larger than 64 MiB")) }
        });
    read.map(|()| text).map_err(FileError::new("read", path))
}

/// Whether users other than the owner may read the file, which they should not.
#[cfg(unix)]
pub(super) fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_open_to_others(_: &Path) -> bool {
    false
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Hundreds of thousands of principals.
const MAXIMUM_BYTES: u64 = 64 << 20;

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;
    use std::thread;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_made_and_replaced_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        assert!(read(&path).unwrap_err().is_missing());
        for text in ["one", "another"] {
            Exclusive::acquire(&path).unwrap().replace(text).unwrap();
            assert_eq!(read(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(!is_open_to_others(&path));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(is_open_to_others(&path));
        }
        assert_eq!(names(folder.path()), ["store"]);
    }

    #[test]
    fn what_a_killed_writer_left_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();
        symlink(&elsewhere, folder.path().join(".store.new")).unwrap();
        Exclusive::acquire(&path).unwrap().replace("new").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
        assert_eq!(names(folder.path()), ["elsewhere", "store"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let real = tempfile::tempdir().unwrap();
        let (link, file) = (folder.path().join("store"), real.path().join("file"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        Exclusive::acquire(&link).unwrap().replace("new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&file).unwrap(), "new");
        assert_eq!(names(real.path()), ["file"]);
    }

    #[test]
    fn a_folder_that_takes_nothing_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        fs::write(&path, "old").unwrap();
        // Not even root writes over a folder.
        fs::create_dir(folder.path().join(".store.new")).unwrap();
        let error = Exclusive::acquire(&path).unwrap().replace("new").unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("cannot write {}: ", path.display())),
            "{error}"
        );
        assert_eq!(read(&path).unwrap(), "old");
        let nowhere = folder.path().join("missing/store");
        assert!(Exclusive::acquire(&nowhere).unwrap_err().is_missing());
    }

    #[test]
    fn those_who_count_in_a_file_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("count");
        fs::write(&path, "0").unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let exclusive = Exclusive::acquire(&path).unwrap();
                        let count: u32 = read(&path).unwrap().parse().unwrap();
                        exclusive.replace(&(count + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(read(&path).unwrap(), "100");
    }
}
