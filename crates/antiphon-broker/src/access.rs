//! Who may do what: principals, permissions, the roles that grant them, and the answer for one set of roles. Knows
//! neither sessions nor services; which call needs which permission is said where the call is served.

mod explain;
mod permission;
mod principals;
pub mod script;
mod security;
mod stock;

use std::collections::BTreeMap;

pub use crate::access::explain::Decided;
pub use crate::access::explain::Explanation;
pub use crate::access::explain::Say;
pub use crate::access::permission::GlobalPermission;
pub use crate::access::permission::GlobalPermissions;
pub use crate::access::permission::PathPermission;
pub use crate::access::permission::PathPermissions;
pub use crate::access::principals::Anonymous;
pub use crate::access::principals::Principal;
pub use crate::access::principals::Principals;
pub use crate::access::security::Role;
pub use crate::access::security::RoleCycle;
pub use crate::access::security::Security;

/// What one set of roles may do. Made by [`Security::compile`], never changed, shared by all sessions with those roles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    globals: GlobalPermissions,
    /// A tree of path segments whose root is the first element. A level that only leads to others carries what its
    /// parent allows, so that the deepest level on the way to a path has the answer.
    levels: Vec<Level>,
}

impl Access {
    /// What nobody has to be asked for.
    pub(crate) fn everything() -> Self {
        let globals = GlobalPermissions::of(GlobalPermission::ALL);
        Self::new(globals, PathPermissions::of(PathPermission::ALL), &BTreeMap::new())
    }

    /// Whether `permission` is granted.
    pub fn allows(&self, permission: GlobalPermission) -> bool {
        self.globals.contains(permission)
    }

    /// Whether `permission` is granted at `path`. Does not allocate.
    pub fn allows_at(&self, path: &str, permission: PathPermission) -> bool {
        self.at(path).contains(permission)
    }

    /// All global permissions granted.
    pub fn globals(&self) -> GlobalPermissions {
        self.globals
    }

    /// All permissions granted at `path`: what the roles are assigned, together, at the nearest level from the path
    /// upwards where one of them has an assignment, even an empty one; none if an isolated path lies nearer; their
    /// default path permissions if there is neither. Slashes at either end, or in a row, do not matter.
    pub fn at(&self, path: &str) -> PathPermissions {
        let mut level = &self.levels[0];
        for segment in segments(path) {
            if level.below.is_empty() {
                break;
            }
            let Ok(found) = level.find(segment) else {
                break;
            };
            level = &self.levels[level.below[found].1];
        }
        level.allowed
    }

    /// `assigned` holds normalised paths.
    fn new(
        globals: GlobalPermissions,
        default_path: PathPermissions,
        assigned: &BTreeMap<&str, PathPermissions>,
    ) -> Self {
        let mut access = Self { globals, levels: vec![Level::allowing(default_path)] };
        // In this order a path comes after all paths above it, so that new levels inherit the final value.
        for (path, allowed) in assigned {
            let mut level = 0;
            for segment in segments(path) {
                level = access.below(level, segment);
            }
            access.levels[level].allowed = *allowed;
        }
        access
    }

    /// The index of the level `segment` below the level `parent`, which is made if there is none.
    fn below(&mut self, parent: usize, segment: &str) -> usize {
        let next = self.levels.len();
        let level = &mut self.levels[parent];
        let place = match level.find(segment) {
            Ok(found) => return level.below[found].1,
            Err(place) => place,
        };
        level.below.insert(place, (segment.into(), next));
        let inherited = Level::allowing(level.allowed);
        self.levels.push(inherited);
        next
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Level {
    allowed: PathPermissions,
    /// Segments in order, with the index of their level.
    below: Vec<(Box<str>, usize)>,
}

impl Level {
    fn allowing(allowed: PathPermissions) -> Self {
        Self { allowed, below: Vec::new() }
    }

    /// The place of `segment` among the segments below, or the place where it belongs.
    fn find(&self, segment: &str) -> Result<usize, usize> {
        self.below.binary_search_by(|(other, _)| other.as_ref().cmp(segment))
    }
}

/// Paths are short, so that a plain loop is faster than a search by words.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(path);
    let every = std::iter::from_fn(move || {
        let text = rest?;
        let end = text.bytes().position(|byte| byte == b'/');
        rest = end.map(|end| &text[end + 1..]);
        Some(&text[..end.unwrap_or(text.len())])
    });
    every.filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests;
