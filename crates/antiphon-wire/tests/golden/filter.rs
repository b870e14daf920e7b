//! Requests to a filter and their outcomes: services 102 and 103.

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message::Message;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::Sent;

use crate::PYTHON_SESSION;
use crate::SCRIPT_SESSION;
use crate::Void;
use crate::hex::hex;
use crate::request;
use crate::response;
use crate::value;

#[test]
fn a_filter_request_carries_a_conversation_of_its_own() {
    let send = |conversation, filter, path, bytes| SendToFilter {
        conversation: ConversationId(conversation),
        filter,
        path,
        value: value("string", bytes),
    };
    request(
        "00661c1c11245072696e636970616c20697320277827017006737472696e6703626869",
        Service::MessagingFilterSend,
        28,
        send(28, "$Principal is 'x'", "p", "626869"),
    );
    request(
        "00660d0c11245072696e636970616c2069732027782703612f6206737472696e670463686579",
        Service::MessagingFilterSend,
        13,
        send(12, "$Principal is 'x'", "a/b", "63686579"),
    );
}

#[test]
fn a_filter_request_is_answered_with_a_count_or_a_list_of_reports() {
    response("061c0003", 28, Sent::To(3));
    response("060d0002", 13, Sent::To(2));
    let report = ErrorReport { message: "bad", line: 1, column: 4 };
    response("060d0101036261640104", 13, Sent::Refused(vec![report]));
}

#[test]
fn python_is_answered_with_a_single_report_that_is_not_read_back() {
    let bytes = hex("061e010673796e7461780105");
    let mut written = vec![6, 30];
    let report = ErrorReport { message: "syntax", line: 1, column: 5 };
    Sent::RefusedOnce(report).encode(&mut written);
    assert_eq!(written, bytes);

    let Ok(Message::Response { conversation, body }) = Message::decode(bytes) else {
        panic!("not a response");
    };
    assert_eq!(conversation, ConversationId(30));
    assert!(Sent::decode_all(body).is_err());
}

#[test]
fn an_outcome_is_a_value_or_a_reason_before_its_text() {
    let outcome = |conversation, session, outcome| FilterResponse {
        conversation: ConversationId(conversation),
        session,
        outcome,
    };
    let error = |number, text| Outcome::Error { reason: Reason(number), text };
    let rows = [
        (
            "00671e1c888e98a8c0e0808101888e98a8c0e08081f1010006737472696e670362796f",
            30,
            outcome(28, PYTHON_SESSION, Outcome::Response(value("string", "62796f"))),
        ),
        (
            "0067201c888e98a8c0e0808101888e98a8c0e08081f10101ab460472656a64",
            32,
            outcome(28, PYTHON_SESSION, error(9003, "rejd")),
        ),
        (
            "0067140cff01070006737472696e670362796f",
            20,
            outcome(12, SCRIPT_SESSION, Outcome::Response(value("string", "62796f"))),
        ),
        (
            "0067150cff0107016d09756e68616e646c6564",
            21,
            outcome(12, SCRIPT_SESSION, error(109, "unhandled")),
        ),
    ];
    for (digits, conversation, body) in rows {
        request(digits, Service::FilterResponse, conversation, body);
    }
    for (digits, conversation) in [("061e", 30), ("0614", 20)] {
        response(digits, conversation, Void);
    }
}
