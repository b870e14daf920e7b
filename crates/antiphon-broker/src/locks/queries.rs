//! Who holds which lock, on whatever node.

use antiphon_wire::codec::Decode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::LockDetails;

use crate::access::GlobalPermission;
use crate::batch::Batch;
use crate::batch::no_body;
use crate::cluster::HeldElsewhere;
use crate::error::ServiceError;
use crate::locks::Lock;
use crate::outbox::Outbox;

impl<X> Batch<'_, X> {
    pub(crate) fn get_lock(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let GetSessionLock { name } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ViewServer)?;
        let locks = self.broker.locks.lock();
        let details = locks.held.get(name).and_then(|lock| self.details(lock));
        if details.is_none() && !self.is_alone() {
            drop(locks);
            self.lock_elsewhere(conversation, body, outbox);
            return Ok(());
        }
        self.respond(conversation, &details, outbox);
        Ok(())
    }

    pub(crate) fn get_locks(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        no_body(body)?;
        self.demand(GlobalPermission::ViewServer)?;
        let locks = self.broker.locks.lock();
        let held = locks.held.iter();
        let held = held.filter_map(|(name, lock)| Some((&**name, self.details(lock)?)));
        let all: Vec<(&str, LockDetails<'_>)> = held.collect();
        if self.is_alone() {
            self.respond(conversation, &all, outbox);
            return Ok(());
        }
        let own = all.iter().map(HeldElsewhere::new).collect();
        drop(all);
        drop(locks);
        self.locks_everywhere(conversation, own, outbox);
        Ok(())
    }

    fn details(&self, lock: &Lock<X>) -> Option<LockDetails<'_>> {
        let server = &self.broker.config.server_name;
        let holder = lock.holder.as_ref()?.id();
        Some(LockDetails { server, holder, sequence: lock.sequence })
    }
}
