//! Answers of handlers, and how a sender is told: service 103 and the responses to 85 and 86.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::value::Relayed;

use crate::batch::Batch;
use crate::broker::Broker;
use crate::config::Limits;
use crate::messaging::MOST_HEADERS;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::pending::UNANSWERED;
use crate::session::Session;
use crate::stats::Counts;
use crate::stats::End;

impl<X> Batch<'_, X> {
    pub(crate) fn answer(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) {
        let Some(request) = self.take_pending(conversation) else { return };
        match request.reply {
            Reply::Opinion(ticket) => return self.decided(&request, ticket, body),
            Reply::Gather(number) => return self.share(&request, number, body, outbox),
            Reply::Call(conversation) => return self.called(&request, conversation, body, outbox),
            _ => {}
        }
        let broken = match Relayed::decode_all(body) {
            Ok(value) => match value.check() {
                Ok(_) => {
                    let outcome = Outcome::Response(value);
                    return self.complete(request, (End::Responded, &outcome), outbox);
                }
                Err(invalid) => invalid.to_string(),
            },
            Err(malformed) => malformed.to_string(),
        };
        let text = format!("session {} sent a malformed response: {broken}", self.session.id());
        let outcome = Outcome::Error { reason: Reason::INVALID_DATA, text: &text };
        self.complete(request, (End::Malformed, &outcome), outbox);
    }

    pub(crate) fn answer_error(
        &mut self,
        conversation: ConversationId,
        reason: Reason,
        text: &str,
        outbox: &mut Outbox<X>,
    ) {
        let Some(request) = self.take_pending(conversation) else { return };
        // What a JavaScript client says to a request that reaches it before its application has set up anything.
        let unready =
            reason == Reason::COMMUNICATION_FAILURE && text.starts_with("Unknown client service");
        let reason = if unready { Reason::UNHANDLED_MESSAGE } else { reason };
        let outcome = Outcome::Error { reason, text };
        self.complete(request, (End::HandlerError, &outcome), outbox);
    }

    /// The request that an answer belongs to. Acknowledgements of events and pings belong to none, and neither do
    /// answers that come late or a second time.
    fn take_pending(&mut self, conversation: ConversationId) -> Option<InFlight<X>> {
        if conversation.0 < UNANSWERED {
            self.session.notice_answered(conversation);
            return None;
        }
        let request = self.session.take_pending(conversation);
        match &request {
            Some(request) => self.inbound.answers(request.sequence),
            None => self.counts.stray_answers += 1,
        }
        request
    }

    fn complete(
        &mut self,
        request: InFlight<X>,
        ending: (End, &Outcome<'_>),
        outbox: &mut Outbox<X>,
    ) {
        let (end, outcome) = ending;
        let came = request.deadline.before(request.timeout);
        let took = Some(self.now.0.saturating_sub(came.0));
        let ending = Ending { end, responder: self.session.id(), outcome, took };
        let limits = &self.policy.limits;
        self.broker.complete(request, &ending, (&mut self.counts, limits), outbox);
    }
}

/// What the sender of a request is told.
pub(crate) enum Outcome<'a> {
    /// What the recipient answered.
    Response(Relayed<'a>),
    Error {
        reason: Reason,
        text: &'a str,
    },
}

impl<'a> From<&Outcome<'a>> for messaging::Outcome<'a> {
    fn from(outcome: &Outcome<'a>) -> Self {
        match outcome {
            Outcome::Response(value) => Self::Response(value.value().clone()),
            Outcome::Error { reason, text } => Self::Error { reason: *reason, text },
        }
    }
}

/// How a request ends, and what its sender is told.
pub(crate) struct Ending<'a> {
    pub(crate) end: End,
    pub(crate) responder: SessionId,
    pub(crate) outcome: &'a Outcome<'a>,
    /// If it is an answer: how many milliseconds after the request was taken.
    pub(crate) took: Option<u64>,
}

impl<X> Broker<X> {
    /// Tells a sender how its request ended, and notes it. This is the only place that does, and each request that was
    /// handed to somebody passes it once.
    pub(crate) fn complete(
        &self,
        request: InFlight<X>,
        ending: &Ending<'_>,
        (counts, limits): (&mut Counts, &Limits),
        outbox: &mut Outbox<X>,
    ) {
        request.sender.awaiting.fetch_sub(1, Relaxed);
        let Ending { end, responder, outcome, took } = *ending;
        let asker = (&request.sender, request.life, request.reply);
        let is_told = self.tell(asker, (responder, outcome), limits, outbox);
        let end = if is_told { end } else { End::Cancelled };
        self.totals.end(counts, (request.page, request.label), end, took);
        if let Reply::Gather(number) = request.reply {
            let node = responder.node();
            self.unheard(node, outbox);
            self.gathered(number, None, counts, outbox);
        }
    }

    /// Appends the outcome of a request to its sender's mailbox, or tells the driver; false if the sender is not there any
    /// more, or has begun anew since it asked.
    pub(crate) fn tell(
        &self,
        (sender, life, reply): (&Arc<Session<X>>, u32, Reply),
        answer: (SessionId, &Outcome<'_>),
        limits: &Limits,
        outbox: &mut Outbox<X>,
    ) -> bool {
        let (session, outcome) = answer;
        let expected = match outcome {
            Outcome::Response(value) => value.value().bytes.len(),
            Outcome::Error { text, .. } => text.len(),
        } + MOST_HEADERS;
        match reply {
            Reply::Response(conversation) => {
                sender.post_outcome((expected, life), limits, outbox, |out, _| {
                    put_outcome(out, conversation, outcome);
                })
            }
            Reply::FilterEvent(conversation) => {
                sender.post_outcome((expected, life), limits, outbox, |out, notice| {
                    message::put_request(out, Service::FilterResponse, notice);
                    FilterResponse { conversation, session, outcome: outcome.into() }.encode(out);
                })
            }
            Reply::Opinion(ticket) => {
                self.opine(ticket, outcome.into());
                true
            }
            Reply::Node(conversation) => {
                let limits = &self.policy().link_limits;
                sender.post_outcome((expected, life), limits, outbox, |out, _| {
                    put_outcome(out, conversation, outcome);
                })
            }
            Reply::RemoteEvent(conversation, client) => {
                let session = SessionId { client, ..session };
                let event = Reply::FilterEvent(conversation);
                self.tell((sender, life, event), (session, outcome), limits, outbox)
            }
            Reply::Call(conversation) => {
                let event = Reply::Response(conversation);
                self.tell((sender, life, event), answer, limits, outbox)
            }
            Reply::Gather(_) => true,
        }
    }
}

fn put_outcome(out: &mut Vec<u8>, conversation: ConversationId, outcome: &Outcome<'_>) {
    match outcome {
        Outcome::Response(value) => {
            message::put_response(out, conversation);
            value.encode(out);
        }
        Outcome::Error { reason, text } => message::put_error(out, conversation, *reason, text),
    }
}
