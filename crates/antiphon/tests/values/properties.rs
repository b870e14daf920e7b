//! What is written is read again, is let through by the server's check, and no bytes make reading panic.

use std::fmt::Debug;

use antiphon::value::DataType;
use antiphon::value::Json;
use antiphon::value::JsonValue;
use antiphon::value::RecordV2;
use antiphon::value::Value;
use bytes::Bytes;
use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;
use serde::Serialize;

use crate::encoded;
use crate::hex;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shape {
    name: Option<String>,
    sizes: Vec<(i8, u64)>,
    inner: Option<Box<Shape>>,
}

fn assert_round_trip<T: DataType + PartialEq + Debug>(value: T) {
    let bytes = encoded(&value);
    assert_eq!(T::decode(value.type_name(), &bytes), Ok(value));
}

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..40).prop_map(String::from_iter)
}

fn number() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("NaN is unequal to itself", |number| !number.is_nan())
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let finite = number().prop_filter("JSON has no infinities", |number| number.is_finite());
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        finite.prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 30, |inner| {
        let array = vec(inner.clone(), 0..30).prop_map(Into::into);
        let object = btree_map(text(), inner, 0..8)
            .prop_map(|map| serde_json::Value::Object(map.into_iter().collect()));
        prop_oneof![array, object]
    })
}

fn records() -> impl Strategy<Value = RecordV2> {
    let character = any::<char>().prop_filter("a mark", |c| !"\u{1}\u{2}\u{4}\u{5}".contains(*c));
    let field = vec(character, 0..3).prop_map(String::from_iter);
    vec(vec(field, 0..3), 0..4).prop_map(|records| RecordV2 { records })
}

fn shape() -> impl Strategy<Value = Shape> {
    let sizes = vec(any::<(i8, u64)>(), 0..4);
    let leaf = (proptest::option::of(text()), sizes).prop_map(|(name, sizes)| Shape {
        name,
        sizes,
        inner: None,
    });
    leaf.prop_recursive(8, 8, 1, |inner| {
        inner.prop_map(|inner| Shape {
            name: None,
            sizes: Vec::new(),
            inner: Some(Box::new(inner)),
        })
    })
}

fn dynamic() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::String),
        tree().prop_map(Value::Json),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Binary(bytes.into())),
        any::<i64>().prop_map(Value::Int64),
        number().prop_map(Value::Double),
        records().prop_map(Value::RecordV2),
        prop_oneof![Just("string"), Just("int64"), Just("double")].prop_map(Value::Null),
    ]
}

/// Bytes that look more like CBOR than chance has it.
fn cbor() -> impl Strategy<Value = Vec<u8>> {
    let heads = hex("0020383b1b415f617f80819fa0a1bfc0c2e0f4f6f7f8f9faff");
    vec(prop_oneof![4 => proptest::sample::select(heads), 1 => any::<u8>()], 0..24)
}

fn type_name() -> impl Strategy<Value = String> {
    let known = ["string", "json", "binary", "int64", "double", "record_v2"].map(str::to_owned);
    prop_oneof![9 => proptest::sample::select(known.to_vec()), 1 => text()]
}

/// Reads the bytes as every type. What a type reads it can write again, if it is not of the more general kind.
fn read_as_all(type_name: &str, bytes: &[u8]) {
    let _ = String::decode(type_name, bytes).map(|value| encoded(&value));
    let _ = i64::decode(type_name, bytes).map(|value| encoded(&value));
    let _ = f64::decode(type_name, bytes).map(|value| encoded(&value));
    let _ = Option::<String>::decode(type_name, bytes).map(|value| encoded(&value));
    let _ = JsonValue::decode(type_name, bytes).map(|value| encoded(&value));
    let _ = Json::<Shape>::decode(type_name, bytes).map(|value| encoded(&value));
    let _ = RecordV2::decode(type_name, bytes);
    let _ = Value::decode(type_name, bytes);
    assert!(Bytes::decode(type_name, bytes).is_ok());
    assert!(Vec::<u8>::decode(type_name, bytes).is_ok());
}

proptest! {
    #[test]
    fn strings(value in text()) {
        assert_round_trip(value);
    }

    #[test]
    fn integers(value: i64) {
        assert_round_trip(value);
    }

    #[test]
    fn doubles(value in number()) {
        assert_round_trip(value);
        assert_eq!(encoded(&value).len(), 9);
    }

    #[test]
    fn options(text in proptest::option::of(text()), integer: Option<i64>, number in proptest::option::of(number())) {
        assert_round_trip(text);
        assert_round_trip(integer);
        assert_round_trip(number);
    }

    #[test]
    fn bytes(value in vec(any::<u8>(), 0..100)) {
        assert_round_trip(Bytes::from(value.clone()));
        assert_round_trip(value);
    }

    #[test]
    fn trees(value in tree()) {
        assert_round_trip(Json(value));
    }

    #[test]
    fn structs(value in shape()) {
        assert_round_trip(Json(value));
    }

    #[test]
    fn record_values(value in records()) {
        assert_round_trip(value);
    }

    #[test]
    fn dynamic_values(value in dynamic()) {
        assert_round_trip(value);
    }

    #[test]
    fn a_struct_and_its_tree_are_the_same_bytes_apart_from_the_order_of_keys(value in shape()) {
        let tree = serde_json::to_value(&value).unwrap();
        assert_eq!(Json::<serde_json::Value>::decode("json", &encoded(&Json(value.clone()))), Ok(Json(tree.clone())));
        assert_eq!(Json::<Shape>::decode("json", &encoded(&Json(tree))), Ok(Json(value)));
    }

    #[test]
    fn no_bytes_make_reading_panic(type_name in type_name(), bytes in vec(any::<u8>(), 0..64), like_cbor in cbor()) {
        read_as_all(&type_name, &bytes);
        read_as_all(&type_name, &like_cbor);
    }

    #[test]
    fn values_that_were_damaged_do_not_make_reading_panic(
        value in tree(), shape in shape(), records in records(), at: proptest::sample::Index, byte: u8,
    ) {
        for mut bytes in [encoded(&Json(value)), encoded(&Json(shape)), encoded(&records)] {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            read_as_all("json", &bytes);
            read_as_all("record_v2", &bytes);
        }
    }

    #[test]
    fn json_is_one_whole_item(bytes in cbor()) {
        let read = JsonValue::decode("json", &bytes);
        assert!(antiphon_wire::cbor::check(&bytes).is_some() || read.is_err());
    }
}
