//! Values: bytes that the published SDKs write, which type reads which, and bytes that nobody should write.

mod conversions;
mod golden;
mod hostile;
mod json;
mod properties;
mod records;

use antiphon::value::DataType;
use antiphon::value::ValueError;
use antiphon_wire::value::Value as WireValue;

/// The bytes of hexadecimal digits; blanks may stand between.
fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hex digits are a byte");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// What is written for the value, which must be what a server lets through.
fn encoded<T: DataType>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes).expect("a value that can be written");
    let wire = WireValue { type_name: value.type_name(), bytes: &bytes };
    assert!(wire.check().is_ok(), "{} {bytes:02x?}", value.type_name());
    bytes
}

fn unencodable<T: DataType>(value: &T) -> ValueError {
    value.encode(&mut Vec::new()).expect_err("a value that cannot be written")
}

fn decoded<T: DataType>(digits: &str) -> Result<T, ValueError> {
    T::decode(T::NAME, &hex(digits))
}
