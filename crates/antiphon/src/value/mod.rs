//! Typed values: what a request carries and what a response brings back.
//!
//! On the wire a value is the name of its data type and bytes. This module writes and reads the six types that
//! sessions of every SDK exchange. It never asks the network, and it never panics on bytes from there.
//!
//! | type | Rust | bytes |
//! |---|---|---|
//! | `string` | [`String`], `&str` to send, `Option<String>` | CBOR text, or null |
//! | `int64` | [`i64`], `Option<i64>` | CBOR integer, or null |
//! | `double` | [`f64`], `Option<f64>` | CBOR float, always of 64 bits as written here, or null |
//! | `json` | [`Json<T>`], [`JsonValue`] | one CBOR item |
//! | `binary` | [`bytes::Bytes`], `Vec<u8>` | themselves |
//! | `record_v2` | [`RecordV2`] | records of text fields, with separators |
//! | whichever comes | [`Value`] | as above |
//!
//! # Which type reads which
//!
//! A more general type takes in a more specific one, as in the JavaScript SDK; everything else is
//! [`ValueError::Incompatible`].
//!
//! | asked for | takes |
//! |---|---|
//! | `Bytes`, `Vec<u8>` | every type: the bytes as they came, so CBOR for a string, a number or json |
//! | `Json<T>`, `JsonValue` | `json`, `string`, `int64`, `double` |
//! | [`Value`] | every type, and keeps which it was |
//! | the others | their own type alone |
//!
//! # What other SDKs send
//!
//! Reading takes all that the published SDKs send: floats of 16 and 32 bits and booleans under `int64` (true is 1)
//! from Python, arrays and maps of indefinite length from Python and JavaScript, `undefined` from JavaScript.
//! Writing keeps to what all of them read: definite lengths, integers of the shortest form and floats of 64 bits.
//!
//! # Your own types
//!
//! Any type that serde can write and read goes as [`Json<T>`]. A type with a form of its own implements
//! [`DataType`], most easily by lending the form of another:
//!
//! ```
//! use antiphon::value::DataType;
//! use antiphon::value::ValueError;
//!
//! /// A temperature; a `double` on the wire, in degrees Celsius.
//! #[derive(Debug, PartialEq)]
//! struct Celsius(f64);
//!
//! impl DataType for Celsius {
//!     const NAME: &'static str = f64::NAME;
//!
//!     fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
//!         self.0.encode(out)
//!     }
//!
//!     fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
//!         let degrees = f64::decode(type_name, bytes)?;
//!         if degrees < -273.15 {
//!             return Err(ValueError::malformed(Self::NAME, "it is below absolute zero"));
//!         }
//!         Ok(Self(degrees))
//!     }
//! }
//!
//! let mut bytes = Vec::new();
//! Celsius(21.5).encode(&mut bytes)?;
//! assert_eq!(Celsius::decode("double", &bytes)?, Celsius(21.5));
//! assert!(Celsius::decode("int64", &[0x15]).is_err());
//! # Ok::<(), ValueError>(())
//! ```

mod binary;
mod dynamic;
mod error;
mod json;
mod record;
mod scalar;

use antiphon_wire::cbor;
use antiphon_wire::cbor::Kind;
use antiphon_wire::cbor::MAX_DEPTH;

pub use dynamic::Value;
pub use error::ValueError;
pub use json::AsJson;
pub use json::Json;
pub use json::JsonValue;
pub use record::RecordV2;

/// A type that requests and responses may have.
///
/// The [module](self) shows how to implement it for a type of your own.
pub trait DataType: Sized + Send + 'static {
    /// The type's name on the wire and in messages, such as `int64`.
    const NAME: &'static str;

    /// The name that is sent with this value. It differs from [`NAME`](Self::NAME) only if one Rust type stands for
    /// several types of the wire, as [`Value`] does.
    fn type_name(&self) -> &'static str {
        Self::NAME
    }

    /// Appends the value's bytes to `out`. After an error `out` may end in a part of the value.
    ///
    /// # Errors
    /// [`ValueError::Unencodable`] if the value has no form on the wire.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError>;

    /// Reads a value of the type that `type_name` names. The bytes are from the network and may be anything.
    ///
    /// # Errors
    /// [`ValueError::Incompatible`] if this type does not take in the named one, [`ValueError::Null`] for a null that
    /// it has no place for, and [`ValueError::Malformed`] if the bytes are not a whole value or more than one.
    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError>;
}

/// What can be sent: every [`DataType`], and `&str` as a `string`.
///
/// Its methods are those of [`DataType`] by the same names. Where both traits are in scope, a call names the one it
/// means, as in `DataType::encode(&value, out)`; most code needs neither.
pub trait ToValue {
    /// The name of the value's type on the wire.
    fn type_name(&self) -> &'static str;

    /// Appends the value's bytes to `out`. After an error `out` may end in a part of the value.
    ///
    /// # Errors
    /// [`ValueError::Unencodable`] if the value has no form on the wire.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError>;
}

impl<T: DataType> ToValue for T {
    fn type_name(&self) -> &'static str {
        DataType::type_name(self)
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        DataType::encode(self, out)
    }
}

impl ToValue for &str {
    fn type_name(&self) -> &'static str {
        String::NAME
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        scalar::encode(self, String::NAME, out)
    }
}

/// The kind of the one item that the bytes of a CBOR type are. Nothing here decodes bytes that were not checked so.
fn item(data_type: &'static str, bytes: &[u8]) -> Result<Kind, ValueError> {
    cbor::check(bytes).ok_or_else(|| {
        let problem = format!("they are not one whole CBOR item of at most {MAX_DEPTH} levels");
        ValueError::malformed(data_type, problem)
    })
}
