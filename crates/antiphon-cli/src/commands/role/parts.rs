//! A role taken apart, so that permissions can be put in and taken out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_server::security::access::GlobalPermission;
use antiphon_server::security::access::PathPermission;
use antiphon_server::security::access::Role;

/// A role whose parts can be changed.
pub(super) struct Parts {
    pub(super) includes: BTreeSet<Arc<str>>,
    pub(super) globals: BTreeSet<GlobalPermission>,
    pub(super) default_path: BTreeSet<PathPermission>,
    /// By path without slashes to spare.
    pub(super) paths: BTreeMap<String, BTreeSet<PathPermission>>,
    locked_by: Option<String>,
}

impl Parts {
    pub(super) fn of(role: &Role) -> Self {
        let paths = role.paths().iter();
        Self {
            includes: role.includes().clone(),
            globals: role.globals().iter().collect(),
            default_path: role.default_path().iter().collect(),
            paths: paths.map(|(path, granted)| (path.clone(), granted.iter().collect())).collect(),
            locked_by: role.locked_by().map(str::to_owned),
        }
    }

    pub(super) fn role(&self) -> Role {
        let includes: Vec<_> = self.includes.iter().map(AsRef::as_ref).collect();
        let mut role = Role::default()
            .including(&includes)
            .granting(&list(&self.globals))
            .granting_by_default(&list(&self.default_path));
        for (path, granted) in &self.paths {
            role = role.granting_at(path, &list(granted));
        }
        match &self.locked_by {
            Some(owner) => role.locked_to(owner),
            None => role,
        }
    }
}

fn list<P: Copy>(permissions: &BTreeSet<P>) -> Vec<P> {
    permissions.iter().copied().collect()
}
