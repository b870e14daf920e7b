//! Bytes that are to make a receiver fall over, and values that would be such bytes.

use antiphon::value::DataType;
use antiphon::value::Json;
use antiphon::value::JsonValue;
use antiphon::value::RecordV2;
use antiphon::value::Value;
use antiphon::value::ValueError;
use serde::Deserialize;
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::encoded;
use crate::unencodable;

/// A type that nests as deep as its bytes do.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}

fn chain(links: usize) -> Json<Chain> {
    Json((0..links).fold(Chain::End, |chain, _| Chain::Link(Box::new(chain))))
}

fn nested(levels: usize) -> serde_json::Value {
    (0..levels).fold(serde_json::Value::Null, |value, _| serde_json::Value::Array(vec![value]))
}

#[test]
fn deep_nesting_is_an_error() {
    let opens: [&[u8]; 6] =
        [&[0x81], &[0x9f], b"\xa1\x61a", b"\xbf\x61a", &[0xc1], b"\xbf\x64Link"];
    for open in opens {
        let bytes = open.repeat(100_000);
        assert!(JsonValue::decode("json", &bytes).is_err());
        assert!(Json::<Chain>::decode("json", &bytes).is_err());
        assert!(Value::decode("json", &bytes).is_err());
        let bytes = [bytes, vec![0xf6]].concat();
        assert!(JsonValue::decode("json", &bytes).is_err());
        assert!(String::decode("string", &bytes).is_err());
    }
}

#[test]
fn nesting_ends_where_receivers_end_it() {
    let deepest = Json(nested(128));
    assert_eq!(JsonValue::decode("json", &encoded(&deepest)), Ok(deepest));
    assert_eq!(Json::<Chain>::decode("json", &encoded(&chain(128))), Ok(chain(128)));
    let deeper = [
        unencodable(&Json(nested(129))),
        unencodable(&chain(129)),
        unencodable(&Value::Json(nested(2000))),
    ];
    for error in deeper {
        assert_eq!(
            error.to_string(),
            "the json value cannot be written: it nests deeper than 128 levels"
        );
    }
}

#[test]
fn counts_that_nothing_backs_reserve_nothing() {
    for head in ["9bffffffffffffffff", "bbffffffffffffffff", "7bffffffffffffffff", "9a7fffffff00"] {
        let bytes = crate::hex(head);
        assert!(JsonValue::decode("json", &bytes).is_err());
        assert!(Json::<Vec<u64>>::decode("json", &bytes).is_err());
    }
}

#[test]
fn what_is_ignored_is_skipped() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Narrow {
        a: i64,
    }
    let bytes = crate::hex("bf 6178 9f 7f6161ff bf 6161 f7 ff c14101 e0 ff 6161 01 ff");
    assert_eq!(Json::<Narrow>::decode("json", &bytes), Ok(Json(Narrow { a: 1 })));
}

#[test]
fn a_reader_that_stops_early_is_told() {
    /// Reads no element of an array.
    #[derive(Debug, Serialize)]
    struct Idle;
    impl<'de> Deserialize<'de> for Idle {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <[IgnoredAny; 0]>::deserialize(deserializer).map(|_| Self)
        }
    }
    assert!(matches!(
        Json::<Idle>::decode("json", &[0x81, 0x01]),
        Err(ValueError::Malformed { .. })
    ));
    assert!(Json::<Idle>::decode("json", &[0x9f, 0xff]).is_ok());
}

#[test]
fn many_records_are_only_many() {
    let bytes = vec![1; 100_000];
    assert_eq!(RecordV2::decode("record_v2", &bytes).unwrap().records.len(), 100_001);
}
