//! The tree of a parsed filter, and which sessions it is true for. Builds no trees.

use regex::Regex;

use super::Attributes;

/// A filter or a part of one. It is never deeper than a few times [`super::MAX_DEPTH`], because chains of
/// `and` and `or` are flat; so it is safe to walk and to drop by recursion.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    All,
    Has(String),
    HasRoles(Set),
    /// The property has one of the values.
    Among {
        key: String,
        values: Set,
    },
    /// The session's roles are exactly one of these sets.
    RolesAmong(Vec<Set>),
    Matches {
        key: String,
        pattern: Regex,
    },
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

/// Different strings, in order.
#[derive(Clone, Debug)]
pub(super) struct Set(Vec<String>);

impl Expr {
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    pub(super) fn matches(&self, session: &impl Attributes) -> bool {
        match self {
            Self::All => true,
            Self::Has(key) => session.property(key).is_some(),
            Self::HasRoles(roles) => roles.iter().all(|role| session.has_role(role)),
            Self::Among { key, values } => {
                session.property(key).is_some_and(|value| values.contains(value))
            }
            Self::RolesAmong(sets) => sets.iter().any(|roles| has_exactly(session, roles)),
            Self::Matches { key, pattern } => {
                session.property(key).is_some_and(|value| pattern.is_match(value))
            }
            Self::Not(inner) => !inner.matches(session),
            Self::And(parts) => parts.iter().all(|part| part.matches(session)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(session)),
        }
    }
}

impl FromIterator<String> for Set {
    fn from_iter<I: IntoIterator<Item = String>>(strings: I) -> Self {
        let mut strings: Vec<String> = strings.into_iter().collect();
        strings.sort_unstable();
        strings.dedup();
        Self(strings)
    }
}

impl Set {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn contains(&self, value: &str) -> bool {
        self.0.binary_search_by(|member| member.as_str().cmp(value)).is_ok()
    }
}

fn has_exactly(session: &impl Attributes, roles: &Set) -> bool {
    session.role_count() == roles.0.len() && roles.iter().all(|role| session.has_role(role))
}
