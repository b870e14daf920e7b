//! Text and numbers, each one CBOR item, and the same with null for `None`.
//!
//! Numbers are never converted: an integer is no double, as in every SDK.

use std::convert::Infallible;

use antiphon_wire::cbor::Kind;
use minicbor::Decoder;

use super::DataType;
use super::ValueError;
use super::item;

/// Appends an item of text, a number or null.
pub(super) fn encode<T: minicbor::Encode<()>>(
    value: T,
    data_type: &'static str,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let written: Result<(), minicbor::encode::Error<Infallible>> = minicbor::encode(value, out);
    written.map_err(|error| ValueError::unencodable(data_type, error.to_string()))
}

/// Text: a CBOR text string.
impl DataType for String {
    const NAME: &'static str = "string";

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        encode(self.as_str(), Self::NAME, out)
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        match kind::<Self>(type_name, bytes)? {
            Kind::Text => Decoder::new(bytes)
                .str_iter()
                .and_then(Iterator::collect)
                .map_err(malformed::<Self>),
            other => Err(misplaced::<Self>(other)),
        }
    }
}

/// A CBOR integer of at most 64 bits with its sign. Python sends its booleans as `int64`; they read as 1 and 0.
impl DataType for i64 {
    const NAME: &'static str = "int64";

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        encode(self, Self::NAME, out)
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        match kind::<Self>(type_name, bytes)? {
            Kind::Integer => Decoder::new(bytes).i64().map_err(malformed::<Self>),
            Kind::Boolean => Decoder::new(bytes).bool().map(Self::from).map_err(malformed::<Self>),
            other => Err(misplaced::<Self>(other)),
        }
    }
}

/// A CBOR float. Written with 64 bits, read with 16, 32 or 64 of them, as Python sends the shortest that fits.
impl DataType for f64 {
    const NAME: &'static str = "double";

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        encode(self, Self::NAME, out)
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        match kind::<Self>(type_name, bytes)? {
            Kind::Float => Decoder::new(bytes).f64().map_err(malformed::<Self>),
            other => Err(misplaced::<Self>(other)),
        }
    }
}

/// The item's kind, if the value is of the type `T` itself.
fn kind<T: DataType>(type_name: &str, bytes: &[u8]) -> Result<Kind, ValueError> {
    if type_name != T::NAME {
        return Err(ValueError::incompatible(type_name, T::NAME));
    }
    item(T::NAME, bytes)
}

fn misplaced<T: DataType>(kind: Kind) -> ValueError {
    let found = match kind {
        Kind::Null => return ValueError::Null { wanted: T::NAME },
        Kind::Integer => "an integer",
        Kind::WideInteger => "an integer of more than 64 bits",
        Kind::Bytes => "a byte string",
        Kind::Text => "text",
        Kind::Container => "an array or map",
        Kind::Tagged => "a tagged item",
        Kind::Float => "a float",
        Kind::Boolean => "a boolean",
        Kind::Simple => "undefined or another simple value",
    };
    ValueError::malformed(T::NAME, format!("they are {found}"))
}

fn malformed<T: DataType>(error: minicbor::decode::Error) -> ValueError {
    ValueError::malformed(T::NAME, error.to_string())
}

/// Whether a value of type `T` is null. SDKs may answer with null, though none lets it be a request.
pub(super) fn is_null<T: DataType>(type_name: &str, bytes: &[u8]) -> bool {
    type_name == T::NAME && bytes == NULL
}

/// Appends the null of the CBOR types.
pub(super) fn encode_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&NULL);
}

macro_rules! nullable {
    ($($inner:ty)*) => {$(
        /// The type with its null as `None`. JavaScript and Python refuse to send null as a request; any SDK may answer
        /// with it.
        impl DataType for Option<$inner> {
            const NAME: &'static str = <$inner>::NAME;

            fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
                match self {
                    Some(value) => DataType::encode(value, out),
                    None => {
                        encode_null(out);
                        Ok(())
                    }
                }
            }

            fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
                if is_null::<$inner>(type_name, bytes) {
                    return Ok(None);
                }
                <$inner>::decode(type_name, bytes).map(Some)
            }
        }
    )*};
}

nullable!(String i64 f64);

const NULL: [u8; 1] = [0xf6];
