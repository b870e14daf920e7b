//! A session as the model of a server keeps it, and the services that it is offered.

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::Sent;
use tokio::sync::mpsc;

use crate::value::DataType;

/// A session as the model keeps it.
pub(crate) struct Kept {
    pub(crate) id: SessionId,
    pub(crate) received: u64,
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) live: Option<mpsc::UnboundedSender<Vec<u8>>>,
    pub(crate) registrations: Vec<(String, ConversationId)>,
}

impl Kept {
    /// Numbers a message, and sends it if there is a connection.
    pub(crate) fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut message = Vec::new();
        write(&mut message);
        if let Some(live) = &self.live {
            let _ = live.send(message.clone());
        }
        self.sent.push(message);
    }

    pub(crate) fn serve(
        &mut self,
        service: Service,
        conversation: ConversationId,
        body: &[u8],
        world: (&mut Vec<String>, &str),
    ) {
        let (executed, silent) = world;
        match service {
            Service::MessagingSend => {
                let SendRequest { path, value } = SendRequest::decode_all(body).unwrap();
                executed.push(String::decode(value.type_name, value.bytes).unwrap());
                if path != silent {
                    self.respond(conversation, |out| value.encode(out));
                }
            }
            Service::MessagingFilterSend => {
                let sent = SendToFilter::decode_all(body).unwrap();
                self.respond(conversation, |out| Sent::To(3).encode(out));
                self.send(|out| {
                    message::put_request(out, Service::FilterResponse, ConversationId(1));
                    let outcome = Outcome::Response(sent.value.clone());
                    let conversation = sent.conversation;
                    FilterResponse {
                        conversation,
                        session: SessionId { server: 1, client: 5 },
                        outcome,
                    }
                    .encode(out);
                });
            }
            Service::MessagingReceiverControlRegistration => {
                let RegisterHandler { path, conversation: id, .. } =
                    Decode::decode_all(body).unwrap();
                self.registrations.push((path.to_owned(), id));
                self.respond(conversation, |_| {});
            }
            Service::MessagingReceiverControlDeregistration | Service::UserPing => {
                self.respond(conversation, |_| {});
            }
            other => panic!("the model does not know {other:?}"),
        }
    }

    fn respond(&mut self, conversation: ConversationId, body: impl FnOnce(&mut Vec<u8>)) {
        self.send(|out| {
            message::put_response(out, conversation);
            body(out);
        });
    }
}
