//! Which properties somebody asked for. Does not decide who may ask.

use std::collections::BTreeSet;

use crate::properties::MAX_KEY_BYTES;
use crate::properties::MAX_SELECTED_KEYS;
use crate::properties::Properties;
use crate::properties::PropertiesError;
use crate::properties::is_fixed;

/// The properties that a key list asks for: `*F` for all fixed ones, `*U` for all user properties, others by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeySelection {
    all_fixed: bool,
    all_user: bool,
    named: BTreeSet<Box<str>>,
}

impl KeySelection {
    /// Reads a key list. Keys that no property has are allowed; those longer than [`MAX_KEY_BYTES`] are skipped.
    ///
    /// # Errors
    ///
    /// [`PropertiesError::TooManyKeys`] if more than [`MAX_SELECTED_KEYS`] different keys are named.
    pub fn parse<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self, PropertiesError> {
        let mut selection = Self::default();
        for key in keys {
            match key {
                "*F" => selection.all_fixed = true,
                "*U" => selection.all_user = true,
                _ if key.len() > MAX_KEY_BYTES => {}
                _ => {
                    selection.named.insert(key.into());
                }
            }
            if selection.named.len() > MAX_SELECTED_KEYS {
                return Err(PropertiesError::TooManyKeys { limit: MAX_SELECTED_KEYS });
            }
        }
        Ok(selection)
    }

    /// As a key list.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let whole = [("*F", self.all_fixed), ("*U", self.all_user)];
        let whole = whole.into_iter().filter(|(_, all)| *all).map(|(key, _)| key);
        whole.chain(self.named.iter().map(AsRef::as_ref))
    }

    /// Asks for what another one asks for, too, or for everything if these would be too many names. True if that is more
    /// than before.
    pub(crate) fn add(&mut self, other: &Self) -> bool {
        let before = (self.all_fixed, self.all_user, self.named.len());
        self.all_fixed |= other.all_fixed;
        self.all_user |= other.all_user;
        let new: Vec<_> = other.named.iter().filter(|key| !self.covers(key)).cloned().collect();
        self.named.extend(new);
        if self.named.len() > MAX_SELECTED_KEYS {
            *self = Self { all_fixed: true, all_user: true, named: BTreeSet::new() };
        }
        before != (self.all_fixed, self.all_user, self.named.len())
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        !self.all_fixed && !self.all_user && self.named.is_empty()
    }

    /// Whether the property `key` is asked for.
    pub fn covers(&self, key: &str) -> bool {
        let whole_kind = if is_fixed(key) { self.all_fixed } else { self.all_user };
        whole_kind || self.named.contains(key)
    }

    /// The properties asked for that are there, each once, in key order. Does not allocate.
    pub fn select<'p>(
        &self,
        properties: &'p Properties,
    ) -> impl Iterator<Item = (&'p str, &'p str)> {
        // A few names are looked up; a whole kind is found by going through all properties.
        let scans = self.all_fixed || self.all_user;
        let scanned = scans.then(|| properties.iter().filter(|(key, _)| self.covers(key)));
        let looked_up = (!scans).then(|| {
            let found = self.named.iter().filter_map(|key| properties.entry(key));
            found.map(|(key, value)| (key.as_ref(), value.as_ref()))
        });
        scanned.into_iter().flatten().chain(looked_up.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;

    const PAIRS: [(&str, &str); 5] =
        [("!a", "1"), ("$Country", "DE"), ("$Principal", "alice"), ("b", "2"), ("c", "3")];

    fn properties() -> Properties {
        PAIRS.into_iter().map(|(key, value)| (Arc::from(key), Arc::from(value))).collect()
    }

    #[track_caller]
    fn check(keys: &[&str], expected: &[&str]) {
        let selection = KeySelection::parse(keys.iter().copied()).unwrap();
        let properties = properties();
        let selected: Vec<_> = selection.select(&properties).map(|(key, _)| key).collect();
        assert_eq!(selected, expected, "{keys:?}");
    }

    #[test]
    fn what_one_asks_for_can_be_added_to_what_another_does() {
        let parse = |keys: &[&str]| KeySelection::parse(keys.iter().copied()).unwrap();
        let mut all = parse(&["a", "$Country"]);
        assert!(all.add(&parse(&["b"])) && !all.add(&parse(&["a", "b"])) && !all.add(&parse(&[])));
        assert_eq!(all, parse(&["a", "b", "$Country"]));
        assert!(all.add(&parse(&["*U"])) && !all.add(&parse(&["c", "$Country"])));
        assert!(all.covers("x") && !all.covers("$Principal"));
        let many: Vec<_> = (0..=MAX_SELECTED_KEYS).map(|key| key.to_string()).collect();
        let mut all = KeySelection::default();
        let grew = many.iter().filter(|key| all.add(&parse(&[key]))).count();
        assert_eq!(grew, MAX_SELECTED_KEYS + 1);
        assert_eq!(all, parse(&["*F", "*U"]));
        assert!(!all.add(&parse(&["1"])));
    }

    #[test]
    fn nothing_is_selected_by_no_key() {
        check(&[], &[]);
        assert!(KeySelection::parse([]).unwrap().is_empty());
        assert_eq!(KeySelection::parse([]).unwrap(), KeySelection::default());
    }

    #[test]
    fn keys_are_selected_by_name_in_key_order_once() {
        check(&["c", "$Principal", "c", "!a"], &["!a", "$Principal", "c"]);
        check(&["none", "$None", "B"], &[]);
        let selection = KeySelection::parse(["$Principal", "none"]).unwrap();
        assert_eq!(selection.select(&properties()).collect::<Vec<_>>(), [("$Principal", "alice")]);
    }

    #[test]
    fn stars_select_all_properties_of_a_kind() {
        check(&["*F"], &["$Country", "$Principal"]);
        check(&["*U"], &["!a", "b", "c"]);
        check(&["*U", "*F"], &["!a", "$Country", "$Principal", "b", "c"]);
        check(&["b", "$Country", "*F"], &["$Country", "$Principal", "b"]);
        assert!(!KeySelection::parse(["*F"]).unwrap().is_empty());
        assert!(!KeySelection::parse(["none"]).unwrap().is_empty());
    }

    #[test]
    fn keys_longer_than_any_property_key_are_skipped() {
        let longest = "k".repeat(MAX_KEY_BYTES);
        let too_long = format!("{longest}k");
        let selection = KeySelection::parse([longest.as_str(), &too_long]).unwrap();
        assert!(selection.covers(&longest));
        assert!(!selection.covers(&too_long));
    }

    #[test]
    fn more_keys_than_the_limit_are_refused() {
        let keys: Vec<_> = (0..=MAX_SELECTED_KEYS).map(|n| n.to_string()).collect();
        let most = keys[1..].iter().chain(&keys[1..]).map(String::as_str);
        assert!(KeySelection::parse(most).is_ok());
        assert_eq!(
            KeySelection::parse(keys.iter().map(String::as_str)),
            Err(PropertiesError::TooManyKeys { limit: 256 })
        );
    }

    proptest! {
        #[test]
        fn what_is_selected_is_what_is_covered(
            keys in subsequence(vec!["!a", "$Country", "$Language", "*F", "*U", "b", "x"], 0..=7).prop_shuffle()
        ) {
            let selection = KeySelection::parse(keys.iter().copied()).unwrap();
            let asked = |key: &str| {
                keys.contains(&key) || keys.contains(if key.starts_with('$') { &"*F" } else { &"*U" })
            };
            let expected: Vec<_> = PAIRS.into_iter().filter(|(key, _)| asked(key)).collect();
            let properties = properties();
            prop_assert_eq!(selection.select(&properties).collect::<Vec<_>>(), expected);
            for (key, _) in PAIRS {
                prop_assert_eq!(selection.covers(key), asked(key));
            }
        }
    }
}
