//! Roles and what they grant. Does not authenticate, and does not read configurations or scripts.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::Access;
use crate::access::GlobalPermission;
use crate::access::GlobalPermissions;
use crate::access::PathPermission;
use crate::access::PathPermissions;
use crate::access::segments;

/// What one role grants, and which roles it includes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Role {
    includes: BTreeSet<Arc<str>>,
    globals: GlobalPermissions,
    default_path: PathPermissions,
    paths: BTreeMap<String, PathPermissions>,
}

impl Role {
    /// Adds everything that `roles` grant.
    #[must_use]
    pub fn including(mut self, roles: &[&str]) -> Self {
        self.includes.extend(names(roles));
        self
    }

    /// Adds global permissions.
    #[must_use]
    pub fn granting(mut self, permissions: &[GlobalPermission]) -> Self {
        self.globals = self.globals.union(GlobalPermissions::of(permissions));
        self
    }

    /// Adds permissions for the paths where no role has an assignment.
    #[must_use]
    pub fn granting_by_default(mut self, permissions: &[PathPermission]) -> Self {
        self.default_path = self.default_path.union(PathPermissions::of(permissions));
        self
    }

    /// Assigns the permissions at `path` and below, replacing an earlier assignment at the same path. No permissions
    /// at all is an assignment too: it blocks what the levels above and the defaults grant.
    #[must_use]
    pub fn granting_at(mut self, path: &str, permissions: &[PathPermission]) -> Self {
        self.paths.insert(normalised(path), PathPermissions::of(permissions));
        self
    }
}

/// The roles of a server, its isolated paths, and the roles that every session gets.
///
/// The default value knows no roles and so permits nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Security {
    roles: BTreeMap<Arc<str>, Role>,
    isolated: BTreeSet<String>,
    named_sessions: BTreeSet<Arc<str>>,
    anonymous_sessions: BTreeSet<Arc<str>>,
}

impl Security {
    /// Defines a role, replacing one of the same name. Roles that it includes may be defined later.
    #[must_use]
    pub fn role(mut self, name: &str, role: Role) -> Self {
        self.roles.insert(name.into(), role);
        self
    }

    /// Keeps what is granted above `path`, and by default, from reaching `path` and the paths below it.
    #[must_use]
    pub fn isolate(mut self, path: &str) -> Self {
        self.isolated.insert(normalised(path));
        self
    }

    /// Sets the roles that all sessions with a principal get besides their own.
    #[must_use]
    pub fn named_sessions(mut self, roles: &[&str]) -> Self {
        self.named_sessions = names(roles).collect();
        self
    }

    /// Sets the roles that all sessions without a principal get.
    #[must_use]
    pub fn anonymous_sessions(mut self, roles: &[&str]) -> Self {
        self.anonymous_sessions = names(roles).collect();
        self
    }

    /// The roles that a session of `principal` (empty for an anonymous one) gets besides its own.
    pub fn roles_for(&self, principal: &str) -> &BTreeSet<Arc<str>> {
        if principal.is_empty() { &self.anonymous_sessions } else { &self.named_sessions }
    }

    /// What `roles` may do together. Unknown roles grant nothing; roles that include each other in a circle each grant
    /// what all of them grant.
    pub fn compile(&self, roles: &BTreeSet<Arc<str>>) -> Access {
        let mut globals = GlobalPermissions::EMPTY;
        let mut default_path = PathPermissions::EMPTY;
        let mut assigned: BTreeMap<&str, PathPermissions> = BTreeMap::new();
        for role in self.with_included(roles) {
            globals = globals.union(role.globals);
            default_path = default_path.union(role.default_path);
            for (path, granted) in &role.paths {
                let level = assigned.entry(path).or_default();
                *level = level.union(*granted);
            }
        }
        // Where none of the roles has an assignment, isolation has the effect of an empty one.
        for path in &self.isolated {
            assigned.entry(path).or_default();
        }
        Access::new(globals, default_path, &assigned)
    }

    fn with_included(&self, roles: &BTreeSet<Arc<str>>) -> Vec<&Role> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&str> = roles.iter().map(AsRef::as_ref).collect();
        while let Some(name) = waiting.pop() {
            let Some(role) = self.roles.get(name) else {
                continue;
            };
            if seen.insert(name) {
                found.push(role);
                waiting.extend(role.includes.iter().map(AsRef::as_ref));
            }
        }
        found
    }
}

fn names(roles: &[&str]) -> impl Iterator<Item = Arc<str>> {
    roles.iter().map(|role| Arc::from(*role))
}

fn normalised(path: &str) -> String {
    segments(path).collect::<Vec<_>>().join("/")
}
