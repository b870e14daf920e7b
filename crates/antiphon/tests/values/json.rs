//! Json: what serde types become, and what JavaScript and Python write for them.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Debug;
use std::net::IpAddr;

use antiphon::value::AsJson;
use antiphon::value::DataType;
use antiphon::value::Json;
use antiphon::value::JsonValue;
use antiphon::value::ToValue;
use antiphon::value::ValueError;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::DeserializeOwned;
use serde::de::Visitor;
use serde_json::json;

use crate::decoded;
use crate::encoded;
use crate::hex;
use crate::unencodable;

fn read<T: Serialize + DeserializeOwned + Send + 'static>(digits: &str) -> Result<T, ValueError> {
    decoded::<Json<T>>(digits).map(|json| json.0)
}

#[track_caller]
fn assert_both_ways<T>(value: T, digits: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + Send + 'static,
{
    let json = Json(value);
    assert_eq!(encoded(&json), hex(digits), "{json:?}");
    assert_eq!(decoded(digits), Ok(json));
}

#[track_caller]
fn assert_refused<T: Serialize + DeserializeOwned + Debug + Send + 'static>(digits: &str) {
    let error = read::<T>(digits).expect_err("another shape");
    assert!(matches!(error, ValueError::Malformed { data_type: "json", .. }), "{digits} {error}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Quote {
    bid: f64,
    size: u32,
    venue: Option<String>,
    side: Side,
    levels: Vec<(f64, i64)>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Side {
    Buy,
    Limit(f64),
    Range(f64, f64),
    Stop { at: f64 },
}

fn quote(side: Side) -> Quote {
    Quote { bid: 5.0, size: 7, venue: None, side, levels: vec![(1.0, 2)] }
}

#[test]
fn what_javascript_and_python_write_is_read() {
    let table = [
        ("bf 6161 9f 01 fb3ff8000000000000 ff ff", json!({"a": [1, 1.5]})),
        ("bfff", json!({})),
        ("9fff", json!([])),
        ("a1 6161 820203", json!({"a": [2, 3]})),
        ("9f f4 f5 f6 f7 ff", json!([false, true, null, null])),
        ("9f f93c00 fa47c35000 ff", json!([1.0, 100_000.0])),
        (
            "bf 0102 2003 f504 f605 f93c0006 ff",
            json!({"1": 2, "-1": 3, "true": 4, "null": 5, "1.0": 6}),
        ),
        ("c0 63313937", json!("197")),
        ("9f c1 01 d9d9f7 c2 4101 ff", json!([1, [1]])),
        ("7f 6161 62c3a9 ff", json!("aé")),
        ("4201ff", json!([1, 255])),
        ("5f 4101 4102 ff", json!([1, 2])),
        ("1bffffffffffffffff", json!(u64::MAX)),
        ("3b7fffffffffffffff", json!(i64::MIN)),
        ("9f f97e00 f97c00 ff", json!([null, null])),
        ("a2 616101 616102", json!({"a": 2})),
        ("a1 7f6161ff 01", json!({"a": 1})),
    ];
    for (digits, value) in table {
        assert_eq!(read(digits), Ok(value), "{digits}");
    }
}

#[test]
fn an_object_of_javascript_is_read() {
    // {bid: 5, f: 1.5, u: undefined, n: null, b: Buffer, d: new Date(0), a: [1, [true, "x"]], e: {}, neg: -300},
    // written by the JavaScript SDK 6.12.1.
    let digits = "bf 63626964 05 6166 fb3ff8000000000000 6175 f7 616e f6 6162 4201ff \
                  6164 7818313937302d30312d30315430303a30303a30302e3030305a \
                  6161 9f 01 9f f5 6178 ff ff 6165 bf ff 636e6567 39012b ff";
    let value = json!({
        "bid": 5, "f": 1.5, "u": null, "n": null, "b": [1, 255], "d": "1970-01-01T00:00:00.000Z",
        "a": [1, [true, "x"]], "e": {}, "neg": -300,
    });
    assert_eq!(read(digits), Ok(value));
}

#[test]
fn what_json_has_no_place_for_is_refused() {
    for digits in [
        "3bffffffffffffffff",
        "e0",
        "f820",
        "a1 4101 01",
        "a1 8001",
        "",
        "0101",
        "9f",
        "ff",
        "61ff",
    ] {
        assert_refused::<serde_json::Value>(digits);
    }
}

#[test]
fn trees_are_written_with_definite_lengths() {
    assert_both_ways(
        json!({"a": [1, -1, 1.5, "x", true, null], "b": {}}),
        "a2 6161 86 01 20 fb3ff8000000000000 6178 f5 f6 6162 a0",
    );
    assert_both_ways(json!(1.0), "fb3ff0000000000000");
    assert_both_ways(json!(u64::MAX), "1bffffffffffffffff");
}

#[test]
fn a_struct_is_a_map() {
    let digits = "a5 63626964 fb4014000000000000 6473697a65 07 6576656e7565 f6 6473696465 63427579 \
                  666c6576656c73 81 82 fb3ff0000000000000 02";
    assert_both_ways(quote(Side::Buy), digits);
}

#[test]
fn a_struct_is_read_from_what_javascript_writes() {
    // {bid: 5, size: 7, note: [undefined], side: .., levels: [[1, 2]]}: integers for floats, no venue, and one more.
    let start = "bf 63626964 05 6473697a65 07 646e6f7465 9ff7ff 6473696465";
    let end = "666c6576656c73 9f 9f 01 02 ff ff ff";
    let sides = [
        ("63427579", Side::Buy),
        ("7f 6142 627579 ff", Side::Buy),
        ("bf 63427579 f6 ff", Side::Buy),
        ("bf 654c696d6974 01 ff", Side::Limit(1.0)),
        ("bf 6552616e6765 9f 01 02 ff ff", Side::Range(1.0, 2.0)),
        ("bf 6453746f70 bf 626174 03 ff ff", Side::Stop { at: 3.0 }),
    ];
    for (digits, side) in sides {
        assert_eq!(read(&format!("{start} {digits} {end}")), Ok(quote(side)), "{digits}");
    }
}

#[test]
fn an_enum_is_text_or_a_map_of_one_entry() {
    assert_both_ways(Side::Buy, "63427579");
    assert_both_ways(Side::Limit(1.5), "a1 654c696d6974 fb3ff8000000000000");
    assert_both_ways(
        Side::Range(0.0, 1.5),
        "a1 6552616e6765 82 fb0000000000000000 fb3ff8000000000000",
    );
    assert_both_ways(Side::Stop { at: 1.5 }, "a1 6453746f70 a1 626174 fb3ff8000000000000");
    for digits in [
        "a0",
        "bfff",
        "635365",
        "6353656c",
        "01",
        "a2 63427579 f6 654c696d6974 01",
        "a1 654c696d6974 6161",
    ] {
        assert_refused::<Side>(digits);
    }
}

#[test]
fn shapes_must_fit() {
    assert_refused::<(i64, i64)>("9f 01 ff");
    assert_refused::<(i64, i64)>("9f 01 02 03 ff");
    assert_refused::<(i64, i64)>("83 01 02 03");
    assert_refused::<u8>("190100");
    assert_refused::<i64>("f93c00");
    assert_refused::<String>("01");
    let missing = read::<Quote>("a1 63626964 05").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "the bytes of the json value cannot be read: missing field `size`"
    );
}

#[test]
fn null_is_for_options() {
    assert_both_ways(None::<i64>, "f6");
    assert_eq!(read::<Option<i64>>("f7"), Ok(None));
    assert_eq!(read::<Option<Option<i64>>>("c0f6"), Ok(None));
    assert_eq!(read::<i64>("f6"), Err(ValueError::Null { wanted: "json" }));
    assert_eq!(Json::<Option<String>>::decode("string", &[0xf6]), Ok(Json(None)));
}

#[test]
fn numbers_keep_their_worth() {
    assert_both_ways(0.5_f32, "fb3fe0000000000000");
    assert_both_ways(f64::INFINITY, "fb7ff0000000000000");
    assert!(read::<f64>("f97e00").unwrap().is_nan());
    assert_both_ways(-1_i128 - i128::from(u64::MAX), "3bffffffffffffffff");
    assert_both_ways(u128::from(u64::MAX), "1bffffffffffffffff");
    assert_eq!(read::<f32>("05"), Ok(5.0));
    for error in [unencodable(&Json(u128::MAX)), unencodable(&Json(i128::MIN))] {
        assert!(error.to_string().ends_with("is too large for CBOR"), "{error}");
    }
}

#[test]
fn keys_are_text() {
    assert_both_ways(BTreeMap::from([(-1_i64, 'a'), (300, 'b')]), "a2 622d31 6161 63333030 6162");
    assert_both_ways(BTreeMap::from([(true, ())]), "a1 6474727565 f6");
    assert_both_ways(BTreeMap::from([('x', 1)]), "a1 6178 01");
    assert_eq!(
        read::<BTreeMap<u8, i64>>("bf 0a 01 ff"),
        Ok(BTreeMap::from([(10, 1)])),
        "of Python"
    );
    assert_refused::<BTreeMap<u8, i64>>("a1 190100 01");
    assert_refused::<BTreeMap<u8, i64>>("a1 6161 01");
    let error = unencodable(&Json(BTreeMap::from([(vec![1], 1)])));
    assert!(matches!(error, ValueError::Unencodable { data_type: "json", .. }), "{error}");
}

#[test]
fn a_length_that_is_not_known_before_is_right_at_the_end() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Open {
        id: i64,
        #[serde(flatten)]
        more: BTreeMap<String, i64>,
    }
    assert_both_ways(
        Open { id: 1, more: BTreeMap::from([("a".into(), 2)]) },
        "a2 626964 01 6161 02",
    );
    let more: BTreeMap<String, i64> =
        (0..300).map(|number| (format!("k{number:03}"), number)).collect();
    let open = Json(Open { id: 1, more });
    let bytes = encoded(&open);
    assert_eq!(bytes[..3], hex("b9012d"));
    assert_eq!(Json::<Open>::decode("json", &bytes), Ok(open));
}

#[test]
fn readable_forms_are_taken() {
    assert_both_ways("10.0.0.1".parse::<IpAddr>().unwrap(), "68 31302e302e302e31");
}

#[derive(Debug, PartialEq)]
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[test]
fn bytes_are_byte_strings() {
    assert_both_ways(Blob(vec![1, 255]), "4201ff");
    assert_eq!(read::<Blob>("5f 4101 4102 ff"), Ok(Blob(vec![1, 2])));
    assert_eq!(read::<Vec<u8>>("4201ff"), Ok(vec![1, 255]));
    assert_refused::<Blob>("8101");
}

#[test]
fn untagged_and_tagged_enums_are_told_apart() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
        Nothing(Option<()>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Event {
        Tick { at: f64 },
        End,
    }
    assert_eq!(read::<Vec<Either>>("9f 05 6161 f6 ff").map(|items| items.len()), Ok(3));
    assert_both_ways(Either::Text("a".into()), "6161");
    assert_both_ways(Event::End, "a1 6474797065 63456e64");
    assert_eq!(read::<Event>("bf 626174 05 6474797065 645469636b ff"), Ok(Event::Tick { at: 5.0 }));
}

#[test]
fn a_dynamic_tree_is_a_json_value() {
    assert_eq!(decoded::<JsonValue>("bf 6161 01 ff"), Ok(Json(json!({"a": 1}))));
}

#[test]
fn what_is_only_written_may_be_borrowed() {
    #[derive(Serialize)]
    struct Order<'a> {
        article: &'a str,
    }
    let order = Order { article: "tea" };
    let mut bytes = Vec::new();
    AsJson(&order).encode(&mut bytes).unwrap();
    assert_eq!(bytes, encoded(&Json(json!({"article": "tea"}))));
    assert_eq!(AsJson(&order).type_name(), "json");
}
