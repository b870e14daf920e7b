//! The examples of RFC 8949, appendix F, and what is well-formed but not one item of UTF-8 text.

use antiphon_wire::cbor::check;

use crate::hex::hex;

#[track_caller]
fn assert_refused(examples: &str) {
    for digits in examples.split_whitespace() {
        assert_eq!(check(hex(digits)), None, "{digits}");
    }
}

#[test]
fn the_end_of_input_in_a_head_is_refused() {
    assert_refused(
        "18 19 1a 1b 1901 1a0102 1b01020304050607 38 58 78 98 9a01ff00 b8 d8 f8 f900 fa0000 fb000000",
    );
}

#[test]
fn strings_with_less_than_their_length_are_refused() {
    assert_refused(
        "41 61 5affffffff00 5bffffffffffffffff010203 7affffffff00 7b7fffffffffffffff010203",
    );
}

#[test]
fn arrays_and_maps_with_less_than_their_count_are_refused() {
    assert_refused("81 818181818181818181 8200 a1 a20102 a100 a2000000");
}

#[test]
fn counts_that_no_memory_could_hold_are_refused() {
    assert_refused(
        "9bffffffffffffffff00 bbffffffffffffffff0000 9b7fffffffffffffff00 bb7fffffffffffffff0000 \
         bb80000000000000000000 9b3fffffffffffffff00 9bfffffffffffffffdff bbffffffffffffffffff",
    );
}

#[test]
fn a_tag_without_content_is_refused() {
    assert_refused("c0 d9ffff 81c0");
}

#[test]
fn strings_that_no_break_closes_are_refused() {
    assert_refused("5f4100 7f6100 5f 7f");
}

#[test]
fn containers_that_no_break_closes_are_refused() {
    assert_refused("9f 9f0102 bf bf01020102 819f 9f8000 9f9f9f9f9fffffffff 9f819f819f9fffffff");
}

#[test]
fn reserved_additional_information_is_refused() {
    for major in (0..=0xe0_u8).step_by(0x20) {
        for information in 28..=30 {
            assert_eq!(check(&[major | information]), None);
            assert_eq!(check(&[major | information, 0, 0, 0]), None);
        }
    }
}

#[test]
fn reserved_encodings_of_simple_values_are_refused() {
    assert_refused("f800 f801 f818 f81f");
}

#[test]
fn chunks_of_another_type_are_refused() {
    assert_refused("5f00ff 5f21ff 5f6100ff 5f80ff 5fa0ff 5fc000ff 5fe0ff 7f4100ff");
}

#[test]
fn chunks_without_a_length_are_refused() {
    assert_refused("5f5f4100ffff 7f7f6100ffff");
}

#[test]
fn a_break_on_its_own_is_refused() {
    assert_refused("ff");
}

#[test]
fn a_break_in_a_counted_container_or_a_tag_is_refused() {
    assert_refused(
        "81ff 8200ff a1ff a1ff00 a100ff a20000ff 9f81ff 9f829f819f9fffffffff c0ff 9fc0ff 9fc0ffff",
    );
}

#[test]
fn a_break_between_a_key_and_its_value_is_refused() {
    assert_refused("bf00ff bf000000ff bf9fffff bf80ff");
}

#[test]
fn indefinite_length_where_there_is_none_is_refused() {
    assert_refused("1f 3f df 1f00ff df00ff");
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    assert_refused("61ff 62c328 63eda080 7f61c361bcff 8161ff");
}

#[test]
fn no_item_or_more_than_one_is_refused() {
    assert_eq!(check(&[]), None);
    assert_refused("0000 8000 6161ff 9fffff f6f6 40ff");
}
