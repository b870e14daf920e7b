//! The properties of a session: what a key may look like, which a client may set, and how many. Who may see or change
//! properties is decided elsewhere.

mod change;
mod error;
mod selection;
mod trust;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::properties::change::Change;
pub use crate::properties::change::Changed;
pub use crate::properties::error::PropertiesError;
pub use crate::properties::selection::KeySelection;
pub use crate::properties::trust::Believed;
pub use crate::properties::trust::InvalidPattern;
pub use crate::properties::trust::Pattern;
pub use crate::properties::trust::Trust;
use crate::stats::Limit;

/// The longest key of a user property, in bytes.
pub const MAX_KEY_BYTES: usize = 128;

/// The most different keys that a [`KeySelection`] may name.
pub const MAX_SELECTED_KEYS: usize = 256;

/// The longest value that any bound may allow, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 << 10;

/// What properties users may give to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The most user properties.
    pub count: usize,
    /// The longest value, in bytes.
    pub value: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        // Together less than a large message, and far more than anybody looks at.
        Self { count: 64, value: 4096 }
    }
}

/// The properties of one session by key: fixed ones, whose keys start with `$`, and user properties.
///
/// In key order, and without room to spare: every session has some, and few ever change. Sessions with the same keys share
/// the list of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Properties {
    keys: Arc<[Arc<str>]>,
    /// As many as there are keys, in the same order.
    values: Box<[Arc<str>]>,
}

impl Properties {
    /// With `keys`, which are in order, and as many `values`.
    pub(crate) fn new(keys: Arc<[Arc<str>]>, values: Box<[Arc<str>]>) -> Self {
        debug_assert_eq!(keys.len(), values.len(), "a value for each key");
        Self { keys, values }
    }

    /// All keys, in order.
    pub(crate) fn keys(&self) -> &Arc<[Arc<str>]> {
        &self.keys
    }

    /// The value of the property `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|(_, value)| value.as_ref())
    }

    fn entry(&self, key: &str) -> Option<(&Arc<str>, &Arc<str>)> {
        // Keys differ in length more often than not, so that looking at one after the other is faster than halving.
        self.shared().find(|(other, _)| ***other == *key)
    }

    /// Gives a property a value, or takes it away.
    fn set(&mut self, key: &Arc<str>, value: Option<Arc<str>>) {
        let place = self.keys.iter().position(|other| other == key);
        match (place, value) {
            (Some(place), Some(value)) => self.values[place] = value,
            (None, Some(value)) => self.extend([(key.clone(), value)]),
            (Some(_), None) => {
                let others = self.shared().filter(|(other, _)| *other != key);
                *self = others.map(|(key, value)| (key.clone(), value.clone())).collect();
            }
            (None, None) => {}
        }
    }

    /// All properties, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shared().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// The fixed properties, in key order.
    pub fn fixed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(key, _)| is_fixed(key))
    }

    /// The user properties, in key order.
    pub fn user(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(key, _)| !is_fixed(key))
    }

    /// All properties in key order, for those who keep them.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.keys.iter().zip(&self.values)
    }

    /// Takes over what was `granted`: user properties, but no new ones beyond `most`, and the fixed ones that an
    /// authenticator may set. False if some were too many.
    pub(crate) fn adopt(&mut self, granted: &Self, most: usize) -> bool {
        let mut room = most.saturating_sub(self.user().count());
        let mut has_all = true;
        for (key, value) in granted.shared().filter(|(key, _)| !is_fixed(key) || is_granted(key)) {
            let new = !is_fixed(key) && self.entry(key).is_none();
            if !new || room > 0 {
                self.set(key, Some(value.clone()));
                room -= usize::from(new);
            } else {
                has_all = false;
            }
        }
        has_all
    }

    /// Notes when the session's authentication is over, in milliseconds since 1970.
    pub(crate) fn expire(&mut self, time: Option<u64>) {
        self.set(&EXPIRY_TIME.into(), time.map(|time| time.to_string().into()));
    }

    /// How many properties there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no property at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Takes the server's own values as they are: no rule for keys and no limit applies.
impl Extend<(Arc<str>, Arc<str>)> for Properties {
    fn extend<T: IntoIterator<Item = (Arc<str>, Arc<str>)>>(&mut self, properties: T) {
        let here = self.shared().map(|(key, value)| (key.clone(), value.clone()));
        let mut all: BTreeMap<_, _> = here.collect();
        all.extend(properties);
        let (keys, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        *self = Self::new(keys.into(), values.into());
    }
}

/// Takes the server's own values as they are: no rule for keys and no limit applies.
impl FromIterator<(Arc<str>, Arc<str>)> for Properties {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Arc<str>)>>(properties: T) -> Self {
        let mut all = Self::default();
        all.extend(properties);
        all
    }
}

/// Whether `key` is that of a fixed property, known or not.
pub fn is_fixed(key: &str) -> bool {
    key.starts_with('$')
}

/// Whether `key` may be that of a user property, its length aside.
pub fn valid_user_key(key: &str) -> bool {
    !key.is_empty()
        && !is_fixed(key)
        && !key.contains([' ', '\t', '\r', '\n', '"', '\'', '(', ')', ','])
}

/// The properties that a client gets of those it `offered` at connect: `$Environment`, which is "UNKNOWN" if it is not
/// offered, no other fixed property, and the trusted user properties. What breaks a rule or a limit is dropped; beyond
/// the most there may be those offered first stay. Of two values for one key the later one counts. The bounds for which some
/// were dropped are returned too.
pub fn proposed<'a>(
    offered: impl IntoIterator<Item = (&'a str, &'a str)>,
    trust: &Trust,
    bounds: Bounds,
) -> (Properties, Vec<Limit>) {
    let mut accepted = BTreeMap::from([(Arc::from(ENVIRONMENT), Arc::from("UNKNOWN"))]);
    let mut exceeded = Vec::new();
    for (key, value) in offered {
        let is_user = !is_fixed(key) && trust.trusts(key, value) && check_user_key(key).is_ok();
        if !is_user && key != ENVIRONMENT {
            continue;
        }
        let is_full = accepted.len() > bounds.count; // besides `$Environment`
        if value.len() > bounds.value {
            exceeded.push(Limit::PropertySize);
        } else if is_full && !accepted.contains_key(key) {
            exceeded.push(Limit::Properties);
        } else {
            accepted.insert(key.into(), value.into());
        }
    }
    exceeded.dedup();
    (accepted.into_iter().collect(), exceeded)
}

/// The properties that a session gets of those that an authenticator `gives` it: user properties, `$Country`, `$Language`,
/// `$Latitude` and `$Longitude`, in canonical form. Other fixed properties and what breaks a rule or a limit are dropped; the
/// bounds for which some were are returned too.
pub fn given<'a>(
    gives: impl IntoIterator<Item = (&'a str, &'a str)>,
    bounds: Bounds,
) -> (Properties, Vec<Limit>) {
    let (mut accepted, mut exceeded) = (Properties::default(), Vec::new());
    for (key, value) in gives {
        let change = Change::new([(key, value)], [], bounds);
        match change.and_then(|change| accepted.apply(&change, bounds)) {
            Ok((more, _)) => accepted = more,
            Err(error) => exceeded.extend(error.limit()),
        }
    }
    exceeded.dedup();
    (accepted, exceeded)
}

/// Whether an authenticator may set the fixed property `key`.
fn is_granted(key: &str) -> bool {
    matches!(key, "$Country" | "$Language" | "$Latitude" | "$Longitude")
}

pub(crate) const ENVIRONMENT: &str = "$Environment";
const EXPIRY_TIME: &str = "$ExpiryTime";

pub(crate) fn check_user_key(key: &str) -> Result<(), PropertiesError> {
    if key.len() > MAX_KEY_BYTES {
        let key = key[..key.floor_char_boundary(MAX_KEY_BYTES)].to_owned();
        return Err(PropertiesError::KeyTooLong { key, limit: MAX_KEY_BYTES });
    }
    if !valid_user_key(key) {
        return Err(PropertiesError::InvalidKey { key: key.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { count: 64, value: 4096 };

    fn some() -> Properties {
        [("b", "2"), ("$Principal", "alice"), ("!a", "1"), ("$Country", "DE")]
            .map(|(key, value)| (Arc::from(key), Arc::from(value)))
            .into_iter()
            .collect()
    }

    #[track_caller]
    fn check_proposed(offered: &[(&str, &str)], trust: &Trust, expected: &[(&str, &str)]) {
        let (accepted, _) = proposed(offered.iter().copied(), trust, BOUNDS);
        assert_eq!(accepted.iter().collect::<Vec<_>>(), expected);
    }

    fn numbered(count: usize) -> Vec<(String, String)> {
        (0..count).map(|n| (format!("key{n}"), n.to_string())).collect()
    }

    fn pairs(owned: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
        owned.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    #[test]
    fn properties_are_listed_by_kind_in_key_order() {
        let properties = some();
        let all = [("!a", "1"), ("$Country", "DE"), ("$Principal", "alice"), ("b", "2")];
        assert_eq!(properties.iter().collect::<Vec<_>>(), all);
        assert_eq!(properties.fixed().collect::<Vec<_>>(), all[1..3]);
        assert_eq!(properties.user().collect::<Vec<_>>(), [all[0], all[3]]);
        assert_eq!((properties.len(), properties.is_empty()), (4, false));
        assert!(Properties::default().is_empty());
        assert_eq!((properties.get("b"), properties.get("B")), (Some("2"), None));
    }

    #[test]
    fn later_values_replace_earlier_ones() {
        let mut properties = some();
        properties.extend([(Arc::from("$Principal"), Arc::from("bob"))]);
        assert_eq!((properties.get("$Principal"), properties.len()), (Some("bob"), 4));
    }

    #[test]
    fn user_keys_have_no_dollar_at_the_start_and_no_forbidden_character() {
        for key in ["a", "Department", "a$b", "[x]", "a.b-c/d", "*F", "é"] {
            assert!(valid_user_key(key), "{key}");
        }
        for key in ["", "$a", "$", "a b", "a\tb", "a\r", "\nb", "a\"", "a'b", "(a", "a)", "a,b"] {
            assert!(!valid_user_key(key), "{key:?}");
        }
    }

    #[test]
    fn environment_is_accepted_without_trust_and_unknown_if_absent() {
        check_proposed(&[], &Trust::default(), &[("$Environment", "UNKNOWN")]);
        check_proposed(
            &[("$Environment", "PYTHON_CPython_3.11")],
            &Trust::default(),
            &[("$Environment", "PYTHON_CPython_3.11")],
        );
        let long = "x".repeat(BOUNDS.value + 1);
        check_proposed(&[("$Environment", &long)], &Trust::all(), &[("$Environment", "UNKNOWN")]);
    }

    #[test]
    fn other_fixed_properties_are_not_accepted_from_a_client() {
        let offered = [
            ("$Principal", "admin"),
            ("$Roles", "\"ADMINISTRATOR\""),
            ("$Country", "DE"),
            ("$Latitude", "1"),
        ];
        check_proposed(&offered, &Trust::all(), &[("$Environment", "UNKNOWN")]);
        let any = Believed::Matches(Pattern::new(".*").unwrap());
        let keys =
            offered.iter().fold(Trust::default(), |trust, (key, _)| trust.rule(key, any.clone()));
        check_proposed(&offered, &keys, &[("$Environment", "UNKNOWN")]);
    }

    #[test]
    fn user_properties_are_accepted_if_trusted() {
        let offered = [("a", "1"), ("b", "2"), ("c d", "3"), ("b", "4")];
        let environment = ("$Environment", "UNKNOWN");
        check_proposed(&offered, &Trust::default(), &[environment]);
        check_proposed(&offered, &Trust::all(), &[environment, ("a", "1"), ("b", "4")]);
        check_proposed(
            &offered,
            &Trust::default().rule("b", Believed::Matches(Pattern::new("2").unwrap())),
            &[environment, ("b", "2")],
        );
    }

    #[test]
    fn proposed_properties_beyond_a_limit_are_dropped() {
        let mut offered = numbered(BOUNDS.count + 1);
        offered.push(("key0".into(), "again".into()));
        let (accepted, exceeded) = proposed(pairs(&offered), &Trust::all(), BOUNDS);
        assert_eq!(exceeded, [Limit::Properties]);
        assert_eq!(accepted.user().count(), BOUNDS.count);
        assert_eq!(accepted.get("key63"), Some("63"));
        assert_eq!(accepted.get("key64"), None);
        assert_eq!(accepted.get("key0"), Some("again"));

        let (key, value) = ("k".repeat(MAX_KEY_BYTES), "v".repeat(BOUNDS.value));
        let (long_key, long_value) = (format!("{key}k"), format!("{value}v"));
        let offered = [(key.as_str(), value.as_str()), (&long_key, "1"), ("a", &long_value)];
        let (accepted, exceeded) = proposed(offered, &Trust::all(), BOUNDS);
        assert_eq!(exceeded, [Limit::PropertySize]);
        assert_eq!(accepted.user().collect::<Vec<_>>(), [(key.as_str(), value.as_str())]);
    }
}
