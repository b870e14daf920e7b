//! Senders that are to stay with their handler, which is one of another node.
//!
//! Their own node remembers which one it is, so it is forgotten with the sender, and neither a link that begins anew nor a node that
//! was out of reach for a while changes it. It learns it from the other node, which chooses it, and quotes it in every request.

use std::sync::Arc;

use antiphon_wire::ids::SessionId;
use antiphon_wire::node::Kept;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::PathRequest;

use crate::batch::Batch;
use crate::config::Choice;
use crate::outbox::Outbox;
use crate::routes::Route;
use crate::session::Session;

impl<X> Route<X> {
    /// Which handler of the node at this place `sender` is to stay with, 0 if that is not known yet; `None` if it is not to stay
    /// with any of them.
    #[cold]
    pub(crate) fn kept_elsewhere(&self, sender: &Session<X>, place: usize) -> Option<u64> {
        if self.choice() != Choice::Sticky {
            return None;
        }
        let (chosen, _) = sender.sticky.lock().recall(self.path())?;
        self.handlers.get(place).is_of(chosen).then_some(chosen.client)
    }

    /// Puts the handler that the sender of another node is to stay with in front of the others. What comes before that node
    /// knows which it is goes to one and the same, too, and other senders to others.
    pub(super) fn keep(&self, request: &PathRequest<'_>, places: &mut [usize]) {
        if self.choice() != Choice::Sticky || places.is_empty() {
            return;
        }
        places.sort_unstable();
        let is_it = |place: &usize| self.handlers.get(*place).session.id().client == request.kept;
        let known = places.iter().position(is_it).filter(|_| request.kept != 0);
        let spread = request.sender.client.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        places.rotate_left(known.unwrap_or(spread as usize % places.len()));
    }
}

impl<X> Batch<'_, X> {
    /// A handler of this node has got a request of another one: that is told if the sender is to stay with it and does not know
    /// it yet.
    pub(super) fn tell_kept(
        &self,
        route: &Route<X>,
        (handler, request): (&Arc<Session<X>>, &PathRequest<'_>),
        outbox: &mut Outbox<X>,
    ) {
        let handler = handler.id().client;
        if route.choice() == Choice::Sticky && request.kept != handler {
            let kept = Kept { sender: request.sender.client, path: route.path(), handler };
            self.broker.tell_node(self.session, NodeService::Kept, &kept, outbox);
        }
    }

    /// Another node tells which of its handlers a sender is to stay with.
    pub(super) fn learn_kept(&self, kept: &Kept<'_>) {
        let id = SessionId { server: self.broker.config.node.0, client: kept.sender };
        let Some(sender) = self.broker.find(id) else { return };
        let handler = SessionId { server: self.session.node().0, client: kept.handler };
        sender.sticky.lock().learn(kept.path, handler);
    }
}
