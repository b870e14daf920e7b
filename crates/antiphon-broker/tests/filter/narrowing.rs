//! Which buckets a filter chooses.

use antiphon_broker::filter::Bucket;
use antiphon_broker::filter::Filter;
use antiphon_broker::filter::Narrowed;

use crate::session::Population;
use crate::session::Session;

/// Ten sessions: all in FR, one of them named Ann, two with the role `few`, eight with the role `many`.
fn population() -> Vec<Session> {
    (0..10)
        .map(|i| {
            let name = if i == 0 { "Ann" } else { "Bob" };
            Session::new(
                &[("Country", "FR"), ("Name", name)],
                &[if i < 2 { "few" } else { "many" }],
            )
        })
        .collect()
}

fn property<'f>(key: &'f str, value: &'f str) -> Bucket<'f> {
    Bucket::Property { key, value }
}

#[track_caller]
fn check(text: &str, expected: &[Bucket<'_>]) {
    let filter = Filter::parse(text).expect(text);
    assert_eq!(
        filter.narrow(&Population(&population())),
        Narrowed::Buckets(expected.to_vec()),
        "{text}"
    );
}

#[track_caller]
fn check_all_sessions(text: &str) {
    let filter = Filter::parse(text).expect(text);
    assert_eq!(filter.narrow(&Population(&population())), Narrowed::All, "{text}");
}

#[test]
fn equality_takes_a_bucket_for_each_value() {
    check("Name is 'Ann'", &[property("Name", "Ann")]);
    check("Name is 'Eve'", &[property("Name", "Eve")]);
    check("Name in ['Eve', 'Ann', 'Eve']", &[property("Name", "Ann"), property("Name", "Eve")]);
    check("not Name ne 'Ann'", &[property("Name", "Ann")]);
}

#[test]
fn roles_take_the_bucket_of_the_rarest() {
    check("hasRoles 'many' 'few'", &[Bucket::Role("few")]);
    check(r#"$Roles is '"many","few"'"#, &[Bucket::Role("few")]);
    check(
        r#"$Roles in ['"few","many"', '"none","few"']"#,
        &[Bucket::Role("few"), Bucket::Role("none")],
    );
}

#[test]
fn and_takes_its_cheapest_part() {
    check("hasRoles 'few' and all and Name is 'Ann' and Name is 'Bob'", &[property("Name", "Ann")]);
    check(
        "has Name and (Name is 'Ann' or hasRoles 'few') and hasRoles 'few'",
        &[Bucket::Role("few")],
    );
}

#[test]
fn or_takes_all_its_parts() {
    check("Name is 'Ann' or hasRoles 'few'", &[property("Name", "Ann"), Bucket::Role("few")]);
    check_all_sessions("Name is 'Ann' or has Name");
}

#[test]
fn other_clauses_ask_every_session() {
    for text in [
        "all",
        "has Name",
        "Name ne 'Ann'",
        "Name matches 'Ann'",
        "not Name is 'Ann'",
        "not (Name is 'Ann' or all)",
        "$Roles is ''",
        r#"$Roles in ['"few"', '']"#,
    ] {
        check_all_sessions(text);
    }
}

#[test]
fn buckets_that_hold_everybody_are_not_worth_the_trouble() {
    check_all_sessions("Country is 'FR'");
    check_all_sessions("Name is 'Ann' or Name is 'Bob'");
    check("Country is 'FR' and hasRoles 'many'", &[Bucket::Role("many")]);
}
