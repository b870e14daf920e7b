//! SERVICE_ERROR: text, then reason.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message::Message;
use antiphon_wire::message::put_error;

use crate::hex::hex;

#[test]
fn an_error_is_text_and_then_reason() {
    let rows = [
        ("070e0a6e6f2068616e646c65726d", 14, Reason::UNHANDLED_MESSAGE, "no handler"),
        ("070d0d4163636573732064656e69656467", 13, Reason::ACCESS_DENIED, "Access denied"),
        ("07010b756e737570706f7274656468", 1, Reason::UNSUPPORTED, "unsupported"),
        ("0717046e6f6e656b", 23, Reason::NO_SUCH_SESSION, "none"),
        ("071b08636f6e666c696374c901", 27, Reason::HANDLER_CONFLICT, "conflict"),
        (
            "07041443616c6c6261636b207468726577206572726f72ab46",
            4,
            Reason::REJECTED_REQUEST,
            "Callback threw error",
        ),
        (
            "07021941206d65737361676520776173206e6f742068616e646c65646d",
            2,
            Reason::UNHANDLED_MESSAGE,
            "A message was not handled",
        ),
        ("07020d4163636573732064656e69656467", 2, Reason::ACCESS_DENIED, "Access denied"),
        ("0707046e6f7065ab46", 7, Reason::REJECTED_REQUEST, "nope"),
    ];
    for (digits, conversation, reason, text) in rows {
        assert_error(hex(digits), conversation, reason, text);
    }
}

#[test]
fn a_javascript_client_without_a_stream_answers_with_two_errors() {
    assert_error(
        hex(
            "07076053657373696f6e20303132333435363738396162636465662d3830303030303030303030303030303120686173\
             206e6f20726567697374657265642073747265616d7320666f72206d6573736167652073656e7420746f207061746820\
             277027 6d",
        ),
        7,
        Reason::UNHANDLED_MESSAGE,
        "Session 0123456789abcdef-8000000000000001 has no registered streams for message sent to path 'p'",
    );
    assert_error(
        hex("07071a43616c6c6261636b20726563656976656420616e206572726f7269"),
        7,
        Reason::CALLBACK_EXCEPTION,
        "Callback received an error",
    );
}

#[test]
fn a_python_client_explains_a_wrong_type_in_98_bytes() {
    let text = format!("Incom{}", "x".repeat(93));
    let mut bytes = hex("071262").to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0x6c);
    assert_error(&bytes, 18, Reason::INCOMPATIBLE_DATATYPE, &text);
}

#[test]
fn an_error_without_its_reason_is_malformed() {
    assert!(Message::decode(hex("0707046e6f7065")).is_err());
}

#[test]
fn what_follows_the_reason_is_ignored() {
    let third_string = hex("0707046e6f7065ab46 026869");
    assert_eq!(Message::decode(third_string), Message::decode(hex("0707046e6f7065ab46")));
}

#[track_caller]
fn assert_error(bytes: &[u8], conversation: u64, reason: Reason, text: &str) {
    let conversation = ConversationId(conversation);
    let expected = Message::Error { conversation, text, reason };
    assert_eq!(Message::decode(bytes), Ok(expected));

    let mut written = Vec::new();
    put_error(&mut written, conversation, reason, text);
    assert_eq!(written, bytes);
}
