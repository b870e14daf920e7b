//! Values as they are shown: on a terminal, in a pipe, in a row of a list, as JSON.

use antiphon::RecordV2;
use antiphon::Value;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Number;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::output::printable;

/// Prints one value as the only result, without what `json` would add to it.
pub(crate) fn print(value: &Value, output: Output) -> Result<(), Failure> {
    match (value, output) {
        (Value::Binary(bytes), Output::Text) => output.line(hex_dump(bytes)),
        (Value::Binary(bytes), _) => output.bytes(bytes),
        (_, Output::Text) => output.line(printable(&text(value))),
        _ => output.line(text(value)),
    }
}

/// A value as text. Bytes are in base64.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Json(value) => value.to_string(),
        Value::Int64(number) => number.to_string(),
        // With a decimal point, so that it reads as a double again.
        Value::Double(number) => format!("{number:?}"),
        Value::Binary(bytes) => BASE64_STANDARD.encode(bytes),
        Value::RecordV2(RecordV2 { records }) => {
            let lines: Vec<_> = records.iter().map(|fields| fields.join("\t")).collect();
            lines.join("\n")
        }
        Value::Null(_) => "null".to_owned(),
    }
}

/// A value in one line without tabs.
pub(crate) fn row(value: &Value) -> String {
    let text = match value {
        Value::Binary(_) => format!("base64:{}", text(value)),
        _ => text(value),
    };
    one_line(&text)
}

/// Text in one line without tabs.
pub(crate) fn one_line(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

/// The name of a value's type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    antiphon::DataType::type_name(value)
}

/// A value as JSON. Bytes are in base64; doubles that JSON has no number for are text.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(_) | Value::Binary(_) => json!(text(value)),
        Value::Json(value) => value.clone(),
        Value::Int64(number) => json!(number),
        Value::Double(number) => {
            Number::from_f64(*number).map_or_else(|| json!(text(value)), serde_json::Value::Number)
        }
        Value::RecordV2(RecordV2 { records }) => json!(records),
        Value::Null(_) => serde_json::Value::Null,
    }
}

/// Bytes for people: 16 a line, in hex and as far as possible in ASCII.
fn hex_dump(bytes: &[u8]) -> String {
    let mut lines = vec![format!("binary, {} bytes", bytes.len())];
    for (index, chunk) in bytes.chunks(BYTES_A_LINE).enumerate().take(MOST_LINES) {
        let hex: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        };
        let ascii: String = chunk.iter().map(shown).collect();
        lines.push(format!("{:08x}  {:47}  {ascii}", index * BYTES_A_LINE, hex.join(" ")));
    }
    if bytes.len() > BYTES_A_LINE * MOST_LINES {
        lines.push("... and more; send the output to a file or a pipe to get all of it".to_owned());
    }
    lines.join("\n")
}

const BYTES_A_LINE: usize = 16;
const MOST_LINES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Value {
        let record = |fields: &[&str]| fields.iter().map(ToString::to_string).collect();
        Value::RecordV2(RecordV2 { records: vec![record(&["a", "b"]), record(&["c"])] })
    }

    #[track_caller]
    fn check(value: &Value, expected_text: &str, expected_row: &str, expected_json: &str) {
        assert_eq!(text(value), expected_text);
        assert_eq!(row(value), expected_row);
        assert_eq!(to_json(value).to_string(), expected_json);
    }

    #[test]
    fn each_type_has_its_forms() {
        check(&Value::String("a\nb".into()), "a\nb", "a\\nb", r#""a\nb""#);
        let object = Value::Json(json!({"a": [1, null]}));
        check(&object, r#"{"a":[1,null]}"#, r#"{"a":[1,null]}"#, r#"{"a":[1,null]}"#);
        check(&Value::Int64(-7), "-7", "-7", "-7");
        check(&Value::Double(2.0), "2.0", "2.0", "2.0");
        check(&Value::Double(f64::NAN), "NaN", "NaN", r#""NaN""#);
        check(&Value::Binary("\0ab".into()), "AGFi", "base64:AGFi", r#""AGFi""#);
        check(&records(), "a\tb\nc", "a\\tb\\nc", r#"[["a","b"],["c"]]"#);
        check(&Value::Null("int64"), "null", "null", "null");
    }

    #[test]
    fn bytes_are_dumped_for_people() {
        let dump = hex_dump(b"0123456789abcdef\x00\xff");
        let expected = "binary, 18 bytes\n\
            00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n\
            00000010  00 ff                                            ..";
        assert_eq!(dump, expected);
        let long = hex_dump(&[0; 10_000]);
        assert_eq!(long.lines().count(), 34, "{long}");
    }
}
