//! Session ids as text, and what secrets show of themselves.

use antiphon_wire::ids::NotASessionId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use proptest::prelude::*;

#[test]
fn a_session_id_is_two_groups_of_16_digits() {
    let rows = [
        (0, 0, "0000000000000000-0000000000000000"),
        (0xff, 7, "00000000000000ff-0000000000000007"),
        (0x0123_4567_89ab_cdef, 0x8000_0000_0000_0001, "0123456789abcdef-8000000000000001"),
        (u64::MAX, u64::MAX, "ffffffffffffffff-ffffffffffffffff"),
    ];
    for (server, client, text) in rows {
        let session = SessionId { server, client };
        assert_eq!(session.to_string(), text);
        assert_eq!(format!("{session:?}"), text);
        assert_eq!(text.parse(), Ok(session));
    }
}

#[test]
fn shorter_groups_and_capitals_are_read() {
    let session = SessionId { server: 0xff, client: 7 };
    for text in ["ff-7", "FF-7", "0ff-07", "00000000000000FF-0000000000000007"] {
        assert_eq!(text.parse(), Ok(session), "{text}");
    }
}

#[test]
fn other_text_is_no_session_id() {
    let texts = [
        "",
        "-",
        "ff",
        "ff-",
        "-7",
        "ff-7-",
        "1-2-3",
        "ff--7",
        " ff-7",
        "ff-7 ",
        "+f-7",
        "ff-+7",
        "0xff-7",
        "fg-7",
        "ff_7",
        "00000000000000000-0",
        "0-10000000000000000",
        "ff-７",
        "hasRoles['a-b']",
    ];
    for text in texts {
        assert_eq!(text.parse::<SessionId>(), Err(NotASessionId), "{text}");
    }
}

#[test]
fn a_token_does_not_show_itself() {
    assert_eq!(format!("{:?}", SessionToken([b'T'; 24])), "SessionToken");
}

#[test]
fn tokens_are_equal_only_in_all_characters() {
    let token = SessionToken(*b"ABCDEFGHIJKLMNOPQRSTUVWX");
    assert_eq!(token, token);
    for index in 0..24 {
        for bit in 0..8 {
            let mut other = token;
            other.0[index] ^= 1 << bit;
            assert_ne!(token, other);
        }
    }
}

proptest! {
    #[test]
    fn every_session_id_is_read_from_its_text(server: u64, client: u64) {
        let session = SessionId { server, client };
        prop_assert_eq!(session.to_string().parse(), Ok(session));
    }

    #[test]
    fn ids_sort_as_their_texts_do(a: (u64, u64), b: (u64, u64)) {
        let [a, b] = [a, b].map(|(server, client)| SessionId { server, client });
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }
}
