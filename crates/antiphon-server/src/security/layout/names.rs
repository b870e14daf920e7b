//! Names of permissions in the file. A wrong one is refused with what it may have meant.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use antiphon_broker::access::GlobalPermission;
use antiphon_broker::access::PathPermission;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;

/// A set of permissions of one kind, in the order of their names.
pub(super) type Names<P> = BTreeSet<Name<P>>;

/// A permission that is written as its name.
#[derive(PartialEq, Eq)]
pub(super) struct Name<P>(pub(super) P);

/// Permissions of one kind.
pub(super) trait Named: Copy + Eq + 'static {
    const ALL: &'static [Self];
    /// What permissions of the other kind are called, and where they belong.
    const OTHERS: &'static str;
    fn name(self) -> &'static str;
    fn is_of_the_others(name: &str) -> bool;
}

impl Named for GlobalPermission {
    const ALL: &'static [Self] = Self::ALL;
    const OTHERS: &'static str =
        "a path permission, which belongs into default_path_permissions or path_permissions";

    fn name(self) -> &'static str {
        self.name()
    }

    fn is_of_the_others(name: &str) -> bool {
        PathPermission::from_name(name).is_some()
    }
}

impl Named for PathPermission {
    const ALL: &'static [Self] = Self::ALL;
    const OTHERS: &'static str = "a global permission, which belongs into permissions";

    fn name(self) -> &'static str {
        self.name()
    }

    fn is_of_the_others(name: &str) -> bool {
        GlobalPermission::from_name(name).is_some()
    }
}

pub(super) fn names<P: Named>(permissions: impl Iterator<Item = P>) -> Names<P> {
    permissions.map(Name).collect()
}

pub(super) fn permissions<P: Named>(names: &Names<P>) -> Vec<P> {
    names.iter().map(|Name(permission)| *permission).collect()
}

impl<P: Named> PartialOrd for Name<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P: Named> Ord for Name<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.name().cmp(other.0.name())
    }
}

impl<P: Named> Serialize for Name<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de, P: Named> Deserialize<'de> for Name<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor(PhantomData)).map(Self)
    }
}

struct NameVisitor<P>(PhantomData<P>);

impl<P: Named> de::Visitor<'_> for NameVisitor<P> {
    type Value = P;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a permission")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<P, E> {
        if let Some(found) = P::ALL.iter().find(|permission| permission.name() == name) {
            return Ok(*found);
        }
        if P::is_of_the_others(name) {
            return Err(E::custom(format_args!("`{name}` is {}", P::OTHERS)));
        }
        let known: Vec<_> =
            P::ALL.iter().map(|permission| format!("`{}`", permission.name())).collect();
        Err(E::custom(format_args!(
            "unknown permission `{name}`, expected one of {}",
            known.join(", ")
        )))
    }
}
