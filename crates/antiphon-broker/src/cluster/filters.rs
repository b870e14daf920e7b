//! Requests to a filter, where there are other nodes.
//!
//! First every node is asked which of its sessions match. When all have said so, or the time is over, the sender is told the
//! sum, and only then the request goes out, to each node once for all its sessions. So no outcome can come before the
//! count, nothing has to be held back, and a node that says too late which of its sessions match does nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::node::ManySessionsRequest;
use antiphon_wire::node::Match;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::put_request;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;

use crate::batch::Batch;
use crate::broker::Broker;
use crate::cluster::gathers::Asker;
use crate::cluster::gathers::Whole;
use crate::cluster::requests::GRACE;
use crate::error::ServiceError;
use crate::messaging::Ending;
use crate::messaging::MOST_HEADERS;
use crate::messaging::Outcome;
use crate::messaging::Request;
use crate::messaging::no_such_session;
use crate::messaging::overloaded_recipient;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::session::Session;
use crate::session::Undeliverable;
use crate::stats::Counts;
use crate::stats::End;
use crate::stats::Kind;
use crate::stats::Label;
use crate::time::Millis;
use crate::time::millis;

/// A request whose recipients are being found.
#[derive(Debug)]
pub(super) struct FilterRequest<X> {
    /// Quoted in every outcome.
    events: ConversationId,
    path: String,
    type_name: String,
    value: Vec<u8>,
    deadline: Millis,
    timeout: Duration,
    own: Vec<Arc<Session<X>>>,
    /// Links, the life in which each has answered, and client parts of the ids of sessions.
    others: Vec<(Arc<Session<X>>, u32, Vec<u64>)>,
}

impl<X> FilterRequest<X> {
    pub(super) fn add(&mut self, link: Arc<Session<X>>, sessions: Vec<u64>) {
        let life = link.life();
        self.others.push((link, life, sessions));
    }

    fn count(&self) -> usize {
        self.own.len() + self.others.iter().map(|(_, _, sessions)| sessions.len()).sum::<usize>()
    }

    fn request(&self) -> SendRequest<'_> {
        let value = Value { type_name: &self.type_name, bytes: &self.value };
        SendRequest { path: &self.path, value }
    }

    fn length(&self) -> usize {
        self.path.len() + self.value.len() + MOST_HEADERS
    }
}

impl<X> Batch<'_, X> {
    /// Sends a request to the sessions that match on any node, `own` being those of this one.
    pub(crate) fn send_to_filter_everywhere(
        &mut self,
        (conversation, events): (ConversationId, ConversationId),
        request: &Request<'_>,
        (filter, own): (&str, Vec<Arc<Session<X>>>),
        outbox: &mut Outbox<X>,
    ) {
        let asked = FilterRequest {
            events,
            path: request.path.to_owned(),
            type_name: request.value.value().type_name.to_owned(),
            value: request.value.value().bytes.to_vec(),
            deadline: self.now.after(request.timeout),
            timeout: request.timeout,
            own,
            others: Vec::new(),
        };
        let question = (NodeService::Match, &Match { filter });
        self.gather(conversation, Whole::Recipients(asked), question, outbox);
    }

    /// Another node asks which sessions match.
    pub(super) fn matched(
        &mut self,
        conversation: ConversationId,
        question: &Match<'_>,
        outbox: &mut Outbox<X>,
    ) {
        match self.parse_filter(question.filter) {
            Ok(filter) => {
                let sessions = self.broker.matching(&filter);
                let clients: Vec<_> = sessions.iter().map(|session| session.id().client).collect();
                self.respond(conversation, &clients, outbox);
            }
            Err(error) => {
                let text = error.to_string();
                self.refuse(conversation, &ServiceError::new(Reason::INVALID_DATA, text), outbox);
            }
        }
    }

    /// Another node sends one request to many sessions.
    pub(super) fn deliver_to_many(
        &mut self,
        request: ManySessionsRequest<'_>,
        outbox: &mut Outbox<X>,
    ) {
        let ManySessionsRequest { recipients, timeout, path, value } = request;
        let (request, timeout) = (SendRequest { path, value }, Duration::from_millis(timeout));
        for (client, conversation) in recipients {
            let id = SessionId { server: self.broker.config.node.0, client };
            self.deliver((conversation, timeout), id, &request, outbox);
        }
    }
}

impl<X> Broker<X> {
    /// All recipients are known.
    pub(super) fn send_to_all(
        &self,
        asker: &Asker<X>,
        request: FilterRequest<X>,
        counts: &mut Counts,
        outbox: &mut Outbox<X>,
    ) {
        let count = request.count() as u32;
        if !self.respond_to(asker, &Sent::To(count), outbox) {
            return;
        }
        let page = self.totals.book.open_page();
        let asked = |reply, grace| InFlight {
            sender: asker.session.clone(),
            reply,
            life: asker.life,
            deadline: request.deadline.after(grace),
            timeout: request.timeout.saturating_add(grace),
            sequence: 0,
            page,
            label: Label::FILTER,
        };
        asker.session.awaiting.fetch_add(count, Relaxed);
        for recipient in &request.own {
            let asked = || asked(Reply::FilterEvent(request.events), Duration::ZERO);
            self.send_to_own(recipient, &request, asked, (counts, outbox));
        }
        for (link, life, sessions) in &request.others {
            let event = |client: &u64| asked(Reply::RemoteEvent(request.events, *client), GRACE);
            let entries = sessions.iter().map(event).collect();
            self.send_to_others((link, *life, sessions), entries, &request, (counts, outbox));
        }
        counts.ledger.accept(page, Kind::Filter, count);
    }

    fn send_to_own(
        &self,
        recipient: &Arc<Session<X>>,
        request: &FilterRequest<X>,
        asked: impl Fn() -> InFlight<X>,
        (counts, outbox): (&mut Counts, &mut Outbox<X>),
    ) {
        let put = |out: &mut Vec<u8>, conversation| {
            message::put_request(out, Service::MessagingSend, conversation);
            request.request().encode(out);
        };
        let (limits, message) = (&self.policy().limits, (request.length(), put));
        if let Err(why) = recipient.hand_over((asked(), None), limits, outbox, message) {
            let error = refusal(why, recipient.id());
            self.end_undelivered(asked(), recipient.id(), &error, (counts, outbox));
        }
    }

    fn send_to_others(
        &self,
        (link, life, sessions): (&Arc<Session<X>>, u32, &[u64]),
        entries: Vec<InFlight<X>>,
        request: &FilterRequest<X>,
        (counts, outbox): (&mut Counts, &mut Outbox<X>),
    ) {
        let SendRequest { path, value } = request.request();
        let put = |out: &mut Vec<u8>, conversations: &[ConversationId]| {
            put_request(out, NodeService::ManySessions, ConversationId(0));
            let recipients = sessions.iter().copied().zip(conversations.iter().copied()).collect();
            let timeout = millis(request.timeout);
            ManySessionsRequest { recipients, timeout, path, value }.encode(out);
        };
        let expected = request.length() + sessions.len() * 2 * MOST_OF_AN_ID;
        let limits = &self.policy().link_limits;
        let handed = link.hand_over_many((entries, life), limits, outbox, (expected, put));
        let Err((why, entries)) = handed else { return };
        for (entry, client) in entries.into_iter().zip(sessions) {
            let error = refusal(why, SessionId { client: *client, ..link.id() });
            self.end_undelivered(entry, link.id(), &error, (counts, outbox));
        }
    }

    fn end_undelivered(
        &self,
        asked: InFlight<X>,
        responder: SessionId,
        error: &ServiceError,
        (counts, outbox): (&mut Counts, &mut Outbox<X>),
    ) {
        let outcome = Outcome::Error { reason: error.reason, text: &error.text };
        let ending = Ending { end: End::Undeliverable, responder, outcome: &outcome, took: None };
        self.complete(asked, &ending, (counts, &self.policy().limits), outbox);
    }
}

fn refusal(why: Undeliverable, session: SessionId) -> ServiceError {
    match why {
        Undeliverable::Ended => no_such_session(session),
        Undeliverable::Overloaded(limit) => overloaded_recipient(limit),
    }
}

/// The most bytes of an id or a conversation.
const MOST_OF_AN_ID: usize = 9;
