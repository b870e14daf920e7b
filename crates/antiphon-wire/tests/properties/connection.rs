//! Random parameters of connections.

use std::collections::BTreeMap;

use antiphon_wire::codec::Encode;
use antiphon_wire::connect::ConnectionParameters;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Credentials;
use antiphon_wire::connect::Reconnection;
use antiphon_wire::connect::parse_properties;
use antiphon_wire::ids::SessionToken;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use proptest::array::uniform24;
use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fields::credentials;
use crate::fields::number;
use crate::fields::text;
use crate::fields::version;

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
    fn parameters_are_read_as_a_client_writes_them(
        (client_type, version, capabilities) in (text(), version(), any::<u32>()),
        (reconnect_timeout, reconnection) in (number(), option::of(reconnection())),
        properties in btree_map(item(), item(), 0..5),
        (principal, credentials) in (option::of(text()), credentials()),
    ) {
        let properties: Vec<(String, String)> = properties.into_iter().collect();
        let query = ConnectionParameters {
            client_type,
            version,
            capabilities,
            reconnect_timeout,
            reconnection,
            properties: &properties,
            principal,
            credentials,
        }
        .to_query();
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%&=".contains(&byte);
        prop_assert!(query.bytes().all(is_safe), "{query}");
        let request = ConnectionRequest::parse(&query, |_| None).expect("usable parameters");
        prop_assert_eq!(request.version, version);
        prop_assert_eq!(request.reconnect_timeout, reconnect_timeout);
        prop_assert_eq!(request.reconnection, reconnection);
        prop_assert_eq!(&request.principal, principal.unwrap_or_default());
        let expected = principal.map_or(Credentials::None, |_| credentials);
        prop_assert_eq!(request.credentials(), expected);
        prop_assert_eq!(request.properties, properties);
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

/// Tokens that are text, as those of servers are.
fn reconnection() -> impl Strategy<Value = Reconnection> {
    (uniform24(0..128_u8), number(), number()).prop_map(
        |(token, client_sequence, server_sequence)| Reconnection {
            token: SessionToken(token),
            client_sequence,
            server_sequence,
        },
    )
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
