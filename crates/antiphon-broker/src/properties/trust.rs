//! Which of the user properties that clients propose are believed. Does not say which may be proposed at all.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use regex::Regex;
use thiserror::Error;

use crate::filter;

/// Which values of which proposed user properties are believed. By default none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trust {
    rules: BTreeMap<Arc<str>, Believed>,
    others: bool,
}

/// Which values of one property are believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Believed {
    /// These.
    OneOf(BTreeSet<Arc<str>>),
    /// Those that match as a whole.
    Matches(Pattern),
}

/// A regular expression that matches whole values.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

/// A regular expression cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{problem}")]
pub struct InvalidPattern {
    problem: String,
}

impl Trust {
    /// Every value of every property, as in development mode. A rule for a property goes before it.
    #[must_use]
    pub fn all() -> Self {
        Self { others: true, ..Self::default() }
    }

    /// Believes `values` of the property `key`, and no others.
    #[must_use]
    pub fn rule(mut self, key: &str, values: Believed) -> Self {
        self.rules.insert(key.into(), values);
        self
    }

    /// Believes no value of the property `key`.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        if self.others {
            return self.rule(key, Believed::OneOf(BTreeSet::new()));
        }
        self.rules.remove(key);
        self
    }

    /// The rules by key.
    pub fn rules(&self) -> &BTreeMap<Arc<str>, Believed> {
        &self.rules
    }

    /// Whether properties without a rule are believed.
    pub fn others(&self) -> bool {
        self.others
    }

    /// Whether `value` of the user property `key` is believed.
    pub fn trusts(&self, key: &str, value: &str) -> bool {
        self.rules.get(key).map_or(self.others, |believed| believed.contains(value))
    }
}

impl Believed {
    /// Whether `value` is one of them.
    pub fn contains(&self, value: &str) -> bool {
        match self {
            Self::OneOf(values) => values.contains(value),
            Self::Matches(pattern) => pattern.regex.is_match(value),
        }
    }
}

impl Pattern {
    /// Compiles a regular expression of the language, and within the limits, of a filter's `matches`.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        match filter::compile_pattern(text) {
            Ok(regex) => Ok(Self { text: text.into(), regex }),
            Err(problem) => Err(InvalidPattern { problem }),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of(values: &[&str]) -> Believed {
        Believed::OneOf(values.iter().map(|value| Arc::from(*value)).collect())
    }

    #[test]
    fn a_value_is_believed_by_the_rule_of_its_key() {
        let trust = Trust::default()
            .rule("Floor", Believed::Matches(Pattern::new("[0-9]+").unwrap()))
            .rule("Region", one_of(&["EU", "US"]));
        for (key, value, expected) in [
            ("Floor", "12", true),
            ("Floor", "12a", false),
            ("Floor", "", false),
            ("Region", "EU", true),
            ("Region", "eu", false),
            ("Region", "EU,US", false),
            ("Department", "EU", false),
        ] {
            assert_eq!(trust.trusts(key, value), expected, "{key} {value}");
        }
        assert!(!trust.without("Region").trusts("Region", "EU"));
    }

    #[test]
    fn where_all_is_believed_a_rule_goes_before_it() {
        let trust = Trust::all().rule("Region", one_of(&["EU"])).without("Floor");
        assert!(trust.trusts("Department", "x") && trust.trusts("Region", "EU"));
        assert!(!trust.trusts("Region", "US") && !trust.trusts("Floor", "1"));
    }

    #[test]
    fn a_pattern_is_what_was_written_and_must_be_valid() {
        assert_eq!(Pattern::new("a|b").unwrap().as_str(), "a|b");
        assert_eq!(Pattern::new("a|b"), Pattern::new("a|b"));
        assert_ne!(Pattern::new("a|b"), Pattern::new("b|a"));
        let error = Pattern::new("(").unwrap_err().to_string();
        assert!(error.starts_with("bad regular expression"), "{error}");
        let error = Pattern::new(&"a".repeat(filter::MAX_PATTERN_LENGTH + 1)).unwrap_err();
        assert_eq!(error.to_string(), "the regular expression is longer than 1024 bytes");
    }
}
