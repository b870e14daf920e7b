//! The examples of RFC 8949, appendix A.

use antiphon_wire::cbor::Kind;
use antiphon_wire::cbor::check;

use crate::hex::hex;

#[track_caller]
fn assert_kind(examples: &str, kind: Kind) {
    for digits in examples.split_whitespace() {
        assert_eq!(check(hex(digits)), Some(kind), "{digits}");
    }
}

#[test]
fn integers_are_accepted() {
    assert_kind(
        "00 01 0a 17 1818 1819 1864 1903e8 1a000f4240 1b000000e8d4a51000 20 29 3863 3903e7 \
         1b7fffffffffffffff 3b7fffffffffffffff",
        Kind::Integer,
    );
    assert_kind(
        "1bffffffffffffffff 1b8000000000000000 3bffffffffffffffff 3b8000000000000000",
        Kind::WideInteger,
    );
}

#[test]
fn integers_in_more_bytes_than_needed_are_accepted() {
    assert_kind("1800 190000 1a00000000 1b0000000000000000 3800 3b0000000000000000", Kind::Integer);
}

#[test]
fn floats_are_accepted() {
    assert_kind(
        "f90000 f98000 f93c00 fb3ff199999999999a f93e00 f97bff fa47c35000 fa7f7fffff fb7e37e43c8800759c \
         f90001 f90400 f9c400 fbc010666666666666 f97c00 f97e00 f9fc00 fa7f800000 fa7fc00000 faff800000 \
         fb7ff0000000000000 fb7ff8000000000000 fbfff0000000000000",
        Kind::Float,
    );
}

#[test]
fn simple_values_are_accepted() {
    assert_kind("f4 f5", Kind::Boolean);
    assert_kind("f6", Kind::Null);
    assert_kind("f7 f0 f8ff e0 f3 f820", Kind::Simple);
}

#[test]
fn tagged_items_are_accepted() {
    assert_kind(
        "c249010000000000000000 c349010000000000000000 c074323031332d30332d32315432303a30343a30305a \
         c11a514b67b0 c1fb41d452d9ec200000 d74401020304 d818456449455446 \
         d82076687474703a2f2f7777772e6578616d706c652e636f6d c0c000 c080 c09fff dbffffffffffffffff00",
        Kind::Tagged,
    );
}

#[test]
fn byte_strings_are_accepted() {
    assert_kind("40 4401020304 5f42010243030405ff 5fff 5f40ff 41ff", Kind::Bytes);
}

#[test]
fn text_strings_are_accepted() {
    assert_kind(
        "60 6161 6449455446 62225c 62c3bc 63e6b0b4 64f0908591 7f657374726561646d696e67ff 7fff 7f60ff",
        Kind::Text,
    );
}

#[test]
fn arrays_and_maps_are_accepted() {
    assert_kind(
        "80 83010203 8301820203820405 98190102030405060708090a0b0c0d0e0f101112131415161718181819 a0 \
         a201020304 a26161016162820203 826161a161626163 a56161614161626142616361436164614461656145 9fff \
         9f018202039f0405ffff 9f01820203820405ff 83018202039f0405ff 83019f0203ff820405 \
         9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff bf61610161629f0203ffff 826161bf61626163ff \
         bf6346756ef563416d7421ff bfff 8180 82809fff a18000 a1bfff80",
        Kind::Container,
    );
}

#[test]
fn equal_keys_are_left_to_the_application() {
    assert_kind("a2616101616102 bf616101616102ff", Kind::Container);
}
