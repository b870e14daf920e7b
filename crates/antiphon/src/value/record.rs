//! Records of text fields, as the JavaScript SDK writes them. There are no schemas here.
//!
//! `01` stands between records and `02` between fields. What that leaves ambiguous has marks of its own: a record of
//! one empty field is `05`, and a value of one record without fields is `04`. A record without fields among others is
//! empty, and so is a value without records.
//!
//! | records | bytes |
//! |---|---|
//! | `[]` | |
//! | `[[]]` | `04` |
//! | `[[""]]` | `05` |
//! | `[["", ""]]` | `02` |
//! | `[["a", "b"], ["c"]]` | `61 02 62 01 63` |
//! | `[[""], [], ["a"]]` | `05 01 01 61` |

use super::DataType;
use super::ValueError;

/// A value of type `record_v2`: records, each of any number of text fields.
///
/// The characters U+0001, U+0002, U+0004 and U+0005 are marks of the wire and cannot be written inside a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RecordV2 {
    /// The fields of each record.
    pub records: Vec<Vec<String>>,
}

/// Its own type alone. A mark that stands where it means nothing is read as text, as JavaScript reads it.
impl DataType for RecordV2 {
    const NAME: &'static str = "record_v2";

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        if let [only] = self.records.as_slice()
            && only.is_empty()
        {
            out.push(NO_FIELDS);
            return Ok(());
        }
        for (index, record) in self.records.iter().enumerate() {
            if index > 0 {
                out.push(RECORD_END);
            }
            encode_record(record, out)?;
        }
        Ok(())
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        if type_name != Self::NAME {
            return Err(ValueError::incompatible(type_name, Self::NAME));
        }
        let records = match bytes {
            [] => Vec::new(),
            [NO_FIELDS] => vec![Vec::new()],
            _ => bytes
                .split(|&byte| byte == RECORD_END)
                .map(decode_record)
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { records })
    }
}

fn encode_record(record: &[String], out: &mut Vec<u8>) -> Result<(), ValueError> {
    if let [only] = record
        && only.is_empty()
    {
        out.push(EMPTY_FIELD);
        return Ok(());
    }
    for (index, field) in record.iter().enumerate() {
        if index > 0 {
            out.push(FIELD_END);
        }
        if let Some(mark) = field.bytes().find(|byte| MARKS.contains(byte)) {
            let problem =
                format!("a field has the character U+{mark:04X}, which is a mark of the format");
            return Err(ValueError::unencodable(RecordV2::NAME, problem));
        }
        out.extend_from_slice(field.as_bytes());
    }
    Ok(())
}

fn decode_record(bytes: &[u8]) -> Result<Vec<String>, ValueError> {
    match bytes {
        [] => Ok(Vec::new()),
        [EMPTY_FIELD] => Ok(vec![String::new()]),
        _ => bytes.split(|&byte| byte == FIELD_END).map(decode_field).collect(),
    }
}

fn decode_field(bytes: &[u8]) -> Result<String, ValueError> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned)
        .map_err(|_| ValueError::malformed(RecordV2::NAME, "a field is not UTF-8"))
}

const RECORD_END: u8 = 0x01;
const FIELD_END: u8 = 0x02;
const NO_FIELDS: u8 = 0x04;
const EMPTY_FIELD: u8 = 0x05;
const MARKS: [u8; 4] = [RECORD_END, FIELD_END, NO_FIELDS, EMPTY_FIELD];
