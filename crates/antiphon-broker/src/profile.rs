//! Who a session is: principal, roles, properties, and what they permit. Immutable; a change makes a new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::Access;
use crate::filter::Attributes;
use crate::properties::Properties;
use crate::roles;

/// A session's roles, by name.
pub type Roles = BTreeSet<Arc<str>>;

/// Who a session is at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) roles: Arc<Roles>,
    /// Fixed and user-defined, `$Principal` and `$Roles` included.
    pub(crate) properties: Properties,
    /// What the roles permit.
    pub(crate) access: Arc<Access>,
}

impl Profile {
    /// The same session with other roles, and what they permit.
    pub(crate) fn with_roles(&self, (roles, access): (Arc<Roles>, Arc<Access>)) -> Self {
        let mut properties = self.properties.clone();
        properties.extend([(ROLES.into(), roles::canonical(&roles).into())]);
        Self { roles, properties, access }
    }
}

impl Attributes for Profile {
    fn property(&self, key: &str) -> Option<&str> {
        self.properties.get(key)
    }

    fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    fn role_count(&self) -> usize {
        self.roles.len()
    }
}

pub(crate) const PRINCIPAL: &str = "$Principal";
pub(crate) const ROLES: &str = "$Roles";
