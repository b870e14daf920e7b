//! What each clause means, by examples.

use antiphon_broker::filter::Filter;

use crate::session::Session;

#[track_caller]
fn check(text: &str, session: &Session, expected: bool) {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    assert_eq!(filter.matches(session), expected, "{text}");
}

fn trader() -> Session {
    let properties = [
        ("$Principal", "admin"),
        ("$Roles", r#""admin","trader""#),
        ("$Country", "FR"),
        ("$Transport", "WEBSOCKET"),
        ("$ClientIP", "192.168.10.7"),
        ("$Language", ""),
        ("Department", "Accounts"),
        ("Status", "Closed"),
        ("Version", "7"),
        ("Text", "xyz\"\\"),
    ];
    Session::new(&properties, &["admin", "trader"])
}

fn anonymous() -> Session {
    Session::new(&[("$Principal", ""), ("$Roles", "")], &[])
}

#[test]
fn the_worked_examples_of_the_original_mean_what_they_say() {
    for (text, expected) in [
        ("$Principal is 'admin'", true),
        (r#"$Principal EQ "admin""#, true),
        ("$Principal NE 'control'", true),
        (r#"(Department is "Accounts" or Department is "Payroll") and Status is "Closed""#, true),
        (r#"not (Department is "Payroll" or Department is "Accounts")"#, false),
        (r#"hasRoles ["trader" "admin"]"#, true),
        (r#"hasRoles "operator""#, false),
        (r#"$Roles eq '"admin" "client"'"#, false),
        (r#"$Roles eq '"admin" "trader"'"#, true),
        (r#"$Country in ["UK", "US", "FR"]"#, true),
        (r#"$Transport eq "WEBSOCKET" and $Country is "FR" and Status eq "Active""#, false),
        (r#"$ClientIP matches "192\\.168\\..*""#, true),
        ("has Location", false),
        ("all", true),
        (
            r#"not (Department is "Accounts" or Department is "Payroll") and $Country is "FR""#,
            false,
        ),
        (r#"hasRoles ["operator"] and not hasRoles ["administrator"]"#, false),
        (r#"Text is "xyz\"\\""#, true),
        (r#"$Version in {"6","7","8"}"#, false),
        (r#"Version in {"6","7","8"}"#, true),
        ("$Country in 'UK','DE','FR'", true),
        ("$Country in ['UK','DE','FR']", true),
        (r#"$Roles eq '"admin","client"'"#, false),
    ] {
        check(text, &trader(), expected);
    }
    check("$Principal is ''", &anonymous(), true);
}

#[test]
fn equality_is_exact_and_ne_is_its_negation() {
    for (text, expected) in [
        ("Status is 'closed'", false),
        ("status is 'Closed'", false),
        ("Status is 'Closed '", false),
        ("Status ne 'Closed'", false),
        ("Status ne 'Open'", true),
        ("Location is ''", false),
        ("Location ne 'Paris'", true),
        ("Location in ['', 'Paris']", false),
        ("Location matches '.*'", false),
        ("$Unheard is ''", false),
        ("$Language is ''", true),
    ] {
        check(text, &trader(), expected);
    }
}

#[test]
fn a_property_is_had_even_when_it_is_empty() {
    check("has $Language", &trader(), true);
    check("has $Latitude", &trader(), false);
    check("HAS $Principal", &anonymous(), true);
    check("has status", &trader(), false);
}

#[test]
fn has_roles_asks_for_all_of_them_and_allows_more() {
    for (text, expected) in [
        ("hasRoles 'admin'", true),
        ("hasRoles 'admin' 'trader'", true),
        ("hasRoles 'admin', 'trader', 'admin'", true),
        ("HASROLES['admin']", true),
        ("hasroles{\"admin\",'trader'}", true),
        ("hasRoles'admin'", true),
        ("hasRoles [ 'admin' , 'client' ]", false),
        ("hasRoles ['Admin']", false),
    ] {
        check(text, &trader(), expected);
    }
}

#[test]
fn the_roles_property_is_compared_as_a_set() {
    for (text, expected) in [
        (r#"$Roles is '"trader","admin"'"#, true),
        (r#"$Roles is "'trader'  'admin' 'trader'""#, true),
        (r#"$Roles is '["admin","trader"]'"#, true),
        (r#"$Roles is '"admin"'"#, false),
        (r#"$Roles is '"admin","trader","client"'"#, false),
        (r#"$Roles is ' '"#, false),
        (r#"$Roles ne '"admin"'"#, true),
        (r#"$Roles ne '"admin","trader"'"#, false),
        (r#"$Roles in ['"admin"', '"admin","trader"']"#, true),
        (r#"$Roles in ['"admin"', '']"#, false),
        (r#"$Roles matches '"admin".*'"#, true),
        ("has $Roles", true),
    ] {
        check(text, &trader(), expected);
    }
    check("$Roles is ''", &anonymous(), true);
    check(r#"$Roles is '"a\\"b"'"#, &Session::new(&[], &["a\"b"]), true);
}

#[test]
fn a_regular_expression_has_to_match_the_whole_value() {
    for (text, expected) in [
        ("$ClientIP matches '168'", false),
        ("$ClientIP matches '.*168.*'", true),
        ("$ClientIP matches '192|192.168.10.7'", true),
        ("Status matches '(?i)closed'", true),
        ("Status matches '^Closed$'", true),
        ("$Language MATCHES ''", true),
        ("$Language matches '.+'", false),
        (r"Version matches '\\d'", true),
        (r"Text matches 'xyz\\W{2}'", true),
    ] {
        check(text, &trader(), expected);
    }
}

#[test]
fn not_binds_tighter_than_and_and_that_tighter_than_or() {
    for (text, expected) in [
        ("all or not all and not all", true),
        ("(all or all) and not all", false),
        ("not all and all", false),
        ("not (not all and all)", true),
        ("not not all", true),
        ("not not not all", false),
        ("not not Status ne 'Closed'", false),
        ("NOT Status IS 'Open' AND has Text Or not all", true),
        ("((((all))))", true),
        ("not(all)or(all)and(all)", true),
    ] {
        check(text, &trader(), expected);
    }
}

#[test]
fn space_is_needed_only_between_words() {
    for text in [
        "Status is'Closed'and Version in['7']and hasRoles['admin']",
        "\t\r\nStatus\nis\r\n'Closed'\t\n",
        "Version in['6''7']or(all)",
        "Version in[ '6' , '7' ]",
        "Version in '6'  \n , '7'",
        "Version in{'7'}and has Version",
    ] {
        check(text, &trader(), true);
    }
}

#[test]
fn keys_may_hold_anything_but_spaces_quotes_and_parentheses() {
    for key in [
        "[x]",
        "a,b",
        "{k}",
        "],[",
        "=",
        "é",
        "a\\b",
        "hasRoles[",
        "in[",
        "not{}",
        "\u{a0}",
        "$",
        "\0",
    ] {
        let session = Session::new(&[(key, "v")], &[]);
        check(&format!("{key} is 'v'"), &session, true);
        check(&format!("not {key} in ['v']"), &session, false);
        check(&format!("(has {key})"), &session, true);
    }
}

#[test]
fn a_keyword_before_an_operator_and_a_value_is_a_key() {
    for key in ["all", "has", "hasRoles", "not", "and", "OR", "is", "eq", "ne", "in", "matches"] {
        let session = Session::new(&[(key, "v")], &[]);
        for operator in ["is", "EQ", "in", "matches"] {
            check(&format!("{key} {operator} 'v'"), &session, true);
            check(&format!("not {key} {operator}'v'"), &session, false);
            check(&format!("all and {key} {operator} 'v' and all"), &session, true);
        }
        check(&format!("{key} in ['u', 'v']"), &session, true);
        check(&format!("{key} ne 'v'"), &session, false);
        check(&format!("has {key}"), &session, true);
        check(&format!("not has {key} and all"), &session, false);
    }
}

#[test]
fn values_may_hold_anything() {
    for (quoted, value) in [
        (r#"'a"b'"#, "a\"b"),
        (r#""a'b""#, "a'b"),
        (r"'it\'s'", "it's"),
        (r"'\n\t\r\\'", "\n\t\r\\"),
        (r"'\u00E9\ud83d\ude00'", "é😀"),
        ("'é😀\n(['", "é😀\n(["),
        ("' and '", " and "),
    ] {
        check(&format!("k is {quoted}"), &Session::new(&[("k", value)], &[]), true);
    }
}
