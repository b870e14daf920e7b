//! Why roles permit something or not, for people. Decides nothing: that is [`Access`](super::Access)'s, and a test holds
//! both together.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::GlobalPermission;
use crate::access::PathPermission;
use crate::access::Role;
use crate::access::Security;
use crate::access::security::normalised;

/// Why roles together have a permission, or do not have it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Whether they have it.
    pub allowed: bool,
    /// What decides.
    pub decided: Decided,
    /// The roles that have a say in it, by name; it is allowed if one of them grants it.
    pub roles: Vec<Say>,
}

/// What decides about a permission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decided {
    /// The global permissions.
    Globally,
    /// The assignments at this path, the nearest one from the path upwards where there is any.
    At(String),
    /// The isolation of this path: no assignment lies nearer, and none further up counts.
    Isolated(String),
    /// The default path permissions, since there is neither.
    ByDefault,
}

/// What one role says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Say {
    /// Its name.
    pub role: Arc<str>,
    /// How it comes in: a role that is held, which includes the next one, and so on to the one that includes this one.
    /// Empty if this one itself is held.
    pub through: Vec<Arc<str>>,
    /// Whether it grants the permission.
    pub grants: bool,
}

impl Security {
    /// Why `roles` have a global permission or not.
    pub fn explain(&self, roles: &BTreeSet<Arc<str>>, permission: GlobalPermission) -> Explanation {
        let says = self.ways(roles);
        let says = says.into_iter().map(|way| way.says(way.role.globals.contains(permission)));
        Explanation::of(Decided::Globally, says.collect())
    }

    /// Why `roles` have a permission at `path` or not.
    pub fn explain_at(
        &self,
        roles: &BTreeSet<Arc<str>>,
        path: &str,
        permission: PathPermission,
    ) -> Explanation {
        let ways = self.ways(roles);
        let path = normalised(path);
        let mut level = path.as_str();
        loop {
            let assigned = |way: &Way<'_>| {
                let granted = way.role.paths.get(level)?;
                Some(way.says(granted.contains(permission)))
            };
            let says: Vec<_> = ways.iter().filter_map(assigned).collect();
            if !says.is_empty() {
                return Explanation::of(Decided::At(level.to_owned()), says);
            }
            if self.isolated.contains(level) {
                return Explanation::of(Decided::Isolated(level.to_owned()), says);
            }
            if level.is_empty() {
                let by_default =
                    |way: &Way<'_>| way.says(way.role.default_path.contains(permission));
                return Explanation::of(Decided::ByDefault, ways.iter().map(by_default).collect());
            }
            level = level.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }

    /// All roles that `roles` come to, each by one of the shortest ways, by name.
    fn ways(&self, roles: &BTreeSet<Arc<str>>) -> Vec<Way<'_>> {
        let mut found: Vec<Way<'_>> = Vec::new();
        let mut waiting: Vec<_> = roles.iter().map(|role| (Arc::clone(role), Vec::new())).collect();
        while !waiting.is_empty() {
            let mut next = Vec::new();
            for (name, through) in waiting {
                let known = found.iter().any(|way| way.name == name);
                let Some(role) = self.roles.get(&name).filter(|_| !known) else {
                    continue;
                };
                let mut further = through.clone();
                further.push(Arc::clone(&name));
                next.extend(role.includes.iter().map(|role| (Arc::clone(role), further.clone())));
                found.push(Way { name, role, through });
            }
            waiting = next;
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }
}

impl Explanation {
    fn of(decided: Decided, roles: Vec<Say>) -> Self {
        Self { allowed: roles.iter().any(|say| say.grants), decided, roles }
    }
}

/// A role, and how it comes in.
struct Way<'s> {
    name: Arc<str>,
    role: &'s Role,
    through: Vec<Arc<str>>,
}

impl Way<'_> {
    fn says(&self, grants: bool) -> Say {
        Say { role: Arc::clone(&self.name), through: self.through.clone(), grants }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn roles(names: &[&str]) -> BTreeSet<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn say(role: &str, through: &[&str], grants: bool) -> Say {
        let through = through.iter().map(|role| Arc::from(*role)).collect();
        Say { role: role.into(), through, grants }
    }

    #[test]
    fn a_global_permission_comes_from_a_role_by_the_shortest_way() {
        let held = roles(&["ADMINISTRATOR", "nobody knows it"]);
        let found = Security::stock().explain(&held, GlobalPermission::ViewSession);
        assert_eq!(
            found,
            Explanation {
                allowed: true,
                decided: Decided::Globally,
                roles: vec![
                    say("ADMINISTRATOR", &[], false),
                    say("CLIENT", &["ADMINISTRATOR", "CLIENT_CONTROL"], false),
                    say("CLIENT_CONTROL", &["ADMINISTRATOR"], true),
                    say("TOPIC_CONTROL", &["ADMINISTRATOR"], false),
                ],
            }
        );
    }

    #[test]
    fn a_path_is_decided_at_the_nearest_level() {
        let permission = PathPermission::SendToMessageHandler;
        let security = Security::stock().isolate("secret");
        let explain = |role, path| {
            let found = security.explain_at(&roles(&[role]), path, permission);
            (found.allowed, found.decided)
        };
        assert_eq!(explain("CLIENT", "/a//b/"), (true, Decided::ByDefault));
        assert_eq!(explain("CLIENT", "Diffusion/x/y"), (false, Decided::At("Diffusion".into())));
        assert_eq!(explain("OPERATOR", "Diffusion/x"), (true, Decided::At("Diffusion".into())));
        assert_eq!(explain("CLIENT", "secret/x"), (false, Decided::Isolated("secret".into())));
        let found = security.explain_at(&roles(&["OPERATOR"]), "Diffusion", permission);
        assert_eq!(found.roles, [say("CLIENT", &["OPERATOR"], false), say("OPERATOR", &[], true)]);
    }

    fn path() -> impl Strategy<Value = String> {
        vec(select(vec!["a", "b", ""]), 0..4).prop_map(|segments| segments.join("/"))
    }

    prop_compose! {
        /// Four roles that include each other at will.
        fn security()(
            parts in vec((
                vec(0..4_usize, 0..3),
                any::<bool>(),
                any::<bool>(),
                vec((path(), any::<bool>()), 0..3),
            ), 4),
            isolated in vec(path(), 0..2),
        ) -> Security {
            let mut security = Security::default();
            for (name, (includes, global, default_path, paths)) in parts.iter().enumerate() {
                let includes: Vec<_> = includes.iter().map(usize::to_string).collect();
                let mut role = Role::default()
                    .including(&includes.iter().map(String::as_str).collect::<Vec<_>>())
                    .granting(&[GlobalPermission::ViewServer][..usize::from(*global)])
                    .granting_by_default(&[PathPermission::AcquireLock][..usize::from(*default_path)]);
                for (path, grants) in paths {
                    role = role.granting_at(path, &[PathPermission::AcquireLock][..usize::from(*grants)]);
                }
                security = security.role(&name.to_string(), role);
            }
            isolated.iter().fold(security, |security, path| security.isolate(path))
        }
    }

    proptest! {
        #[test]
        fn what_is_explained_is_what_is_decided(
            security in security(),
            held in btree_set(0..5_usize, 0..3),
            path in path(),
        ) {
            let held: BTreeSet<Arc<str>> = held.iter().map(|role| role.to_string().into()).collect();
            let access = security.compile(&held);
            for permission in GlobalPermission::ALL {
                let found = security.explain(&held, *permission);
                prop_assert_eq!(found.allowed, access.allows(*permission));
            }
            for permission in PathPermission::ALL {
                let found = security.explain_at(&held, &path, *permission);
                prop_assert_eq!(found.allowed, access.allows_at(&path, *permission), "{:?}", found);
            }
        }
    }
}
