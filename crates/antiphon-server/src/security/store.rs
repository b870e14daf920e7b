//! The security store: the contents of its file, which this process, other processes and people change. Says who is who;
//! what follows from that is decided elsewhere.

use std::collections::BTreeSet;
use std::mem;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use antiphon_broker::access::Principal;
use antiphon_broker::access::Principals;
use antiphon_broker::access::Role;
use antiphon_broker::access::Security;
use parking_lot::Mutex;
use parking_lot::RwLock;
use thiserror::Error;
use tracing::warn;

use crate::security::file;
use crate::security::file::Exclusive;
use crate::security::file::FileError;
use crate::security::layout;
use crate::security::layout::LayoutError;
use crate::security::password;

/// What a security store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// Roles, and what they may do.
    pub security: Security,
    /// Who holds them, and how that is proved.
    pub principals: Principals,
}

/// Whether somebody is who they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The principal is known, and this is the password.
    Known {
        /// The roles that it is assigned.
        roles: BTreeSet<Arc<str>>,
    },
    /// The principal is known, and this is not the password.
    Wrong,
    /// There is no such principal.
    Unknown,
}

/// Why a store cannot be read or changed. It is as it was.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system does not let us.
    #[error("the security store: {0}")]
    File(#[from] FileError),
    /// There is no such file.
    #[error("there is no security store {}; `antiphon init` makes one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// There is one already.
    #[error("there is a security store {} already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what it should be.
    #[error("the security store {} is not valid: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: LayoutError,
    },
    /// A change is refused.
    #[error("the security store cannot be changed so: {problem}")]
    Refused {
        /// What would be wrong.
        problem: LayoutError,
    },
}

/// A security store in a file.
///
/// Reading what is current takes no time; everything else reads the file and waits for others who change it. A change
/// made by others counts here after [`reload`](Self::reload) or the next change.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    current: RwLock<Arc<Contents>>,
    /// Whose turn it is in this process to change the file and then what is current, in one order for both.
    turn: Mutex<()>,
}

impl Contents {
    /// Adds a principal, or replaces the one of this name.
    pub fn put_principal(&mut self, name: &str, principal: Principal) {
        self.principals = mem::take(&mut self.principals).principal(name, principal);
    }

    /// Adds a role, or replaces the one of this name.
    pub fn put_role(&mut self, name: &str, role: Role) {
        self.security = mem::take(&mut self.security).role(name, role);
    }

    /// Whether `password` is that of `principal`. Takes tens of milliseconds, as long for an unknown name as for a known one.
    #[must_use]
    pub fn verify(&self, principal: &str, password: &str) -> Verdict {
        let Some(known) = self.principals.get(principal) else {
            password::verify_nothing(password);
            return Verdict::Unknown;
        };
        if password::verify(password, known.password()) {
            Verdict::Known { roles: known.roles().clone() }
        } else {
            Verdict::Wrong
        }
    }
}

impl Store {
    /// Reads a store.
    ///
    /// # Errors
    /// There is none, it cannot be read, or what it holds is not valid.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let contents = read(path)?;
        if file::is_open_to_others(path) {
            warn!("other users can read the security store {}; chmod 600 it", path.display());
        }
        Ok(Self::new(path, contents))
    }

    /// Makes a store where there is none.
    ///
    /// # Errors
    /// There is one, it cannot be written, or `contents` are not valid.
    pub fn create(path: &Path, contents: Contents) -> Result<Self, StoreError> {
        let text = checked(&contents)?;
        file::create(path, &text).map_err(|error| match error.is_taken() {
            true => StoreError::Exists { path: path.to_owned() },
            false => StoreError::File(error),
        })?;
        Ok(Self::new(path, contents))
    }

    /// One that holds nothing and is in no file.
    pub(crate) fn nowhere() -> Self {
        Self::new(Path::new(""), Contents::default())
    }

    fn new(path: &Path, contents: Contents) -> Self {
        let current = RwLock::new(Arc::new(contents));
        Self { path: path.to_owned(), current, turn: Mutex::new(()) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it held when it was last read or changed here.
    pub fn current(&self) -> Arc<Contents> {
        Arc::clone(&self.current.read())
    }

    /// Whether `password` is that of `principal`; see [`Contents::verify`].
    #[must_use]
    pub fn verify(&self, principal: &str, password: &str) -> Verdict {
        self.current().verify(principal, password)
    }

    /// Changes what the file holds now, which may be more than what is current here: all of it or nothing.
    ///
    /// # Errors
    /// What `change` says, or the store cannot be read, changed so, or written.
    pub fn change<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Contents) -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = self.turn.lock();
        let exclusive = self.exclusive()?;
        let before = read(&self.path)?;
        let mut contents = before.clone();
        let result = change(&mut contents)?;
        if contents != before {
            let text = checked(&contents)?;
            exclusive.replace(&text).map_err(StoreError::File)?;
        }
        *self.current.write() = Arc::new(contents);
        Ok(result)
    }

    /// Reads the file again, and tells whether anything in it changed.
    ///
    /// # Errors
    /// It cannot be read, or what it holds is not valid; what was current stays so.
    pub fn reload(&self) -> Result<bool, StoreError> {
        let _turn = self.turn.lock();
        let contents = read(&self.path)?;
        let mut current = self.current.write();
        let changed = **current != contents;
        *current = Arc::new(contents);
        Ok(changed)
    }

    fn exclusive(&self) -> Result<Exclusive, StoreError> {
        Exclusive::acquire(&self.path).map_err(|error| missing_or(error, &self.path))
    }
}

fn read(path: &Path) -> Result<Contents, StoreError> {
    let text = file::read(path).map_err(|error| missing_or(error, path))?;
    layout::read(&text).map_err(|problem| StoreError::Invalid { path: path.to_owned(), problem })
}

fn missing_or(error: FileError, path: &Path) -> StoreError {
    match error.is_missing() {
        true => StoreError::Missing { path: path.to_owned() },
        false => StoreError::File(error),
    }
}

/// The text of these contents, if it can be read again: whatever a store may not hold is refused in one place.
fn checked(contents: &Contents) -> Result<String, StoreError> {
    let refused = |problem| StoreError::Refused { problem };
    let text = layout::write(contents).map_err(refused)?;
    layout::read(&text).map_err(refused)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
