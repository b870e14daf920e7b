//! Requests to a path, to a session and to a filter: services 85, 86 and 102.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::path::Path;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;

use crate::access::PathPermission;
use crate::batch::Batch;
use crate::error::ServiceError;
use crate::error::parse_path;
use crate::filter::Filter;
use crate::filter::FilterError;
use crate::messaging::MOST_HEADERS;
use crate::messaging::no_such_session;
use crate::messaging::report;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::routes::Handler;
use crate::routes::Route;
use crate::session::Session;
use crate::session::Undeliverable;
use crate::stats::End;
use crate::stats::Kind;

impl<X> Batch<'_, X> {
    pub(crate) fn send_to_path(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let SendRequest { path: written, value } = Decode::decode_all(body)?;
        let reply = Reply::Response(conversation);
        let permission = PathPermission::SendToMessageHandler;
        let (path, request) = self.admit(written, value, reply, permission)?;
        // Nobody has been handed the request where all handlers have just ended, so the branch above may have it.
        let taken = self.broker.routes.above(path, &self.guard).find_map(|route| {
            match self.offer(route, &request, outbox) {
                Err(Undeliverable::Ended) => None,
                outcome => Some(outcome),
            }
        });
        match taken {
            Some(Ok(())) => self.accepted(Kind::Path, 1),
            Some(Err(_)) => Err(overloaded_handler()),
            None => Err(ServiceError::new(
                Reason::UNHANDLED_MESSAGE,
                format!("no handler for path {}", path.as_str()),
            )),
        }
    }

    /// Offers a request to the handlers of one route, until one takes it.
    fn offer(
        &self,
        route: &Route<X>,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let mut refusal = Undeliverable::Ended;
        // A session without a connection may come back in time, but one that is there is the better choice.
        let is_connected = |place: &usize| route.handlers[*place].session.is_connected();
        // One that comes back in this moment must not be passed by, so the second round is offered to all.
        let order = route.order(self.session);
        for place in order.clone().filter(is_connected).chain(order) {
            match self.hand_to_handler(&route.handlers[place], request, outbox) {
                Ok(()) => {
                    route.taken(self.session, place);
                    return Ok(());
                }
                Err(Undeliverable::Overloaded) => refusal = Undeliverable::Overloaded,
                Err(Undeliverable::Ended) => {}
            }
        }
        Err(refusal)
    }

    fn hand_to_handler(
        &self,
        handler: &Handler<X>,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let properties: Properties<'_> = if handler.session.client().reads_properties() {
            handler.keys.select(&self.profile.properties).collect()
        } else {
            Vec::new()
        };
        let told: usize = properties.iter().map(|(key, value)| key.len() + value.len() + 4).sum();
        let put = |out: &mut Vec<u8>, conversation| {
            message::put_request(out, Service::MessagingReceiverClient, conversation);
            let body = HandlerRequest {
                registration: handler.conversation,
                sender: self.session.id(),
                path: request.path,
                properties,
                value: request.value.clone(),
            };
            body.encode(out);
        };
        self.hand_over(&handler.session, request, (request.length() + told, put), outbox)
    }

    pub(crate) fn send_to_session(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let SendToSession { session, path: written, value } = Decode::decode_all(body)?;
        let reply = Reply::Response(conversation);
        let (_, request) = self.admit(written, value, reply, PathPermission::SendToSession)?;
        let recipient = self.broker.find(session).ok_or_else(|| no_such_session(session))?;
        match self.hand_to_session(&recipient, &request, outbox) {
            Ok(()) => self.accepted(Kind::Session, 1),
            Err(Undeliverable::Ended) => Err(no_such_session(session)),
            Err(Undeliverable::Overloaded) => Err(overloaded_handler()),
        }
    }

    /// Answers with the number of matches first, so that the sender knows it before the first outcome.
    pub(crate) fn send_to_filter(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let SendToFilter { conversation: events, filter, path: written, value } =
            Decode::decode_all(body)?;
        let reply = Reply::FilterEvent(events);
        let (_, request) = self.admit(written, value, reply, PathPermission::SendToSession)?;
        let filter = match Filter::parse(filter) {
            Ok(filter) => filter,
            Err(error) => {
                self.counts.refuse(true, Reason::INVALID_DATA);
                self.respond(conversation, &self.refused(&error), outbox);
                return Ok(());
            }
        };
        let recipients = self.broker.matching(&filter);
        // The number of sessions is bounded far below 2^32.
        let count = recipients.len() as u32;
        self.respond(conversation, &Sent::To(count), outbox);
        for recipient in &recipients {
            let Err(why) = self.hand_to_session(recipient, &request, outbox) else { continue };
            let error = match why {
                Undeliverable::Ended => no_such_session(recipient.id()),
                Undeliverable::Overloaded => overloaded_handler(),
            };
            let outcome = Outcome::Error { reason: error.reason, text: &error.text };
            let outcome = (recipient.id(), &outcome);
            let asker = (self.session, self.inbound.life);
            let is_told = self.broker.tell(asker, request.reply, outcome, outbox);
            let end = if is_told { End::Undeliverable } else { End::Cancelled };
            self.counts.ledger.end(self.page, end);
        }
        self.accepted(Kind::Filter, count)
    }

    fn hand_to_session(
        &self,
        recipient: &Arc<Session<X>>,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let put = |out: &mut Vec<u8>, conversation| {
            message::put_request(out, Service::MessagingSend, conversation);
            SendRequest { path: request.path, value: request.value.clone() }.encode(out);
        };
        self.hand_over(recipient, request, (request.length(), put), outbox)
    }

    fn hand_over(
        &self,
        recipient: &Arc<Session<X>>,
        request: &Request<'_>,
        message: (usize, impl FnOnce(&mut Vec<u8>, ConversationId)),
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let in_flight = InFlight {
            sender: self.session.clone(),
            reply: request.reply,
            life: self.inbound.life,
            deadline: self.now.after(request.timeout),
            timeout: request.timeout,
            sequence: 0,
            page: self.page,
        };
        // Counted before the recipient can answer.
        self.session.awaiting.fetch_add(1, Relaxed);
        recipient.hand_over(in_flight, &self.broker.config.limits, outbox, message).inspect_err(
            |_| {
                self.session.awaiting.fetch_sub(1, Relaxed);
            },
        )
    }

    /// A request that this session may send, and where to: `written` as it is matched.
    fn admit<'r>(
        &self,
        written: &'r str,
        value: Value<'r>,
        reply: Reply,
        permission: PathPermission,
    ) -> Result<(Path<'r>, Request<'r>), ServiceError> {
        let path = parse_path(written)?;
        if !self.profile.access.allows_at(path.as_str(), permission) {
            return Err(ServiceError::lacks_at(permission.name(), path));
        }
        value.check()?;
        if self.session.awaiting.load(Relaxed) >= self.broker.config.limits.requests_per_sender {
            return Err(ServiceError::overloaded("the session awaits too many responses"));
        }
        if self.broker.is_shutting_down() {
            let text = "the server is shutting down; the request was not delivered";
            return Err(ServiceError::new(Reason::CLUSTER_ROUTING, text));
        }
        let timeout = self.broker.rules.timeout(path);
        Ok((path, Request { path: written, value, reply, timeout }))
    }

    fn accepted(&mut self, kind: Kind, count: u32) -> Result<(), ServiceError> {
        self.counts.ledger.accept(self.page, kind, count);
        Ok(())
    }

    /// The answer to a filter that cannot be parsed, in the form that this client reads.
    fn refused<'e>(&self, error: &'e FilterError) -> Sent<'e> {
        let report = report(error);
        if self.session.client().reads_one_report() {
            Sent::RefusedOnce(report)
        } else {
            Sent::Refused(vec![report])
        }
    }
}

/// A request that has been admitted.
struct Request<'a> {
    /// As the sender wrote it.
    path: &'a str,
    value: Value<'a>,
    reply: Reply,
    timeout: Duration,
}

impl Request<'_> {
    /// About how long the message to the recipient is.
    fn length(&self) -> usize {
        self.path.len() + self.value.bytes.len() + MOST_HEADERS
    }
}

fn overloaded_handler() -> ServiceError {
    ServiceError::overloaded("the recipient has too many requests to answer")
}
