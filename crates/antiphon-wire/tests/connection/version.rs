//! Which protocol versions are spoken, and what is said of the others.

use antiphon_wire::connect::Accepted;
use antiphon_wire::connect::BadParameters;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::connect::put_accepted;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;

use crate::from_query;
use crate::parse;

#[test]
fn versions_19_to_25_and_29_are_spoken() {
    for number in 18..=30_u8 {
        let spoken = matches!(number, 19..=25 | 29);
        let version = ProtocolVersion::supported(number);
        assert_eq!(version.map(ProtocolVersion::number), spoken.then_some(number));

        let parsed = parse(&format!("v={number}"), &[]);
        if spoken {
            assert_eq!(parsed.map(|request| request.version.number()), Ok(number));
        } else {
            assert_eq!(parsed, Err(BadParameters::UnsupportedVersion(number)));
        }
    }
}

#[test]
fn an_unsupported_version_is_still_known_to_its_refusal() {
    for number in [0, 4, 9, 255] {
        let parsed = parse(&format!("v={number}&password=!"), &[]);
        assert_eq!(parsed, Err(BadParameters::UnsupportedVersion(number)));
    }
}

#[test]
fn without_a_version_there_is_no_request() {
    for text in ["", "x", "-1", "256", "25.0", " 25", "0x19", "٢٥"] {
        let no_version = BadParameters::NoVersion(text.to_owned());
        assert_eq!(parse(&format!("v={text}"), &[]), Err(no_version));
    }
    let absent = BadParameters::NoVersion(String::new());
    assert_eq!(parse("", &[]), Err(absent.clone()));
    assert_eq!(parse("ty=WB&ca=10", &[]), Err(absent.clone()));
    assert_eq!(parse("", &[("v", b"\xff")]), Err(absent));
}

#[test]
fn a_version_may_have_leading_zeros() {
    assert_eq!(from_query("v=029").version.number(), 29);
}

#[test]
fn the_response_carries_the_version_of_the_client() {
    for number in (19..=25).chain([29]) {
        let version = ProtocolVersion::supported(number).expect("a supported version");
        let accepted = Accepted {
            session: SessionId { server: 1, client: 2 },
            token: SessionToken([b'T'; 24]),
            ping_period: 3,
            maximum_message: 4,
        };
        let mut written = Vec::new();
        put_accepted(&mut written, version, &accepted);
        let mut expected = vec![b'#', number, 100];
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 2]);
        expected.extend_from_slice(&[b'T'; 24]);
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 3]);
        expected.extend_from_slice(&[0, 0, 0, 4]);
        assert_eq!(written, expected);
    }
}
