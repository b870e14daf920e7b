//! A value of whichever type came, kept with its type. It converts nothing.

use antiphon_wire::value::DataType as WireType;
use bytes::Bytes;

use super::DataType;
use super::Json;
use super::JsonValue;
use super::RecordV2;
use super::ValueError;
use super::scalar;

/// A value of any type: what a receiver asks for that must see which type was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of type `string`.
    String(String),
    /// Of type `json`, its null included. [`JsonValue`] tells what becomes of CBOR that JSON has no place for.
    Json(serde_json::Value),
    /// Of type `binary`.
    Binary(Bytes),
    /// Of type `int64`.
    Int64(i64),
    /// Of type `double`.
    Double(f64),
    /// Of type `record_v2`.
    RecordV2(RecordV2),
    /// The null of the named type: `string`, `int64` or `double`. No other name can be sent.
    Null(&'static str),
}

/// Every type. [`NAME`](DataType::NAME) is for messages alone; what is sent is the name of the variant's type.
impl DataType for Value {
    const NAME: &'static str = "value";

    fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => String::NAME,
            Self::Json(_) => JsonValue::NAME,
            Self::Binary(_) => Bytes::NAME,
            Self::Int64(_) => i64::NAME,
            Self::Double(_) => f64::NAME,
            Self::RecordV2(_) => RecordV2::NAME,
            Self::Null(type_name) => type_name,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        match self {
            Self::String(text) => text.encode(out),
            Self::Json(value) => Json::<serde_json::Value>::encode_value(value, out),
            Self::Binary(bytes) => bytes.encode(out),
            Self::Int64(number) => number.encode(out),
            Self::Double(number) => number.encode(out),
            Self::RecordV2(records) => records.encode(out),
            Self::Null(type_name) => encode_null(type_name, out),
        }
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        let Some(data_type) = WireType::from_name(type_name) else {
            return Err(ValueError::UnknownType { found: type_name.to_owned() });
        };
        match data_type {
            WireType::String => nullable(type_name, bytes, Self::String),
            WireType::Int64 => nullable(type_name, bytes, Self::Int64),
            WireType::Double => nullable(type_name, bytes, Self::Double),
            WireType::Json => JsonValue::decode(type_name, bytes).map(|json| Self::Json(json.0)),
            WireType::Binary => Bytes::decode(type_name, bytes).map(Self::Binary),
            WireType::RecordV2 => RecordV2::decode(type_name, bytes).map(Self::RecordV2),
        }
    }
}

fn nullable<T: DataType>(
    type_name: &str,
    bytes: &[u8],
    whole: fn(T) -> Value,
) -> Result<Value, ValueError> {
    if scalar::is_null::<T>(type_name, bytes) {
        return Ok(Value::Null(T::NAME));
    }
    T::decode(type_name, bytes).map(whole)
}

fn encode_null(type_name: &'static str, out: &mut Vec<u8>) -> Result<(), ValueError> {
    if ![String::NAME, i64::NAME, f64::NAME].contains(&type_name) {
        return Err(ValueError::unencodable(type_name, "the type has no null of its own"));
    }
    scalar::encode_null(out);
    Ok(())
}
