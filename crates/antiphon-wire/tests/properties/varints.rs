//! Variable-length numbers.

use antiphon_wire::codec::Reader;
use antiphon_wire::codec::put_varint;
use antiphon_wire::error::Fault;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::fields::narrow;
use crate::fields::number;
use crate::round_trip::travels;

#[test]
fn numbers_travel() {
    travels(number());
    travels(narrow());
}

proptest! {
    #[test]
    fn a_number_has_one_byte_for_every_seven_bits(number in number()) {
        let mut written = Vec::new();
        put_varint(&mut written, number);
        let bits = 64 - number.leading_zeros() as usize;
        prop_assert_eq!(written.len(), bits.div_ceil(7).max(1));
    }

    #[test]
    fn padding_does_not_change_a_number(number in number(), padding in 0..10_usize) {
        let mut written = Vec::new();
        put_varint(&mut written, number);
        let padding = padding.min(10 - written.len());
        if padding > 0 {
            *written.last_mut().expect("a varint has a byte") |= 0x80;
            written.resize(written.len() + padding - 1, 0x80);
            written.push(0);
        }
        let mut reader = Reader::new(&written);
        prop_assert_eq!(reader.varint64(), Ok(number));
        prop_assert_eq!(reader.rest(), &[] as &[u8]);
    }

    #[test]
    fn a_number_that_does_not_end_is_refused(bytes in vec(0x80..=0xff_u8, 0..20)) {
        let narrow = if bytes.len() < 5 { Fault::Truncated } else { Fault::Overlong };
        prop_assert_eq!(Reader::new(&bytes).varint32(), Err(narrow));
        let wide = if bytes.len() < 10 { Fault::Truncated } else { Fault::Overlong };
        prop_assert_eq!(Reader::new(&bytes).varint64(), Err(wide));
    }

    #[test]
    fn the_narrow_reader_keeps_the_low_bits(number in 0..1_u64 << 35) {
        let mut written = Vec::new();
        put_varint(&mut written, number);
        prop_assert_eq!(Reader::new(&written).varint32(), Ok(number as u32));
    }
}
