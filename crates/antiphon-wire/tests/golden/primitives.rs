//! Varints, text, lists, maps, optionals, session ids and credentials.

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Reader;
use antiphon_wire::codec::put_varint;
use antiphon_wire::connect::Credentials;
use antiphon_wire::error::Fault;
use antiphon_wire::error::Malformed;
use antiphon_wire::ids::SessionId;

use crate::Body;
use crate::PYTHON_SESSION;
use crate::SCRIPT_SESSION;
use crate::WIDE_SESSION;
use crate::hex::hex;

#[track_caller]
fn both_ways<T: Body>(digits: &str, item: T) {
    let bytes = hex(digits);
    let mut written = Vec::new();
    item.encode(&mut written);
    assert_eq!(written, bytes);
    assert_eq!(T::decode_all(bytes), Ok(item));
}

fn fault<T: Body>(digits: &str) -> Fault {
    T::decode_all(hex(digits)).expect_err("malformed").fault
}

#[test]
fn numbers_are_varints_of_their_width() {
    let narrow = [
        ("00", 0),
        ("7f", 127),
        ("8001", 128),
        ("ac02", 300),
        ("ab46", 9003),
        ("ffffffff07", 0x7fff_ffff),
        ("ffffffff0f", -1_i32 as u32),
        ("8080808008", i32::MIN as u32),
    ];
    for (digits, number) in narrow {
        both_ways(digits, number);
    }
    let wide = [
        ("00", 0),
        ("80d095ffbc31", 1_700_000_000_000),
        ("ffffffffffffffff7f", i64::MAX as u64),
        ("ffffffffffffffffff01", u64::MAX),
        ("80808080808080808001", i64::MIN as u64),
    ];
    for (digits, number) in wide {
        both_ways::<u64>(digits, number);
    }
}

#[test]
fn a_padded_varint_is_read() {
    assert_eq!(u32::decode_all(hex("8000")), Ok(0));
    assert_eq!(u64::decode_all(hex("ff80808000")), Ok(127));
}

#[test]
fn bits_above_the_width_are_dropped() {
    assert_eq!(u32::decode_all(hex("ffffffff1f")), Ok(u32::MAX));
    assert_eq!(u64::decode_all(hex("ffffffffffffffffff7f")), Ok(u64::MAX));
}

#[test]
fn a_varint_ends_within_its_width() {
    for digits in ["8080808080", "808080808000", "ffffffffff"] {
        assert_eq!(fault::<u32>(digits), Fault::Overlong, "{digits}");
    }
    for digits in ["80808080808080808080", "8080808080808080808000"] {
        assert_eq!(fault::<u64>(digits), Fault::Overlong, "{digits}");
    }
    for digits in ["", "80", "80808080"] {
        assert_eq!(fault::<u32>(digits), Fault::Truncated, "{digits}");
    }
    assert_eq!(fault::<u64>("808080808080808080"), Fault::Truncated);
}

#[test]
fn a_failed_varint_is_not_taken() {
    let mut reader = Reader::new(hex("8080808080"));
    assert_eq!(reader.varint32(), Err(Fault::Overlong));
    assert_eq!(reader.rest(), hex("8080808080"));
}

#[test]
fn text_is_counted_in_bytes() {
    both_ways("00", "");
    both_ways("02c3a9", "é");
    both_ways("03e6b0b4", "水");
}

#[test]
fn text_is_utf8() {
    for digits in ["01ff", "02c328", "03eda080"] {
        assert_eq!(fault::<&str>(digits), Fault::NotUtf8, "{digits}");
    }
    both_ways::<&[u8]>("01ff", &[0xff]);
}

#[test]
fn a_length_beyond_the_message_is_refused() {
    for digits in ["02c3", "ffffffff0f61", "ff01"] {
        assert_eq!(fault::<&[u8]>(digits), Fault::Truncated, "{digits}");
        assert_eq!(fault::<&str>(digits), Fault::Truncated, "{digits}");
    }
}

#[test]
fn lists_and_maps_are_counted() {
    both_ways("00", Vec::<&str>::new());
    both_ways("020161026263", vec!["a", "bc"]);
    both_ways("02016b0176026b32027632", vec![("k", "v"), ("k2", "v2")]);
}

#[test]
fn a_count_beyond_the_message_is_refused() {
    assert_eq!(fault::<Vec<&str>>("01"), Fault::Count(1));
    assert_eq!(fault::<Vec<&str>>("030000"), Fault::Count(3));
    assert_eq!(fault::<Vec<&str>>("ffffffff0f00"), Fault::Count(u32::MAX));
    assert_eq!(fault::<Vec<(&str, &str)>>("020000"), Fault::Truncated);
}

#[test]
fn an_optional_says_whether_it_is_there() {
    both_ways("00", None::<u32>);
    both_ways("01ac02", Some(300_u32));
    assert_eq!(fault::<Option<u32>>("0200"), Fault::Tag(2));
}

#[test]
fn any_byte_but_zero_is_true() {
    both_ways("00", false);
    both_ways("01", true);
    assert_eq!(bool::decode_all(&[0x80]), Ok(true));
}

#[test]
fn a_session_id_is_two_varints() {
    both_ways("888e98a8c0e0808101888e98a8c0e08081f101", PYTHON_SESSION);
    both_ways("ff0107", SCRIPT_SESSION);
    both_ways("ef9bafcdf8acd1910181808080808080808001", WIDE_SESSION);
    let widest = SessionId { server: u64::MAX, client: u64::MAX };
    both_ways("ffffffffffffffffff01ffffffffffffffffff01", widest);
}

#[test]
fn credentials_are_a_type_and_bytes() {
    both_ways("0000", Credentials::None);
    both_ways("01027077", Credentials::Password("pw"));
    both_ways("0100", Credentials::Password(""));
    both_ways("020102", Credentials::Custom(&[2]));
    both_ways("02020102", Credentials::Custom(&[1, 2]));
    assert_eq!(fault::<Credentials<'_>>("0300"), Fault::Tag(3));
    assert_eq!(fault::<Credentials<'_>>("0101ff"), Fault::NotUtf8);
}

#[test]
fn bytes_behind_an_item_are_refused() {
    let malformed = Malformed { message: "message", field: "end", fault: Fault::Trailing(2) };
    assert_eq!(u32::decode_all(hex("010203")), Err(malformed));
}

#[test]
fn numbers_are_written_in_the_fewest_bytes() {
    for bits in 0..64 {
        let mut written = Vec::new();
        put_varint(&mut written, 1 << bits);
        assert_eq!(written.len(), bits / 7 + 1, "2^{bits}");
    }
}
