//! The outer frame around random bodies.

use antiphon_wire::error::Fault;
use antiphon_wire::message::Message;
use antiphon_wire::message::put_error;
use antiphon_wire::message::put_request;
use antiphon_wire::message::put_response;
use antiphon_wire::service::Service;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fields::bytes;
use crate::fields::conversation;
use crate::fields::reason;
use crate::fields::text;

proptest! {
    #[test]
    fn a_request_is_read_as_written(
        service in select(Service::ALL),
        conversation in conversation(),
        body in bytes(),
    ) {
        let mut written = Vec::new();
        put_request(&mut written, service, conversation);
        let header = written.len();
        written.extend_from_slice(body);
        let service = service.number();
        let expected = Message::Request { service, conversation, body };
        prop_assert_eq!(Message::decode(&written), Ok(expected));
        no_prefix_of_the_header_is_read(&written[..header])?;
    }

    #[test]
    fn a_response_is_read_as_written(conversation in conversation(), body in bytes()) {
        let mut written = Vec::new();
        put_response(&mut written, conversation);
        let header = written.len();
        written.extend_from_slice(body);
        let expected = Message::Response { conversation, body };
        prop_assert_eq!(Message::decode(&written), Ok(expected));
        no_prefix_of_the_header_is_read(&written[..header])?;
    }

    #[test]
    fn an_error_is_read_as_written(
        conversation in conversation(),
        reason in reason(),
        text in text(),
    ) {
        let mut written = Vec::new();
        put_error(&mut written, conversation, reason, text);
        let expected = Message::Error { conversation, text, reason };
        prop_assert_eq!(Message::decode(&written), Ok(expected));
        no_prefix_of_the_header_is_read(&written)?;
    }

    #[test]
    fn other_types_have_no_meaning(tag: u8, body in bytes()) {
        prop_assume!(!matches!(tag, 0 | 6 | 7 | 28 | 29));
        let message = [&[tag], body].concat();
        let fault = Message::decode(&message).map_err(|malformed| malformed.fault);
        prop_assert_eq!(fault, Err(Fault::Tag(tag)));
    }
}

fn no_prefix_of_the_header_is_read(header: &[u8]) -> Result<(), TestCaseError> {
    for end in 0..header.len() {
        let fault = Message::decode(&header[..end]).map_err(|malformed| malformed.fault);
        prop_assert_eq!(fault, Err(Fault::Truncated));
    }
    Ok(())
}
