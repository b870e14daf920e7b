//! Handlers of sessions that have ended. Their routes still lead to them for a moment, where they are passed over like those
//! of any session that has just ended. They are taken out in pieces, so that nobody waits while a session with very many ends.

use std::mem::take;
use std::sync::Arc;

use crate::broker::Broker;
use crate::outbox::Outbox;
use crate::routes::Handler;

impl<X> Broker<X> {
    /// Takes some handlers of ended sessions out of their routes; whether there are more. The driver calls it, again and
    /// again with others between, whenever there are ([`Broker::has_departed`]).
    pub fn clear(&self, outbox: &mut Outbox<X>) -> bool {
        let mut departed = self.departed.lock();
        let rest = departed.len().saturating_sub(AT_ONCE);
        let some = if rest > 0 { departed.split_off(rest) } else { take(&mut *departed) };
        drop(departed);
        self.withdraw(&some, outbox);
        rest > 0
    }

    /// Whether routes lead to handlers of sessions that have ended.
    #[must_use]
    pub fn has_departed(&self) -> bool {
        !self.departed.lock().is_empty()
    }

    /// Takes the handlers of a session that has ended out of their routes, now or later.
    pub(crate) fn depart(&self, mut handlers: Vec<Arc<Handler<X>>>, outbox: &mut Outbox<X>) {
        if handlers.len() > AT_ONCE {
            let mut departed = self.departed.lock();
            if departed.len() <= MOST {
                departed.append(&mut handlers);
            }
        }
        self.withdraw(&handlers, outbox);
    }

    /// Takes handlers out of their routes.
    pub(crate) fn withdraw(&self, handlers: &[Arc<Handler<X>>], outbox: &mut Outbox<X>) {
        for handler in handlers {
            self.routes.remove(handler);
        }
        self.publish(handlers.iter().map(|handler| handler.path()), outbox);
    }
}

/// It takes some ten microseconds to take out so many.
const AT_ONCE: usize = 64;

/// If there are more, those that end meanwhile take the time themselves.
const MOST: usize = 100_000;
