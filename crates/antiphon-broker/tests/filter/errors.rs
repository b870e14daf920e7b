//! What the parser says about texts that are not filters.

use antiphon_broker::filter::Filter;

#[track_caller]
fn check(text: &str, line: u32, column: u32, message: &str) {
    let error = Filter::parse(text).expect_err(text);
    assert_eq!((error.line(), error.column(), error.message()), (line, column, message), "{text}");
    assert!(message.len() < 120, "{message}");
}

/// Checks errors on the first line: text, column, message.
#[track_caller]
fn check_all(cases: &[(&str, u32, &str)]) {
    for (text, column, message) in cases {
        check(text, 1, *column, message);
    }
}

#[test]
fn an_empty_filter_is_refused() {
    for text in ["", " ", "\t\r\n "] {
        check(text, 1, 1, "the filter is empty; write all for every session");
    }
}

#[test]
fn a_missing_or_wrong_operator_is_named() {
    check_all(&[
        (
            r#"Department "Payroll""#,
            12,
            r#"expected an operator (is, eq, ne, in, matches) after key Department, found "Payroll""#,
        ),
        ("a = 'x'", 3, "expected an operator (is, eq, ne, in, matches) after key a, found ="),
        (
            "a",
            2,
            "expected an operator (is, eq, ne, in, matches) after key a, found the end of the filter",
        ),
        ("(a)", 3, "expected an operator (is, eq, ne, in, matches) after key a, found )"),
        (
            "hasRole ['x']",
            9,
            "expected an operator (is, eq, ne, in, matches) after key hasRole, found [",
        ),
        (
            "not is 'x' and b c",
            18,
            "expected an operator (is, eq, ne, in, matches) after key b, found c",
        ),
    ]);
}

#[test]
fn a_missing_clause_is_named() {
    check_all(&[
        ("not", 4, "expected a key, all, has, hasRoles, not or (, found the end of the filter"),
        ("'x' is a", 1, "expected a key, all, has, hasRoles, not or (, found 'x'"),
        ("()", 2, "expected a key, all, has, hasRoles, not or (, found )"),
        ("all and", 8, "expected a key, all, has, hasRoles, not or (, found the end of the filter"),
        ("all and and all", 9, "expected a key, all, has, hasRoles, not or (, found and"),
        ("Or all", 1, "expected a key, all, has, hasRoles, not or (, found Or"),
        ("has", 4, "expected a key after has, found the end of the filter"),
        ("has \"Location\"", 5, "expected a key after has, found \"Location\""),
    ]);
}

#[test]
fn a_missing_value_is_named() {
    check_all(&[
        ("a is Payroll", 6, "expected a quoted value, found Payroll"),
        ("a is ['x']", 6, "expected a quoted value, found ["),
        ("a NE", 5, "expected a quoted value, found the end of the filter"),
        ("a matches (", 11, "expected a quoted value, found ("),
        ("a in ('x')", 6, "expected a quoted value, found ("),
        ("a in []", 7, "expected a quoted value, found ]"),
        ("hasRoles", 9, "expected a quoted value, found the end of the filter"),
        ("hasRoles[]", 10, "expected a quoted value, found ]"),
        ("a in ['x',]", 11, "expected a quoted value after the comma, found ]"),
        ("a in 'x', and all", 11, "expected a quoted value after the comma, found and"),
        ("a in ['x',,'y']", 11, "expected a quoted value after the comma, found ,"),
        ("a in ['x'", 10, "expected a quoted value, a comma or ], found the end of the filter"),
        ("a in {'x']", 10, "expected a quoted value, a comma or }, found ]"),
    ]);
}

#[test]
fn what_follows_a_clause_is_named() {
    check_all(&[
        ("all all", 5, "expected and, or, or the end of the filter, found all"),
        ("a is 'x' 'y'", 10, "expected and, or, or the end of the filter, found 'y'"),
        ("a in 'x']", 9, "expected and, or, or the end of the filter, found ]"),
        ("all)", 4, "expected and, or, or the end of the filter, found )"),
        ("all is Bob", 5, "expected and, or, or the end of the filter, found is"),
        ("(all", 5, "expected and, or, or ), found the end of the filter"),
        ("(all has b)", 6, "expected and, or, or ), found has"),
    ]);
}

#[test]
fn a_bad_value_is_named() {
    check_all(&[
        ("a is 'x", 6, "expected a closing ' for this value, found the end of the filter"),
        (r#"a is "x\""#, 6, "expected a closing \" for this value, found the end of the filter"),
        (r"a is 'x\", 8, r"expected a character after \, found the end of the filter"),
        (r"a matches '\d'", 12, r"unknown escape \d (a backslash itself is written \\)"),
        (r"a is '\é'", 7, r"unknown escape \é (a backslash itself is written \\)"),
        (r"a is '\u12'", 7, r"expected four hexadecimal digits after \u"),
        (r"a is '\u+123'", 7, r"expected four hexadecimal digits after \u"),
        (r"a is '\u00é'", 7, r"expected four hexadecimal digits after \u"),
        (r"a is 'x\ud83d'", 8, r"\uD83D is only half of a surrogate pair"),
        (r"a is '\ud83d\u0041'", 7, r"\uD83D is only half of a surrogate pair"),
        (r"a is '\udc00'", 7, r"\uDC00 is only half of a surrogate pair"),
    ]);
}

#[test]
fn a_bad_list_of_roles_is_refused_where_it_stands() {
    let message = r#"$Roles takes a list of quoted roles such as '"a","b"'"#;
    check_all(&[
        ("$Roles is 'admin'", 11, message),
        (r#"$Roles ne '"a",'"#, 11, message),
        (r#"$Roles eq '"a'"#, 11, message),
        (r#"$Roles is '"a" or'"#, 11, message),
        (r#"$Roles in ['"a"', 'b']"#, 19, message),
    ]);
}

#[test]
fn a_bad_regular_expression_is_refused_where_it_stands() {
    check_all(&[
        (
            "a matches 'x(?=y)'",
            11,
            "bad regular expression: look-around, including look-ahead and look-behind, is not supported",
        ),
        (r"a matches '(x)\\1'", 11, "bad regular expression: backreferences are not supported"),
        (
            "all and a matches '*'",
            19,
            "bad regular expression: repetition operator missing expression",
        ),
        ("a matches 'x)(y'", 11, "bad regular expression: unopened group"),
        (
            r"a matches '\\w{1000}'",
            11,
            "the regular expression is too large: over 262144 bytes when compiled",
        ),
        (
            r"a matches '(?i)[\\W]'",
            11,
            "in a regular expression, the flag i may stand only with plain classes such as [a-z]",
        ),
    ]);
}

#[test]
fn lines_and_columns_lead_to_the_offending_token() {
    check(
        "all and\r\n  b 'x'",
        2,
        5,
        "expected an operator (is, eq, ne, in, matches) after key b, found 'x'",
    );
    check("é is 'ü😀' x", 1, 11, "expected and, or, or the end of the filter, found x");
    check("a is '\n\n' b", 3, 3, "expected and, or, or the end of the filter, found b");
    check(
        "all and\n",
        2,
        1,
        "expected a key, all, has, hasRoles, not or (, found the end of the filter",
    );
}

#[test]
fn quoted_input_is_cut_so_that_a_message_stays_short() {
    let key = "k".repeat(100);
    let message = format!(
        "expected an operator (is, eq, ne, in, matches) after key {0}..., found {1}...",
        "k".repeat(21),
        "é".repeat(10)
    );
    check(&format!("{key} {}", "é".repeat(100)), 1, 102, &message);
    check("a is x\0y", 1, 6, "expected a quoted value, found x y");
}

#[test]
fn an_error_shows_its_place_and_its_message() {
    let error = Filter::parse("all or").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1, column 7: expected a key, all, has, hasRoles, not or (, found the end of the filter"
    );
}
