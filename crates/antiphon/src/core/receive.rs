//! Messages of the server: answers to calls, requests for handlers, outcomes of filter requests, pings.

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Malformed;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::value::Value;
use tokio::time::Instant;

use crate::core::Admission;
use crate::core::Core;
use crate::core::Effects;
use crate::core::Invocation;
use crate::core::Ticket;
use crate::error::Error;
use crate::messaging::RequestContext;

/// Whether the session goes on after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// It does.
    Continue,
    /// The server has closed it.
    Closed,
}

impl Core {
    /// Takes in one message.
    ///
    /// # Errors
    /// It is not a message of this protocol, so the connection is of no use any more.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        now: Instant,
        effects: &mut Effects,
    ) -> Result<Received, Malformed> {
        let message = Message::decode(bytes)?;
        if message == Message::Abort {
            return Ok(Received::Closed);
        }
        self.received += 1;
        match message {
            Message::Request { service, conversation, body } => {
                self.serve(service, conversation, (body, now), effects)?;
            }
            Message::Response { conversation, body } => {
                self.answered(conversation, || Ok(body.to_vec()), effects);
            }
            Message::Error { conversation, text, reason } => {
                self.answered(conversation, || Err(Error::from_server(reason, text)), effects);
            }
            // A server has no reason to send it, and nothing follows from it.
            Message::Abort | Message::CloseRequest => {}
        }
        Ok(Received::Continue)
    }

    fn answered(
        &mut self,
        conversation: ConversationId,
        answer: impl FnOnce() -> Result<Vec<u8>, Error>,
        effects: &mut Effects,
    ) {
        if let Some(sequence) = self.calls.answer(conversation, answer, effects) {
            self.outbound.acknowledge(sequence);
        }
    }

    fn serve(
        &mut self,
        service: u32,
        conversation: ConversationId,
        request: (&[u8], Instant),
        effects: &mut Effects,
    ) -> Result<(), Malformed> {
        let (body, now) = request;
        let ticket = Ticket { conversation, epoch: self.epoch };
        match Service::from_number(service) {
            Some(Service::SystemPing | Service::UserPing) => self.acknowledge(ticket),
            Some(Service::FilterResponse) => {
                self.filters.arrive(&FilterResponse::decode_all(body)?, effects);
                self.acknowledge(ticket);
            }
            Some(Service::MessagingReceiverClient) => {
                let request = HandlerRequest::decode_all(body)?;
                self.handle(&request, ticket, now, effects);
            }
            Some(Service::MessagingSend) => {
                let request = SendRequest::decode_all(body)?;
                self.handle_addressed(&request, ticket, now, effects);
            }
            _ => self.refuse(
                ticket,
                Reason::COMMUNICATION_FAILURE,
                &format!("Unknown client service: {service}"),
            ),
        }
        Ok(())
    }

    fn acknowledge(&mut self, ticket: Ticket) {
        self.answer(ticket, |out| message::put_response(out, ticket.conversation));
    }

    fn refuse(&mut self, ticket: Ticket, reason: Reason, text: &str) {
        self.answer(ticket, |out| message::put_error(out, ticket.conversation, reason, text));
    }

    fn handle(
        &mut self,
        request: &HandlerRequest<'_>,
        ticket: Ticket,
        now: Instant,
        effects: &mut Effects,
    ) {
        let path = request.path;
        let Some(handler) = self.handlers.of_registration(request.registration) else {
            let text = format!("the handler of path {path} has been removed");
            return self.refuse(ticket, Reason::UNHANDLED_MESSAGE, &text);
        };
        let context = RequestContext::new(path, now + self.handler_timeout)
            .sent_by(request.sender, &request.properties);
        let value = encoded(&request.value);
        self.invoke(Invocation { handler, value, context, ticket }, effects);
    }

    fn handle_addressed(
        &mut self,
        request: &SendRequest<'_>,
        ticket: Ticket,
        now: Instant,
        effects: &mut Effects,
    ) {
        let path = request.path;
        let Some(handler) = self.handlers.of_path(path) else {
            let text = format!("session {} has no handler for path {path}", self.session);
            return self.refuse(ticket, Reason::UNHANDLED_MESSAGE, &text);
        };
        let context = RequestContext::new(path, now + self.handler_timeout);
        let value = encoded(&request.value);
        self.invoke(Invocation { handler, value, context, ticket }, effects);
    }

    fn invoke(&mut self, invocation: Invocation, effects: &mut Effects) {
        match self.handlers.admit(invocation) {
            Admission::Run(invocation) => effects.invocations.push(invocation),
            Admission::Wait => {}
            Admission::Overloaded(ticket) => self.refuse(
                ticket,
                Reason::REJECTED_REQUEST,
                "overloaded: the recipient has too many requests to answer",
            ),
        }
    }
}

fn encoded(value: &Value<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.bytes.len() + 16);
    value.encode(&mut bytes);
    bytes
}
