//! Service calls that act on sessions of other nodes.
//!
//! That the caller may do it is found out where it is. Then the call goes as it came to the node of the session, or to all
//! nodes if it is for a filter, and is served there as if the link had made it, which may do everything.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Malformed;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::node::Call;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::put_request;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::SessionFetch;
use antiphon_wire::service::locks::LockDetails;

use crate::batch::Batch;
use crate::cluster::UNKNOWN;
use crate::cluster::fetches::Fetches;
use crate::cluster::gathers::Whole;
use crate::error::ServiceError;
use crate::messaging::no_such_session;
use crate::messaging::overloaded_recipient;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::session::Session;
use crate::session::Undeliverable;
use crate::stats::End;
use crate::stats::Kind;
use crate::stats::Label;

impl<X> Batch<'_, X> {
    /// The link to the node of a session, if it is another one that is there.
    pub(crate) fn elsewhere(&self, session: SessionId) -> Option<Arc<Session<X>>> {
        let node = session.node();
        if node == self.broker.config.node || self.session.is_link() {
            return None;
        }
        self.broker.link(node)
    }

    /// Has a call for a session of another node served there.
    pub(crate) fn call_elsewhere(
        &mut self,
        (link, session): (&Arc<Session<X>>, SessionId),
        service: Service,
        (conversation, body): (ConversationId, &[u8]),
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let called = InFlight {
            sender: self.session.clone(),
            reply: Reply::Call(conversation),
            life: self.inbound.life,
            deadline: self.now.after(CALL_TIME),
            timeout: CALL_TIME,
            sequence: 0,
            page: self.page,
            label: Label::CALL,
        };
        let put = |out: &mut Vec<u8>, conversation| {
            put_request(out, NodeService::Call, conversation);
            Call { service: service.number(), body }.encode(out);
        };
        let limits = &self.policy.link_limits;
        self.session.awaiting.fetch_add(1, Relaxed);
        match link.hand_over((called, None), limits, outbox, (body.len() + 32, put)) {
            Ok(()) => {
                self.counts.ledger.accept(self.page, Kind::Call, 1);
                Ok(())
            }
            Err(why) => {
                self.session.awaiting.fetch_sub(1, Relaxed);
                Err(match why {
                    Undeliverable::Ended => no_such_session(session),
                    Undeliverable::Overloaded(limit) => overloaded_recipient(limit),
                })
            }
        }
    }

    /// The answer of another node to a call; it is out of the pending ones already.
    pub(crate) fn called(
        &mut self,
        call: &InFlight<X>,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) {
        call.sender.awaiting.fetch_sub(1, Relaxed);
        let (expected, limits) = ((body.len() + 16, call.life), &self.policy.limits);
        let is_told = call.sender.post_outcome(expected, limits, outbox, |out, _| {
            message::put_response(out, conversation);
            out.extend_from_slice(body);
        });
        let end = if is_told { End::Responded } else { End::Cancelled };
        self.counts.ledger.end(call.page, end);
    }

    /// Has a call for a filter served on all nodes, and answers with the sum, `count` being the share of this one. Then
    /// closes `doomed`.
    pub(crate) fn count_everywhere(
        &mut self,
        service: Service,
        (conversation, body): (ConversationId, &[u8]),
        (count, doomed): (usize, Vec<Arc<Session<X>>>),
        outbox: &mut Outbox<X>,
    ) {
        let call = Call { service: service.number(), body };
        let whole = Whole::Count(count as u32, doomed);
        self.gather(conversation, whole, (NodeService::Call, &call), outbox);
    }

    /// Likewise with a list of sessions.
    pub(crate) fn fetch_everywhere(
        &mut self,
        conversation: ConversationId,
        fetch: &SessionFetch<'_>,
        fetches: Fetches,
        outbox: &mut Outbox<X>,
    ) {
        let mut body = Vec::new();
        fetch.encode(&mut body);
        let call = Call { service: Service::SessionFetch.number(), body: &body };
        let whole = Whole::Fetched(fetches);
        self.gather(conversation, whole, (NodeService::Call, &call), outbox);
    }

    /// Asks all nodes who holds a lock.
    pub(crate) fn lock_elsewhere(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) {
        let call = Call { service: Service::GetSessionLock.number(), body };
        self.gather(conversation, Whole::Holder(None), (NodeService::Call, &call), outbox);
    }

    /// Asks all nodes who holds which lock; `own` are those that sessions of this node hold.
    pub(crate) fn locks_everywhere(
        &mut self,
        conversation: ConversationId,
        own: Vec<HeldElsewhere>,
        outbox: &mut Outbox<X>,
    ) {
        let call = Call { service: Service::GetSessionLocks.number(), body: &[] };
        self.gather(conversation, Whole::Holders(own), (NodeService::Call, &call), outbox);
    }

    /// Serves a call of another node.
    pub(super) fn serve_elsewhere(
        &mut self,
        conversation: ConversationId,
        call: &Call<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Malformed> {
        let service =
            Service::from_number(call.service).filter(|service| FORWARDED.contains(service));
        let service = service.ok_or(UNKNOWN)?;
        self.request((service.number(), conversation), call.body, outbox);
        Ok(())
    }
}

/// A lock that is held on some node.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeldElsewhere {
    name: String,
    sequence: u64,
    holder: SessionId,
    server: String,
}

impl HeldElsewhere {
    pub(crate) fn new((name, details): &(&str, LockDetails<'_>)) -> Self {
        let LockDetails { server, holder, sequence } = *details;
        Self { name: (*name).to_owned(), sequence, holder, server: server.to_owned() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn details(&self) -> LockDetails<'_> {
        LockDetails { server: &self.server, holder: self.holder, sequence: self.sequence }
    }
}

/// What is served for another node.
const FORWARDED: [Service; 11] = [
    Service::CloseClient,
    Service::CloseClientFilter,
    Service::GetSessionProperties,
    Service::SetSessionProperties,
    Service::SetSessionPropertiesFilter,
    Service::ChangeAuthorisationRoles,
    Service::ChangeAuthorisationRolesFilter,
    Service::RevokeAuthentication,
    Service::SessionFetch,
    Service::GetSessionLock,
    Service::GetSessionLocks,
];

/// How long another node may take to serve a call.
const CALL_TIME: Duration = Duration::from_secs(10);
