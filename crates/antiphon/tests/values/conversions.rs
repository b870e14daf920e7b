//! Every type of the wire against every type of Rust.

use antiphon::value::DataType;
use antiphon::value::JsonValue;
use antiphon::value::RecordV2;
use antiphon::value::Value;
use antiphon::value::ValueError;
use bytes::Bytes;
use serde_json::json;

use crate::hex;

/// A value of each type of the wire.
const SENT: [(&str, &str); 6] = [
    ("string", "6568656c6c6f"),
    ("json", "a1616101"),
    ("binary", "00ff"),
    ("int64", "1818"),
    ("double", "fb3ff8000000000000"),
    ("record_v2", "6102620163"),
];

/// `T` reads the named types, and says of the others both their name and its own.
#[track_caller]
fn assert_takes<T: DataType>(accepted: &[&str]) {
    for (type_name, digits) in SENT {
        let read = T::decode(type_name, &hex(digits)).err();
        let wanted = ValueError::Incompatible { found: type_name.to_owned(), wanted: T::NAME };
        let expected = (!accepted.contains(&type_name)).then_some(wanted);
        assert_eq!(read, expected, "{type_name} as {}", std::any::type_name::<T>());
    }
}

#[test]
fn a_more_general_type_takes_a_more_specific_one() {
    let all = SENT.map(|(type_name, _)| type_name);
    assert_takes::<Bytes>(&all);
    assert_takes::<Vec<u8>>(&all);
    assert_takes::<Value>(&all);
    assert_takes::<JsonValue>(&["json", "string", "int64", "double"]);
}

#[test]
fn a_specific_type_takes_itself() {
    assert_takes::<String>(&["string"]);
    assert_takes::<i64>(&["int64"]);
    assert_takes::<f64>(&["double"]);
    assert_takes::<Option<String>>(&["string"]);
    assert_takes::<Option<i64>>(&["int64"]);
    assert_takes::<Option<f64>>(&["double"]);
    assert_takes::<RecordV2>(&["record_v2"]);
}

#[test]
fn raw_bytes_are_those_that_came() {
    for (type_name, digits) in SENT {
        assert_eq!(Vec::<u8>::decode(type_name, &hex(digits)), Ok(hex(digits)));
        assert_eq!(Bytes::decode(type_name, &hex(digits)), Ok(hex(digits).into()));
    }
}

#[test]
fn json_reads_text_and_numbers_as_such() {
    let read = |(type_name, digits)| JsonValue::decode(type_name, &hex(digits)).unwrap().0;
    assert_eq!(read(SENT[0]), json!("hello"));
    assert_eq!(read(SENT[1]), json!({"a": 1}));
    assert_eq!(read(SENT[3]), json!(24));
    assert_eq!(read(SENT[4]), json!(1.5));
}

#[test]
fn a_dynamic_value_keeps_its_type() {
    let record = RecordV2 { records: vec![vec!["a".into(), "b".into()], vec!["c".into()]] };
    let values = [
        Value::String("hello".into()),
        Value::Json(json!({"a": 1})),
        Value::Binary(Bytes::from_static(&[0, 255])),
        Value::Int64(24),
        Value::Double(1.5),
        Value::RecordV2(record),
    ];
    for ((type_name, digits), value) in SENT.into_iter().zip(values) {
        assert_eq!(Value::decode(type_name, &hex(digits)), Ok(value.clone()));
        assert_eq!((value.type_name(), crate::encoded(&value)), (type_name, hex(digits)));
    }
}

#[test]
fn unknown_types_are_refused_but_as_raw_bytes() {
    for found in ["", "String", "int32", "timeseriesevent-string", "value"] {
        let unknown = ValueError::UnknownType { found: found.to_owned() };
        assert_eq!(Value::decode(found, &[0x60]), Err(unknown));
        let incompatible = ValueError::Incompatible { found: found.to_owned(), wanted: "string" };
        assert_eq!(String::decode(found, &[0x60]), Err(incompatible));
        assert!(JsonValue::decode(found, &[0x60]).is_err());
        assert_eq!(Vec::<u8>::decode(found, &[0x60]), Ok(vec![0x60]));
    }
}
