//! How a node goes without harm to what others send it meanwhile.
//!
//! It says farewell to each of them, and each says farewell in return. Whoever has said it hands the link no request any
//! more, which is found out with the link locked, so a farewell is behind all requests of its sender in this life of the link.
//! What came before it has been served by then: the node has no sessions any more, so requests go back or are
//! answered at once.

use std::sync::Arc;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::put_request;

use crate::batch::Batch;
use crate::broker::Broker;
use crate::outbox::Outbox;
use crate::session::Session;

/// For the driver.
impl<X> Broker<X> {
    /// For a node that goes, when it has no sessions any more. Says farewell to every other node that has not been told it,
    /// and tells how many may still send requests. It is to be called again until there are none: a link
    /// that is new, or has begun anew, is told too.
    pub fn say_farewell(&self, outbox: &mut Outbox<X>) -> usize {
        let mut links = self.links();
        links.iter().for_each(|link| say_farewell(link, outbox));
        links.retain(|link| !link.has_heard_farewell());
        links.len()
    }
}

impl<X> Batch<'_, X> {
    /// The other node sends no request any more, and takes none.
    pub(super) fn heard_farewell(&self, outbox: &mut Outbox<X>) {
        say_farewell(self.session, outbox);
        self.session.heard_farewell(self.inbound.life);
    }
}

fn say_farewell<X>(link: &Arc<Session<X>>, outbox: &mut Outbox<X>) {
    link.say_farewell(outbox, |out| {
        put_request(out, NodeService::Farewell, ConversationId(0));
    });
}
