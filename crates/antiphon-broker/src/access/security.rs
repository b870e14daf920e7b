//! Roles and what they grant. Does not authenticate, and does not read configurations or scripts.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use crate::access::Access;
use crate::access::GlobalPermission;
use crate::access::GlobalPermissions;
use crate::access::PathPermission;
use crate::access::PathPermissions;
use crate::access::segments;

/// What one role grants, and which roles it includes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Role {
    pub(super) includes: BTreeSet<Arc<str>>,
    pub(super) globals: GlobalPermissions,
    pub(super) default_path: PathPermissions,
    pub(super) paths: BTreeMap<String, PathPermissions>,
    pub(super) locked_by: Option<Arc<str>>,
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

    /// Lets nobody but `principal` change the role.
    #[must_use]
    pub fn locked_to(mut self, principal: &str) -> Self {
        self.locked_by = Some(principal.into());
        self
    }

    /// The roles that it includes.
    pub fn includes(&self) -> &BTreeSet<Arc<str>> {
        &self.includes
    }

    /// The global permissions that it grants itself.
    pub fn globals(&self) -> GlobalPermissions {
        self.globals
    }

    /// The permissions for the paths where no role has an assignment.
    pub fn default_path(&self) -> PathPermissions {
        self.default_path
    }

    /// The assignments by path, which has no slashes to spare; an empty one is an assignment too.
    pub fn paths(&self) -> &BTreeMap<String, PathPermissions> {
        &self.paths
    }

    /// The only principal that may change it, if there is a restriction.
    pub fn locked_by(&self) -> Option<&str> {
        self.locked_by.as_deref()
    }
}

/// The roles of a server, its isolated paths, and the roles that every session gets.
///
/// The default value knows no roles and so permits nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Security {
    pub(super) roles: BTreeMap<Arc<str>, Role>,
    pub(super) isolated: BTreeSet<String>,
    pub(super) named_sessions: BTreeSet<Arc<str>>,
    pub(super) anonymous_sessions: BTreeSet<Arc<str>>,
}

/// Roles include each other in a circle.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("roles include each other in a circle: {}; leave out one of these inclusions", self.circle())]
pub struct RoleCycle {
    /// Each includes the next one, and the last one the first.
    pub roles: Vec<Arc<str>>,
}

impl RoleCycle {
    fn circle(&self) -> String {
        let around = self.roles.iter().chain(self.roles.first());
        around.map(|role| format!("{role:?}")).collect::<Vec<_>>().join(" includes ")
    }
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

    /// Takes that back; false if the path was not isolated.
    pub fn unisolate(&mut self, path: &str) -> bool {
        self.isolated.remove(&normalised(path))
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

    /// Takes a role out. Roles that include it, and principals that hold it, keep its name, which then grants nothing.
    pub fn remove(&mut self, role: &str) -> Option<Role> {
        self.roles.remove(role)
    }

    /// The role of a name.
    pub fn get(&self, role: &str) -> Option<&Role> {
        self.roles.get(role)
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = (&str, &Role)> {
        self.roles.iter().map(|(name, role)| (name.as_ref(), role))
    }

    /// The isolated paths, without slashes to spare.
    pub fn isolated(&self) -> &BTreeSet<String> {
        &self.isolated
    }

    /// The same, if no roles include each other in a circle.
    ///
    /// # Errors
    /// The first circle that there is.
    pub fn checked(self) -> Result<Self, RoleCycle> {
        match self.circle() {
            Some(roles) => Err(RoleCycle { roles }),
            None => Ok(self),
        }
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

    /// Follows the inclusions of each role that was not followed before, and finds the one that leads back.
    fn circle(&self) -> Option<Vec<Arc<str>>> {
        let mut seen: BTreeMap<&Arc<str>, Followed> = BTreeMap::new();
        for start in self.roles.keys() {
            if seen.contains_key(start) {
                continue;
            }
            // The way from `start`, each role with those it includes that are still to be followed.
            let mut way = vec![(start, self.included(start))];
            seen.insert(start, Followed::OnTheWay);
            while let Some((role, included)) = way.last_mut() {
                let Some(next) = included.pop() else {
                    seen.insert(role, Followed::ToTheEnd);
                    way.pop();
                    continue;
                };
                match seen.get(next) {
                    Some(Followed::ToTheEnd) => {}
                    Some(Followed::OnTheWay) => {
                        let circle = way.iter().map(|(role, _)| *role);
                        return Some(circle.skip_while(|role| *role != next).cloned().collect());
                    }
                    None => {
                        seen.insert(next, Followed::OnTheWay);
                        way.push((next, self.included(next)));
                    }
                }
            }
        }
        None
    }

    fn included(&self, role: &str) -> Vec<&Arc<str>> {
        self.roles.get(role).map_or_else(Vec::new, |role| role.includes.iter().rev().collect())
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

/// How far the inclusions of a role have been followed.
enum Followed {
    OnTheWay,
    ToTheEnd,
}

fn names(roles: &[&str]) -> impl Iterator<Item = Arc<str>> {
    roles.iter().map(|role| Arc::from(*role))
}

pub(super) fn normalised(path: &str) -> String {
    segments(path).collect::<Vec<_>>().join("/")
}
