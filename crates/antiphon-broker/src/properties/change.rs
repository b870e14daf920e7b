//! Changing the properties of a live session. Does not find the session, and does not tell listeners.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::properties::Bounds;
use crate::properties::Properties;
use crate::properties::PropertiesError;
use crate::properties::check_user_key;
use crate::properties::is_fixed;

/// What somebody with the permission to do so wants changed, checked and in canonical form; fit for any number of
/// sessions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change(BTreeMap<Arc<str>, Option<Arc<str>>>);

impl Change {
    /// Sets user properties, `$Country` (in upper case), `$Language` (in lower case), `$Latitude` and `$Longitude` (as
    /// decimal number, "NaN" if it is none), and removes user properties. Other fixed properties are left as they are.
    /// A key in both is set; of two values for one key the later one counts.
    ///
    /// # Errors
    ///
    /// [`PropertiesError`] if the key of a property to set is illegal, or a key or a value too long.
    pub fn new<'a>(
        set: impl IntoIterator<Item = (&'a str, &'a str)>,
        remove: impl IntoIterator<Item = &'a str>,
        bounds: Bounds,
    ) -> Result<Self, PropertiesError> {
        let removed = remove.into_iter().filter(|key| !is_fixed(key));
        let mut change: BTreeMap<_, _> = removed.map(|key| (Arc::from(key), None)).collect();
        for (key, value) in set {
            if let Some(value) = settable(key, value, bounds)? {
                change.insert(key.into(), Some(value));
            }
        }
        Ok(Self(change))
    }
}

/// What an applied [`Change`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    /// The keys whose value is another one than before, in key order, with the value before; `None` if there was none.
    pub previous: Vec<(Arc<str>, Option<Arc<str>>)>,
}

impl Properties {
    /// The properties after `change`, and what differs.
    ///
    /// # Errors
    ///
    /// [`PropertiesError::TooManyProperties`] if the session would have more than there may be.
    pub fn apply(
        &self,
        change: &Change,
        bounds: Bounds,
    ) -> Result<(Self, Changed), PropertiesError> {
        let mut properties = self.clone();
        let mut changed = Changed::default();
        for (key, value) in &change.0 {
            let before = self.entry(key).map(|(_, value)| value);
            if before == value.as_ref() {
                continue;
            }
            changed.previous.push((key.clone(), before.cloned()));
            properties.set(key, value.clone());
        }
        if properties.user().count() > bounds.count
            && let Some(key) = changed.last_new_user_key()
        {
            return Err(PropertiesError::TooManyProperties {
                key: key.to_owned(),
                limit: bounds.count,
            });
        }
        Ok((properties, changed))
    }
}

impl Changed {
    fn last_new_user_key(&self) -> Option<&str> {
        let user = self.previous.iter().rev().filter(|(key, _)| !is_fixed(key));
        user.filter(|(_, before)| before.is_none()).map(|(key, _)| key.as_ref()).next()
    }
}

/// The value in canonical form, or none if it is a fixed property that nobody can set.
fn settable(key: &str, value: &str, bounds: Bounds) -> Result<Option<Arc<str>>, PropertiesError> {
    let canonical: Arc<str> = match key {
        "$Country" => value.to_ascii_uppercase().into(),
        "$Language" => value.to_ascii_lowercase().into(),
        "$Latitude" | "$Longitude" => coordinate(value).into(),
        _ if is_fixed(key) => return Ok(None),
        _ => {
            check_user_key(key)?;
            value.into()
        }
    };
    if value.len() > bounds.value {
        return Err(PropertiesError::ValueTooLong { key: key.to_owned(), limit: bounds.value });
    }
    Ok(Some(canonical))
}

fn coordinate(text: &str) -> String {
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    // Debug writes "51.0" where Display writes "51"; the SDKs print coordinates as floats.
    format!("{:?}", number.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const BOUNDS: Bounds = Bounds { count: 64, value: 4096 };
    use crate::properties::MAX_KEY_BYTES;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }

    fn before() -> Properties {
        properties(&[("$Country", "DE"), ("$Principal", "alice"), ("a", "1"), ("b", "2")])
    }

    fn user_properties(count: usize) -> Properties {
        (0..count).map(|n| (Arc::from(format!("key{n:03}")), Arc::from(n.to_string()))).collect()
    }

    /// Applies a change to `before()` and checks the properties and the previous values that come out.
    #[track_caller]
    fn check(
        set: &[(&str, &str)],
        remove: &[&str],
        after: &[(&str, &str)],
        previous: &[(&str, Option<&str>)],
    ) {
        let change = Change::new(set.iter().copied(), remove.iter().copied(), BOUNDS).unwrap();
        let (properties, changed) = before().apply(&change, BOUNDS).unwrap();
        assert_eq!(properties.iter().collect::<Vec<_>>(), after);
        let shown = changed.previous.iter().map(|(key, value)| (key.as_ref(), value.as_deref()));
        assert_eq!(shown.collect::<Vec<_>>(), previous);
    }

    #[test]
    fn user_properties_are_added_replaced_and_removed() {
        check(
            &[("c", "3"), ("a", "one")],
            &["b", "none"],
            &[("$Country", "DE"), ("$Principal", "alice"), ("a", "one"), ("c", "3")],
            &[("a", Some("1")), ("b", Some("2")), ("c", None)],
        );
    }

    #[test]
    fn country_and_language_are_stored_in_their_case() {
        check(
            &[("$Country", "fr"), ("$Language", "FR")],
            &[],
            &[
                ("$Country", "FR"),
                ("$Language", "fr"),
                ("$Principal", "alice"),
                ("a", "1"),
                ("b", "2"),
            ],
            &[("$Country", Some("DE")), ("$Language", None)],
        );
    }

    #[test]
    fn coordinates_are_decimal_or_nan() {
        for (text, expected) in [
            ("51", "51.0"),
            (" -0.12750 ", "-0.1275"),
            ("+1e2", "100.0"),
            ("", "NaN"),
            ("north", "NaN"),
            ("nan", "NaN"),
            ("-inf", "NaN"),
            ("1e999", "NaN"),
        ] {
            for key in ["$Latitude", "$Longitude"] {
                let change = Change::new([(key, text)], [], BOUNDS).unwrap();
                let (after, _) = before().apply(&change, BOUNDS).unwrap();
                assert_eq!(after.get(key), Some(expected), "{text:?}");
            }
        }
    }

    #[test]
    fn other_fixed_properties_stay_as_they_are() {
        let long = "x".repeat(BOUNDS.value + 1);
        let unchanged = [("$Country", "DE"), ("$Principal", "alice"), ("a", "1"), ("b", "2")];
        check(
            &[("$Principal", "admin"), ("$Roles", &long), ("$Environment", "x")],
            &["$Country", "$Principal"],
            &unchanged,
            &[],
        );
    }

    #[test]
    fn a_value_that_is_there_already_is_no_change() {
        let unchanged = [("$Country", "DE"), ("$Principal", "alice"), ("a", "1"), ("b", "2")];
        check(&[("a", "1"), ("$Country", "de")], &[], &unchanged, &[]);
    }

    #[test]
    fn a_key_in_both_is_set_and_the_later_value_counts() {
        check(
            &[("a", "x"), ("a", "y")],
            &["a"],
            &[("$Country", "DE"), ("$Principal", "alice"), ("a", "y"), ("b", "2")],
            &[("a", Some("1"))],
        );
    }

    #[test]
    fn illegal_and_oversized_keys_and_values_are_refused() {
        let (key, value) = ("é".repeat(MAX_KEY_BYTES / 2), "v".repeat(BOUNDS.value));
        assert!(Change::new([(key.as_str(), value.as_str())], [], BOUNDS).is_ok());

        let long_key = format!("k{key}");
        assert_eq!(
            Change::new([(long_key.as_str(), "")], [], BOUNDS),
            Err(PropertiesError::KeyTooLong { key: long_key[..127].to_owned(), limit: 128 })
        );
        let long_value = format!("{value}v");
        for key in ["a", "$Country", "$Latitude"] {
            assert_eq!(
                Change::new([(key, long_value.as_str())], [], BOUNDS),
                Err(PropertiesError::ValueTooLong { key: key.to_owned(), limit: 4096 })
            );
        }
        for key in ["", "a b", "a,b"] {
            assert_eq!(
                Change::new([(key, "1")], [], BOUNDS),
                Err(PropertiesError::InvalidKey { key: key.to_owned() })
            );
        }
    }

    #[test]
    fn more_user_properties_than_the_limit_are_refused() {
        let almost = user_properties(BOUNDS.count - 1);
        let one = Change::new([("x", "1"), ("$Language", "en")], [], BOUNDS).unwrap();
        let (full, _) = almost.apply(&one, BOUNDS).unwrap();

        let too_many = Err(PropertiesError::TooManyProperties { key: "y".to_owned(), limit: 64 });
        let two = Change::new([("x", "1"), ("y", "1"), ("key000", "new")], [], BOUNDS).unwrap();
        assert_eq!(almost.apply(&two, BOUNDS), too_many);
        let another =
            Change::new([("$Latitude", "1"), ("x", "2"), ("y", "1")], [], BOUNDS).unwrap();
        assert_eq!(full.apply(&another, BOUNDS), too_many);
        let exchange = Change::new([("a", "1")], ["x"], BOUNDS).unwrap();
        assert_eq!(full.apply(&exchange, BOUNDS).unwrap().0.user().count(), BOUNDS.count);
    }

    proptest! {
        #[test]
        fn the_previous_values_lead_back(
            set in btree_map(select(vec!["a", "b", "c", "d"]), "[12]", 0..4),
            remove in vec(select(vec!["a", "b", "e"]), 0..3),
            country in option::of("[a-z]{2}"),
        ) {
            let country = country.iter().map(|country| ("$Country", country.as_str()));
            let set = set.iter().map(|(key, value)| (*key, value.as_str())).chain(country);
            let (after, changed) = before().apply(&Change::new(set, remove, BOUNDS).unwrap(), BOUNDS).unwrap();
            let mut undone = after;
            for (key, value) in changed.previous {
                prop_assert_ne!(undone.get(&key), value.as_deref());
                undone.set(&key, value);
            }
            prop_assert_eq!(undone, before());
        }
    }
}
