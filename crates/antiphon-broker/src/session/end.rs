//! Taking out what a session has to answer, and ending it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::websocket;

use crate::config::Limits;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::routes::Handler;
use crate::session::Session;
use crate::session::State;
use crate::session::Undeliverable;
use crate::stats::Limit;
use crate::time::Millis;

/// What a session that ends, or begins anew, leaves to be undone.
pub(crate) struct Remains<X> {
    pub(crate) unanswered: Vec<InFlight<X>>,
    pub(crate) handlers: Vec<Arc<Handler<X>>>,
}

impl<X> Session<X> {
    /// Takes out the request that an answer of this session belongs to.
    pub(crate) fn take_pending(&self, conversation: ConversationId) -> Option<InFlight<X>> {
        let mut state = self.state.lock();
        let request = state.pending.remove(conversation)?;
        if let Some(kept) = &mut state.kept {
            // Messages travel in order: whoever answers this one has all before it.
            kept.sent.acknowledge(request.sequence);
        }
        self.count_pending(&state);
        Some(request)
    }

    /// Takes out the requests that this session has not answered in time.
    pub(crate) fn expire(&self, now: Millis) -> Vec<InFlight<X>> {
        let mut state = self.state.lock();
        let (expired, next) = state.pending.expire(now);
        self.next_deadline.store(next.0, Relaxed);
        self.count_pending(&state);
        expired
    }

    /// The longest time that any request was allowed which it has yet to answer.
    pub(crate) fn longest_allowed(&self) -> Duration {
        self.state.lock().pending.longest_allowed()
    }

    /// Whether it has registered handlers.
    pub(crate) fn has_handlers(&self) -> bool {
        self.state.lock().handlers.len() > 0
    }

    /// Whether it has registered a handler on exactly this path.
    pub(crate) fn handles(&self, path: &str) -> bool {
        self.state.lock().handlers.has(path)
    }

    /// From here on it is handed no request. Hands out its handlers the first time.
    pub(crate) fn leave(&self) -> Vec<Arc<Handler<X>>> {
        let mut state = self.state.lock();
        state.leaving = true;
        state.handlers.take()
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.state.lock().leaving
    }

    /// Takes out all requests, unanswered.
    pub(crate) fn drain_pending(&self) -> Vec<InFlight<X>> {
        let mut state = self.state.lock();
        let unanswered = state.pending.drain();
        self.count_pending(&state);
        unanswered
    }

    /// Remembers a registration, or tells why not.
    pub(crate) fn add_handler(
        &self,
        handler: &Arc<Handler<X>>,
        limits: &Limits,
    ) -> Result<(), Undeliverable> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(Undeliverable::Ended);
        }
        if state.handlers.len() >= limits.handlers_per_session {
            return Err(Undeliverable::Overloaded(Limit::Handlers));
        }
        handler.mark_registered(true);
        state.handlers.insert(handler.clone());
        Ok(())
    }

    /// Forgets a registration: no request for it follows.
    pub(crate) fn remove_handler(&self, path: &str) -> Option<Arc<Handler<X>>> {
        let mut state = self.state.lock();
        let handler = state.handlers.remove(path)?;
        handler.mark_registered(false);
        Some(handler)
    }

    /// Ends the session: nothing is appended after the parting frames. `None` if it had ended already.
    pub(crate) fn end(
        self: &Arc<Self>,
        reason: CloseReason,
        outbox: &mut Outbox<X>,
    ) -> Option<Remains<X>> {
        let mut state = self.state.lock();
        if state.ended {
            return None;
        }
        state.ended = true;
        self.ended.store(true, Release);
        if reason != CloseReason::ClosedByClient {
            state.mailbox.put(|out| {
                websocket::put_message(out, message::ABORT_MESSAGE.len(), |out| {
                    out.extend_from_slice(message::ABORT_MESSAGE);
                });
            });
        }
        state.mailbox.put(|out| websocket::put_close(out, close_code(reason)));
        let remains =
            Remains { unanswered: state.pending.drain(), handlers: state.handlers.take() };
        self.count_pending(&state);
        let touched = state.connected && state.touch();
        state.kept = None;
        drop(state);
        self.report(touched, outbox);
        Some(remains)
    }

    pub(super) fn count_pending(&self, state: &State<X>) {
        // No session has more than MAX_PENDING.
        self.in_flight.store(u32::try_from(state.pending.len()).unwrap_or(u32::MAX), Relaxed);
    }
}

/// The code of the WebSocket close frame that goes with a reason.
fn close_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::InvalidInboundMessage => 1002,
        CloseReason::MessageTooLarge => 1009,
        CloseReason::InternalError => 1011,
        CloseReason::MessageQueueLimitReached => 1008,
        CloseReason::Aborted => 1001,
        CloseReason::ConnectionLost
        | CloseReason::IoException
        | CloseReason::ClientUnresponsive
        | CloseReason::ClosedByClient
        | CloseReason::LostMessages
        | CloseReason::ClosedByController
        | CloseReason::FailedOver
        | CloseReason::Expired
        | CloseReason::Revoked
        | CloseReason::SessionTakenOver => 1000,
    }
}
