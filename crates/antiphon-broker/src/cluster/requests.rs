//! Requests that go to another node: each is entered at the link, as at every session that has to answer.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::PathRequest;
use antiphon_wire::node::SessionRequest;
use antiphon_wire::node::put_request;
use antiphon_wire::service::Properties;

use crate::batch::Batch;
use crate::cluster::shown;
use crate::error::ServiceError;
use crate::messaging::MOST_HEADERS;
use crate::messaging::NOT_DELIVERED;
use crate::messaging::Request;
use crate::messaging::no_such_session;
use crate::messaging::overloaded_recipient;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::routes::Handler;
use crate::routes::Route;
use crate::session::Undeliverable;
use crate::stats::Kind;
use crate::stats::Label;
use crate::time::millis;

/// Requests of a session of this node.
impl<X> Batch<'_, X> {
    /// Hands a request to the handlers of another node, which stand at this place of a route.
    pub(crate) fn forward_along(
        &self,
        (route, place): (&Route<X>, usize),
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let handler = route.handlers.get(place);
        let keys = handler.keys().into_iter();
        let properties: Properties<'_> =
            keys.flat_map(|keys| keys.select(&self.profile.properties)).collect();
        let forwarded = PathRequest {
            sender: self.session.id(),
            timeout: millis(request.timeout),
            branch: handler.path().len() as u32,
            returns: 0,
            kept: route.kept_elsewhere(self.session, place).unwrap_or_default(),
            path: request.path,
            properties,
            value: request.value.value().clone(),
        };
        let asked = self.asked(request.reply, request.timeout, handler.label);
        self.awaited(|| self.forward(handler, asked, &forwarded, outbox))
    }

    /// Hands a request to a session of another node.
    pub(crate) fn forward_to_session(
        &mut self,
        session: SessionId,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let link = self.broker.link(session.node()).ok_or_else(|| no_such_session(session))?;
        if !link.is_established() {
            return Err(no_route(session));
        }
        let forwarded = SessionRequest {
            session: session.client,
            timeout: millis(request.timeout),
            path: request.path,
            value: request.value.value().clone(),
        };
        let asked =
            self.asked(request.reply, request.timeout.saturating_add(GRACE), Label::SESSION);
        let put = |out: &mut Vec<u8>, conversation| {
            put_request(out, NodeService::Session, conversation);
            forwarded.encode(out);
        };
        let message = (request.length(), put);
        let limits = &self.policy.link_limits;
        let taken = self.awaited(|| link.hand_over((asked, None), limits, outbox, message));
        match taken {
            Ok(()) => self.accepted(Kind::Session, 1),
            Err(Undeliverable::Ended) => Err(no_such_session(session)),
            Err(Undeliverable::Overloaded(limit)) => Err(overloaded_recipient(limit)),
        }
    }

    /// A request of this batch's session, to be entered where it is answered.
    pub(super) fn asked(&self, reply: Reply, timeout: Duration, label: Label) -> InFlight<X> {
        InFlight {
            sender: self.session.clone(),
            reply,
            life: self.inbound.life,
            deadline: self.now.after(timeout),
            timeout,
            sequence: 0,
            page: self.page,
            label,
        }
    }

    /// Counts a request as awaited before its recipient can answer.
    pub(super) fn awaited(
        &self,
        hand_over: impl FnOnce() -> Result<(), Undeliverable>,
    ) -> Result<(), Undeliverable> {
        self.session.awaiting.fetch_add(1, Relaxed);
        hand_over().inspect_err(|_| {
            self.session.awaiting.fetch_sub(1, Relaxed);
        })
    }

    /// Enters a request at a link, and lets its answer have the time that a handler may take and a little more: the
    /// other node says best why there is none.
    pub(super) fn forward(
        &self,
        handler: &Handler<X>,
        mut asked: InFlight<X>,
        request: &PathRequest<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        asked.deadline = asked.deadline.after(GRACE);
        asked.timeout = asked.timeout.saturating_add(GRACE);
        let put = |out: &mut Vec<u8>, conversation| {
            put_request(out, NodeService::Path, conversation);
            request.encode(out);
        };
        let message = (length(request), put);
        let limits = &self.policy.link_limits;
        handler.session.hand_over((asked, Some(handler)), limits, outbox, message)?;
        if let (Some(remote), Some(peer)) = (handler.remote(), &handler.session.peer) {
            remote.count_sent(peer.reports.load(Relaxed));
        }
        Ok(())
    }
}

/// About how long the message is.
pub(super) fn length(request: &PathRequest<'_>) -> usize {
    let told = request.properties.iter().map(|(key, value)| key.len() + value.len() + 4);
    request.path.len() + request.value.bytes.len() + told.sum::<usize>() + MOST_HEADERS
}

/// The node of the session is there, but the link to it is not yet.
fn no_route(session: SessionId) -> ServiceError {
    let node = shown(session.node());
    let text =
        format!("the link to node {node} is not up; {NOT_DELIVERED}, and can safely be sent again");
    ServiceError::new(Reason::CLUSTER_ROUTING, text)
}

/// How much longer than the handler may take its answer may take to come from another node: some sweeps, so that it is
/// the other node that says what went wrong, and a link that was busy.
pub(super) const GRACE: Duration = Duration::from_millis(500);
