//! The evaluation rule, explanations and circles against a naive evaluator.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::btree_map;
use proptest::collection::btree_set;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::sample::subsequence;

use crate::access::Decided;
use crate::access::GlobalPermission as G;
use crate::access::PathPermission as P;
use crate::access::Role;
use crate::access::Security;

/// A security configuration, as plain data for the naive evaluator. Role 0 to 3 by index; 4 is never defined.
#[derive(Clone, Debug)]
struct Model {
    roles: Vec<ModelRole>,
    isolated: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct ModelRole {
    includes: BTreeSet<usize>,
    globals: Vec<G>,
    default_path: Vec<P>,
    paths: BTreeMap<String, Vec<P>>,
}

impl Model {
    fn security(&self) -> Security {
        let mut security = Security::default();
        for (index, model) in self.roles.iter().enumerate() {
            let includes: Vec<_> = model.includes.iter().map(usize::to_string).collect();
            let includes: Vec<_> = includes.iter().map(String::as_str).collect();
            let mut role = Role::default()
                .including(&includes)
                .granting(&model.globals)
                .granting_by_default(&model.default_path);
            for (path, granted) in &model.paths {
                role = role.granting_at(path, granted);
            }
            security = security.role(&index.to_string(), role);
        }
        self.isolated.iter().fold(security, |security, path| security.isolate(path))
    }

    fn with_included(&self, roles: &BTreeSet<usize>) -> Vec<&ModelRole> {
        let mut all = roles.clone();
        for _ in &self.roles {
            let known = all.iter().filter_map(|role| self.roles.get(*role));
            let included: Vec<_> = known.flat_map(|role| role.includes.clone()).collect();
            all.extend(included);
        }
        all.iter().filter_map(|role| self.roles.get(*role)).collect()
    }

    fn allows(&self, roles: &BTreeSet<usize>, permission: G) -> bool {
        self.with_included(roles).iter().any(|role| role.globals.contains(&permission))
    }

    /// The rule as it is written down: level by level from the path up to the root.
    fn allows_at(&self, roles: &BTreeSet<usize>, path: &str, permission: P) -> bool {
        let roles = self.with_included(roles);
        let mut level = path;
        loop {
            let assigned: Vec<_> = roles.iter().filter_map(|role| role.paths.get(level)).collect();
            if !assigned.is_empty() {
                return assigned.iter().any(|granted| granted.contains(&permission));
            }
            if self.isolated.contains(level) {
                return false;
            }
            if level.is_empty() {
                return roles.iter().any(|role| role.default_path.contains(&permission));
            }
            level = level.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
}

/// Few segments, so that paths meet; `a!` and `a b` sort before `a/` and after `a`.
fn path() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "a!", "a b", "b", "é"]), 0..4).prop_map(|segments| segments.join("/"))
}

fn path_permissions() -> impl Strategy<Value = Vec<P>> {
    subsequence(vec![P::ReadTopic, P::SendToMessageHandler, P::ExposeBranch], 0..=3)
}

prop_compose! {
    fn model_role()(
        includes in btree_set(0..5_usize, 0..3),
        globals in subsequence(vec![G::Authenticate, G::ViewSession, G::ModifyTopicViews], 0..=3),
        default_path in path_permissions(),
        paths in btree_map(path(), path_permissions(), 0..5),
    ) -> ModelRole {
        ModelRole { includes, globals, default_path, paths }
    }
}

prop_compose! {
    fn model()(roles in vec(model_role(), 4), isolated in btree_set(path(), 0..3)) -> Model {
        Model { roles, isolated }
    }
}

proptest! {
    #[test]
    fn a_circle_is_found_if_and_only_if_a_role_includes_itself_by_some_way(model in model()) {
        let leads_back = |role: usize| {
            let includes = &model.roles[role].includes;
            let mut reached = includes.clone();
            for _ in &model.roles {
                let known = reached.iter().filter_map(|role| model.roles.get(*role));
                let more: Vec<_> = known.flat_map(|role| role.includes.clone()).collect();
                reached.extend(more);
            }
            reached.contains(&role)
        };
        match model.security().checked() {
            Ok(_) => prop_assert!(!(0..model.roles.len()).any(leads_back)),
            Err(circle) => {
                let indices: Vec<usize> =
                    circle.roles.iter().map(|role| role.parse().unwrap()).collect();
                for (at, role) in indices.iter().enumerate() {
                    let next = indices[(at + 1) % indices.len()];
                    prop_assert!(model.roles[*role].includes.contains(&next));
                }
            }
        }
    }

    #[test]
    fn explanations_agree_with_a_naive_evaluator(
        model in model(),
        held in btree_set(0..5_usize, 0..4),
        paths in vec(path(), 1..20),
    ) {
        let security = model.security();
        let names: BTreeSet<Arc<str>> = held.iter().map(|role| Arc::from(role.to_string())).collect();
        for permission in G::ALL {
            let explained = security.explain(&names, *permission);
            prop_assert_eq!(explained.allowed, model.allows(&held, *permission));
        }
        for path in paths {
            let permission = P::SendToMessageHandler;
            let explained = security.explain_at(&names, &path, permission);
            prop_assert_eq!(explained.allowed, model.allows_at(&held, &path, permission), "{}", path);
            for say in &explained.roles {
                let way = say.through.iter().chain([&say.role]);
                let way: Vec<usize> = way.map(|role| role.parse().unwrap()).collect();
                prop_assert!(held.contains(&way[0]));
                for step in way.windows(2) {
                    prop_assert!(model.roles[step[0]].includes.contains(&step[1]));
                }
                let role = &model.roles[way[way.len() - 1]];
                let granted = match &explained.decided {
                    Decided::At(level) => &role.paths[level],
                    _ => &role.default_path,
                };
                prop_assert_eq!(say.grants, granted.contains(&permission));
            }
        }
    }

    #[test]
    fn access_agrees_with_a_naive_evaluator(
        model in model(),
        held in btree_set(0..5_usize, 0..4),
        paths in vec(path(), 1..20),
    ) {
        let access = model.security().compile(&held.iter().map(|role| Arc::from(role.to_string())).collect());
        for permission in G::ALL {
            prop_assert_eq!(access.allows(*permission), model.allows(&held, *permission));
        }
        for path in paths {
            for permission in P::ALL {
                prop_assert_eq!(
                    access.allows_at(&path, *permission),
                    model.allows_at(&held, &path, *permission),
                    "{} at {}", permission.name(), path
                );
            }
        }
    }
}
