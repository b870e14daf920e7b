//! The outer frame of a message: what is read can be written, and is read again as the same.

use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;

/// A message.
///
/// # Panics
/// If a message that is written is not read as it was.
pub fn run(bytes: &[u8]) {
    let Ok(read) = Message::decode(bytes) else { return };
    let mut written = Vec::new();
    match &read {
        Message::Request { service, conversation, body } => {
            let Some(service) = Service::from_number(*service) else { return };
            message::put_request(&mut written, service, *conversation);
            written.extend_from_slice(body);
        }
        Message::Response { conversation, body } => {
            message::put_response(&mut written, *conversation);
            written.extend_from_slice(body);
        }
        Message::Error { conversation, text, reason } => {
            message::put_error(&mut written, *conversation, *reason, text);
        }
        Message::CloseRequest | Message::Abort => return,
    }
    assert_eq!(Message::decode(&written).as_ref(), Ok(&read));
}
