//! Connection responses.

use antiphon_wire::connect::Accepted;
use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use antiphon_wire::connect::put_accepted;
use antiphon_wire::connect::put_refused;
use antiphon_wire::connect::put_resumed;
use antiphon_wire::ids::SessionToken;

use crate::PYTHON_SESSION;
use crate::WIDE_SESSION;
use crate::hex::hex;

fn for_python() -> Accepted {
    Accepted {
        session: PYTHON_SESSION,
        token: SessionToken(*b"TOKEN_0123456789ABCDEFGH"),
        ping_period: 30_000,
        maximum_message: 65_536,
    }
}

fn for_script() -> Accepted {
    Accepted {
        session: WIDE_SESSION,
        token: SessionToken(*b"ABCDEFGHIJKLMNOPQRSTUVWX"),
        ping_period: 90_000,
        maximum_message: 0x7fff_ffff,
    }
}

fn version(number: u8) -> ProtocolVersion {
    ProtocolVersion::supported(number).expect("a supported version")
}

/// Asserts that a client of this version reads the response so.
#[track_caller]
fn assert_read(bytes: &[u8], version: ProtocolVersion, expected: ConnectionResponse) {
    assert_eq!(ConnectionResponse::decode(bytes, version), Ok(expected));
}

/// The session came back.
fn returned(accepted: Accepted, resumed: Resumed) -> ConnectionResponse {
    let Accepted { session, token, ping_period, maximum_message: _ } = accepted;
    ConnectionResponse::Resumed { session, token, ping_period, resumed }
}

#[test]
fn a_new_session_is_told_in_55_bytes() {
    let mut written = Vec::new();
    put_accepted(&mut written, version(25), &for_python());
    assert_eq!(
        written,
        hex("2319640102030405060708f102030405060708544f4b454e5f30313233343536373839414243444546\
             4748000000000000753000010000")
    );
    assert_read(&written, version(25), ConnectionResponse::Accepted(for_python()));
    assert_eq!(written.len(), 55);

    let mut written = Vec::new();
    put_accepted(&mut written, version(29), &for_script());
    assert_eq!(
        written,
        hex("231d640123456789abcdef80000000000000014142434445464748494a4b4c4d4e4f50515253545556\
             57580000000000015f907fffffff")
    );
    assert_read(&written, version(29), ConnectionResponse::Accepted(for_script()));
    assert_eq!(written.len(), 55);
}

#[test]
fn an_intact_session_is_told_the_next_sequence() {
    let mut written = Vec::new();
    let intact = Resumed::Intact { next_client_sequence: 7 };
    put_resumed(&mut written, version(25), &for_python(), intact);
    assert_eq!(
        written,
        hex("2319690102030405060708f102030405060708544f4b454e5f30313233343536373839414243444546\
             4748000000000000753000000007")
    );
    assert_read(&written, version(25), returned(for_python(), intact));

    let mut written = Vec::new();
    let intact = Resumed::Intact { next_client_sequence: 6 };
    put_resumed(&mut written, version(29), &for_script(), intact);
    assert_eq!(
        written,
        hex("231d690123456789abcdef80000000000000014142434445464748494a4b4c4d4e4f50515253545556\
             57580000000000015f9000000006")
    );
    assert_read(&written, version(29), returned(for_script(), intact));
}

#[test]
fn a_session_with_loss_is_told_the_largest_message() {
    let mut written = Vec::new();
    let accepted = Accepted { maximum_message: 0, ..for_script() };
    put_resumed(&mut written, version(29), &accepted, Resumed::WithLoss);
    assert_eq!(
        written,
        hex("231d6a0123456789abcdef80000000000000014142434445464748494a4b4c4d4e4f50515253545556\
             57580000000000015f9000000000")
    );
    assert_read(&written, version(29), returned(accepted, Resumed::WithLoss));
}

#[test]
fn a_refusal_is_three_bytes_in_the_version_of_the_client() {
    let rows = [
        ("231974", 25, Refusal::AuthenticationFailed),
        ("231975", 25, Refusal::UnknownSession),
        ("231d74", 29, Refusal::AuthenticationFailed),
        ("231d75", 29, Refusal::UnknownSession),
        ("231d71", 29, Refusal::LicenseExceeded),
        ("231d72", 29, Refusal::ReconnectionUnsupported),
        ("231d73", 29, Refusal::ConnectionProtocolError),
        ("231d76", 29, Refusal::ReconnectionFailedMessageLoss),
        ("231d77", 29, Refusal::ServerInitialising),
        // versions that are not spoken are refused in themselves
        ("230674", 6, Refusal::AuthenticationFailed),
        ("231a73", 26, Refusal::ConnectionProtocolError),
    ];
    for (digits, version, refusal) in rows {
        let mut written = Vec::new();
        put_refused(&mut written, version, refusal);
        assert_eq!(written, hex(digits));
        if let Some(version) = ProtocolVersion::supported(version) {
            assert_read(&written, version, ConnectionResponse::Refused(refusal));
        }
    }
}

#[test]
fn a_version_that_another_server_does_not_speak_is_a_refusal() {
    let downgrade = ConnectionResponse::Refused(Refusal::Downgrade);
    assert_read(hex("231d66"), version(29), downgrade);
}
