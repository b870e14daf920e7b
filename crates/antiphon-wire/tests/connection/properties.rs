//! Parameter `sp`: proposed session properties as a JSON object or as a list of quoted items.

use antiphon_wire::connect::parse_properties;

use crate::from_headers;
use crate::from_query;
use crate::malformed;
use crate::parse;
use crate::properties;

#[track_caller]
fn assert_properties(text: &str, expected: &[(&str, &str)]) {
    let parsed = parse_properties(text).map(|mut pairs| {
        pairs.sort();
        pairs
    });
    let mut expected = properties(expected);
    expected.sort();
    assert_eq!(parsed, Some(expected), "{text}");
}

#[test]
fn nothing_is_no_properties() {
    assert_properties("", &[]);
    assert_properties("{}", &[]);
}

#[test]
fn a_json_object_of_strings_is_read() {
    assert_properties(r#"{"a":"b"}"#, &[("a", "b")]);
    assert_properties(r#"{ "a" : "b" , "c" : "" }"#, &[("a", "b"), ("c", "")]);
    assert_properties(r#"{"k\"x":"v\\1\n,\t\/\u00e9\ud83d\ude00"}"#, &[("k\"x", "v\\1\n,\t/é😀")]);
    assert_properties(r#"{"Zoë":"水 😀"}"#, &[("Zoë", "水 😀")]);
}

#[test]
fn the_last_of_two_equal_json_keys_counts() {
    assert_properties(r#"{"a":"1","a":"2"}"#, &[("a", "2")]);
}

#[test]
fn other_json_is_malformed() {
    let texts = [
        "{",
        r#"{"a"}"#,
        r#"{"a":"b""#,
        r#"{"a":"b",}"#,
        r#"{"a":1}"#,
        r#"{"a":true}"#,
        r#"{"a":null}"#,
        r#"{"a":["b"]}"#,
        r#"{"a":{"b":"c"}}"#,
        r#"{"a":"b"} "c""#,
        r#"{a:"b"}"#,
        r#"{"a":"\ud800"}"#,
        r#"["a","b"]"#,
        "null",
    ];
    for text in texts {
        assert_eq!(parse_properties(text), None, "{text}");
    }
    let deep = "{\"a\":".repeat(100_000);
    assert_eq!(parse_properties(&deep), None);
}

#[test]
fn a_list_of_quoted_items_is_read() {
    assert_properties(r#""a","b""#, &[("a", "b")]);
    assert_properties(r#""","""#, &[("", "")]);
    assert_properties(
        r#""a","b","k\"x","v\\1\n,","$Country","GB","$Environment","PYTHON_cpython_3.11.7""#,
        &[
            ("a", "b"),
            ("k\"x", "v\\1\n,"),
            ("$Country", "GB"),
            ("$Environment", "PYTHON_cpython_3.11.7"),
        ],
    );
    assert_properties(r#""Zoë","水 😀""#, &[("Zoë", "水 😀")]);
}

#[test]
fn a_backslash_in_an_item_is_read_once_from_left_to_right() {
    let rows = [
        (r"\t\n\r", "\t\n\r"),
        (r"\\n", r"\n"),
        (r"\\\n", "\\\n"),
        (r"\'\x\é", "'xé"),
        ("'", "'"),
        ("{", "{"),
    ];
    for (escaped, value) in rows {
        assert_properties(&format!(r#""k","{escaped}""#), &[("k", value)]);
    }
}

#[test]
fn items_keep_their_order_and_their_doubles() {
    let parsed = parse_properties(r#""b","1","a","2","b","3""#);
    assert_eq!(parsed, Some(properties(&[("b", "1"), ("a", "2"), ("b", "3")])));
}

#[test]
fn other_lists_are_malformed() {
    let texts = [
        "\"",
        r#""a""#,
        r#""a","#,
        r#""a","b","#,
        r#""a","b","c""#,
        r#","a","b""#,
        r#""a","b""c","d""#,
        r#""a" ,"b""#,
        r#" "a","b""#,
        r#""a","b" "#,
        r#""a","b"#,
        r#""a","b\"#,
        r#""a","b\""#,
        "'a','b'",
        "a,b",
        " ",
    ];
    for text in texts {
        assert_eq!(parse_properties(text), None, "{text}");
    }
}

#[test]
fn either_encoding_may_come_either_way() {
    let expected = properties(&[("k", "é")]);
    assert_eq!(from_query("v=25&sp=%7B%22k%22:%22%c3%a9%22%7D").properties, expected);
    assert_eq!(from_query("v=25&sp=%22k%22,%22%c3%a9%22").properties, expected);
    let headers = [("v", &b"25"[..]), ("sp", b"{\"k\":\"\xc3\xa9\"}")];
    assert_eq!(from_headers(&headers).properties, expected);
    let headers = [("v", &b"25"[..]), ("sp", b"\"k\",\"\xc3\xa9\"")];
    assert_eq!(from_headers(&headers).properties, expected);
}

#[test]
fn malformed_properties_are_told_from_other_parameters() {
    assert_eq!(parse("v=25&sp=%7B", &[]), Err(malformed("sp")));
    assert_eq!(parse("", &[("v", b"25"), ("sp", b"\"a\"")]), Err(malformed("sp")));
}
