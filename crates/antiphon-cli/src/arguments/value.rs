//! The values that are sent: where they come from, and which type they have.

use std::fs;
use std::io;
use std::io::IsTerminal;
use std::io::Read;

use antiphon::Value;
use clap::Args;

use crate::failure::Failure;

/// A value to send.
#[derive(Args)]
pub(crate) struct ValueArguments {
    /// What to send: the value itself, @FILE, or - for standard input
    ///
    /// Standard input is also read if the value is left out and it is not a terminal. @@ stands for an @ at the
    /// beginning of a value.
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    value: Option<String>,

    #[command(flatten)]
    types: TypeFlags,
}

/// The type of a value; without any of these it follows from how the value looks.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
#[command(next_help_heading = "Type of the value [default: as it looks]")]
pub(crate) struct TypeFlags {
    /// Send it as a string
    #[arg(long)]
    string: bool,

    /// Send it as JSON
    #[arg(long)]
    as_json: bool,

    /// Send it as a whole number
    #[arg(long)]
    int64: bool,

    /// Send it as a floating point number
    #[arg(long)]
    double: bool,

    /// Send its bytes as they are
    #[arg(long)]
    binary: bool,
}

/// The types that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    String,
    Json,
    Int64,
    Double,
    Binary,
}

impl ValueArguments {
    /// Finds the value and gives it its type.
    pub(crate) fn read(&self) -> Result<Value, Failure> {
        self.types.read(self.value.as_deref())
    }
}

impl TypeFlags {
    /// Finds the value that an argument stands for, and gives it its type.
    pub(crate) fn read(self, argument: Option<&str>) -> Result<Value, Failure> {
        let typed = match argument {
            None if io::stdin().is_terminal() => self.typed(Vec::new()),
            None | Some("-") => self.typed_input(read_input()?),
            Some(argument) => match argument.strip_prefix('@') {
                Some(text) if text.starts_with('@') => self.typed(text.as_bytes().to_vec()),
                Some(file) => self.typed_input(fs::read(file).map_err(|error| {
                    Failure::usage(format!("cannot read {file}: {error}; @@ stands for an @"))
                })?),
                None => self.typed(argument.as_bytes().to_vec()),
            },
        };
        typed.map_err(Failure::Usage)
    }

    /// Gives a type to what a file holds or a program prints. The line break at its end is not meant, except in bytes.
    pub(crate) fn typed_input(self, mut bytes: Vec<u8>) -> Result<Value, String> {
        let is_binary = self.wanted() == Some(Type::Binary) || std::str::from_utf8(&bytes).is_err();
        if !is_binary && bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        self.typed(bytes)
    }

    fn typed(self, bytes: Vec<u8>) -> Result<Value, String> {
        match self.wanted() {
            Some(Type::Binary) => Ok(Value::Binary(bytes.into())),
            Some(wanted) => forced(String::from_utf8(bytes).map_err(|_| NOT_TEXT)?, wanted),
            None => Ok(match String::from_utf8(bytes) {
                Ok(text) => inferred(text),
                Err(error) => Value::Binary(error.into_bytes().into()),
            }),
        }
    }

    fn wanted(self) -> Option<Type> {
        [
            (self.string, Type::String),
            (self.as_json, Type::Json),
            (self.int64, Type::Int64),
            (self.double, Type::Double),
            (self.binary, Type::Binary),
        ]
        .into_iter()
        .find_map(|(given, wanted)| given.then_some(wanted))
    }
}

fn forced(text: String, wanted: Type) -> Result<Value, String> {
    match wanted {
        Type::String => Ok(Value::String(text)),
        Type::Binary => Ok(Value::Binary(text.into_bytes().into())),
        Type::Json => serde_json::from_str(&text)
            .map(Value::Json)
            .map_err(|error| format!("--as-json: {text:?} is not JSON: {error}")),
        Type::Int64 => text.trim().parse().map(Value::Int64).map_err(|_| {
            let (least, most) = (i64::MIN, i64::MAX);
            format!("--int64: {text:?} is not a whole number from {least} to {most}")
        }),
        Type::Double => text
            .trim()
            .parse()
            .map(Value::Double)
            .map_err(|_| format!("--double: {text:?} is not a number")),
    }
}

/// The type that a text looks like: what reads as a JSON number is a number, what reads as other JSON is that, and
/// everything else is a string. So `007` and integers that do not fit are strings, and nothing is rounded.
fn inferred(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(serde_json::Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int64(whole),
            (None, Some(real)) if text.contains(['.', 'e', 'E']) => Value::Double(real),
            _ => Value::String(text),
        },
        Ok(json) => Value::Json(json),
        Err(_) => Value::String(text),
    }
}

fn read_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
    Ok(bytes)
}

const NOT_TEXT: &str = "the value is not UTF-8; --binary sends bytes as they are";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INFERRED: TypeFlags =
        TypeFlags { string: false, as_json: false, int64: false, double: false, binary: false };

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(INFERRED.read(Some(text)).unwrap(), expected);
    }

    #[test]
    fn the_type_follows_from_the_look() {
        check("42", Value::Int64(42));
        check("-7", Value::Int64(-7));
        check("9223372036854775807", Value::Int64(i64::MAX));
        check("1.5", Value::Double(1.5));
        check("1e3", Value::Double(1000.0));
        check(r#"{"a": 1}"#, Value::Json(json!({"a": 1})));
        check("[1, 2]", Value::Json(json!([1, 2])));
        check("true", Value::Json(json!(true)));
        check("null", Value::Json(json!(null)));
        check(r#""quoted""#, Value::Json(json!("quoted")));
        for text in ["", "hello", "hello world", "007", "+49", "1.", "NaN", "{a: 1}", "12:30"] {
            check(text, Value::String(text.to_owned()));
        }
    }

    #[test]
    fn nothing_is_rounded() {
        for text in ["9223372036854775808", "123456789012345678901234567890"] {
            check(text, Value::String(text.to_owned()));
        }
    }

    #[test]
    fn a_type_can_be_forced() {
        let string = TypeFlags { string: true, ..INFERRED };
        assert_eq!(string.read(Some("42")).unwrap(), Value::String("42".into()));
        let double = TypeFlags { double: true, ..INFERRED };
        assert_eq!(double.read(Some("42")).unwrap(), Value::Double(42.0));
        let binary = TypeFlags { binary: true, ..INFERRED };
        assert_eq!(binary.read(Some("42")).unwrap(), Value::Binary("42".into()));
        let json = TypeFlags { as_json: true, ..INFERRED };
        assert_eq!(json.read(Some("42")).unwrap(), Value::Json(json!(42)));
        let int64 = TypeFlags { int64: true, ..INFERRED };
        for (flags, text) in [(int64, "1.5"), (double, "x"), (json, "{")] {
            assert!(matches!(flags.read(Some(text)), Err(Failure::Usage(_))), "{text}");
        }
    }

    #[test]
    fn a_line_break_at_the_end_of_a_file_is_not_meant() {
        let typed = |flags: TypeFlags, bytes: &[u8]| flags.typed_input(bytes.to_vec()).unwrap();
        assert_eq!(typed(INFERRED, b"42\n"), Value::Int64(42));
        assert_eq!(typed(INFERRED, b"a\n\r\n"), Value::String("a\n".into()));
        let binary = TypeFlags { binary: true, ..INFERRED };
        assert_eq!(typed(binary, b"42\n"), Value::Binary("42\n".into()));
        assert_eq!(typed(INFERRED, b"\xff\n"), Value::Binary(b"\xff\n".as_slice().into()));
    }

    #[test]
    fn at_signs_name_files_unless_doubled() {
        check("@@home", Value::String("@home".into()));
        let Err(Failure::Usage(text)) = INFERRED.read(Some("@/no/such/file")) else { panic!() };
        assert!(text.contains("/no/such/file"), "{text}");
    }
}
