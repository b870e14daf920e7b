//! Which bytes are a whole value of which type, with what the published SDKs send.

#[path = "hex/mod.rs"]
mod hex;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::codec::put_varint;
use antiphon_wire::value::DataType;
use antiphon_wire::value::InvalidValue;
use antiphon_wire::value::Relayed;
use antiphon_wire::value::Value;
use proptest::prelude::*;

use crate::hex::hex;

fn check(type_name: &str, digits: &str) -> Result<DataType, InvalidValue> {
    let bytes = hex(digits);
    Value { type_name, bytes }.check()
}

#[track_caller]
fn assert_accepted(data_type: DataType, values: &str) {
    for digits in values.split_whitespace() {
        assert_eq!(check(data_type.name(), digits), Ok(data_type), "{digits}");
    }
}

#[track_caller]
fn assert_other_kind(data_type: DataType, values: &str) {
    for digits in values.split_whitespace() {
        let expected = Err(InvalidValue::OtherKind(data_type));
        assert_eq!(check(data_type.name(), digits), expected, "{digits}");
    }
}

#[test]
fn a_string_is_text_or_null() {
    let values = "60 6161 6568656c6c6f 62c3a9 f6 7f6161ff 7fff \
                  7818616161616161616161616161616161616161616161616161";
    assert_accepted(DataType::String, values);
    let others = "4161 00 f4 f7 80 f93c00 c06161";
    assert_other_kind(DataType::String, others);
}

#[test]
fn an_int64_is_an_integer_a_boolean_or_null() {
    let values = "00 17 1818 18ff 190100 1a00010000 1b0000000100000000 1b7fffffffffffffff 20 37 3818 3829 390100 \
                  3b7ffffffffffffffe 3b7fffffffffffffff f6 f5 f4";
    assert_accepted(DataType::Int64, values);
    let others = "f93c00 fb3ff8000000000000 6131 80 f7 c200 1b8000000000000000 3b8000000000000000";
    assert_other_kind(DataType::Int64, others);
}

#[test]
fn a_double_is_a_float_or_null() {
    let values = "f90000 f98000 f93c00 f93e00 fa47c35000 fa33800000 fb3fb999999999999a fb7e37e43c8800759c f97c00 \
                  f9fc00 f97e00 fb0000000000000000 fb3ff8000000000000 fb7ff8000000000000 fb7ff0000000000000 f6";
    assert_accepted(DataType::Double, values);
    let others = "01 20 f5 60 f7";
    assert_other_kind(DataType::Double, others);
}

#[test]
fn json_is_any_item() {
    let values = "bf61619f01f94100f6f56178ffff bf616b6176616e05ff 9fff bfff bf0102ff 8201820203 a1616101 f6 f5 f4 \
                  f7 60 00 f93c00 4161 c06161";
    assert_accepted(DataType::Json, values);
}

#[test]
fn binary_and_records_are_any_bytes() {
    for data_type in [DataType::Binary, DataType::RecordV2] {
        assert_accepted(data_type, "00ff 0001ff 6102620163 02 04 05 ff");
        assert_eq!(check(data_type.name(), ""), Ok(data_type));
    }
}

#[test]
fn what_is_not_one_item_is_no_value_of_a_cbor_type() {
    let types = [DataType::String, DataType::Json, DataType::Int64, DataType::Double];
    for data_type in types {
        let expected = Err(InvalidValue::NotCbor(data_type));
        assert_eq!(check(data_type.name(), ""), expected);
        for digits in "ff 6568656c6c f6f6 616100 9f 61ff 1c".split_whitespace() {
            assert_eq!(check(data_type.name(), digits), expected, "{digits}");
        }
    }
}

#[test]
fn a_type_is_known_by_its_exact_name_only() {
    let names = ["string", "json", "binary", "int64", "double", "record_v2"];
    assert_eq!(DataType::ALL.map(DataType::name), names);
    for data_type in DataType::ALL {
        assert_eq!(DataType::from_name(data_type.name()), Some(data_type));
    }
    for name in ["", "String", " json", "binary ", "time_series", "unknown", "a/none"] {
        assert_eq!(DataType::from_name(name), None, "{name}");
        assert_eq!(check(name, "f6"), Err(InvalidValue::UnknownType), "{name}");
    }
}

#[test]
fn faults_name_the_type() {
    let texts = [
        (InvalidValue::UnknownType, "unknown data type"),
        (
            InvalidValue::NotCbor(DataType::Json),
            "the bytes of the json value are not one CBOR item",
        ),
        (InvalidValue::OtherKind(DataType::Int64), "the bytes are not of type int64"),
    ];
    for (fault, text) in texts {
        assert_eq!(fault.to_string(), text);
    }
}

/// A length in `more` octets than it needs, of which the last has bits without meaning if there is room for them.
fn long_length(out: &mut Vec<u8>, length: usize, more: usize, meaningless: u8) {
    let start = out.len();
    put_varint(out, length as u64);
    let octets = (out.len() - start + more).min(5);
    while out.len() - start < octets {
        let last = out.len() - 1;
        out[last] |= 0x80;
        let is_fifth = out.len() - start == 4;
        out.push(if is_fifth { meaningless << 4 & 0x70 } else { 0 });
    }
}

proptest! {
    #[test]
    fn however_a_value_came_it_is_passed_on_as_everybody_writes_it(
        name in prop_oneof![Just("json"), Just("string"), Just("binary"), Just("unheard-of")],
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        more in (0_usize..5, 0_usize..5),
        meaningless in any::<u8>(),
    ) {
        let value = Value { type_name: name, bytes: &bytes };
        let (mut usual, mut came) = (Vec::new(), Vec::new());
        value.encode(&mut usual);
        long_length(&mut came, name.len(), more.0, meaningless);
        came.extend_from_slice(name.as_bytes());
        long_length(&mut came, bytes.len(), more.1, meaningless);
        came.extend_from_slice(&bytes);
        let relayed = Relayed::decode_all(&came).unwrap();
        prop_assert_eq!((relayed.value(), relayed.check()), (&value, value.check()));
        let mut passed_on = Vec::new();
        relayed.encode(&mut passed_on);
        prop_assert_eq!(passed_on, usual);
    }
}
