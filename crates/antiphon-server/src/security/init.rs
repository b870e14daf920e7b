//! The first security store of a server.

use std::path::Path;

use antiphon_broker::access::Principal;
use antiphon_broker::access::Principals;
use antiphon_broker::access::Security;
use thiserror::Error;

use crate::security::Contents;
use crate::security::Store;
use crate::security::StoreError;
use crate::security::password;
use crate::security::password::PasswordError;

/// The one principal of a new store. The password stands nowhere else.
pub struct Administrator {
    /// The name.
    pub principal: &'static str,
    /// To be shown once.
    pub password: String,
}

/// Why no store is made.
#[derive(Debug, Error)]
pub enum InitError {
    /// The file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Makes a store with the stock roles written out and one administrator, who has a new password. Anonymous clients
/// get in only if another authenticator lets them.
///
/// # Errors
/// There is a store at `path` already, or it cannot be written.
pub fn init(path: &Path) -> Result<Administrator, InitError> {
    let password = password::generate()?;
    let administrator = Principal::new(&password::hash(&password)?).holding(&["ADMINISTRATOR"]);
    let principals = Principals::default().principal(PRINCIPAL, administrator);
    Store::create(path, Contents { security: Security::stock(), principals })?;
    Ok(Administrator { principal: PRINCIPAL, password })
}

const PRINCIPAL: &str = "admin";

#[cfg(test)]
mod tests {
    use antiphon_broker::access::Anonymous;

    use super::*;
    use crate::security::Verdict;

    #[test]
    fn a_new_store_has_one_administrator_and_the_stock_roles() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security.toml");
        let Administrator { principal, password } = init(&path).unwrap();
        let store = Store::open(&path).unwrap();
        let contents = store.current();
        assert_eq!(contents.security, Security::stock());
        assert_eq!(contents.principals.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["admin"]);
        let roles = ["ADMINISTRATOR".into()].into();
        assert_eq!(store.verify(principal, &password), Verdict::Known { roles });
        assert_eq!(contents.principals.for_anonymous(), &Anonymous::Abstain);
    }

    #[test]
    fn a_store_is_not_made_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security.toml");
        let first = init(&path).unwrap();
        assert!(matches!(init(&path), Err(InitError::Store(StoreError::Exists { .. }))));
        let verdict = Store::open(&path).unwrap().verify("admin", &first.password);
        assert!(matches!(verdict, Verdict::Known { .. }));
    }
}
