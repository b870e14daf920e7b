//! Values: what the SDK reads the server relays, and it is the same when it is written again.

use antiphon::value::DataType;
use antiphon::value::JsonValue;
use antiphon::value::RecordV2;
use antiphon::value::Value;
use antiphon_wire::value;

/// The first byte says which type the rest is a value of.
///
/// # Panics
/// If the SDK reads what the server does not relay, or if a value changes when it is written again.
pub fn run(bytes: &[u8]) {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let type_name = TYPES[usize::from(which) % TYPES.len()];
    if let Ok(read) = Value::decode(type_name, bytes) {
        let relayed = value::Value { type_name, bytes }.check();
        assert!(relayed.is_ok(), "the server refuses {read:?}: {relayed:?}");
        again(&read);
    }
    if let Ok(json) = JsonValue::decode("json", bytes) {
        again(&json);
    }
    let _ = String::decode(type_name, bytes);
    let _ = i64::decode(type_name, bytes);
    let _ = f64::decode(type_name, bytes);
    let _ = RecordV2::decode("record_v2", bytes);
}

/// Compares the bytes, since a double may be no number and so not equal to itself.
fn again<T: DataType>(value: &T) {
    let mut written = Vec::new();
    if value.encode(&mut written).is_err() {
        return;
    }
    let read = T::decode(value.type_name(), &written).expect("its own writing is legal");
    let mut twice = Vec::new();
    read.encode(&mut twice).expect("it was written before");
    assert_eq!(twice, written);
}

const TYPES: [&str; 7] = ["string", "json", "int64", "double", "binary", "record_v2", "unknown"];
