//! Values of type `json`: one CBOR item, by way of serde.
//!
//! minicbor reads and writes the items. Serde's side is our own, because the ready one (minicbor-serde) writes
//! indefinite lengths and short floats, which some SDKs refuse, and reads neither integers for floats nor tags,
//! `undefined` or enums and text of indefinite length, all of which some SDKs send.

mod fault;
mod key;
mod read;
mod write;

use antiphon_wire::cbor::Kind;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::DataType;
use super::ToValue;
use super::ValueError;
use super::item;

/// A value of type `json`: whatever serde can write and read.
///
/// Reads `json`, `string`, `int64` and `double`. Types meet CBOR as they meet JSON: structs and maps are maps with text
/// for keys, enums are text or a map of one entry, and types with a readable form (dates, addresses) take that.
/// Other than JSON it keeps NaN, infinities and bytes (`serialize_bytes`), as CBOR has them.
///
/// Written are definite lengths, all floats with 64 bits, and map keys that are numbers or booleans as text. Reading
/// takes integers where floats are wanted, since JavaScript writes 5.0 as 5, and skips tags; `undefined` is null. Both
/// ways nesting ends at 128 levels.
///
/// JavaScript has no exact numbers beyond 2^53: it reads an integer from 2^63 on as a negative one, and writes NaN as 0
/// and 1e-7 as 0 too. Nothing here can tell such a 0 from a true one.
///
/// ```
/// use antiphon::value::DataType;
/// use antiphon::value::Json;
/// use serde::Deserialize;
/// use serde::Serialize;
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Quote {
///     bid: f64,
///     venue: Option<String>,
/// }
///
/// // {"bid": 5}, as JavaScript writes it.
/// let Json(quote) = Json::<Quote>::decode("json", b"\xbf\x63bid\x05\xff")?;
/// assert_eq!(quote, Quote { bid: 5.0, venue: None });
/// # Ok::<(), antiphon::value::ValueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Json<T>(pub T);

/// JSON of any shape.
///
/// It reads what CBOR has beyond JSON so:
///
/// | CBOR | becomes |
/// |---|---|
/// | byte string | an array of its bytes as numbers; nothing is lost but the difference from such an array |
/// | NaN, infinities | null |
/// | `undefined` | null |
/// | tag | nothing: what it marks remains |
/// | map key that is an integer, float, boolean or null | its text: `1`, `1.0`, `true`, `null` |
/// | map key of another kind | an error |
/// | key that comes twice | the last entry |
/// | integer from -2^63 to 2^64 - 1 | that integer |
/// | integer below -2^63 | an error |
/// | other simple value | an error |
///
/// The features `arbitrary_precision` and `raw_value` of serde_json have encodings of their own, which are not
/// supported.
pub type JsonValue = Json<serde_json::Value>;

/// A value of type `json` that is only sent: whatever serde can write, borrowed too.
///
/// ```
/// # async fn send(session: &antiphon::Session) -> Result<(), antiphon::Error> {
/// use antiphon::AsJson;
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Order<'a> { article: &'a str, pieces: u32 }
///
/// let order = Order { article: "tea", pieces: 2 };
/// let number: i64 = session.messaging().send_request_to_path("orders", AsJson(&order)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AsJson<T>(pub T);

impl<T: Serialize> ToValue for AsJson<T> {
    fn type_name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        Json::encode_value(&self.0, out)
    }
}

impl<T: Serialize> Json<T> {
    /// Writes a value that stands in no `Json`.
    pub(super) fn encode_value(value: &T, out: &mut Vec<u8>) -> Result<(), ValueError> {
        write::write(value, out).map_err(|fault| ValueError::unencodable(NAME, fault.0))
    }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> DataType for Json<T> {
    const NAME: &'static str = NAME;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        Self::encode_value(&self.0, out)
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        let Some(data_type) = ACCEPTED.into_iter().find(|accepted| *accepted == type_name) else {
            return Err(ValueError::incompatible(type_name, NAME));
        };
        let kind = item(data_type, bytes)?;
        read::read(bytes).map(Self).map_err(|fault| match kind {
            Kind::Null => ValueError::Null { wanted: NAME },
            _ => ValueError::malformed(data_type, fault.0),
        })
    }
}

const NAME: &str = "json";
const ACCEPTED: [&str; 4] = [NAME, String::NAME, i64::NAME, f64::NAME];
