//! Keys of maps, which are text on the wire, as JSON and JavaScript have no other.
//!
//! Rust's maps may have integers, booleans, characters and names of variants for keys; those go as their text and are
//! read back from it.

use std::borrow::Cow;

use serde::Deserializer;
use serde::Serialize;
use serde::de::IntoDeserializer;
use serde::de::Visitor;
use serde::forward_to_deserialize_any;

use super::fault::Fault;
use super::read;
use super::read::Reader;

/// The text of a key that is to be written.
pub(super) fn text<T: Serialize + ?Sized>(key: &T) -> Result<String, Fault> {
    match serde_json::to_value(key) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(serde_json::Value::Bool(value)) => Ok(value.to_string()),
        Ok(serde_json::Value::Number(number)) => Ok(number.to_string()),
        Ok(_) => Err(Fault::new("a map has a key that is neither text nor a number or boolean")),
        Err(error) => Err(Fault::new(error.to_string())),
    }
}

/// A key that was read.
pub(super) struct Key<'de> {
    text: Cow<'de, str>,
}

impl<'de> Key<'de> {
    pub(super) fn read(reader: &mut Reader<'de>) -> Result<Self, Fault> {
        Ok(Self { text: reader.key()? })
    }
}

macro_rules! numbers {
    ($parsed:ty, $visit:path: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.text.parse::<$parsed>() {
                Ok(number) => $visit(number, visitor),
                Err(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        read::visit_text(self.text, visitor)
    }

    numbers! { i128, read::visit_integer:
    deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }

    numbers! { bool, visit_bool: deserialize_bool }

    numbers! { f64, visit_float: deserialize_f32 deserialize_f64 }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(self.text.into_deserializer())
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn visit_bool<'de, V: Visitor<'de>>(value: bool, visitor: V) -> Result<V::Value, Fault> {
    visitor.visit_bool(value)
}

fn visit_float<'de, V: Visitor<'de>>(number: f64, visitor: V) -> Result<V::Value, Fault> {
    visitor.visit_f64(number)
}
