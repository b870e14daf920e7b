//! Requests that come from another node, and those that come back from one.
//!
//! What comes is entered once more, at the session that gets it, with the link as the one who asks; so each end has one
//! outcome. It goes to sessions of this node alone. If none of them gets it, it goes back as it came and may be offered to
//! others, because it was never delivered.

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
use antiphon_wire::path::Path;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::SendRequest;

use crate::batch::Batch;
use crate::cluster::requests::GRACE;
use crate::cluster::requests::length;
use crate::draining::Phase;
use crate::draining::too_late;
use crate::error::ServiceError;
use crate::messaging::Ending;
use crate::messaging::MOST_HEADERS;
use crate::messaging::NOT_DELIVERED;
use crate::messaging::Outcome;
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

/// A request whose sender is not the session of the batch.
struct Carried<'a, X> {
    sender: &'a Arc<Session<X>>,
    reply: Reply,
    life: u32,
    deadline: Millis,
    timeout: Duration,
    request: &'a PathRequest<'a>,
    to: To,
}

/// Whose handlers may have it.
#[derive(Debug, Clone, Copy)]
enum To {
    /// Those of this node: what came from a node does not go on to a third.
    Own,
    /// All but those behind the link that has returned it.
    AllBut(SessionId),
}

impl To {
    fn includes<X>(self, handler: &Handler<X>) -> bool {
        match self {
            Self::Own => handler.remote().is_none(),
            Self::AllBut(link) => handler.session.id() != link,
        }
    }
}

/// Requests of sessions of other nodes.
impl<X> Batch<'_, X> {
    /// The batch's session is the link over which the request came.
    pub(super) fn deliver_to_path(
        &mut self,
        conversation: ConversationId,
        request: PathRequest<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Malformed> {
        let path = path_of(&request)?;
        let timeout = Duration::from_millis(request.timeout);
        let carried = Carried {
            sender: self.session,
            reply: Reply::Node(conversation),
            life: self.inbound.life,
            deadline: self.now.after(timeout),
            timeout,
            request: &request,
            to: To::Own,
        };
        let branch = request.branch as usize;
        self.session.awaiting.fetch_add(1, Relaxed);
        let Err(why) = self.offer_carried(path, branch, &carried, outbox) else {
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
            kept: 0,
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
            // Those of the node that has returned it may not be known to be gone yet.
            to: To::AllBut(self.session.id()),
        };
        // Handlers further up may have it if those of the branch are gone, not if they are busy.
        let branch = if *why == WhyReturned::Overloaded { request.branch as usize } else { 0 };
        let is_tired = again.returns > MOST_RETURNS;
        if !is_tired && self.offer_carried(path, branch, &carried, outbox).is_ok() {
            self.counts.ledger.end(before.page, End::Rerouted);
            self.counts.ledger.accept(self.page, Kind::Rerouted, 1);
            return Ok(());
        }
        let error = undelivered(*why, path);
        let outcome = Outcome::Error { reason: error.reason, text: &error.text };
        let (end, responder) = (End::Undeliverable, self.session.id());
        let ending = Ending { end, responder, outcome: &outcome, took: None };
        let counts = (&mut self.counts, &self.policy.limits);
        self.broker.complete(before, &ending, counts, outbox);
        Ok(())
    }

    /// Offers a request to those handlers of the path, and of each branch above it that is no shorter than `branch`, who
    /// may have it, until one takes it.
    fn offer_carried(
        &self,
        path: Path<'_>,
        branch: usize,
        carried: &Carried<'_, X>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), WhyReturned> {
        let mut why = WhyReturned::NoHandler;
        let routes = self.broker.routes.above(path, &self.guard);
        for route in routes.take_while(|route| route.path().len() >= branch) {
            match self.offer_carried_at(route, carried, outbox) {
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
        outbox: &mut Outbox<X>,
    ) -> Result<(), Option<Limit>> {
        let mut overloaded = None;
        let mut places: Vec<_> = route.order(carried.sender).collect();
        places.retain(|place| carried.to.includes(route.handlers.get(*place)));
        if let To::Own = carried.to {
            route.keep(carried.request, &mut places);
        }
        places.sort_by_key(|place| route.handlers.get(*place).rank());
        for place in places {
            match self.hand_carried(route.handlers.get(place), carried, outbox) {
                Ok(()) => {
                    match carried.to {
                        To::Own => {
                            let handler = &route.handlers.get(place).session;
                            self.tell_kept(route, (handler, carried.request), outbox);
                        }
                        To::AllBut(_) => route.taken(carried.sender, place),
                    }
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
        let Carried { sender, reply, life, deadline, timeout, request, to: _ } = *carried;
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
        if handler.remote().is_some() {
            let branch = handler.path().len() as u32;
            return self.forward(
                handler,
                in_flight,
                &PathRequest { branch, ..request.clone() },
                outbox,
            );
        }
        let wanted = |(key, _): &&(&str, &str)| handler.keys().is_some_and(|keys| keys.covers(key));
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
        conversation: ConversationId,
        request: SessionRequest<'_>,
        outbox: &mut Outbox<X>,
    ) {
        let id = SessionId { server: self.broker.config.node.0, client: request.session };
        let SessionRequest { path, value, timeout, .. } = request;
        let asked = (conversation, Duration::from_millis(timeout));
        self.deliver(asked, id, &SendRequest { path, value }, outbox);
    }

    /// Hands a request of another node to a session, or answers at once.
    pub(super) fn deliver(
        &mut self,
        (conversation, timeout): (ConversationId, Duration),
        id: SessionId,
        request: &SendRequest<'_>,
        outbox: &mut Outbox<X>,
    ) {
        let reply = Reply::Node(conversation);
        let in_flight = self.asked(reply, timeout, Label::SESSION);
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
        self.refuse(conversation, &error, outbox);
    }
}

fn path_of<'a>(request: &PathRequest<'a>) -> Result<Path<'a>, Malformed> {
    let malformed = |_| Malformed { message: "PathRequest", field: "path", fault: Fault::NotUtf8 };
    Path::parse(request.path).map_err(malformed)
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

/// How often a request may come back before its sender is told.
const MOST_RETURNS: u8 = 4;
