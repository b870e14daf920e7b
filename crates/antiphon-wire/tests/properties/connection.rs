//! Random parameters of connections.

use std::collections::BTreeMap;

use antiphon_wire::codec::Encode;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::parse_properties;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fields::credentials;
use crate::fields::text;

/// The names of all parameters.
const NAMES: [&str; 9] = ["v", "ty", "r", "username", "password", "sp", "c", "cs", "ss"];

proptest! {
    #[test]
    fn a_json_object_is_read_as_written(map in btree_map(".{0,6}", ".{0,6}", 0..5)) {
        let json = serde_json::to_string(&map).expect("a map of strings");
        let read = parse_properties(&json).map(BTreeMap::from_iter);
        prop_assert_eq!(read, Some(map));
    }

    #[test]
    fn a_quoted_list_is_read_as_written(pairs in vec((item(), item()), 0..5)) {
        let list: Vec<String> = pairs
            .iter()
            .flat_map(|(key, value)| [quoted(key), quoted(value)])
            .collect();
        prop_assert_eq!(parse_properties(&list.join(",")), Some(pairs));
    }

    #[test]
    fn other_properties_do_no_harm(text in r#"[\\"',:{}ntu08é ]{0,24}"#) {
        let read = parse_properties(&text).unwrap_or_default();
        let length: usize = read.iter().map(|(key, value)| key.len() + value.len()).sum();
        prop_assert!(length <= text.len());
    }

    #[test]
    fn principal_and_credentials_are_read_as_written(
        principal in text(),
        credentials in credentials(),
    ) {
        let mut record = Vec::new();
        credentials.encode(&mut record);
        let base64 = BASE64_STANDARD.encode(record);
        let query = format!(
            "v=29&username={}&password={}",
            utf8_percent_encode(principal, NON_ALPHANUMERIC),
            utf8_percent_encode(&base64, NON_ALPHANUMERIC),
        );
        let request = ConnectionRequest::parse(&query, |_| None).expect("usable parameters");
        prop_assert_eq!(&request.principal, principal);
        prop_assert_eq!(request.credentials(), credentials);

        let request = ConnectionRequest::parse("v=25", |name| match name {
            "username" => Some(principal.as_bytes()),
            "password" => Some(base64.as_bytes()),
            _ => None,
        })
        .expect("usable parameters");
        prop_assert_eq!(&request.principal, principal);
        prop_assert_eq!(request.credentials(), credentials);
    }

    #[test]
    fn parameters_that_nobody_wrote_do_no_harm(
        query in vec((select(&NAMES), "[%0-9a-fA-F+=&\"{}]{0,12}|.{0,6}"), 0..5),
        name in select(&NAMES),
        header in vec(any::<u8>(), 0..30),
    ) {
        let query: String = query
            .into_iter()
            .map(|(name, value)| format!("{name}={value}&"))
            .collect();
        let header = |asked: &str| (asked == name).then_some(&header[..]);
        for query in [format!("v=25&{query}"), query] {
            if let Ok(request) = ConnectionRequest::parse(&query, header) {
                prop_assert!((19..=29).contains(&request.version.number()));
            }
        }
    }
}

/// An item of a quoted list, rich in characters that must be escaped.
fn item() -> impl Strategy<Value = String> {
    prop_oneof![".{0,6}", r#"[\\"'\t\n\rtnr,é]{0,8}"#]
}

fn quoted(item: &str) -> String {
    let mut text = String::from('"');
    for c in item.chars() {
        match c {
            '\\' | '"' | '\'' => text.extend(['\\', c]),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
