//! Random session filters with a meaning of their own.

use antiphon_wire::ids::SessionId;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::sample::subsequence;

/// A filter as a tree.
#[derive(Debug, Clone)]
pub(super) enum Query {
    All,
    Is(&'static str, &'static str),
    In(&'static str, Vec<&'static str>),
    Has(&'static str),
    Roles(Vec<&'static str>),
    /// Exactly these.
    RolesAre(Vec<&'static str>),
    /// The session of this number, as long as it is not known which that is.
    Session(u8),
    Id(SessionId),
    Not(Box<Query>),
    And(Box<Query>, Box<Query>),
    Or(Box<Query>, Box<Query>),
    /// What cannot be parsed.
    Broken,
}

/// What a query asks of a session.
pub(super) trait Asked {
    fn id(&self) -> SessionId;
    fn value(&self, key: &str) -> Option<String>;
    fn has_role(&self, role: &str) -> bool;
}

impl Query {
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Broken => true,
            Self::Not(inner) => inner.is_broken(),
            Self::And(one, other) | Self::Or(one, other) => one.is_broken() || other.is_broken(),
            _ => false,
        }
    }

    /// The same with ids for numbers.
    pub(super) fn resolve(&self, name: &impl Fn(u8) -> SessionId) -> Self {
        let resolved = |query: &Self| Box::new(query.resolve(name));
        match self {
            Self::Session(number) => Self::Id(name(*number)),
            Self::Not(inner) => Self::Not(resolved(inner)),
            Self::And(one, other) => Self::And(resolved(one), resolved(other)),
            Self::Or(one, other) => Self::Or(resolved(one), resolved(other)),
            other => other.clone(),
        }
    }

    /// As the filter language has it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::All => "all".into(),
            Self::Is(key, value) => format!("{key} is '{value}'"),
            Self::In(key, values) => format!("{key} in [\"{}\"]", values.join("\", \"")),
            Self::Has(key) => format!("has {key}"),
            Self::RolesAre(roles) => format!("$Roles is '\"{}\"'", roles.join("\" \"")),
            Self::Roles(roles) => format!("hasRoles ['{}']", roles.join("', '")),
            Self::Session(number) => panic!("session {number} has no id"),
            Self::Id(id) => format!("$SessionId eq \"{id}\""),
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::And(one, other) => format!("({}) and ({})", one.text(), other.text()),
            Self::Or(one, other) => format!("({}) or ({})", one.text(), other.text()),
            Self::Broken => "u is".into(),
        }
    }

    pub(super) fn matches(&self, session: &impl Asked) -> bool {
        match self {
            Self::All => true,
            Self::Is(key, value) => session.value(key).as_deref() == Some(value),
            Self::In(key, values) => {
                session.value(key).is_some_and(|value| values.contains(&&*value))
            }
            Self::Has(key) => session.value(key).is_some(),
            Self::RolesAre(roles) => {
                let quoted: Vec<_> = roles.iter().map(|role| format!("\"{role}\"")).collect();
                session.value("$Roles") == Some(quoted.join(","))
            }
            Self::Roles(roles) => roles.iter().all(|role| session.has_role(role)),
            Self::Id(id) => session.id() == *id,
            Self::Not(inner) => !inner.matches(session),
            Self::And(one, other) => one.matches(session) && other.matches(session),
            Self::Or(one, other) => one.matches(session) || other.matches(session),
            Self::Session(_) | Self::Broken => false,
        }
    }
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    let key = || select(vec!["u", "v"]);
    let value = select(vec!["1", "2", ""]);
    let roles = || {
        // In their order, which is that of `$Roles`.
        let known = vec!["ADMINISTRATOR", "CLIENT", "CLIENT_CONTROL", "x"];
        subsequence(known, 1..=2)
    };
    let values = subsequence(vec!["", "1", "2", "3"], 1..=3);
    let leaf = prop_oneof![
        4 => Just(Query::All),
        4 => (key(), value).prop_map(|(key, value)| Query::Is(key, value)),
        2 => select(vec!["", "ann", "bob"]).prop_map(|name| Query::Is("$Principal", name)),
        2 => key().prop_map(Query::Has),
        2 => (key(), values).prop_map(|(key, values)| Query::In(key, values)),
        2 => roles().prop_map(Query::Roles),
        1 => roles().prop_map(Query::RolesAre),
        2 => any::<u8>().prop_map(Query::Session),
        1 => Just(Query::Broken),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        let one = || inner.clone().prop_map(Box::new);
        prop_oneof![
            one().prop_map(Query::Not),
            (one(), one()).prop_map(|(one, other)| Query::And(one, other)),
            (one(), one()).prop_map(|(one, other)| Query::Or(one, other)),
        ]
    })
}
