//! Writes a serde type as CBOR that every SDK reads: definite lengths, floats of 64 bits, text for keys.
//!
//! It writes no tags, and nests no deeper than receivers accept.

use antiphon_wire::cbor::MAX_DEPTH;
use minicbor::Encoder;
use minicbor::data::Int;
use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;
use serde::ser::SerializeSeq;
use serde::ser::SerializeStruct;
use serde::ser::SerializeStructVariant;
use serde::ser::SerializeTuple;
use serde::ser::SerializeTupleStruct;
use serde::ser::SerializeTupleVariant;

use super::fault::Fault;
use super::key;

/// Appends `value` to `out` as one item.
pub(super) fn write<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Fault> {
    value.serialize(Writer { out, depth: 0 })
}

/// Writes one item inside `depth` open arrays and maps.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl<'a> Writer<'a> {
    fn encoder(self) -> Encoder<&'a mut Vec<u8>> {
        Encoder::new(self.out)
    }

    fn open(self, shape: Shape, announced: Option<usize>) -> Result<Container<'a>, Fault> {
        if self.depth >= MAX_DEPTH {
            return Err(Fault::new(format!("it nests deeper than {MAX_DEPTH} levels")));
        }
        let start = self.out.len();
        let announced = announced.unwrap_or(0);
        shape.head(announced, self.out)?;
        let body = self.out.len();
        Ok(Container {
            out: self.out,
            depth: self.depth + 1,
            shape,
            start,
            body,
            announced,
            written: 0,
        })
    }

    /// Opens the map of one entry that holds a variant's content, up to the content.
    fn variant(self, name: &str) -> Result<Self, Fault> {
        let Container { out, depth, .. } = self.open(Shape::Map, Some(1))?;
        Encoder::new(&mut *out).str(name)?;
        Ok(Self { out, depth })
    }
}

macro_rules! scalars {
    ($($method:ident($value:ty) as $put:ident($wide:ty);)*) => {$(
        fn $method(self, value: $value) -> Result<(), Fault> {
            self.encoder().$put(<$wide>::from(value))?;
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Container<'a>;
    type SerializeTuple = Container<'a>;
    type SerializeTupleStruct = Container<'a>;
    type SerializeTupleVariant = Container<'a>;
    type SerializeMap = Container<'a>;
    type SerializeStruct = Container<'a>;
    type SerializeStructVariant = Container<'a>;

    scalars! {
        serialize_bool(bool) as bool(bool);
        serialize_i8(i8) as i64(i64);
        serialize_i16(i16) as i64(i64);
        serialize_i32(i32) as i64(i64);
        serialize_i64(i64) as i64(i64);
        serialize_u8(u8) as u64(u64);
        serialize_u16(u16) as u64(u64);
        serialize_u32(u32) as u64(u64);
        serialize_u64(u64) as u64(u64);
        serialize_f32(f32) as f64(f64);
        serialize_f64(f64) as f64(f64);
        serialize_str(&str) as str(&str);
        serialize_bytes(&[u8]) as bytes(&[u8]);
    }

    fn serialize_i128(self, value: i128) -> Result<(), Fault> {
        let number = Int::try_from(value)
            .map_err(|_| Fault::new(format!("{value} is too large for CBOR")))?;
        self.encoder().int(number)?;
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Fault> {
        let number = u64::try_from(value)
            .map_err(|_| Fault::new(format!("{value} is too large for CBOR")))?;
        self.serialize_u64(number)
    }

    fn serialize_char(self, value: char) -> Result<(), Fault> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_none(self) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Fault> {
        self.encoder().null()?;
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Fault> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        value.serialize(self.variant(variant)?)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Container<'a>, Fault> {
        self.open(Shape::Array, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Container<'a>, Fault> {
        self.open(Shape::Array, Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Container<'a>, Fault> {
        self.open(Shape::Array, Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Container<'a>, Fault> {
        self.variant(variant)?.open(Shape::Array, Some(length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Container<'a>, Fault> {
        self.open(Shape::Map, length)
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Container<'a>, Fault> {
        self.open(Shape::Map, Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Container<'a>, Fault> {
        self.variant(variant)?.open(Shape::Map, Some(length))
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Array,
    Map,
}

impl Shape {
    fn head(self, length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut encoder = Encoder::new(out);
        match self {
            Self::Array => encoder.array(length as u64)?,
            Self::Map => encoder.map(length as u64)?,
        };
        Ok(())
    }
}

/// An array or map that is being written. The length in its head is set right at the end if it was not known before.
struct Container<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
    shape: Shape,
    /// Where its head begins.
    start: usize,
    /// Where its first item begins.
    body: usize,
    announced: usize,
    written: usize,
}

impl Container<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        value.serialize(Writer { out: self.out, depth: self.depth })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.written += 1;
        self.item(value)
    }

    fn key(&mut self, name: &str) -> Result<(), Fault> {
        self.written += 1;
        Encoder::new(&mut *self.out).str(name)?;
        Ok(())
    }

    fn finish(self) -> Result<(), Fault> {
        if self.written != self.announced {
            let mut head = Vec::new();
            self.shape.head(self.written, &mut head)?;
            self.out.splice(self.start..self.body, head);
        }
        Ok(())
    }
}

macro_rules! sequences {
    ($($sequence:ident $method:ident)*) => {$(
        impl $sequence for Container<'_> {
            type Ok = ();
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.element(value)
            }

            fn end(self) -> Result<(), Fault> {
                self.finish()
            }
        }
    )*};
}

sequences! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

macro_rules! structs {
    ($($kind:ident)*) => {$(
        impl $kind for Container<'_> {
            type Ok = ();
            type Error = Fault;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Fault> {
                self.key(name)?;
                self.item(value)
            }

            fn end(self) -> Result<(), Fault> {
                self.finish()
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Container<'_> {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        let text = key::text(key)?;
        self.key(&text)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.item(value)
    }

    fn end(self) -> Result<(), Fault> {
        self.finish()
    }
}
