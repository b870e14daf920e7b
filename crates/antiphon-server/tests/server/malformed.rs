//! What must end one session, and no other.

use antiphon_wire::message::ABORT_MESSAGE;

use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;

const LIMIT: usize = 1024;

/// What is sent, and the code of the close frame that must answer it.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    vec![
        ("a text message", vec![0x81, 0x02, b'h', b'i'], 1002),
        ("a reserved opcode", vec![0x83, 0x00], 1002),
        ("reserved bits", vec![0xc2, 0x01, 0x1d], 1002),
        ("a continuation of nothing", vec![0x80, 0x01, 0x00], 1002),
        ("a long ping", [&[0x89, 126, 0, 126][..], &[0; 126]].concat(), 1002),
        ("a close of one byte", vec![0x88, 0x01, 0x03], 1002),
        ("a length in too many bytes", vec![0x82, 126, 0, 1, 0], 1002),
        ("a length of 2^63", vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
        ("a frame above the limit", vec![0x82, 126, 0x04, 0x01], 1009),
        (
            "fragments above the limit",
            [&[0x02, 126, 4, 0][..], &[0; LIMIT], &[0, 1]].concat(),
            1009,
        ),
        ("an enormous frame", vec![0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255], 1009),
        ("an empty message", vec![0x82, 0x00], 1002),
        ("an unknown type", vec![0x82, 0x01, 0x3f], 1002),
        ("a compressed request", vec![0x82, 0x03, 0x80, 56, 7], 1002),
        ("an abort", vec![0x82, 0x01, 0x1c], 1002),
        ("half a header", vec![0x82, 0x01, 0x00], 1002),
        ("an overlong service", vec![0x82, 0x07, 0x00, 255, 255, 255, 255, 255, 1], 1002),
        (
            "an overlong conversation",
            vec![0x82, 0x0d, 0x00, 56, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            1002,
        ),
        ("an error without a code", vec![0x82, 0x04, 0x07, 1, 1, b'x'], 1002),
    ]
}

#[tokio::test]
async fn a_violation_ends_its_session_and_no_other() {
    let server = TestServer::with(|config| config.limits.maximum_message = LIMIT);
    let mut bystander = Client::open(server.address).await;
    for (what, bytes, code) in violations() {
        let mut client = Client::open(server.address).await;
        client.send(&bytes).await;
        assert_eq!(client.frame().await, Frame::Message(ABORT_MESSAGE.to_vec()), "{what}");
        assert_eq!(client.frame().await, Frame::Close(code), "{what}");
        assert_eq!(client.frame().await, Frame::End, "{what}");
        bystander.expect_alive().await;
    }
}

#[tokio::test]
async fn what_was_sent_before_a_violation_counts_and_what_comes_after_does_not() {
    let server = TestServer::start();
    let mut client = Client::open(server.address).await;
    let ping = [0x82, 3, 0, 56, 7];
    client.send(&[&ping[..], &[0x81, 0], &ping].concat()).await;
    assert_eq!(client.frame().await, Frame::Message(vec![0x06, 7]));
    assert_eq!(client.frame().await, Frame::Message(ABORT_MESSAGE.to_vec()));
    assert_eq!(client.frame().await, Frame::Close(1002));
    assert_eq!(client.frame().await, Frame::End);
}

#[tokio::test]
async fn a_service_that_cannot_be_read_costs_an_error_only() {
    let server = TestServer::start();
    let mut client = Client::open(server.address).await;
    for (what, message, code) in [
        ("an unknown service", &[0x00, 0x94, 0x01, 7][..], 104),
        ("a request without its path", &[0x00, 85, 7], 106),
        ("a text that is longer than the message", &[0x00, 85, 7, 0x7f, b'p'], 106),
        ("a count that is longer than the message", &[0x00, 97, 7, 88, 0, 1, b'p', 0x7f], 106),
    ] {
        client.message(message).await;
        let error = client.expect_message().await;
        assert_eq!((error[..2].to_vec(), error.last()), (vec![0x07, 7], Some(&code)), "{what}");
    }
    client.expect_alive().await;
}

#[tokio::test]
async fn a_flood_of_garbage_does_not_stop_the_server() {
    let server = TestServer::start();
    let mut bystander = Client::open(server.address).await;
    // A simple generator: each run sends the same bytes.
    let mut state = 0x2545_f491_u32;
    let mut garbage = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for round in 0..300 {
        let bytes: Vec<u8> = (0..round).map(|_| garbage()).collect();
        let mut client = match round % 3 {
            0 => Client::connect(server.address).await,
            1 => Client::upgrade(server.address, "v=29").await,
            _ => Client::open(server.address).await,
        };
        client.send(&bytes).await;
    }
    bystander.expect_alive().await;
    Client::open(server.address).await.expect_alive().await;
}
