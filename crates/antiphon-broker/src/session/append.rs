//! Appending to a session's mailbox. Every method leaves the session in the outbox if it was clean.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use parking_lot::MutexGuard;

use crate::config::Limits;
use crate::mailbox::Spare;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::MAX_PENDING;
use crate::pending::UNANSWERED;
use crate::routes::Handler;
use crate::session::Session;
use crate::session::State;
use crate::stats::Limit;
use crate::time::Millis;

/// Why a session could not be handed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undeliverable {
    /// It, or the handler, is gone or about to go.
    Ended,
    /// It has as much to do as this bound allows.
    Overloaded(Limit),
}

impl Undeliverable {
    /// Notes why another one could not be handed it: if any is too busy, all that are left are.
    pub(crate) fn add(&mut self, why: Self) {
        if why != Self::Ended {
            *self = why;
        }
    }
}

impl<X> Session<X> {
    /// Appends transport frames, such as a pong, to the mailbox; not if the peer has long ceased to read.
    pub fn put_frame(self: &Arc<Self>, put: impl FnOnce(&mut Vec<u8>), outbox: &mut Outbox<X>) {
        let mut state = self.state.lock();
        if state.ended || !state.connected || state.mailbox.queued() > MOST_BEFORE_A_FRAME {
            return;
        }
        state.mailbox.put(put);
        let touched = state.touch();
        drop(state);
        self.report(touched, outbox);
    }

    /// Appends one message of about `expected` bytes that is not a request. It is never refused: a session that lets
    /// them pile up is doomed.
    pub(crate) fn post(
        self: &Arc<Self>,
        expected: usize,
        limits: &Limits,
        outbox: &mut Outbox<X>,
        put: impl FnOnce(&mut Vec<u8>),
    ) {
        self.post_notice(expected, limits, outbox, |out, _| put(out));
    }

    /// As [`Session::post`], with a conversation id for a request that awaits no answer. False if the session will not
    /// read it, because it has ended or is about to.
    pub(crate) fn post_notice(
        self: &Arc<Self>,
        expected: usize,
        limits: &Limits,
        outbox: &mut Outbox<X>,
        put: impl FnOnce(&mut Vec<u8>, ConversationId),
    ) -> bool {
        self.post_in(self.state.lock(), expected, (limits, outbox), put)
    }

    /// As [`Session::post_notice`], but for a session in that `life` alone.
    pub(crate) fn post_outcome(
        self: &Arc<Self>,
        (expected, life): (usize, u32),
        limits: &Limits,
        outbox: &mut Outbox<X>,
        put: impl FnOnce(&mut Vec<u8>, ConversationId),
    ) -> bool {
        let state = self.state.lock();
        state.life == life && self.post_in(state, expected, (limits, outbox), put)
    }

    fn post_in(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<X>>,
        expected: usize,
        (limits, outbox): (&Limits, &mut Outbox<X>),
        put: impl FnOnce(&mut Vec<u8>, ConversationId),
    ) -> bool {
        if state.ended {
            return false;
        }
        if state.queued() + expected > 2 * limits.mailbox
            || state.queued_messages() >= 2 * limits.mailbox_messages
        {
            drop(state);
            outbox.doomed.push((self.clone(), CloseReason::MessageQueueLimitReached));
            return false;
        }
        let conversation = state.next_notice();
        state.furnish(&mut outbox.spare);
        let touched = state.append(expected, |out| put(out, conversation));
        drop(state);
        self.report(touched, outbox);
        true
    }

    /// Appends a ping, and returns its conversation.
    pub(crate) fn post_ping(self: &Arc<Self>, outbox: &mut Outbox<X>) -> ConversationId {
        let mut state = self.state.lock();
        if state.ended {
            return state.next_notice();
        }
        let conversation = state.put_ping();
        let touched = state.connected && state.touch();
        drop(state);
        self.report(touched, outbox);
        conversation
    }

    /// Enters a request, to one of its handlers or to the session itself, and appends its message of about `expected` bytes.
    pub(crate) fn hand_over(
        self: &Arc<Self>,
        request: (InFlight<X>, Option<&Handler<X>>),
        limits: &Limits,
        outbox: &mut Outbox<X>,
        message: (usize, impl FnOnce(&mut Vec<u8>, ConversationId)),
    ) -> Result<(), Undeliverable> {
        let (expected, put) = message;
        let (mut request, handler) = request;
        let mut state = self.state.lock();
        let is_registered = handler.is_none_or(Handler::is_registered);
        if state.ended || state.leaving || !is_registered {
            return Err(Undeliverable::Ended);
        }
        let most = limits.requests_per_handler.min(MAX_PENDING) as usize;
        if state.pending.len() >= most {
            return Err(Undeliverable::Overloaded(Limit::Recipient));
        }
        if state.queued() + expected > limits.mailbox {
            return Err(Undeliverable::Overloaded(Limit::Mailbox));
        }
        if state.queued_messages() >= limits.mailbox_messages {
            return Err(Undeliverable::Overloaded(Limit::MailboxMessages));
        }
        if request.deadline < self.next_deadline() {
            self.next_deadline.store(request.deadline.0, Relaxed);
        }
        // One that has been silent for long, and owes an answer now, is to be asked.
        let is_first = state.pending.len() == 0;
        state.due_by(if is_first { Millis(0) } else { request.deadline });
        request.sequence = state.next_sequence();
        let came = (request.deadline, request.timeout);
        let conversation = state.pending.insert(request);
        self.count_pending(&state);
        state.furnish(&mut outbox.spare);
        let touched = state.append(expected, |out| put(out, conversation));
        state.mailbox.count_request(|| came.0.before(came.1));
        drop(state);
        self.report(touched, outbox);
        Ok(())
    }

    pub(super) fn report(self: &Arc<Self>, touched: bool, outbox: &mut Outbox<X>) {
        if touched {
            outbox.touched.push(self.clone());
        }
    }
}

impl<X> State<X> {
    /// Gets a buffer for what is appended next, unless it is only kept, which may be for long.
    fn furnish(&mut self, spare: &mut Spare) {
        if self.connected {
            self.mailbox.furnish(spare);
        }
    }

    /// Appends a ping, and returns its conversation.
    pub(super) fn put_ping(&mut self) -> ConversationId {
        let conversation = self.next_notice();
        self.pinged(conversation);
        self.put(MOST_OF_A_PING, |out| {
            message::put_request(out, Service::SystemPing, conversation);
        });
        conversation
    }

    /// The conversation of the next message that awaits no answer.
    fn next_notice(&mut self) -> ConversationId {
        self.notices = (self.notices + 1) % (UNANSWERED - 1);
        ConversationId(self.notices + 1)
    }
}

/// A guess at the length of a ping, above it.
const MOST_OF_A_PING: usize = 8;

/// A pong that would wait behind so many bytes is of no use; without a bound a client could ping and never read.
const MOST_BEFORE_A_FRAME: usize = 16 << 20;
