//! Raw bytes, which are also how to take a value of any type without decoding it.
//!
//! For every type but `binary` and `record_v2` the bytes are one CBOR item: the string `hello` reads as
//! `65 68 65 6c 6c 6f`.

use bytes::Bytes;

use super::DataType;
use super::ValueError;

/// Raw bytes. Reads every type, as the bytes that came.
impl DataType for Bytes {
    const NAME: &'static str = "binary";

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        out.extend_from_slice(self);
        Ok(())
    }

    fn decode(_type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        Ok(Self::copy_from_slice(bytes))
    }
}

/// Raw bytes. Reads every type, as the bytes that came.
impl DataType for Vec<u8> {
    const NAME: &'static str = "binary";

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        out.extend_from_slice(self);
        Ok(())
    }

    fn decode(_type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        Ok(bytes.to_vec())
    }
}
