//! "Did you mean ...?" for a key that the configuration does not have.

/// The known key that `message`, serde's complaint about an unknown one, most likely meant.
///
/// Serde puts the unknown key and then all known ones in backquotes.
pub(super) fn suggestion(message: &str) -> Option<&str> {
    if !message.starts_with("unknown field") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|known| (distance(unknown, known), known))
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .min()
        .map(|(_, known)| known)
}

/// How many characters must be put in, taken out or replaced to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_key_is_suggested() {
        let message = |key| {
            format!(
                "unknown field `{key}`, expected one of `listener`, `threads`, `trusted_properties`"
            )
        };
        for (key, expected) in [
            ("lisener", Some("listener")),
            ("thread", Some("threads")),
            ("trusted_property", Some("trusted_properties")),
            ("colour", None),
        ] {
            assert_eq!(suggestion(&message(key)), expected, "{key}");
        }
    }

    #[test]
    fn other_complaints_bring_no_suggestion() {
        assert_eq!(suggestion("invalid type: integer `1`, expected `listen`"), None);
    }
}
