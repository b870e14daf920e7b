//! Connection responses that a client must bear, whole or not.

use antiphon_wire::connect::Accepted;
use antiphon_wire::connect::BadResponse;
use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use antiphon_wire::connect::put_accepted;
use antiphon_wire::connect::put_refused;
use antiphon_wire::connect::put_resumed;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;

use crate::version;

const ACCEPTED: Accepted = Accepted {
    session: SessionId { server: 1, client: 2 },
    token: SessionToken([b'T'; 24]),
    ping_period: 30_000,
    maximum_message: 65_536,
};

/// One response of each success code, with its code.
fn successes() -> [(u8, Vec<u8>); 3] {
    let [mut new, mut intact, mut with_loss] = [const { Vec::new() }; 3];
    put_accepted(&mut new, version(29), &ACCEPTED);
    let next = Resumed::Intact { next_client_sequence: 7 };
    put_resumed(&mut intact, version(29), &ACCEPTED, next);
    put_resumed(&mut with_loss, version(29), &ACCEPTED, Resumed::WithLoss);
    [(100, new), (105, intact), (106, with_loss)]
}

fn refusal() -> Vec<u8> {
    let mut bytes = Vec::new();
    put_refused(&mut bytes, 29, Refusal::UnknownSession);
    bytes
}

fn read(bytes: &[u8]) -> Result<ConnectionResponse, BadResponse> {
    ConnectionResponse::decode(bytes, version(29))
}

#[test]
fn a_response_that_is_not_whole_says_how_much_it_needs() {
    for (_, bytes) in successes() {
        for length in 0..55 {
            let needed = if length < 3 { 3 } else { 55 };
            let truncated = BadResponse::Truncated { length, needed };
            assert_eq!(read(&bytes[..length]), Err(truncated));
        }
    }
    for length in 0..3 {
        let truncated = BadResponse::Truncated { length, needed: 3 };
        assert_eq!(read(&refusal()[..length]), Err(truncated));
    }
}

#[test]
fn what_stands_behind_a_response_is_ignored() {
    for (_, bytes) in successes() {
        let longer = [bytes.clone(), b"more".to_vec()].concat();
        assert_eq!(read(&longer), read(&bytes));
    }
    let longer = [refusal(), b"more".to_vec()].concat();
    assert_eq!(read(&longer), Ok(ConnectionResponse::Refused(Refusal::UnknownSession)));
}

#[test]
fn each_byte_of_the_head_is_judged_and_no_byte_behind_it() {
    for (code, bytes) in successes() {
        for at in 0..bytes.len() {
            for byte in (0..=255).filter(|&byte| byte != bytes[at]) {
                let mut changed = bytes.clone();
                changed[at] = byte;
                let response = read(&changed);
                match at {
                    0 => assert_eq!(response, Err(BadResponse::Magic(byte))),
                    1 => assert_eq!(response, Err(BadResponse::Version(byte))),
                    2 => assert_ne!(response, read(&bytes), "{code} became {byte}"),
                    _ => assert!(response.is_ok(), "{response:?}"),
                }
            }
        }
    }
}

#[test]
fn the_version_is_judged_before_the_code() {
    assert_eq!(read(&[b'#', 25, 0]), Err(BadResponse::Version(25)));
    assert_eq!(read(&[b'#', 25, 117]), Err(BadResponse::Version(25)));
    assert_eq!(read(&[b'$', 25, 117]), Err(BadResponse::Magic(b'$')));
}

#[test]
fn a_code_alone_is_a_refusal_or_unknown_or_too_short() {
    for code in 0..=255 {
        match (code, read(&[b'#', 29, code])) {
            (100 | 105 | 106, response) => {
                assert_eq!(response, Err(BadResponse::Truncated { length: 3, needed: 55 }));
            }
            (102 | 113..=119, Ok(ConnectionResponse::Refused(refusal))) => {
                assert_eq!(refusal as u8, code);
            }
            (_, response) => assert_eq!(response, Err(BadResponse::Code(code))),
        }
    }
}

#[test]
fn a_ping_period_below_zero_is_none() {
    let (_, mut bytes) = successes()[0].clone();
    bytes[43] = 0x80;
    let expected = Accepted { ping_period: 0, ..ACCEPTED };
    assert_eq!(read(&bytes), Ok(ConnectionResponse::Accepted(expected)));
}

#[test]
fn a_fault_names_what_is_wrong() {
    let rows: [(&[u8], &str); 4] = [
        (b"#\x1d", "a connection response has 2 bytes, but needs 3 or more"),
        (b"HTTP", "a connection response begins with the byte 0x48, not with 0x23"),
        (
            b"#\x19\x75",
            "a connection response is in protocol version 25, which is not the client's",
        ),
        (b"#\x1d\x6f", "a connection response has the unknown code 111"),
    ];
    for (bytes, text) in rows {
        assert_eq!(read(bytes).map_err(|fault| fault.to_string()), Err(text.to_owned()));
    }
}
