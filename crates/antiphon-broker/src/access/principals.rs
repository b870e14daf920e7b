//! Who is known to the server, and what an anonymous client gets. Knows no passwords: what proves a principal is an
//! opaque text here.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::properties::Trust;

/// The principals of a server.
///
/// The default value knows nobody, has no opinion on anonymous clients, and believes no proposed property.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Principals {
    pub(super) principals: BTreeMap<Arc<str>, Principal>,
    pub(super) anonymous: Anonymous,
    pub(super) trust: Trust,
}

/// What is known of one principal.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    pub(super) password: Arc<str>,
    pub(super) roles: BTreeSet<Arc<str>>,
    pub(super) locked_by: Option<Arc<str>>,
}

/// What becomes of a client without a principal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Anonymous {
    /// It is let in with these roles, besides those that every anonymous session gets.
    Allow(BTreeSet<Arc<str>>),
    /// It is refused.
    Deny,
    /// The next authenticator decides.
    #[default]
    Abstain,
}

impl Principals {
    /// Adds a principal, replacing one of the same name.
    #[must_use]
    pub fn principal(mut self, name: &str, principal: Principal) -> Self {
        self.principals.insert(name.into(), principal);
        self
    }

    /// Sets what becomes of a client without a principal.
    #[must_use]
    pub fn anonymous(mut self, anonymous: Anonymous) -> Self {
        self.anonymous = anonymous;
        self
    }

    /// Sets which proposed properties are believed.
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Takes a principal out.
    pub fn remove(&mut self, name: &str) -> Option<Principal> {
        self.principals.remove(name)
    }

    /// The principal of a name.
    pub fn get(&self, name: &str) -> Option<&Principal> {
        self.principals.get(name)
    }

    /// All principals, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Principal)> {
        self.principals.iter().map(|(name, principal)| (name.as_ref(), principal))
    }

    /// What becomes of a client without a principal.
    pub fn for_anonymous(&self) -> &Anonymous {
        &self.anonymous
    }

    /// Which proposed properties are believed.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }
}

impl Principal {
    /// A principal without roles that is proved by what `password`, the text of a hash, stands for.
    #[must_use]
    pub fn new(password: &str) -> Self {
        Self { password: password.into(), roles: BTreeSet::new(), locked_by: None }
    }

    /// Adds roles.
    #[must_use]
    pub fn holding(mut self, roles: &[&str]) -> Self {
        self.roles.extend(roles.iter().map(|role| Arc::from(*role)));
        self
    }

    /// Lets nobody but `principal` change this principal.
    #[must_use]
    pub fn locked_to(mut self, principal: &str) -> Self {
        self.locked_by = Some(principal.into());
        self
    }

    /// The text of the password's hash.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The roles that the principal is assigned.
    pub fn roles(&self) -> &BTreeSet<Arc<str>> {
        &self.roles
    }

    /// The only principal that may change this one, if there is a restriction.
    pub fn locked_by(&self) -> Option<&str> {
        self.locked_by.as_deref()
    }
}

/// Without the password's hash, which is a secret too.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("roles", &self.roles)
            .field("locked_by", &self.locked_by)
            .finish_non_exhaustive()
    }
}
