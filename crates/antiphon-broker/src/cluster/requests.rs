//! Requests that go to another node, and those that come from one.
//!
//! A request that is forwarded is entered at the link as at every session that has to answer. The other node enters it
//! once more, at the session that gets it, with the link as the one who asks; so each end has one outcome. A request that
//! came from a node goes to sessions of this one alone. If none of them gets it, it goes back as it came and may be
//! offered to others, because it was never delivered.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Fault;
use antiphon_wire::error::Malformed;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::PathRequest;
use antiphon_wire::node::Returned;
use antiphon_wire::node::SessionRequest;
use antiphon_wire::node::WhyReturned;
use antiphon_wire::node::put_request;
use antiphon_wire::path::Path;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendRequest;

use crate::batch::Batch;
use crate::cluster::shown;
use crate::draining::Phase;
use crate::draining::too_late;
use crate::error::ServiceError;
use crate::messaging::Ending;
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
use crate::session::Session;
use crate::session::Undeliverable;
use crate::stats::End;
use crate::stats::Kind;
use crate::stats::Label;
use crate::stats::Limit;
use crate::time::Millis;
use crate::time::millis;

/// Requests of a session of this node.
impl<X> Batch<'_, X> {
    /// Hands a request to the handlers of another node.
    pub(crate) fn forward_to_handler(
        &self,
        handler: &Handler<X>,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let properties: Properties<'_> = handler.keys.select(&self.profile.properties).collect();
        let forwarded = PathRequest {
            sender: self.session.id(),
            timeout: millis(request.timeout),
            branch: handler.path().len() as u32,
            returns: 0,
            path: request.path,
            properties,
            value: request.value.clone(),
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
        if !link.peer.as_ref().is_some_and(|peer| peer.is_established()) {
            return Err(no_route(session));
        }
        let forwarded = SessionRequest {
            session: session.client,
            timeout: millis(request.timeout),
            path: request.path,
            value: request.value.clone(),
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
    fn asked(&self, reply: Reply, timeout: Duration, label: Label) -> InFlight<X> {
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
    fn awaited(
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
    fn forward(
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
        if let (Some(remote), Some(peer)) = (&handler.remote, &handler.session.peer) {
            remote.count_sent(peer.reports.load(Relaxed));
        }
        Ok(())
    }
}

/// A request whose sender is not the session of the batch.
struct Carried<'a, X> {
    sender: &'a Arc<Session<X>>,
    reply: Reply,
    life: u32,
    deadline: Millis,
    timeout: Duration,
    request: &'a PathRequest<'a>,
}

/// Requests of sessions of other nodes.
impl<X> Batch<'_, X> {
    /// The batch's session is the link over which the request came.
    pub(super) fn deliver_to_path(
        &mut self,
        (life, conversation): (u32, ConversationId),
        request: PathRequest<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Malformed> {
        let path = path_of(&request)?;
        let timeout = Duration::from_millis(request.timeout);
        let carried = Carried {
            sender: self.session,
            reply: Reply::Node(conversation),
            life,
            deadline: self.now.after(timeout),
            timeout,
            request: &request,
        };
        let branch = request.branch as usize;
        self.session.awaiting.fetch_add(1, Relaxed);
        let may = |handler: &Handler<X>| handler.remote.is_none();
        let Err(why) = self.offer_carried(path, branch, &carried, (&may, outbox)) else {
            self.counts.ledger.accept(self.page, Kind::Node, 1);
            return Ok(());
        };
        self.session.awaiting.fetch_sub(1, Relaxed);
        self.broker.tell_node(
            self.session,
            NodeService::Return,
            &Returned { conversation, why, request },
            outbox,
        );
        Ok(())
    }

    /// A request has come back that this node had forwarded. It is offered to others.
    pub(super) fn returned(
        &mut self,
        returned: &Returned<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Malformed> {
        let Returned { conversation, why, request } = returned;
        let path = path_of(request)?;
        let Some(before) = self.session.take_pending(*conversation) else { return Ok(()) };
        let left = before.deadline.0.saturating_sub(self.now.0).saturating_sub(millis(GRACE));
        let again = PathRequest {
            timeout: left.max(1),
            returns: request.returns.saturating_add(1),
            ..request.clone()
        };
        let timeout = Duration::from_millis(again.timeout);
        let carried = Carried {
            sender: &before.sender,
            reply: before.reply,
            life: before.life,
            deadline: self.now.after(timeout),
            timeout,
            request: &again,
        };
        // Those of the node that has returned it may not be known to be gone yet.
        let link = self.session.id();
        let may = |handler: &Handler<X>| handler.session.id() != link;
        // Handlers further up may have it if those of the branch are gone, not if they are busy.
        let branch = if *why == WhyReturned::Overloaded { request.branch as usize } else { 0 };
        let is_tired = again.returns > MOST_RETURNS;
        if !is_tired && self.offer_carried(path, branch, &carried, (&may, outbox)).is_ok() {
            self.counts.ledger.end(before.page, End::Rerouted);
            self.counts.ledger.accept(self.page, Kind::Rerouted, 1);
            return Ok(());
        }
        let error = undelivered(*why, path);
        let outcome = Outcome::Error { reason: error.reason, text: &error.text };
        let (end, responder) = (End::Undeliverable, self.session.id());
        let ending = Ending { end, responder, outcome: &outcome, took: None };
        self.broker.complete(before, &ending, &mut self.counts, outbox);
        Ok(())
    }

    /// Offers a request to those handlers of the path, and of each branch above it that is no shorter than `branch`, who
    /// `may` have it, until one takes it.
    fn offer_carried(
        &self,
        path: Path<'_>,
        branch: usize,
        carried: &Carried<'_, X>,
        (may, outbox): (&dyn Fn(&Handler<X>) -> bool, &mut Outbox<X>),
    ) -> Result<(), WhyReturned> {
        let mut why = WhyReturned::NoHandler;
        let routes = self.broker.routes.above(path, &self.guard);
        for route in routes.take_while(|route| route.path().len() >= branch) {
            match self.offer_carried_at(route, carried, (may, outbox)) {
                Ok(()) => return Ok(()),
                Err(Some(_)) => return Err(WhyReturned::Overloaded),
                Err(None) => {}
            }
        }
        if self.broker.phase() != Phase::Open {
            why = WhyReturned::Leaving;
        }
        Err(why)
    }

    /// `None` if there is nobody who may have it.
    fn offer_carried_at(
        &self,
        route: &Route<X>,
        carried: &Carried<'_, X>,
        (may, outbox): (&dyn Fn(&Handler<X>) -> bool, &mut Outbox<X>),
    ) -> Result<(), Option<Limit>> {
        let mut overloaded = None;
        let mut places: Vec<_> = route.order(carried.sender).collect();
        places.retain(|place| may(&route.handlers[*place]));
        places.sort_by_key(|place| route.handlers[*place].rank());
        for place in places {
            match self.hand_carried(&route.handlers[place], carried, outbox) {
                Ok(()) => {
                    route.taken(carried.sender, place);
                    return Ok(());
                }
                Err(Undeliverable::Overloaded(limit)) => overloaded = Some(limit),
                Err(Undeliverable::Ended) => {}
            }
        }
        Err(overloaded)
    }

    fn hand_carried(
        &self,
        handler: &Handler<X>,
        carried: &Carried<'_, X>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let Carried { sender, reply, life, deadline, timeout, request } = *carried;
        let in_flight = InFlight {
            sender: sender.clone(),
            reply,
            life,
            deadline,
            timeout,
            sequence: 0,
            page: self.page,
            label: handler.label,
        };
        if handler.remote.is_some() {
            let branch = handler.path().len() as u32;
            return self.forward(
                handler,
                in_flight,
                &PathRequest { branch, ..request.clone() },
                outbox,
            );
        }
        let wanted = |(key, _): &&(&str, &str)| handler.keys.covers(key);
        let properties = match handler.session.client().reads_properties() {
            true => request.properties.iter().filter(wanted).copied().collect(),
            false => Vec::new(),
        };
        let put = |out: &mut Vec<u8>, conversation| {
            message::put_request(out, Service::MessagingReceiverClient, conversation);
            let body = HandlerRequest {
                registration: handler.conversation,
                sender: request.sender,
                path: request.path,
                properties,
                value: request.value.clone(),
            };
            body.encode(out);
        };
        let message = (length(request), put);
        handler.session.hand_over((in_flight, Some(handler)), &self.policy.limits, outbox, message)
    }

    pub(super) fn deliver_to_session(
        &mut self,
        (life, conversation): (u32, ConversationId),
        request: SessionRequest<'_>,
        outbox: &mut Outbox<X>,
    ) {
        let id = SessionId { server: self.broker.config.node.0, client: request.session };
        let SessionRequest { path, value, timeout, .. } = request;
        let asked = (life, conversation, Duration::from_millis(timeout));
        self.deliver(asked, id, &SendRequest { path, value }, outbox);
    }

    /// Hands a request of another node to a session, or answers at once.
    pub(super) fn deliver(
        &mut self,
        (life, conversation, timeout): (u32, ConversationId, Duration),
        id: SessionId,
        request: &SendRequest<'_>,
        outbox: &mut Outbox<X>,
    ) {
        let reply = Reply::Node(conversation);
        let in_flight = InFlight { life, ..self.asked(reply, timeout, Label::SESSION) };
        let put = |out: &mut Vec<u8>, conversation| {
            message::put_request(out, Service::MessagingSend, conversation);
            request.encode(out);
        };
        let message = (request.path.len() + request.value.bytes.len() + MOST_HEADERS, put);
        let limits = &self.policy.limits;
        let error = match self.broker.find(id) {
            None => no_such_session(id),
            Some(recipient) => {
                let handed = self
                    .awaited(|| recipient.hand_over((in_flight, None), limits, outbox, message));
                match handed {
                    Ok(()) => return self.counts.ledger.accept(self.page, Kind::Node, 1),
                    Err(Undeliverable::Ended) => no_such_session(id),
                    Err(Undeliverable::Overloaded(limit)) => overloaded_recipient(limit),
                }
            }
        };
        let outcome = Outcome::Error { reason: error.reason, text: &error.text };
        let own = self.broker.config.node;
        let answer = (SessionId { server: own.0, client: 0 }, &outcome);
        self.broker.tell((self.session, life), reply, answer, outbox);
    }
}

fn path_of<'a>(request: &PathRequest<'a>) -> Result<Path<'a>, Malformed> {
    let malformed = |_| Malformed { message: "PathRequest", field: "path", fault: Fault::NotUtf8 };
    Path::parse(request.path).map_err(malformed)
}

/// About how long the message is.
fn length(request: &PathRequest<'_>) -> usize {
    let told = request.properties.iter().map(|(key, value)| key.len() + value.len() + 4);
    request.path.len() + request.value.bytes.len() + told.sum::<usize>() + MOST_HEADERS
}

/// What the sender is told in the end.
fn undelivered(why: WhyReturned, path: Path<'_>) -> ServiceError {
    match why {
        WhyReturned::NoHandler => ServiceError::new(
            Reason::UNHANDLED_MESSAGE,
            format!("no handler for path {}", path.as_str()),
        ),
        WhyReturned::Overloaded => overloaded_recipient(Limit::Recipient),
        WhyReturned::Leaving => too_late(NOT_DELIVERED),
    }
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

/// How often a request may come back before its sender is told.
const MOST_RETURNS: u8 = 4;
