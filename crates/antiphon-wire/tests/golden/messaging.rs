//! Requests and responses: services 85, 86 and 88.

use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToSession;

use crate::PYTHON_SESSION;
use crate::SCRIPT_SESSION;
use crate::WIDE_SESSION;
use crate::request;
use crate::response;
use crate::value;

/// Requests to a path: the message, and its conversation, path, type and value.
const REQUESTS: [(&str, u64, &str, &str, &str); 17] = [
    // Python
    ("00550107666f6f2f62617206737472696e67066568656c6c6f", 1, "foo/bar", "string", "6568656c6c6f"),
    ("00550303666f6f05696e74363402187b", 3, "foo", "int64", "187b"),
    (
        "00550403666f6f046a736f6e0ebf61619f01f94100f6f56178ffff",
        4,
        "foo",
        "json",
        "bf61619f01f94100f6f56178ffff",
    ),
    ("00550503666f6f0662696e617279030001ff", 5, "foo", "binary", "0001ff"),
    ("00550603666f6f06646f75626c6503f93e00", 6, "foo", "double", "f93e00"),
    ("00550c03666f6f06737472696e6701f6", 12, "foo", "string", "f6"),
    // JavaScript
    ("00550203612f6206737472696e67066568656c6c6f", 2, "a/b", "string", "6568656c6c6f"),
    ("00550303612f62046a736f6e09bf616b6176616e05ff", 3, "a/b", "json", "bf616b6176616e05ff"),
    ("00550403612f6205696e743634023829", 4, "a/b", "int64", "3829"),
    ("00550503612f6206646f75626c6509fb4014000000000000", 5, "a/b", "double", "fb4014000000000000"),
    ("00550603612f620662696e6172790200ff", 6, "a/b", "binary", "00ff"),
    ("00550703612f62097265636f72645f763203780279", 7, "a/b", "record_v2", "780279"),
    (
        "005501 0b666f6f2f6261722f62617a 06737472696e67 03626869",
        1,
        "foo/bar/baz",
        "string",
        "626869",
    ),
    // as an addressed session gets it
    ("00550e04612f6f6b06737472696e6703626869", 14, "a/ok", "string", "626869"),
    ("00550803612f6206737472696e67026178", 8, "a/b", "string", "6178"),
    ("005507 0170 06737472696e67 03626869", 7, "p", "string", "626869"),
    // an old Java client
    (
        "005501 14 6d6573736167696e672f636f6e74726f6c6c6572 06737472696e67 066568656c6c6f",
        1,
        "messaging/controller",
        "string",
        "6568656c6c6f",
    ),
];

#[test]
fn a_request_to_a_path_is_path_type_and_value() {
    for (digits, conversation, path, type_name, bytes) in REQUESTS {
        let value = value(type_name, bytes);
        let body = SendRequest { path, value };
        request(digits, Service::MessagingSend, conversation, body);
    }
}

#[test]
fn a_response_is_type_and_value() {
    let rows = [
        ("060106737472696e670665776f726c64", 1, "string", "65776f726c64"),
        ("06ac0205696e74363402182a", 300, "int64", "182a"),
        ("061506737472696e67026178", 21, "string", "6178"),
        ("060e06737472696e6706656f6b3a6869", 14, "string", "656f6b3a6869"),
        ("060206737472696e6706656f6b3a6869", 2, "string", "656f6b3a6869"),
        ("060206737472696e6703626f6b", 2, "string", "626f6b"),
        ("060105696e74363402182a", 1, "int64", "182a"),
        ("060706737472696e6703626f6b", 7, "string", "626f6b"),
        ("0601 06737472696e6703626f6b", 1, "string", "626f6b"),
    ];
    for (digits, conversation, type_name, bytes) in rows {
        response(digits, conversation, value(type_name, bytes));
    }
}

#[test]
fn a_request_to_a_session_names_the_session_first() {
    let send =
        |session, path, bytes| SendToSession { session, path, value: value("string", bytes) };
    request(
        "005615888e98a8c0e0808101888e98a8c0e08081f10103702f7106737472696e6703626869",
        Service::MessagingReceiverServer,
        21,
        send(PYTHON_SESSION, "p/q", "626869"),
    );
    request(
        "005608ef9bafcdf8acd191018180808080808080800103612f6206737472696e67026178",
        Service::MessagingReceiverServer,
        8,
        send(WIDE_SESSION, "a/b", "6178"),
    );
}

#[test]
fn a_handler_is_told_registration_sender_path_and_properties() {
    let handled = |registration, sender, path, properties: &[_], bytes| HandlerRequest {
        registration: ConversationId(registration),
        sender,
        path,
        properties: properties.to_vec(),
        value: value("string", bytes),
    };
    request(
        "00580118888e98a8c0e0808101888e98a8c0e08081f10104682f6f6b0006737472696e6703626869",
        Service::MessagingReceiverClient,
        1,
        handled(24, PYTHON_SESSION, "h/ok", &[], "626869"),
    );
    request(
        "00580218888e98a8c0e0808101888e98a8c0e08081f10104682f6f6b020a245072696e636970616c03626f62\
         0178017906737472696e6703626869",
        Service::MessagingReceiverClient,
        2,
        handled(24, PYTHON_SESSION, "h/ok", &[("$Principal", "bob"), ("x", "y")], "626869"),
    );
    request(
        "00580109ff01070b666f6f2f6261722f62617a010a245072696e636970616c036a6f6506737472696e6703626869",
        Service::MessagingReceiverClient,
        1,
        handled(9, SCRIPT_SESSION, "foo/bar/baz", &[("$Principal", "joe")], "626869"),
    );
    let old_sender = SessionId { server: 0xc11f_ef06_7d9d_ebd4, client: 0 };
    request(
        "005801 01 d4d7f7ece7e0fb8fc101 00 14 6d6573736167696e672f636f6e74726f6c6c6572 00 \
         06737472696e67 066568656c6c6f",
        Service::MessagingReceiverClient,
        1,
        handled(1, old_sender, "messaging/controller", &[], "6568656c6c6f"),
    );
}
