//! Single frames and their exact bytes, both ways, and each violation at the byte that shows it.

use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Violation;
use antiphon_wire::websocket::put_close;
use antiphon_wire::websocket::put_masked_close;
use antiphon_wire::websocket::put_masked_message;
use antiphon_wire::websocket::put_masked_ping;
use antiphon_wire::websocket::put_masked_pong;
use antiphon_wire::websocket::put_message;
use antiphon_wire::websocket::put_ping;
use antiphon_wire::websocket::put_pong;

use crate::CLOSE;
use crate::FRAGMENT;
use crate::LAST_FRAGMENT;
use crate::MESSAGE;
use crate::MIDDLE_FRAGMENT;
use crate::PING;
use crate::PONG;
use crate::Reading;
use crate::Seen;
use crate::frame;
use crate::read;

const LIMIT: usize = 1000;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Each length at which the form of the header changes, and its neighbours.
const LENGTHS: [usize; 8] = [0, 1, 125, 126, 127, 65535, 65536, 65537];

#[test]
fn each_kind_of_frame_gives_its_event() {
    let cases: [(&[u8], Seen); 13] = [
        (b"\x82\x00", Seen::Message(vec![])),
        (b"\x82\x03abc", Seen::Message(b"abc".to_vec())),
        (b"\x82\x80\x37\xfa\x21\x3d", Seen::Message(vec![])),
        // The masked "Hello" of RFC 6455, section 5.7.
        (b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Seen::Message(b"Hello".to_vec())),
        (b"\x02\x03abc", Seen::Fragment),
        (b"\x89\x05Hello", Seen::Ping(b"Hello".to_vec())),
        (b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Seen::Ping(b"Hello".to_vec())),
        (b"\x8a\x00", Seen::Pong),
        (b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Seen::Pong),
        (b"\x88\x00", Seen::Close(None)),
        (b"\x88\x02\x03\xe8", Seen::Close(Some(1000))),
        (b"\x88\x82\x37\xfa\x21\x3d\x34\x12", Seen::Close(Some(1000))),
        (b"\x88\x06\x0f\xa0\xe2\x82\xac!", Seen::Close(Some(4000))),
    ];
    for (bytes, event) in cases {
        let reading = read(bytes, LIMIT, bytes.len());
        assert_eq!(reading, Reading { events: vec![event], violation: None }, "{bytes:02x?}");
    }
}

#[test]
fn a_violation_is_found_at_the_byte_that_shows_it() {
    let cases: [(&[u8], Violation); 30] = [
        (b"\xc2\x00", Violation::ReservedBits),
        (b"\xa2\x00", Violation::ReservedBits),
        (b"\x99\x00", Violation::ReservedBits),
        (b"\x83\x00", Violation::ReservedOpcode(3)),
        (b"\x07\x00", Violation::ReservedOpcode(7)),
        (b"\x8b\x00", Violation::ReservedOpcode(11)),
        (b"\x8f\x00", Violation::ReservedOpcode(15)),
        (b"\x81\xfe", Violation::TextMessage),
        (b"\x01\x00", Violation::TextMessage),
        (b"\x08\x00", Violation::ControlFragmented),
        (b"\x09\x80", Violation::ControlFragmented),
        (b"\x0a\x05", Violation::ControlFragmented),
        (b"\x88\x7e", Violation::ControlTooLong),
        (b"\x89\xfe", Violation::ControlTooLong),
        (b"\x8a\xff", Violation::ControlTooLong),
        (b"\x80\x05", Violation::UnexpectedContinuation),
        (b"\x00\x05", Violation::UnexpectedContinuation),
        (b"\x02\x00\x82\x05", Violation::MissingContinuation),
        (b"\x02\x00\x02\x05", Violation::MissingContinuation),
        (b"\x82\x7e\x00\x7d", Violation::NonMinimalLength),
        (b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", Violation::NonMinimalLength),
        (b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", Violation::LengthTooLarge),
        (b"\x82\xfe\x03\xe9", Violation::MessageTooLarge { length: 1001, limit: LIMIT }),
        (
            b"\x02\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
            Violation::MessageTooLarge { length: i64::MAX as u64, limit: LIMIT },
        ),
        (b"\x88\x01\x03", Violation::BadClosePayload),
        (b"\x88\x02\x03\xe7", Violation::BadCloseCode(999)),
        (b"\x88\x02\x03\xed", Violation::BadCloseCode(1005)),
        (b"\x88\x02\x03\xf7", Violation::BadCloseCode(1015)),
        (b"\x88\x02\x13\x88", Violation::BadCloseCode(5000)),
        (b"\x88\x03\x03\xe8\xff", Violation::BadCloseReason),
    ];
    for (bytes, violation) in cases {
        let before = read(&bytes[..bytes.len() - 1], LIMIT, 1).violation;
        assert_eq!(before, None, "{bytes:02x?} without its last byte");
        let reading = read(bytes, LIMIT, bytes.len());
        assert_eq!(reading.violation, Some(violation), "{bytes:02x?}");
    }
}

#[test]
fn each_violation_has_the_close_code_of_its_class() {
    assert_eq!(Violation::ReservedBits.close_code(), 1002);
    assert_eq!(Violation::BadCloseCode(999).close_code(), 1002);
    assert_eq!(Violation::TextMessage.close_code(), 1003);
    assert_eq!(Violation::BadCloseReason.close_code(), 1007);
    assert_eq!(Violation::MessageTooLarge { length: 2, limit: 1 }.close_code(), 1009);
}

#[test]
fn close_codes_are_taken_unless_they_are_never_sent() {
    for code in 0..=u16::MAX {
        let reading = read(&frame(CLOSE, None, &code.to_be_bytes()), LIMIT, 4);
        let taken = (1000..5000).contains(&code) && ![1005, 1006, 1015].contains(&code);
        assert_eq!(reading.events == [Seen::Close(Some(code))], taken, "code {code}");
    }
}

#[test]
fn messages_of_each_header_form_are_read_masked_and_unmasked() {
    for length in LENGTHS {
        let payload = payload(length);
        for key in [None, Some(KEY)] {
            let mut bytes = frame(MESSAGE, key, &payload);
            let used = bytes.len();
            bytes.extend_from_slice(b"next");
            let mut decoder = Decoder::new(usize::MAX);
            let (taken, event) = decoder.next(&mut bytes).unwrap().expect("a whole frame");
            assert_eq!(Seen::from(event), Seen::Message(payload.clone()), "length {length}");
            assert_eq!(taken, used, "length {length}");
            assert!(bytes.ends_with(b"next"), "length {length}");
        }
    }
}

#[test]
fn a_frame_that_is_not_whole_is_left_as_it_is() {
    for length in LENGTHS {
        let bytes = frame(MESSAGE, Some(KEY), &payload(length));
        let ends = [bytes.len() - 1, bytes.len() / 2];
        for end in (0..bytes.len().min(16)).chain(ends) {
            let mut part = bytes[..end].to_vec();
            assert_eq!(Decoder::new(usize::MAX).next(&mut part), Ok(None), "{end} of {length}");
            assert_eq!(part, bytes[..end]);
        }
    }
}

#[test]
fn the_limit_counts_all_fragments_of_a_message_and_starts_anew_with_the_next() {
    let half = payload(LIMIT / 2);
    let first = frame(FRAGMENT, Some(KEY), &half);
    let whole = [first.clone(), frame(LAST_FRAGMENT, None, &half)].concat();
    let reading = read(&whole.repeat(3), LIMIT, usize::MAX);
    let message = Seen::Message([half.clone(), half].concat());
    let events = vec![[Seen::Fragment, message]; 3].concat();
    assert_eq!(reading, Reading { events, violation: None });

    let over = [first, frame(MIDDLE_FRAGMENT, None, &[0]), vec![LAST_FRAGMENT, 0x7e, 0x01, 0xf4]];
    let reading = read(&over.concat(), LIMIT, usize::MAX);
    let violation = Violation::MessageTooLarge { length: 1001, limit: LIMIT };
    assert_eq!(reading.violation, Some(violation));
}

#[test]
fn a_message_of_the_limit_and_control_frames_of_any_size_pass() {
    let longest = frame(MESSAGE, None, &payload(LIMIT));
    let reading = read(&longest, LIMIT, usize::MAX);
    assert_eq!(reading.events, [Seen::Message(payload(LIMIT))]);

    let ping = frame(PING, Some(KEY), &payload(125));
    assert_eq!(read(&ping, 0, usize::MAX).events, [Seen::Ping(payload(125))]);
}

#[test]
fn a_message_is_written_alike_whatever_length_was_expected() {
    for length in LENGTHS {
        let payload = payload(length);
        let bytes = [b"before".to_vec(), frame(MESSAGE, None, &payload)].concat();
        for expected in LENGTHS {
            let mut out = b"before".to_vec();
            put_message(&mut out, expected, |out| out.extend_from_slice(&payload));
            assert!(out == bytes, "length {length}, expected {expected}");
        }
    }
}

#[test]
fn a_client_message_is_written_masked() {
    for length in LENGTHS {
        let mut out = b"before".to_vec();
        put_masked_message(&mut out, KEY, &payload(length));
        let bytes = frame(MESSAGE, Some(KEY), &payload(length));
        assert!(out == [b"before".to_vec(), bytes].concat(), "length {length}");
    }
}

#[test]
fn control_frames_are_written_unmasked_and_never_too_long() {
    let mut out = Vec::new();
    put_ping(&mut out, b"Hello");
    put_pong(&mut out, b"");
    put_close(&mut out, 1001);
    assert_eq!(out, b"\x89\x05Hello\x8a\x00\x88\x02\x03\xe9");

    let mut out = Vec::new();
    put_pong(&mut out, &payload(126));
    assert_eq!(out, frame(PONG, None, &payload(125)));
}

#[test]
fn control_frames_of_a_client_are_written_masked_and_never_too_long() {
    let mut out = b"before".to_vec();
    put_masked_ping(&mut out, KEY, b"Hello");
    put_masked_pong(&mut out, KEY, b"");
    put_masked_close(&mut out, KEY, 1000);
    let expected: &[u8] = b"before\
        \x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\
        \x8a\x80\x37\xfa\x21\x3d\
        \x88\x82\x37\xfa\x21\x3d\x34\x12";
    assert_eq!(out, expected);

    let mut out = Vec::new();
    put_masked_ping(&mut out, KEY, &payload(126));
    put_masked_pong(&mut out, KEY, &payload(200));
    let longest = payload(125);
    assert_eq!(out, [frame(PING, Some(KEY), &longest), frame(PONG, Some(KEY), &longest)].concat());
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}
