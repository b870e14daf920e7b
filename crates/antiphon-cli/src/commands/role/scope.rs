//! Where a permission holds: for the whole server, by default for paths, or for one path and all below it.

use std::collections::BTreeSet;

use antiphon_server::security::access::GlobalPermission;
use antiphon_server::security::access::PathPermission;
use clap::Args;

use crate::arguments::store::normalised;
use crate::commands::role::parts::Parts;
use crate::failure::Failure;

/// Without a flag permissions are global ones.
#[derive(Args)]
#[group(multiple = false)]
pub(super) struct ScopeFlags {
    /// For the paths where no role says anything else
    #[arg(long)]
    default_path: bool,

    /// For this path and all below it
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

/// What to do with the permissions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// Add them.
    Grant,
    /// Take them away.
    Revoke,
    /// Have these and no others.
    Set,
}

impl ScopeFlags {
    /// Edits the permissions of a role.
    pub(super) fn edit(
        &self,
        role: &mut Parts,
        edit: Edit,
        names: &[String],
    ) -> Result<(), Failure> {
        let Some(path) = &self.path else {
            if self.default_path {
                return apply(&mut role.default_path, edit, &paths(names)?);
            }
            return apply(&mut role.globals, edit, &globals(names)?);
        };
        let path = normalised(path);
        let assigned = role.paths.contains_key(&path);
        if !assigned && edit == Edit::Revoke {
            return Err(Failure::usage(format!(
                "the role assigns nothing at path {path:?} itself"
            )));
        }
        apply(role.paths.entry(path).or_default(), edit, &paths(names)?)
    }
}

fn apply<P: Ord + Copy + Named>(
    has: &mut BTreeSet<P>,
    edit: Edit,
    permissions: &[P],
) -> Result<(), Failure> {
    match edit {
        Edit::Grant => has.extend(permissions),
        Edit::Set => *has = permissions.iter().copied().collect(),
        Edit::Revoke => {
            for permission in permissions {
                if !has.remove(permission) {
                    let name = permission.name();
                    return Err(Failure::usage(format!(
                        "the role does not grant {name} there itself"
                    )));
                }
            }
        }
    }
    Ok(())
}

trait Named {
    fn name(self) -> &'static str;
}

impl Named for GlobalPermission {
    fn name(self) -> &'static str {
        self.name()
    }
}

impl Named for PathPermission {
    fn name(self) -> &'static str {
        self.name()
    }
}

fn globals(names: &[String]) -> Result<Vec<GlobalPermission>, Failure> {
    let parse = |name: &String| {
        GlobalPermission::from_name(&upper(name)).ok_or_else(|| {
            if PathPermission::from_name(&upper(name)).is_some() {
                return Failure::usage(format!(
                    "{} is a path permission; say where it holds with --default-path or --path PATH",
                    upper(name)
                ));
            }
            unknown(name, GlobalPermission::ALL.iter().map(|known| known.name()))
        })
    };
    names.iter().map(parse).collect()
}

fn paths(names: &[String]) -> Result<Vec<PathPermission>, Failure> {
    let parse = |name: &String| {
        PathPermission::from_name(&upper(name)).ok_or_else(|| {
            if GlobalPermission::from_name(&upper(name)).is_some() {
                return Failure::usage(format!(
                    "{} is a global permission; leave out --default-path and --path",
                    upper(name)
                ));
            }
            unknown(name, PathPermission::ALL.iter().map(|known| known.name()))
        })
    };
    names.iter().map(parse).collect()
}

fn unknown<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Failure {
    let known = known.collect::<Vec<_>>().join(", ");
    Failure::usage(format!("there is no permission {name:?}; there are {known}"))
}

fn upper(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}
