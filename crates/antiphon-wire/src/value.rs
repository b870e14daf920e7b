//! Values: a data type's name and the value's bytes.
//!
//! The server carries values and never decodes them. It does check that they are whole, because the SDKs are not
//! robust: on bytes that do not fit their type a Python sender waits for ever and a JavaScript handler ends itself.

use thiserror::Error;

use crate::cbor;
use crate::cbor::Kind;
use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::error::Fault;
use crate::error::Malformed;

/// A named value as it travels: type name, then bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value<'a> {
    /// One of the names of [`DataType`], unless the peer is wrong.
    pub type_name: &'a str,
    /// The encoded value.
    pub bytes: &'a [u8],
}

impl Encode for Value<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.type_name.encode(out);
        self.bytes.encode(out);
    }
}

impl<'a> Decode<'a> for Value<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let within = |field| move |fault: Fault| Malformed::from(fault).within("Value", field);
        let name = reader.bytes().map_err(within("type_name"))?;
        // A name that is known need not be checked to be text.
        let type_name = match DataType::from_bytes(name) {
            Some(data_type) => data_type.name(),
            None => std::str::from_utf8(name).map_err(|_| within("type_name")(Fault::NotUtf8))?,
        };
        let bytes = reader.bytes().map_err(within("bytes"))?;
        Ok(Self { type_name, bytes })
    }
}

/// The types that a request or response may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// A CBOR text, or null.
    String,
    /// One CBOR item.
    Json,
    /// Raw bytes.
    Binary,
    /// A CBOR integer, or null. Python sends its booleans under this name too.
    Int64,
    /// A CBOR float, or null.
    Double,
    /// Records separated by `01`, fields by `02`; opaque here.
    RecordV2,
}

impl DataType {
    /// Every type.
    pub const ALL: [Self; 6] =
        [Self::String, Self::Json, Self::Binary, Self::Int64, Self::Double, Self::RecordV2];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Json => "json",
            Self::Binary => "binary",
            Self::Int64 => "int64",
            Self::Double => "double",
            Self::RecordV2 => "record_v2",
        }
    }

    /// The type of a name. All SDKs send exactly these names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::from_bytes(name.as_bytes())
    }

    const fn from_bytes(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"string" => Self::String,
            b"json" => Self::Json,
            b"binary" => Self::Binary,
            b"int64" => Self::Int64,
            b"double" => Self::Double,
            b"record_v2" => Self::RecordV2,
            _ => return None,
        })
    }
}

/// Why a value cannot be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidValue {
    /// The type's name is not one of [`DataType`].
    #[error("unknown data type")]
    UnknownType,
    /// The bytes are not one whole CBOR item.
    #[error("the bytes of the {} value are not one CBOR item", .0.name())]
    NotCbor(DataType),
    /// The bytes are an item of another kind.
    #[error("the bytes are not of type {}", .0.name())]
    OtherKind(DataType),
}

impl Value<'_> {
    /// Checks that the bytes are a whole value of the type that the name says.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<DataType, InvalidValue> {
        let data_type = DataType::from_name(self.type_name).ok_or(InvalidValue::UnknownType)?;
        if matches!(data_type, DataType::Binary | DataType::RecordV2) {
            return Ok(data_type);
        }
        let kind = cbor::check(self.bytes).ok_or(InvalidValue::NotCbor(data_type))?;
        let fits = match data_type {
            DataType::String => matches!(kind, Kind::Text | Kind::Null),
            DataType::Int64 => matches!(kind, Kind::Integer | Kind::Boolean | Kind::Null),
            DataType::Double => matches!(kind, Kind::Float | Kind::Null),
            DataType::Json | DataType::Binary | DataType::RecordV2 => true,
        };
        if fits { Ok(data_type) } else { Err(InvalidValue::OtherKind(data_type)) }
    }
}
