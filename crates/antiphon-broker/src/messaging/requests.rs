//! Requests to a path, to a session and to a filter: services 85, 86 and 102.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::path::LastPath;
use antiphon_wire::path::Path;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequestHead;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Relayed;

use crate::batch::Batch;
use crate::draining::Phase;
use crate::draining::too_late;
use crate::error::ServiceError;
use crate::error::invalid_path;
use crate::filter::FilterError;
use crate::messaging::MOST_HEADERS;
use crate::messaging::Outcome;
use crate::messaging::no_such_session;
use crate::messaging::report;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::routes::Handler;
use crate::routes::Rank;
use crate::routes::Route;
use crate::session::Session;
use crate::session::Undeliverable;
use crate::stats::End;
use crate::stats::Kind;
use crate::stats::Label;
use crate::stats::Limit;

impl<X> Batch<'_, X> {
    pub(crate) fn send_to_path(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let mut last = self.inbound.path.take().unwrap_or_default();
        let sent = self.send_along(&mut last, (conversation, body), outbox);
        self.inbound.path = Some(last);
        sent
    }

    /// `last` is the path of the request before; then it is that of this one.
    fn send_along(
        &mut self,
        last: &mut LastPath,
        (conversation, body): (ConversationId, &[u8]),
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let value = match last.strip(body).and_then(|rest| Relayed::decode_all(rest).ok()) {
            Some(value) => {
                self.keep_pace()?;
                value
            }
            None => {
                let SendRequest { path, value } = Decode::decode_all(body)?;
                self.keep_pace()?;
                self.aim = None;
                last.set(path).map_err(|rule| invalid_path(path, rule))?;
                value.into()
            }
        };
        let path = last.path();
        let timeout = self.take_aim(path)?;
        self.admit(&value)?;
        let reply = Reply::Response(conversation);
        let request = Request { path: last.written(), value, reply, timeout };
        if self.offer_aimed(path, &request, outbox) {
            return self.accepted(Kind::Path, 1);
        }
        // Handlers that went in this moment may have successors, which are found when one looks again.
        let taken = (0..LOOKS)
            .map(|_| self.offer_upwards(path, &request, outbox))
            .find(|taken| !matches!(taken, Some(Err(Undeliverable::Ended))));
        match taken.flatten() {
            Some(Ok(())) => self.accepted(Kind::Path, 1),
            Some(Err(Undeliverable::Overloaded(limit))) => Err(overloaded_recipient(limit)),
            _ if self.broker.phase() != Phase::Open => Err(too_late(NOT_DELIVERED)),
            _ => Err(ServiceError::new(
                Reason::UNHANDLED_MESSAGE,
                format!("no handler for path {}", path.as_str()),
            )),
        }
    }

    /// Offers a request to the handlers of the path, then of each path above it; `None` if there is none, and
    /// [`Undeliverable::Ended`] if there were some that have all just gone.
    fn offer_upwards(
        &self,
        path: Path<'_>,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Option<Result<(), Undeliverable>> {
        // Nobody has been handed the request where all handlers have just ended, so the branch above may have it.
        let mut gone = None;
        let taken = self.broker.routes.above(path, &self.guard).find_map(|route| {
            match self.offer(route, request, outbox) {
                Err(ended @ Undeliverable::Ended) => {
                    gone = Some(Err(ended));
                    None
                }
                outcome => Some(outcome),
            }
        });
        taken.or(gone)
    }

    /// Offers a request to the handlers of one route, until one takes it.
    pub(super) fn offer(
        &self,
        route: &Route<X>,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let mut refusal = Undeliverable::Ended;
        // A session without a connection may come back in time, and one that has not answered for a while may do so at
        // last, but one that is there is the better choice, and then those of another node.
        let mut later = Vec::new();
        for place in route.order(self.session) {
            match route.handlers.get(place).rank() {
                Rank::Here => {}
                Rank::Elsewhere if route.kept_elsewhere(self.session, place).is_some() => {}
                rank => {
                    later.push((rank, place));
                    continue;
                }
            }
            match self.offer_to(route, place, request, outbox) {
                Err(why) => refusal.add(why),
                taken => return taken,
            }
        }
        later.sort_by_key(|(rank, _)| *rank);
        for (_, place) in later {
            match self.offer_to(route, place, request, outbox) {
                Err(why) => refusal.add(why),
                taken => return taken,
            }
        }
        Err(refusal)
    }

    fn offer_to(
        &self,
        route: &Route<X>,
        place: usize,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let handler = route.handlers.get(place);
        if handler.remote().is_some() {
            self.forward_along((route, place), request, outbox)?;
        } else {
            self.hand_to_handler(handler, request, outbox)?;
        }
        route.taken(self.session, place);
        Ok(())
    }

    fn hand_to_handler(
        &self,
        handler: &Handler<X>,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let keys = handler.keys().filter(|_| handler.session.client().reads_properties());
        let properties: Properties<'_> = match keys {
            Some(keys) => keys.select(&self.profile.properties).collect(),
            None => Vec::new(),
        };
        let told: usize = properties.iter().map(|(key, value)| key.len() + value.len() + 4).sum();
        let put = |out: &mut Vec<u8>, conversation| {
            message::put_request(out, Service::MessagingReceiverClient, conversation);
            let head = HandlerRequestHead {
                registration: handler.conversation,
                sender: self.session.id(),
                path: request.path,
                properties,
            };
            head.encode(out);
            request.value.encode(out);
        };
        let recipient = (&handler.session, Some(handler));
        self.hand_over(recipient, request, (request.length() + told, put), outbox)
    }

    pub(crate) fn send_to_session(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let SendToSession { session, path: written, value } = Decode::decode_all(body)?;
        let reply = Reply::Response(conversation);
        let request = self.admit_to_session(written, value.into(), reply)?;
        let Some(recipient) = self.broker.find(session) else {
            return self.forward_to_session(session, &request, outbox);
        };
        match self.hand_to_session(&recipient, &request, outbox) {
            Ok(()) => self.accepted(Kind::Session, 1),
            Err(Undeliverable::Ended) => Err(no_such_session(session)),
            Err(Undeliverable::Overloaded(limit)) => Err(overloaded_recipient(limit)),
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
        let request = self.admit_to_session(written, value.into(), reply)?;
        let parsed = match self.parse_filter(filter) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.counts.refuse(true, Reason::INVALID_DATA);
                self.respond(conversation, &self.refused(&error), outbox);
                return Ok(());
            }
        };
        let recipients = self.broker.matching(&parsed);
        if !self.is_alone() {
            let conversations = (conversation, events);
            self.send_to_filter_everywhere(conversations, &request, (filter, recipients), outbox);
            return Ok(());
        }
        // The number of sessions is bounded far below 2^32.
        let count = recipients.len() as u32;
        self.respond(conversation, &Sent::To(count), outbox);
        if recipients.len() > MANY
            && let Some(write) = outbox.urgent
        {
            // The sender need not wait until all the others have their request.
            write(self.session);
        }
        for recipient in &recipients {
            let Err(why) = self.hand_to_session(recipient, &request, outbox) else { continue };
            let error = match why {
                Undeliverable::Ended => no_such_session(recipient.id()),
                Undeliverable::Overloaded(limit) => overloaded_recipient(limit),
            };
            self.broker.totals.exceed_any(error.limit);
            let outcome = Outcome::Error { reason: error.reason, text: &error.text };
            let outcome = (recipient.id(), &outcome);
            let asker = (self.session, self.inbound.life, request.reply);
            let is_told = self.broker.tell(asker, outcome, &self.policy.limits, outbox);
            let end = if is_told { End::Undeliverable } else { End::Cancelled };
            let place = (self.page, Label::FILTER);
            self.broker.totals.end(&mut self.counts, place, end, None);
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
            // A [`SendRequest`].
            request.path.encode(out);
            request.value.encode(out);
        };
        self.hand_over((recipient, None), request, (request.length(), put), outbox)
    }

    fn hand_over(
        &self,
        (recipient, handler): (&Arc<Session<X>>, Option<&Handler<X>>),
        request: &Request<'_>,
        message: (usize, impl FnOnce(&mut Vec<u8>, ConversationId)),
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let label = handler.map_or_else(|| request.label(), |handler| handler.label);
        let in_flight = InFlight {
            sender: self.session.clone(),
            reply: request.reply,
            life: self.inbound.life,
            deadline: self.now.after(request.timeout),
            timeout: request.timeout,
            sequence: 0,
            page: self.page,
            label,
        };
        // Counted before the recipient can answer.
        self.session.awaiting.fetch_add(1, Relaxed);
        let limits = &self.policy.limits;
        recipient.hand_over((in_flight, handler), limits, outbox, message).inspect_err(|_| {
            self.session.awaiting.fetch_sub(1, Relaxed);
        })
    }

    pub(crate) fn accepted(&mut self, kind: Kind, count: u32) -> Result<(), ServiceError> {
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
pub(crate) struct Request<'a> {
    /// As the sender wrote it.
    pub(crate) path: &'a str,
    pub(crate) value: Relayed<'a>,
    pub(crate) reply: Reply,
    pub(crate) timeout: Duration,
}

impl Request<'_> {
    /// What it counts for if its recipient was named.
    fn label(&self) -> Label {
        match self.reply {
            Reply::Response(_) => Label::SESSION,
            Reply::FilterEvent(_) => Label::FILTER,
            Reply::Opinion(_) => Label::AUTHENTICATOR,
            Reply::Node(_) | Reply::RemoteEvent(..) | Reply::Call(_) | Reply::Gather(_) => {
                Label::CALL
            }
        }
    }

    /// About how long the message to the recipient is.
    pub(crate) fn length(&self) -> usize {
        self.path.len() + self.value.value().bytes.len() + MOST_HEADERS
    }
}

pub(crate) fn overloaded_recipient(limit: Limit) -> ServiceError {
    let problem = match limit {
        Limit::Recipient => "the recipient has too many requests to answer",
        _ => "the recipient has too much to read",
    };
    ServiceError::overloaded(limit, problem)
}

pub(crate) const NOT_DELIVERED: &str = "the request was not delivered";

/// To hand a request to so many takes longer than to write to a socket.
const MANY: usize = 256;

/// How often a path is looked up whose handlers have all just gone: a thread that loses the processor in between may find
/// that those who came meanwhile have gone too.
const LOOKS: usize = 64;
