//! The JSON forms that agents take: typed values and what handlers do.

use serde_json::Value;
use serde_json::json;

pub(crate) fn string(text: &str) -> Value {
    json!({"type": "string", "value": text})
}

/// Travels as decimal text, since JSON numbers lose precision in JavaScript.
pub(crate) fn int64(number: i64) -> Value {
    json!({"type": "int64", "value": number.to_string()})
}

pub(crate) fn double(number: f64) -> Value {
    json!({"type": "double", "value": number})
}

pub(crate) fn json_value(value: Value) -> Value {
    json!({"type": "json", "value": value})
}

/// `hex` is lower-case.
pub(crate) fn binary(hex: &str) -> Value {
    json!({"type": "binary", "value": hex})
}

pub(crate) fn record(records: &[&[&str]]) -> Value {
    json!({"type": "record_v2", "value": records})
}

/// Answers with the request's own value.
pub(crate) fn echo() -> Value {
    json!({"kind": "echo"})
}

/// Answers with `value`, whatever the request.
pub(crate) fn reply(value: &Value) -> Value {
    json!({"kind": "reply", "type": value["type"], "value": value["value"]})
}

/// Refuses, where the SDK has a way to.
pub(crate) fn reject(text: &str) -> Value {
    json!({"kind": "reject", "text": text})
}

/// Fails with an exception.
pub(crate) fn throw(text: &str) -> Value {
    json!({"kind": "throw", "text": text})
}

/// Never answers.
pub(crate) fn silent() -> Value {
    json!({"kind": "silent"})
}

/// Echoes at the `release` command, the latest request first.
pub(crate) fn hold() -> Value {
    json!({"kind": "hold"})
}
