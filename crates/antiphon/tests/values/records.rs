//! Records as the JavaScript SDK 6.12.1 was seen to write and read them.

use antiphon::value::RecordV2;
use antiphon::value::ValueError;

use crate::decoded;
use crate::encoded;
use crate::hex;
use crate::unencodable;

fn records(records: &[&[&str]]) -> RecordV2 {
    let fields = |record: &&[&str]| record.iter().map(|&field| field.to_owned()).collect();
    RecordV2 { records: records.iter().map(fields).collect() }
}

#[test]
fn every_shape_has_its_bytes() {
    let table: [(&[&[&str]], &str); 16] = [
        (&[], ""),
        (&[&[]], "04"),
        (&[&[""]], "05"),
        (&[&["a"]], "61"),
        (&[&["", ""]], "02"),
        (&[&[], &[]], "01"),
        (&[&[""], &[""]], "050105"),
        (&[&[], &["a"]], "0161"),
        (&[&[""], &["a"]], "050161"),
        (&[&["a"], &[]], "6101"),
        (&[&["a"], &[""]], "610105"),
        (&[&["a", ""], &["", "b"]], "6102010262"),
        (&[&[], &[""], &[]], "010501"),
        (&[&["a", "b"], &["c"]], "6102620163"),
        (&[&["é"]], "c3a9"),
        (&[&["\u{3}\0"]], "0300"),
    ];
    for (shape, digits) in table {
        assert_eq!(encoded(&records(shape)), hex(digits), "{shape:?}");
        assert_eq!(decoded(digits), Ok(records(shape)));
    }
}

#[test]
fn a_mark_inside_a_field_is_not_written() {
    for mark in ["\u{1}", "\u{2}", "\u{4}", "\u{5}"] {
        for field in [mark.to_owned(), format!("a{mark}b")] {
            let error = unencodable(&records(&[&["a"], &["b", &field]]));
            assert!(
                matches!(error, ValueError::Unencodable { data_type: "record_v2", .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn a_mark_out_of_place_is_text() {
    assert_eq!(decoded("6105"), Ok(records(&[&["a\u{5}"]])));
    assert_eq!(decoded("0104"), Ok(records(&[&[], &["\u{4}"]])));
    assert_eq!(decoded("0205"), Ok(records(&[&["", "\u{5}"]])));
}

#[test]
fn a_field_is_text() {
    let error = decoded::<RecordV2>("61 02 ff").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the bytes of the record_v2 value cannot be read: a field is not UTF-8"
    );
}
