//! Reason codes, and how faults name what is wrong.

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Fault;
use antiphon_wire::error::Malformed;
use antiphon_wire::error::Reason;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::Sent;

#[test]
fn reasons_have_the_numbers_of_the_protocol() {
    let rows = [
        (100, Reason::COMMUNICATION_FAILURE, "COMMUNICATION_FAILURE"),
        (101, Reason::SESSION_CLOSED, "SESSION_CLOSED"),
        (102, Reason::REQUEST_TIME_OUT, "REQUEST_TIME_OUT"),
        (103, Reason::ACCESS_DENIED, "ACCESS_DENIED"),
        (104, Reason::UNSUPPORTED, "UNSUPPORTED"),
        (105, Reason::CALLBACK_EXCEPTION, "CALLBACK_EXCEPTION"),
        (106, Reason::INVALID_DATA, "INVALID_DATA"),
        (107, Reason::NO_SUCH_SESSION, "NO_SUCH_SESSION"),
        (108, Reason::INCOMPATIBLE_DATATYPE, "INCOMPATIBLE_DATATYPE"),
        (109, Reason::UNHANDLED_MESSAGE, "UNHANDLED_MESSAGE"),
        (110, Reason::CLUSTER_REPARTITION, "CLUSTER_REPARTITION"),
        (112, Reason::CLUSTER_ROUTING, "CLUSTER_ROUTING"),
        (201, Reason::HANDLER_CONFLICT, "HANDLER_CONFLICT"),
        (202, Reason::INVALID_PATH, "INVALID_PATH"),
        (9003, Reason::REJECTED_REQUEST, "REJECTED_REQUEST"),
    ];
    for (number, reason, name) in rows {
        assert_eq!(reason, Reason(number));
        assert_eq!(reason.name(), Some(name));
        assert_eq!(reason.to_string(), format!("{name} ({number})"));
    }
}

#[test]
fn other_reasons_are_numbers() {
    for number in [0, 111, 9004, u32::MAX] {
        assert_eq!(Reason(number).name(), None);
        assert_eq!(Reason(number).to_string(), format!("reason {number}"));
    }
}

#[test]
fn a_fault_names_the_innermost_message_and_field() {
    let rows: [(Option<Malformed>, &str, &str); 5] = [
        (SendRequest::decode_all(&[]).err(), "SendRequest", "path"),
        (SendRequest::decode_all(&[0, 1]).err(), "Value", "type_name"),
        (DeregisterHandler::decode_all(&[89]).err(), "DeregisterHandler", "receiver"),
        (Sent::decode_all(&[2]).err(), "message", "body"),
        (Sent::decode_all(&[0, 0, 0]).err(), "message", "end"),
    ];
    for (malformed, message, field) in rows {
        let malformed = malformed.expect("malformed");
        assert_eq!((malformed.message, malformed.field), (message, field));
    }
}

#[test]
fn a_fault_is_told_in_words() {
    let malformed = |fault| {
        let (message, field) = ("Value", "bytes");
        Malformed { message, field, fault }
    };
    let rows = [
        (Fault::Truncated, "the message ends inside it"),
        (Fault::Overlong, "the varint does not end within its width"),
        (Fault::NotUtf8, "the text is not UTF-8"),
        (Fault::Count(7), "the count 7 exceeds what the message can hold"),
        (Fault::Tag(9), "the byte 9 has no meaning"),
        (Fault::Number(89), "the number 89 has no meaning"),
        (Fault::Trailing(3), "3 bytes follow the end of the message"),
    ];
    for (fault, text) in rows {
        assert_eq!(malformed(fault).to_string(), format!("Value, field bytes: {text}"));
    }
}
