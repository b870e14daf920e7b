//! A file that is only ever replaced as a whole, by one process at a time. Knows nothing of what stands in it.
//!
//! Who wants to change it holds its lock from before it is read until it is replaced. It is the lock of the file itself,
//! because nobody but its owner can take that. After a change the name stands for another file; who has waited for the
//! lock of the old one sees that and starts anew.

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

    /// Whether there is such a file, and should not be.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.problem.kind() == io::ErrorKind::AlreadyExists
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
    path: PathBuf,
    locked: File,
}

impl Exclusive {
    /// Waits until no other process, and no other thread, has it.
    pub(super) fn acquire(path: &Path) -> Result<Self, FileError> {
        let path = fs::canonicalize(path).map_err(FileError::new("find", path))?;
        loop {
            let locked = File::open(&path).map_err(FileError::new("open", &path))?;
            locked.lock().map_err(FileError::new("lock", &path))?;
            if is_at(&locked, &path).map_err(FileError::new("find", &path))? {
                return Ok(Self { path, locked });
            }
        }
    }

    /// Replaces the file. Readable for its owner alone, who stays the same.
    pub(super) fn replace(self, text: &str) -> Result<(), FileError> {
        let Self { path, locked } = self;
        put(&path, text, Some(&locked), |draft| fs::rename(draft, &path))
    }
}

/// Makes a file where there is none, readable for its owner alone.
pub(super) fn create(path: &Path, text: &str) -> Result<(), FileError> {
    // Unlike a rename, this fails if there is one.
    put(path, text, None, |draft| fs::hard_link(draft, path).and_then(|()| fs::remove_file(draft)))
}

/// Writes a draft and puts it into place, so that the file is whole whatever happens.
fn put(
    path: &Path,
    text: &str,
    old: Option<&File>,
    place: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), FileError> {
    let draft = draft(path);
    let placed = write(&draft, text, old).and_then(|()| place(&draft));
    placed.map_err(|error| {
        // It may not be there.
        let _ = fs::remove_file(&draft);
        FileError::new("write", path)(error)
    })?;
    let folder = folder(path);
    File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::new("write to the folder", &folder))
}

/// Always the same name, so that whoever is killed leaves one at most.
fn draft(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

fn write(draft: &Path, text: &str, old: Option<&File>) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(draft)?;
    if let Some(old) = old {
        keep_owner(old, &new)?;
    }
    new.write_all(text.as_bytes())?;
    new.sync_all()
}

/// Whether the name still stands for this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (file, path) = (file.metadata()?, fs::metadata(path)?);
    Ok((file.dev(), file.ino()) == (path.dev(), path.ino()))
}

/// An open file cannot be replaced there.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// What root changes stays readable for the server, which is not root.
#[cfg(unix)]
fn keep_owner(old: &File, new: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (old, own) = (old.metadata()?, new.metadata()?);
    if (old.uid(), old.gid()) == (own.uid(), own.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &File) -> io::Result<()> {
    Ok(())
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
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::chown;
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
    fn a_file_is_made_once_and_replaced_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        assert!(read(&path).unwrap_err().is_missing());
        assert!(Exclusive::acquire(&path).unwrap_err().is_missing());
        create(&path, "one").unwrap();
        assert!(create(&path, "two").unwrap_err().is_taken());
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
    fn the_owner_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        create(&path, "").unwrap();
        // Only root can give a file away; for all others there is nothing to be seen here.
        let given = chown(&path, Some(12345), Some(54321)).is_ok();
        Exclusive::acquire(&path).unwrap().replace("new").unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert!(!given || (metadata.uid(), metadata.gid()) == (12345, 54321));
    }

    #[test]
    fn what_a_killed_writer_left_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();
        create(&path, "old").unwrap();
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
        assert!(error.to_string().starts_with("cannot write /"), "{error}");
        assert_eq!(read(&path).unwrap(), "old");
        let nowhere = folder.path().join("missing/store");
        assert!(create(&nowhere, "").unwrap_err().is_missing());
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
