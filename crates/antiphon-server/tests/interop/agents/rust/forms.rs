//! The JSON forms of values and errors, and the data types by their names.

use antiphon::DataType;
use antiphon::Error;
use antiphon::JsonValue;
use antiphon::RecordV2;
use antiphon::Value as Dynamic;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

/// A value: int64 is decimal text, binary is hex, `record_v2` is an array of arrays of fields.
#[derive(Deserialize, Clone)]
pub(super) struct Form {
    #[serde(rename = "type")]
    pub(super) type_name: String,
    value: Value,
}

impl Form {
    pub(super) fn decode(&self) -> Dynamic {
        let Self { type_name, value } = self;
        let text = || value.as_str().expect("the form is text").to_owned();
        match type_name.as_str() {
            "string" if value.is_null() => Dynamic::Null(String::NAME),
            "string" => Dynamic::String(text()),
            "int64" => Dynamic::Int64(text().parse().expect("decimal text")),
            "double" => Dynamic::Double(value.as_f64().expect("a number")),
            "json" => Dynamic::Json(value.clone()),
            "binary" => Dynamic::Binary(bytes(&text()).into()),
            "record_v2" => {
                let records = Vec::deserialize(value).expect("arrays of fields");
                Dynamic::RecordV2(RecordV2 { records })
            }
            other => panic!("the Rust SDK has no data type {other}"),
        }
    }
}

pub(super) fn encode(value: &Dynamic) -> Value {
    let form = match value {
        Dynamic::String(text) => json!(text),
        Dynamic::Int64(number) => json!(number.to_string()),
        Dynamic::Double(number) => json!(number),
        Dynamic::Json(value) => value.clone(),
        Dynamic::Binary(bytes) => json!(hex(bytes)),
        Dynamic::RecordV2(value) => json!(value.records),
        Dynamic::Null(_) => Value::Null,
    };
    json!({"type": value.type_name(), "value": form})
}

pub(super) fn describe(error: &Error) -> Value {
    let reports = error.filter_errors().iter();
    let reports = reports.map(
        |report| json!({"message": report.message, "line": report.line, "column": report.column}),
    );
    json!({
        "class": format!("{:?}", error.kind()),
        "code": error.code(),
        "message": error.text(),
        "may_have_executed": error.may_have_executed(),
        "reports": reports.collect::<Vec<_>>(),
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().map(|digit| digit.to_digit(16).expect("a hex digit") as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A type that an application may declare, and what is shown of its values.
pub(super) trait Declared: DataType {
    fn dynamic(self) -> Dynamic;
}

macro_rules! declared {
    ($($declared:ty => $variant:expr;)*) => {$(
        impl Declared for $declared {
            fn dynamic(self) -> Dynamic {
                $variant(self)
            }
        }
    )*};
}

declared! {
    String => Dynamic::String;
    i64 => Dynamic::Int64;
    f64 => Dynamic::Double;
    JsonValue => |json: Self| Dynamic::Json(json.0);
    Vec<u8> => |bytes: Self| Dynamic::Binary(bytes.into());
    RecordV2 => Dynamic::RecordV2;
    Dynamic => |value| value;
}

/// Evaluates `$body` with `$T` standing for the type of that name; `value` is whichever comes.
macro_rules! with_declared {
    ($name:expr, $T:ident => $body:expr) => {
        match $name {
            "string" => {
                type $T = String;
                $body
            }
            "int64" => {
                type $T = i64;
                $body
            }
            "double" => {
                type $T = f64;
                $body
            }
            "json" => {
                type $T = antiphon::JsonValue;
                $body
            }
            "binary" => {
                type $T = Vec<u8>;
                $body
            }
            "record_v2" => {
                type $T = antiphon::RecordV2;
                $body
            }
            "value" => {
                type $T = antiphon::Value;
                $body
            }
            other => panic!("the Rust SDK has no data type {other}"),
        }
    };
}

pub(super) use with_declared;
