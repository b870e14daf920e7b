//! Whole messages as the published SDKs exchange them: each is read into a struct, and the struct is written again.
//!
//! A message is written as hex digits beside the struct that it means.

mod authenticator;
mod connect;
mod control;
mod errors;
mod events;
mod filter;
mod foreign;
#[path = "../hex/mod.rs"]
mod hex;
mod locks;
mod messaging;
mod nodes;
mod primitives;
mod registration;
mod security;

use std::fmt::Debug;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::codec::Reader;
use antiphon_wire::error::Malformed;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message::Message;
use antiphon_wire::message::put_request;
use antiphon_wire::message::put_response;
use antiphon_wire::service::Service;
use antiphon_wire::value::Value;

use crate::hex::hex;

/// The session of the messages that come from a Python client.
const PYTHON_SESSION: SessionId =
    SessionId { server: 0x0102_0304_0506_0708, client: 0xf102_0304_0506_0708 };

/// A session of the messages that come from a JavaScript client.
const SCRIPT_SESSION: SessionId = SessionId { server: 0xff, client: 7 };

/// Another session of the messages that come from a JavaScript client.
const WIDE_SESSION: SessionId =
    SessionId { server: 0x0123_4567_89ab_cdef, client: 0x8000_0000_0000_0001 };

/// A value, its bytes in hex digits.
fn value(type_name: &'static str, digits: &str) -> Value<'static> {
    Value { type_name, bytes: hex(digits) }
}

/// A body of no bytes.
#[derive(Debug, PartialEq)]
struct Void;

impl Encode for Void {
    fn encode(&self, _: &mut Vec<u8>) {}
}

impl<'a> Decode<'a> for Void {
    fn decode(_: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self)
    }
}

/// What can stand behind the header of a request or response.
trait Body: Encode + Decode<'static> + PartialEq + Debug {}

impl<T: Encode + Decode<'static> + PartialEq + Debug> Body for T {}

/// Asserts that the bytes are this request, both ways.
#[track_caller]
fn request(digits: &str, service: Service, conversation: u64, body: impl Body) {
    let bytes = hex(digits);
    let conversation = ConversationId(conversation);
    let Ok(Message::Request {
        service: read_service,
        conversation: read_conversation,
        body: read_body,
    }) = Message::decode(bytes)
    else {
        panic!("not a request: {digits}");
    };
    assert_eq!(Service::from_number(read_service), Some(service));
    assert_eq!(read_conversation, conversation);
    assert_body(read_body, &body);

    let mut written = Vec::new();
    put_request(&mut written, service, conversation);
    body.encode(&mut written);
    assert_eq!(written, bytes);
}

/// Asserts that the bytes are this response, both ways.
#[track_caller]
fn response(digits: &str, conversation: u64, body: impl Body) {
    let bytes = hex(digits);
    let conversation = ConversationId(conversation);
    let Ok(Message::Response { conversation: read_conversation, body: read_body }) =
        Message::decode(bytes)
    else {
        panic!("not a response: {digits}");
    };
    assert_eq!(read_conversation, conversation);
    assert_body(read_body, &body);

    let mut written = Vec::new();
    put_response(&mut written, conversation);
    body.encode(&mut written);
    assert_eq!(written, bytes);
}

#[track_caller]
fn assert_body<T: Body>(bytes: &'static [u8], body: &T) {
    assert_eq!(T::decode_all(bytes).as_ref(), Ok(body));
}
