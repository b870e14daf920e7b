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
        Relayed::decode(reader).map(|relayed| relayed.value)
    }
}

/// A value on its way from one session to another. It is written as it came, if that is how everybody writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed<'a> {
    value: Value<'a>,
    /// `None` if the name is of no type.
    data_type: Option<DataType>,
    /// Name and bytes as they came; empty if they came otherwise than everybody writes them.
    encoded: &'a [u8],
}

impl<'a> Relayed<'a> {
    /// The value.
    #[must_use]
    pub const fn value(&self) -> &Value<'a> {
        &self.value
    }

    /// As [`Value::check`].
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn check(&self) -> Result<DataType, InvalidValue> {
        let data_type = self.data_type.ok_or(InvalidValue::UnknownType)?;
        data_type.check(self.value.bytes)
    }
}

impl<'a> From<Value<'a>> for Relayed<'a> {
    fn from(value: Value<'a>) -> Self {
        let data_type = DataType::from_name(value.type_name);
        Self { value, data_type, encoded: &[] }
    }
}

impl Encode for Relayed<'_> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        if self.encoded.is_empty() {
            self.value.encode(out);
        } else {
            out.extend_from_slice(self.encoded);
        }
    }
}

impl<'a> Decode<'a> for Relayed<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let within = |field| move |fault: Fault| Malformed::from(fault).within("Value", field);
        let begin = reader.rest();
        let name = reader.bytes().map_err(within("type_name"))?;
        let data_type = DataType::from_bytes(name);
        // A name that is known need not be checked to be text.
        let type_name = match data_type {
            Some(data_type) => data_type.name(),
            None => std::str::from_utf8(name).map_err(|_| within("type_name")(Fault::NotUtf8))?,
        };
        let bytes = reader.bytes().map_err(within("bytes"))?;
        // A length in more octets than it needs, or of which some have no meaning, is not passed on.
        let length = name.len() + bytes.len() + octets(name.len()) + octets(bytes.len());
        let taken = begin.len() - reader.rest().len();
        let encoded = if taken == length { &begin[..taken] } else { &[] };
        Ok(Self { value: Value { type_name, bytes }, data_type, encoded })
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
        data_type.check(self.bytes)
    }
}

impl DataType {
    /// Checks that the bytes are a whole value of this type.
    fn check(self, bytes: &[u8]) -> Result<Self, InvalidValue> {
        if matches!(self, Self::Binary | Self::RecordV2) {
            return Ok(self);
        }
        let kind = cbor::check(bytes).ok_or(InvalidValue::NotCbor(self))?;
        let fits = match self {
            Self::String => matches!(kind, Kind::Text | Kind::Null),
            Self::Int64 => matches!(kind, Kind::Integer | Kind::Boolean | Kind::Null),
            Self::Double => matches!(kind, Kind::Float | Kind::Null),
            Self::Json | Self::Binary | Self::RecordV2 => true,
        };
        if fits { Ok(self) } else { Err(InvalidValue::OtherKind(self)) }
    }
}

/// In how many octets everybody writes a length.
const fn octets(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        // Of the fifth some bits have no meaning, so that there is more than one way.
        _ => usize::MAX / 4,
    }
}
