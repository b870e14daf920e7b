//! Messages that Antiphon does not speak, and malformed ones that real clients send.

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Fault;
use antiphon_wire::error::Malformed;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::value::Value;

use crate::hex::hex;

#[test]
fn the_header_of_a_foreign_service_is_read() {
    let rows = [
        ("00940107", 148, 7, ""),
        (
            "007506043f612f2f000080807f0000ffffffff07ffffffff07ffffffff07ffffffff0700",
            117,
            6,
            "043f612f2f000080807f0000ffffffff07ffffffff07ffffffff07ffffffff0700",
        ),
    ];
    for (digits, service, conversation, body) in rows {
        let expected = Message::Request {
            service,
            conversation: ConversationId(conversation),
            body: hex(body),
        };
        assert_eq!(Message::decode(hex(digits)), Ok(expected));
        assert_eq!(Service::from_number(service), None);
    }
}

#[test]
fn the_header_of_a_foreign_response_is_read() {
    let expected = Message::Response { conversation: ConversationId(28), body: &[2, 3, 4] };
    assert_eq!(Message::decode(hex("061c020304")), Ok(expected));
}

#[test]
fn topic_messages_old_answers_and_flags_have_no_meaning() {
    let rows = [
        ("04000000096548656c6c6f", 4),
        ("0500000009", 5),
        ("016102", 1),
        ("0272030d4163636573732064656e69656467", 2),
        ("22", 34),
        ("80550107666f6f2f62617206737472696e67066568656c6c6f", 0x80),
        ("4601", 0x46),
    ];
    for (digits, tag) in rows {
        let malformed = Malformed { message: "message", field: "header", fault: Fault::Tag(tag) };
        assert_eq!(Message::decode(hex(digits)), Err(malformed));
    }
}

#[test]
fn an_empty_message_is_malformed() {
    let malformed = Malformed { message: "message", field: "header", fault: Fault::Truncated };
    assert_eq!(Message::decode(&[]), Err(malformed));
}

/// Python 6.6 to 6.9 repeat the previous response where a request to a path should be.
#[test]
fn a_request_that_is_a_response_has_a_header_but_no_value() {
    let Ok(Message::Request { service, conversation, body }) =
        Message::decode(hex("00550206737472696e670665776f726c64"))
    else {
        panic!("the header can be read");
    };
    assert_eq!(service, Service::MessagingSend.number());
    assert_eq!(conversation, ConversationId(2));
    let malformed = Malformed { message: "Value", field: "bytes", fault: Fault::Truncated };
    assert_eq!(SendRequest::decode_all(body), Err(malformed));
}

/// A Python handler that returns nothing to an addressed request echoes the request.
#[test]
fn a_response_that_is_a_request_has_bytes_left_over() {
    let Ok(Message::Response { conversation, body }) =
        Message::decode(hex("061406612f6e6f6e6506737472696e6703626869"))
    else {
        panic!("the header can be read");
    };
    assert_eq!(conversation, ConversationId(20));
    let malformed = Malformed { message: "message", field: "end", fault: Fault::Trailing(4) };
    assert_eq!(Value::decode_all(body), Err(malformed));
}
