//! Random filters over random sessions, against the simple evaluator; and random texts.

use antiphon_broker::filter::Filter;
use antiphon_broker::filter::FilterError;
use antiphon_broker::filter::Narrowed;
use proptest::collection::btree_map;
use proptest::collection::btree_set;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::printer::Pattern;
use crate::printer::Printer;
use crate::printer::Tree;
use crate::session::Population;
use crate::session::Session;

fn key() -> impl Strategy<Value = String> {
    let words = ["all", "has", "HASROLES", "not", "and", "or", "is", "in", "matches"];
    let odd = ["[x]", "a,b", "{k}", "hasRoles[", "in[", "é", "$Principal", "$Unheard", "k", "K"];
    select([words.as_slice(), odd.as_slice()].concat()).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    select(vec!["", "x", "a'b", "a\"b\\", "and", "é\n", "😀", " ] ", "X"]).prop_map(str::to_owned)
}

fn role() -> impl Strategy<Value = String> {
    select(vec!["admin", "client", "a\"b", "it's\\", "é", ""]).prop_map(str::to_owned)
}

fn clause() -> impl Strategy<Value = Tree> {
    let pattern = select(vec![Pattern::Everything, Pattern::BeginsWithA, Pattern::XOrEmpty]);
    prop_oneof![
        Just(Tree::All),
        key().prop_map(Tree::Has),
        vec(role(), 1..4).prop_map(Tree::HasRoles),
        (key(), value()).prop_map(|(key, value)| Tree::Is(key, value)),
        (key(), value()).prop_map(|(key, value)| Tree::Ne(key, value)),
        (key(), vec(value(), 1..5)).prop_map(|(key, values)| Tree::In(key, values)),
        (key(), pattern).prop_map(|(key, pattern)| Tree::Matches(key, pattern)),
        vec(role(), 0..3).prop_map(Tree::RolesIs),
        vec(role(), 0..3).prop_map(Tree::RolesNe),
        vec(vec(role(), 0..3), 1..3).prop_map(Tree::RolesIn),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    clause().prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Tree::Not(Box::new(inner))),
            vec(inner.clone(), 2..4).prop_map(Tree::And),
            vec(inner, 2..4).prop_map(Tree::Or),
        ]
    })
}

fn session() -> impl Strategy<Value = Session> {
    (btree_map(key(), value(), 0..12), btree_set(role(), 0..4))
        .prop_map(|(properties, roles)| Session { properties, roles })
}

/// Texts that look like filters, put together from pieces of the language.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "all", "has", "hasRoles", "not", "and", "or", "is", "ne", "in", "matches", "$Roles", "key",
        "(", ")", "[", "]", "{", "}", ",", "'x'", "\"y\"", "'\"r\"'", "'", "\"", "\\", "\\u", "é",
        "\n", " ", "(?i)", "[^", "😀", "\0",
    ];
    (vec(select(pieces.to_vec()), 0..24), select(vec!["", " "]))
        .prop_map(|(pieces, between)| pieces.join(between))
}

/// Fails if an error is not fit to be sent to a client.
fn check_error(text: &str, error: &FilterError) -> Result<(), TestCaseError> {
    prop_assert!(!error.message().is_empty() && error.message().len() < 120, "{}", error);
    prop_assert!(!error.message().contains(char::is_control), "{}", error);
    let line = text.split('\n').nth(error.line() as usize - 1);
    prop_assert!(line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&(error.column() as usize))), "{}", error);
    Ok(())
}

proptest! {
    #[test]
    fn a_printed_filter_means_what_its_tree_means(
        tree in tree(),
        choices in vec(any::<u8>(), 1..64),
        sessions in vec(session(), 1..8),
    ) {
        let text = Printer::print(&tree, &choices);
        let filter = Filter::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        for session in &sessions {
            prop_assert_eq!(filter.matches(session), tree.holds(session), "{} on {:?}", text, session);
        }
    }

    #[test]
    fn buckets_hold_every_match(tree in tree(), sessions in vec(session(), 0..20)) {
        let filter = Filter::parse(&Printer::print(&tree, &[0])).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let Narrowed::Buckets(buckets) = filter.narrow(&Population(&sessions)) else {
            return Ok(());
        };
        for session in sessions.iter().filter(|session| filter.matches(*session)) {
            prop_assert!(buckets.iter().any(|bucket| session.is_in(*bucket)), "{:?} is in none of {:?}", session, buckets);
        }
    }

    #[test]
    fn any_text_is_a_filter_or_a_fit_error(text in any::<String>()) {
        if let Err(error) = Filter::parse(&text) {
            check_error(&text, &error)?;
        }
    }

    #[test]
    fn any_soup_of_tokens_is_a_filter_or_a_fit_error(text in soup()) {
        if let Err(error) = Filter::parse(&text) {
            check_error(&text, &error)?;
        }
    }

    #[test]
    fn any_regular_expression_is_a_filter_or_a_fit_error(pattern in "[a-z(?i:)\\[\\]^|*+{}0-9,\\\\pPwW.#\n-]{0,24}") {
        let text = format!("k matches '{}'", pattern.replace('\\', "\\\\"));
        if let Err(error) = Filter::parse(&text) {
            check_error(&text, &error)?;
        }
    }
}
