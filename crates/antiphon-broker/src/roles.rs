//! The text of the `$Roles` property: role names in quotes. Does not know what a role grants.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Writes roles as the published SDKs do: sorted, each in double quotes, with commas and no blanks between. Within the
/// quotes a backslash goes before `\`, `"` and `'`.
pub fn canonical(roles: &BTreeSet<Arc<str>>) -> String {
    let mut text = String::new();
    for role in roles {
        if !text.is_empty() {
            text.push(',');
        }
        text.push('"');
        for c in role.chars() {
            if matches!(c, '\\' | '"' | '\'') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
    text
}

/// Reads the roles in `text`, in the order in which they stand there. Single and double quotes are equal, whatever
/// stands outside quotes is skipped, and a role whose closing quote is missing is left out.
pub fn parse(text: &str) -> Vec<String> {
    let mut roles = Vec::new();
    let mut chars = text.chars();
    while let Some(quote) = chars.find(|c| matches!(c, '"' | '\'')) {
        roles.extend(rest_of_role(&mut chars, quote));
    }
    roles
}

fn rest_of_role(chars: &mut impl Iterator<Item = char>, quote: char) -> Option<String> {
    let mut role = String::new();
    loop {
        match chars.next()? {
            '\\' => role.push(chars.next()?),
            c if c == quote => return Some(role),
            c => role.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn set(roles: &[&str]) -> BTreeSet<Arc<str>> {
        roles.iter().map(|role| Arc::from(*role)).collect()
    }

    #[test]
    fn roles_are_written_sorted_and_quoted() {
        assert_eq!(canonical(&set(&[])), "");
        assert_eq!(canonical(&set(&["b\"c", "a"])), r#""a","b\"c""#);
        assert_eq!(canonical(&set(&[r"x\y'z"])), r#""x\\y\'z""#);
    }

    #[test]
    fn either_quote_and_any_separator_is_read() {
        for text in [r#""a","b""#, r#""a" "b""#, "'a' ,; 'b'", r#"['a'"b"]"#] {
            assert_eq!(parse(text), ["a", "b"], "{text}");
        }
    }

    #[test]
    fn the_other_quote_needs_no_escape() {
        assert_eq!(parse(r#"'a"b' "c'd""#), ["a\"b", "c'd"]);
    }

    #[test]
    fn a_role_without_closing_quote_is_left_out() {
        assert_eq!(parse(r#""a","b"#), ["a"]);
        assert_eq!(parse(r#""a","b\"#), ["a"]);
        assert_eq!(parse(r#""a","b\""#), ["a"]);
        assert!(parse("a b").is_empty());
    }

    proptest! {
        #[test]
        fn written_roles_are_read_back(roles in btree_set(r#"[ab\\"', ]{0,6}"#, 0..5)) {
            let written = canonical(&roles.iter().map(|role| Arc::from(role.as_str())).collect());
            prop_assert_eq!(parse(&written), roles.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let longest: usize = parse(&text).iter().map(String::len).sum();
            prop_assert!(longest <= text.len());
        }
    }
}
