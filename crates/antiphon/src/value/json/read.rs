//! Reads a serde type from CBOR that was checked to be one whole item of bounded depth.
//!
//! It trusts that check for its recursion and for the counts that it hints at, and for nothing else.

use std::borrow::Cow;

use minicbor::Decoder;
use minicbor::data::Type;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::DeserializeOwned;
use serde::de::DeserializeSeed;
use serde::de::EnumAccess;
use serde::de::IntoDeserializer;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::VariantAccess;
use serde::de::Visitor;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::value::SeqDeserializer;
use serde::forward_to_deserialize_any;

use super::fault::Fault;
use super::key::Key;

/// Reads the one item that `bytes` are.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    T::deserialize(&mut Reader { decoder: Decoder::new(bytes) })
}

/// A cursor before an item.
pub(super) struct Reader<'de> {
    decoder: Decoder<'de>,
}

impl<'de> Reader<'de> {
    /// The type of the next item, behind any tags.
    fn peek(&mut self) -> Result<Type, Fault> {
        loop {
            match self.decoder.datatype()? {
                Type::Tag => self.decoder.tag()?,
                other => return Ok(other),
            };
        }
    }

    fn is_null(&mut self) -> Result<bool, Fault> {
        Ok(matches!(self.peek()?, Type::Null | Type::Undefined))
    }

    fn text(&mut self) -> Result<Cow<'de, str>, Fault> {
        if self.decoder.datatype()? == Type::String {
            return Ok(Cow::Borrowed(self.decoder.str()?));
        }
        let text: Result<String, _> = self.decoder.str_iter()?.collect();
        Ok(Cow::Owned(text?))
    }

    fn bytes(&mut self) -> Result<Cow<'de, [u8]>, Fault> {
        if self.decoder.datatype()? == Type::Bytes {
            return Ok(Cow::Borrowed(self.decoder.bytes()?));
        }
        let mut bytes = Vec::new();
        for chunk in self.decoder.bytes_iter()? {
            bytes.extend_from_slice(chunk?);
        }
        Ok(Cow::Owned(bytes))
    }

    /// A map's key as text, since JSON has no other.
    pub(super) fn key(&mut self) -> Result<Cow<'de, str>, Fault> {
        Ok(match self.peek()? {
            Type::String | Type::StringIndef => self.text()?,
            Type::Bool => self.decoder.bool()?.to_string().into(),
            Type::F16 | Type::F32 | Type::F64 => format!("{:?}", self.decoder.f64()?).into(),
            Type::Null => {
                self.decoder.null()?;
                "null".into()
            }
            kind if is_integer(kind) => self.decoder.int()?.to_string().into(),
            other => return Err(Fault::new(format!("a map has a key of type {other}"))),
        })
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        let mut items = Items { left: self.decoder.array()?, reader: self };
        let value = visitor.visit_seq(&mut items)?;
        items.finish()?;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        let mut items = Items { left: self.decoder.map()?, reader: self };
        let value = visitor.visit_map(&mut items)?;
        items.finish()?;
        Ok(value)
    }

    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        visit_integer(self.decoder.int()?.into(), visitor)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.peek()? {
            Type::Bool => visitor.visit_bool(self.decoder.bool()?),
            Type::F16 | Type::F32 | Type::F64 => visitor.visit_f64(self.decoder.f64()?),
            Type::String | Type::StringIndef => visit_text(self.text()?, visitor),
            Type::Bytes | Type::BytesIndef => {
                let bytes = self.bytes()?;
                visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()))
            }
            Type::Array | Type::ArrayIndef => self.array(visitor),
            Type::Map | Type::MapIndef => self.map(visitor),
            Type::Null | Type::Undefined => {
                self.decoder.skip()?;
                visitor.visit_unit()
            }
            kind if is_integer(kind) => self.integer(visitor),
            other => Err(Fault::new(format!("an item of type {other} has no place in json"))),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.peek()? {
            Type::Bytes | Type::BytesIndef => match self.bytes()? {
                Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
                Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_null()? {
            self.decoder.skip()?;
            return visitor.visit_none();
        }
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
        match self.peek()? {
            Type::String | Type::StringIndef => {
                visitor.visit_enum(self.text()?.into_deserializer())
            }
            Type::Map | Type::MapIndef => {
                let mut items = Items { left: self.decoder.map()?, reader: self };
                if !items.more()? {
                    return Err(Fault::new("the map of an enum is empty"));
                }
                let value = visitor.visit_enum(Variant { reader: items.reader })?;
                items.finish()?;
                Ok(value)
            }
            other => Err(Fault::new(format!("an enum is text or a map of one entry, not {other}"))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.decoder.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct seq tuple tuple_struct
        map struct identifier
    }
}

/// The items of an array or the entries of a map that are still to come; no count if a break ends them.
struct Items<'a, 'de> {
    left: Option<u64>,
    reader: &'a mut Reader<'de>,
}

impl Items<'_, '_> {
    /// Whether another comes, which must then be read.
    fn more(&mut self) -> Result<bool, Fault> {
        let decoder = &mut self.reader.decoder;
        match &mut self.left {
            Some(0) => return Ok(false),
            Some(left) => *left -= 1,
            None if decoder.datatype()? == Type::Break => {
                decoder.set_position(decoder.position() + 1);
                self.left = Some(0);
                return Ok(false);
            }
            None => {}
        }
        Ok(true)
    }

    fn finish(&mut self) -> Result<(), Fault> {
        if self.more()? {
            Err(Fault::new("an array or map has more items than wanted"))
        } else {
            Ok(())
        }
    }

    fn hint(&self) -> Option<usize> {
        self.left.and_then(|left| usize::try_from(left).ok())
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        if !self.more()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        if !self.more()? {
            return Ok(None);
        }
        seed.deserialize(Key::read(self.reader)?).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

/// The one entry of an enum's map: the variant's name and its content.
struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let name = seed.deserialize(Key::read(self.reader)?)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        <()>::deserialize(self.reader)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.reader.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.reader.deserialize_any(visitor)
    }
}

/// Hands over text, borrowed if it is in one piece.
pub(super) fn visit_text<'de, V: Visitor<'de>>(
    text: Cow<'de, str>,
    visitor: V,
) -> Result<V::Value, Fault> {
    match text {
        Cow::Borrowed(text) => BorrowedStrDeserializer::new(text).deserialize_any(visitor),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

/// Hands over an integer in the narrowest of the widths that every visitor knows.
pub(super) fn visit_integer<'de, V: Visitor<'de>>(
    number: i128,
    visitor: V,
) -> Result<V::Value, Fault> {
    if let Ok(number) = u64::try_from(number) {
        return visitor.visit_u64(number);
    }
    match i64::try_from(number) {
        Ok(number) => visitor.visit_i64(number),
        Err(_) => visitor.visit_i128(number),
    }
}

fn is_integer(kind: Type) -> bool {
    use Type::*;
    matches!(kind, U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64 | Int)
}
