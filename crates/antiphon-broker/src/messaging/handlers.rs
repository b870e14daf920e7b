//! Registering and deregistering handlers: services 97 and 98.

use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::RegisterHandler;

use crate::access::GlobalPermission;
use crate::batch::Batch;
use crate::batch::Void;
use crate::draining::Phase;
use crate::draining::too_late;
use crate::error::ServiceError;
use crate::error::parse_path;
use crate::notes::Note;
use crate::outbox::Outbox;
use crate::properties::KeySelection;
use crate::routes::Handler;
use crate::session::Undeliverable;

impl<X> Batch<'_, X> {
    pub(crate) fn register(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let RegisterHandler { receiver: _, group: _, path, keys, conversation: registration } =
            Decode::decode_all(body)?;
        let path = parse_path(path)?;
        let demand = |permission: GlobalPermission| {
            let allowed = self.profile.access.allows(permission);
            allowed.then_some(()).ok_or_else(|| ServiceError::lacks_at(permission.name(), path))
        };
        demand(GlobalPermission::RegisterHandler)?;
        if !keys.is_empty() {
            demand(GlobalPermission::ViewSession)?;
        }
        let keys = KeySelection::parse(keys)?;
        if self.broker.phase() != Phase::Open {
            return Err(too_late("the handler was not registered"));
        }
        if self.session.handles(path.as_str()) {
            return Err(ServiceError::new(
                Reason::HANDLER_CONFLICT,
                format!("the session already has a handler on this path: {}", path.as_str()),
            ));
        }
        let handler = Arc::new(Handler::new(
            self.session.clone(),
            path,
            registration,
            (keys, self.broker.totals.per_path.label(path.as_str())),
        ));
        self.aim = None;
        let routes = &self.broker.routes;
        let choice = || self.broker.policy().rules.choice(path);
        routes.insert(&handler, choice());
        // If the rules changed in this moment, the change did not find the route yet.
        routes.choose_at(path, choice());
        self.session.add_handler(&handler, &self.policy.limits).map_err(|why| {
            routes.remove(&handler);
            match why {
                Undeliverable::Ended => {
                    ServiceError::new(Reason::SESSION_CLOSED, "the session has ended")
                }
                Undeliverable::Overloaded(limit) => {
                    ServiceError::overloaded(limit, "the session has too many handlers")
                }
            }
        })?;
        self.broker.publish([path.as_str()], outbox);
        self.respond(conversation, &Void, outbox);
        let (session, path) = (self.session.id(), path.as_str());
        self.broker.note(outbox, || Note::Registered { session, path: path.to_owned() });
        Ok(())
    }

    /// Succeeds even if there is no such handler: the JavaScript SDK deregisters twice.
    pub(crate) fn deregister(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let DeregisterHandler { receiver: _, group: _, path, keys: _ } = Decode::decode_all(body)?;
        let path = parse_path(path)?;
        if let Some(handler) = self.session.remove_handler(path.as_str()) {
            self.broker.routes.remove(&handler);
            self.broker.publish([path.as_str()], outbox);
            let (session, path) = (self.session.id(), path.as_str());
            self.broker.note(outbox, || Note::Deregistered { session, path: path.to_owned() });
        }
        self.respond(conversation, &Void, outbox);
        Ok(())
    }
}
