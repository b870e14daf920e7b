//! Bytes that the JavaScript and Python SDKs were seen to write, and ours.

use std::fmt::Debug;

use antiphon::value::DataType;
use antiphon::value::Value;
use antiphon::value::ValueError;
use bytes::Bytes;

use crate::decoded;
use crate::encoded;
use crate::hex;

/// The value is written as these bytes and read from them.
#[track_caller]
fn assert_both_ways<T: DataType + PartialEq + Debug>(value: T, digits: &str) {
    assert_eq!(encoded(&value), hex(digits), "{value:?}");
    assert_eq!(decoded::<T>(digits), Ok(value));
}

#[track_caller]
fn assert_malformed<T: DataType + PartialEq + Debug>(values: &str) {
    for digits in values.split(' ') {
        let error = decoded::<T>(digits).expect_err("malformed");
        assert!(
            matches!(error, ValueError::Malformed { data_type, .. } if data_type == T::NAME),
            "{digits} {error}"
        );
    }
}

#[test]
fn strings() {
    assert_both_ways("hello".to_owned(), "6568656c6c6f");
    assert_both_ways(String::new(), "60");
    assert_both_ways("é".to_owned(), "62c3a9");
    assert_both_ways("a".repeat(24), &format!("7818{}", "61".repeat(24)));
    assert_eq!(decoded::<String>("7f 62c3a9 60 6161 ff"), Ok("éa".to_owned()));
    assert_eq!(decoded::<String>("7fff"), Ok(String::new()));
    assert_malformed::<String>("4161 00 f7 80 c06161 61ff 62c3 606161");
}

#[test]
fn a_str_is_sent_as_a_string() {
    use antiphon::value::ToValue;
    let mut bytes = Vec::new();
    ToValue::encode(&"hello", &mut bytes).unwrap();
    assert_eq!((ToValue::type_name(&"hello"), bytes), ("string", hex("6568656c6c6f")));
}

#[test]
fn integers() {
    let table = [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (256, "190100"),
        (65536, "1a00010000"),
        (1 << 32, "1b0000000100000000"),
        (i64::MAX, "1b7fffffffffffffff"),
        (-1, "20"),
        (-24, "37"),
        (-25, "3818"),
        (-257, "390100"),
        (i64::MIN, "3b7fffffffffffffff"),
    ];
    for (number, digits) in table {
        assert_both_ways(number, digits);
    }
    assert_eq!(decoded::<i64>("1b0000000000000001"), Ok(1), "any width is read");
    assert_malformed::<i64>(
        "f93c00 fb3ff8000000000000 6131 80 c200 1b8000000000000000 3b8000000000000000 0000",
    );
}

#[test]
fn booleans_of_python_are_integers() {
    assert_eq!(decoded::<i64>("f5"), Ok(1));
    assert_eq!(decoded::<i64>("f4"), Ok(0));
    assert_eq!(Value::decode("int64", &[0xf5]), Ok(Value::Int64(1)));
}

#[test]
fn doubles() {
    assert_both_ways(0.0, "fb0000000000000000");
    assert_both_ways(1.5, "fb3ff8000000000000");
    assert_both_ways(0.1, "fb3fb999999999999a");
    assert_both_ways(f64::INFINITY, "fb7ff0000000000000");
    assert_eq!(encoded(&f64::NAN), hex("fb7ff8000000000000"));
    assert!(decoded::<f64>("fb7ff8000000000000").unwrap().is_nan());
    assert_malformed::<f64>("01 20 f5 60 f7 fb f93c0000");
}

#[test]
fn short_floats_of_python_are_doubles() {
    let table = [
        ("f90000", 0.0),
        ("f93c00", 1.0),
        ("f93e00", 1.5),
        ("fa47c35000", 100_000.0),
        ("f97c00", f64::INFINITY),
        ("f9fc00", f64::NEG_INFINITY),
    ];
    for (digits, number) in table {
        assert_eq!(decoded::<f64>(digits), Ok(number));
    }
    assert!(decoded::<f64>("f98000").unwrap().is_sign_negative());
    assert!(decoded::<f64>("f97e00").unwrap().is_nan());
}

#[test]
fn nulls() {
    assert_both_ways(None::<String>, "f6");
    assert_both_ways(None::<i64>, "f6");
    assert_both_ways(None::<f64>, "f6");
    assert_both_ways(Some(24), "1818");
    assert_eq!(decoded::<String>("f6"), Err(ValueError::Null { wanted: "string" }));
    assert_eq!(decoded::<i64>("f6"), Err(ValueError::Null { wanted: "int64" }));
    assert_eq!(decoded::<f64>("f6"), Err(ValueError::Null { wanted: "double" }));
}

#[test]
fn a_dynamic_null_keeps_its_type() {
    for type_name in ["string", "int64", "double"] {
        let null = Value::decode(type_name, &[0xf6]).unwrap();
        assert_eq!(null, Value::Null(type_name));
        assert_eq!((null.type_name(), encoded(&null)), (type_name, vec![0xf6]));
    }
    let null = Value::decode("json", &[0xf6]).unwrap();
    assert_eq!(null, Value::Json(serde_json::Value::Null));
    let other = Value::Null("record_v2");
    assert!(matches!(
        other.encode(&mut Vec::new()),
        Err(ValueError::Unencodable { data_type: "record_v2", .. })
    ));
}

#[test]
fn bytes_are_themselves() {
    assert_both_ways(Bytes::from_static(&[0, 255]), "00ff");
    assert_both_ways(vec![0_u8, 255], "00ff");
    assert_both_ways(Bytes::new(), "");
}

#[test]
fn errors_say_what_is_wrong() {
    let say = |result: Result<i64, ValueError>| result.unwrap_err().to_string();
    assert_eq!(say(i64::decode("double", &[])), "a value of type double cannot be read as int64");
    assert_eq!(say(i64::decode("a\nb", &[])), r"a value of type a\nb cannot be read as int64");
    assert_eq!(say(decoded("6131")), "the bytes of the int64 value cannot be read: they are text");
    assert_eq!(
        say(decoded("")),
        "the bytes of the int64 value cannot be read: they are not one whole CBOR item of at most 128 levels"
    );
    assert_eq!(
        say(decoded("f6")),
        "null came where a value of type int64 was wanted; ask for an Option to take nulls"
    );
    assert_eq!(
        Value::decode("int32", &[]).unwrap_err().to_string(),
        "the data type int32 is not known"
    );
}
