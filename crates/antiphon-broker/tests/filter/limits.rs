//! Filters that are too large are refused, and large ones are safe.

use antiphon_broker::Limit;
use antiphon_broker::filter::Bounds;
use antiphon_broker::filter::Filter;
use antiphon_broker::filter::MAX_DEPTH;
use antiphon_broker::filter::MAX_PATTERN_LENGTH;
use antiphon_broker::filter::MAX_PATTERNS;

use crate::session::Session;

/// The defaults.
const LENGTH: usize = 16 * 1024;
const DEPTH: usize = 64;

fn message(text: &str) -> String {
    Filter::parse(text).expect_err("too large").message().to_owned()
}

fn in_parentheses(depth: usize) -> String {
    format!("{}all{}", "(".repeat(depth), ")".repeat(depth))
}

#[test]
fn a_text_over_the_limit_is_refused_at_its_beginning() {
    let longest = format!("a is '{}'", "x".repeat(LENGTH - 7));
    assert!(Filter::parse(&longest).is_ok());
    let error = Filter::parse(&format!("{longest} ")).unwrap_err();
    assert_eq!((error.line(), error.column()), (1, 1));
    assert_eq!(error.message(), "the filter has 16385 bytes, at most 16384 are allowed");
}

#[test]
fn nesting_over_the_limit_is_refused_at_the_level_too_many() {
    let nots = |count| format!("{}all", "not ".repeat(count));
    assert!(Filter::parse(&in_parentheses(DEPTH)).is_ok());
    assert!(Filter::parse(&nots(DEPTH)).is_ok());
    for (text, column) in
        [(in_parentheses(DEPTH + 1), 65), (nots(DEPTH + 1), 257), ("not(".repeat(33), 129)]
    {
        let error = Filter::parse(&text).unwrap_err();
        assert_eq!((error.line(), error.column()), (1, column));
        assert_eq!(
            error.message(),
            "nested too deep: at most 64 levels of parentheses and not are allowed"
        );
    }
}

#[test]
fn no_depth_overflows_the_stack() {
    for count in [LENGTH / 4, 100_000] {
        for text in ["(", "not ", "not(", "not not(", "all and (", "all or not "] {
            assert!(Filter::parse(&text.repeat(count)).is_err());
        }
        assert!(Filter::parse(&in_parentheses(count)).is_err());
    }
}

#[test]
fn other_bounds_may_be_set_and_what_exceeds_them_says_which() {
    let limit = |text: &str, length, depth| {
        Filter::parse_within(text, Bounds { length, depth }).err().and_then(|error| error.limit())
    };
    assert_eq!(limit("not all", 7, 1), None);
    assert_eq!(limit("not all", 6, 1), Some(Limit::FilterLength));
    assert_eq!(limit("not not all", 100, 1), Some(Limit::FilterDepth));
    assert_eq!(limit("nonsense", 100, 1), None);
    let deepest = in_parentheses(MAX_DEPTH);
    assert!(Filter::parse_within(&deepest, Bounds { length: LENGTH, depth: MAX_DEPTH }).is_ok());
    let too_deep = in_parentheses(MAX_DEPTH + 1);
    assert_eq!(limit(&too_deep, LENGTH, usize::MAX), Some(Limit::FilterDepth));
}

#[test]
fn side_by_side_is_not_deep() {
    let text = vec!["(not all)"; 1000].join(" or ") + " and all or all";
    assert!(Filter::parse(&text).unwrap().matches(&Session::default()));
}

#[test]
fn long_chains_at_full_depth_can_be_asked_and_dropped() {
    let level = format!("not ({}", "all and ".repeat(20));
    let text = format!("{}all{}", level.repeat(DEPTH / 2), ")".repeat(DEPTH / 2));
    let filter = Filter::parse(&text).unwrap();
    assert!(filter.matches(&Session::default()));
    drop(filter.clone());
}

#[test]
fn the_number_of_patterns_is_limited() {
    let patterns = |count| vec!["a matches 'x'"; count].join(" or ");
    assert!(Filter::parse(&patterns(MAX_PATTERNS)).is_ok());
    let error = Filter::parse(&patterns(MAX_PATTERNS + 1)).unwrap_err();
    assert_eq!(error.column(), 32 * 17 + 11);
    assert_eq!(error.message(), "a filter may have at most 32 matches clauses");
}

#[test]
fn the_patterns_of_a_filter_share_a_limit_on_their_length() {
    let half = format!("a matches '{}'", "x".repeat(MAX_PATTERN_LENGTH / 2));
    assert!(Filter::parse(&format!("{half} or {half}")).is_ok());
    assert_eq!(
        message(&format!("{half} or {half} or a matches 'x'")),
        "the regular expressions of a filter may have 1024 bytes together"
    );
}
