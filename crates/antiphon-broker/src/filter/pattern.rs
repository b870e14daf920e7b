//! Compiles the regular expressions of filters and of trust in properties. Does not run them.
//!
//! Compiling is by far the dearest part of parsing a filter: class after class of thousands of characters can
//! be written in a few bytes each. The limits here keep the dearest filter to some 50 ms.

use regex::Error;
use regex::Regex;
use regex::RegexBuilder;

/// How many `matches` clauses a filter may have.
pub const MAX_PATTERNS: usize = 32;

/// How long the regular expressions of one filter may be together, in bytes.
pub const MAX_PATTERN_LENGTH: usize = 1024;

/// How large a regular expression may become when compiled, in bytes.
pub const MAX_PATTERN_SIZE: usize = 256 * 1024;

/// How deep the groups and classes of a regular expression may nest.
const MAX_PATTERN_DEPTH: u32 = 64;

/// Compiles the patterns of one filter and keeps count of them.
#[derive(Default)]
pub(super) struct Patterns {
    count: usize,
    length: usize,
}

impl Patterns {
    /// Compiles `pattern` so that it matches whole values only, or says in one line why it cannot.
    pub(super) fn compile(&mut self, pattern: &str) -> Result<Regex, String> {
        self.count += 1;
        self.length += pattern.len();
        if self.count > MAX_PATTERNS {
            return Err(format!("a filter may have at most {MAX_PATTERNS} matches clauses"));
        }
        if self.length > MAX_PATTERN_LENGTH {
            return Err(format!(
                "the regular expressions of a filter may have {MAX_PATTERN_LENGTH} bytes together"
            ));
        }
        if folds_case(pattern) && !has_plain_classes(pattern) {
            return Err("in a regular expression, the flag i may stand only with plain classes such as [a-z]".into());
        }
        whole_value(pattern).map_err(|error| reason(&error))
    }
}

/// Compiles a pattern that stands alone, within the limits of one in a filter.
pub(crate) fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN_LENGTH {
        return Err(format!("the regular expression is longer than {MAX_PATTERN_LENGTH} bytes"));
    }
    Patterns::default().compile(pattern)
}

/// Anchors the pattern at both ends and compiles it.
fn whole_value(pattern: &str) -> Result<Regex, Error> {
    // The pattern must be complete in itself: `a)|(b` would become valid between the brackets added here.
    // With no room for a program, only the syntax is looked at.
    if let Err(error @ Error::Syntax(_)) = compile(pattern, 0) {
        return Err(error);
    }
    match compile(&format!(r"\A(?:{pattern})\z"), MAX_PATTERN_SIZE) {
        // A comment at the end of a pattern with the flag x swallows the closing bracket.
        Err(Error::Syntax(_)) => compile(&format!("\\A(?:{pattern}\n)\\z"), MAX_PATTERN_SIZE),
        compiled => compiled,
    }
}

fn compile(pattern: &str, size: usize) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .size_limit(size)
        .dfa_size_limit(MAX_PATTERN_SIZE)
        .nest_limit(MAX_PATTERN_DEPTH)
        .build()
}

/// Whether the pattern may set the flag `i`: a group that begins with `?` and flags.
fn folds_case(pattern: &str) -> bool {
    pattern.match_indices('?').any(|(i, _)| {
        // With the flag x, space may stand between the bracket and the question mark.
        let opens_group = pattern[..i].ends_with(|c: char| c == '(' || c.is_whitespace());
        let flags = pattern[i + 1..].split([':', ')']).next().unwrap_or_default();
        opens_group
            && flags.contains('i')
            && flags.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    })
}

/// Whether every class is a few ASCII characters between brackets, or the negation of such a class.
///
/// The compiler visits each character of a class to fold its case, so a few classes of a million characters
/// (`(?i)[b-\x{10FFFF}]`, `(?i)[[^b]c]`) would take it seconds. Escapes and nested classes can be wide, and a
/// comment (flag x) or a space at the beginning can hide where a class ends, so none of them is plain.
fn has_plain_classes(pattern: &str) -> bool {
    let mut classes = pattern.split('[').skip(1);
    let brackets_are_plain = classes.all(|text| {
        let Some((class, _)) = text.split_once(']') else {
            return false;
        };
        let members = class.strip_prefix('^').unwrap_or(class);
        members.starts_with(|c: char| c.is_ascii_graphic())
            && members.is_ascii()
            && !members.contains(['\\', '#'])
    });
    brackets_are_plain && !pattern.contains(r"\p") && !pattern.contains(r"\P")
}

fn reason(error: &Error) -> String {
    match error {
        Error::CompiledTooBig(limit) => {
            format!("the regular expression is too large: over {limit} bytes when compiled")
        }
        _ => {
            let text = error.to_string();
            let last = text.lines().next_back().unwrap_or_default();
            format!("bad regular expression: {}", last.trim_start_matches("error: "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile_one(pattern: &str) -> Result<Regex, String> {
        Patterns::default().compile(pattern)
    }

    #[test]
    fn only_the_whole_value_matches() {
        for (pattern, value, expected) in [
            ("a|ab", "ab", true),
            ("a|ab", "abc", false),
            ("b", "ab", false),
            ("(?m)a$", "a\nb", false),
            ("(?x) a b # comment", "ab", true),
            ("(?x) a b # comment", "ab\n", false),
            ("a.*", "a\n", false),
            ("(?s)a.*", "a\n", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                compile_one(pattern).unwrap().is_match(value),
                expected,
                "{pattern} on {value:?}"
            );
        }
    }

    #[test]
    fn a_pattern_must_be_complete_in_itself() {
        assert_eq!(compile_one("a)|(b").unwrap_err(), "bad regular expression: unopened group");
    }

    #[test]
    fn patterns_that_are_costly_to_compile_are_refused() {
        assert!(compile_one(r"\w{100}").unwrap_err().contains("262144 bytes"));
        assert!(compile_one(&"(".repeat(1000)).unwrap_err().contains("bad regular expression"));
        assert!(compile_one(&"a".repeat(MAX_PATTERN_LENGTH)).is_ok());
        assert!(compile_one(&"a".repeat(MAX_PATTERN_LENGTH + 1)).is_err());
    }

    #[test]
    fn the_flag_i_stands_with_plain_classes_only() {
        for pattern in [
            "(?i)paris.*",
            "(?si-m:ab)[a-z]",
            r"(?i)[^@]+@[a-z._-]+\.\w+",
            r"[\w.]+",
            "[^[^b]c]",
            "(colou?i)[\u{e9}]",
        ] {
            assert!(compile_one(pattern).is_ok(), "{pattern}");
        }
        for pattern in [
            "(?i)[b-\u{10ffff}]",
            r"(?i)[b-\x{10ffff}]",
            "(?s-m)(?si:[[^b]c])",
            r"(?i)\PL",
            r"(?i)[\w]",
            "(?x)( ?i)[[^b]c]",
            "(?ix)[ ]a[^b]c]",
            "(?ix)[a#]\n[^b]c]",
            "(?i)[]a[^b]c]",
            "(?i)[^]a[^b]c]",
        ] {
            assert!(compile_one(pattern).unwrap_err().contains("flag i"), "{pattern}");
        }
    }
}
