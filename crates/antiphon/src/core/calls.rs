//! Requests to the server that wait for their answer.

use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use antiphon_wire::ids::ConversationId;
use tokio::time::Instant;

use crate::core::Effects;
use crate::core::table::Numbers;
use crate::core::table::Table;
use crate::error::Error;

/// The body of a response, or the error that came instead of it.
pub(crate) type Answer = Result<Vec<u8>, Error>;

/// The calls of a session that are not over.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    table: Table<Call>,
    /// No later than the earliest deadline of all.
    next_deadline: Option<Instant>,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    /// The number of its message. Whoever answers it has received all messages up to it.
    sequence: u64,
    deadline: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Answered(Answer),
}

impl Calls {
    /// Enters a call, whose message is yet to be sent. `None` if there are too many.
    pub(crate) fn enter(
        &mut self,
        numbers: &mut Numbers,
        deadline: Instant,
    ) -> Option<ConversationId> {
        let call = Call { sequence: 0, deadline, state: State::Waiting(None) };
        let id = self.table.insert(numbers, call)?;
        let earliest = self.next_deadline.map_or(deadline, |next| next.min(deadline));
        self.next_deadline = Some(earliest);
        Some(id)
    }

    /// The call's message has this number.
    pub(crate) fn sent(&mut self, id: ConversationId, sequence: u64) {
        if let Some(call) = self.table.get_mut(id) {
            call.sequence = sequence;
        }
    }

    /// The answer, if it is there; then the call is over. Otherwise its waker is kept, and the caller drops the old one.
    pub(crate) fn poll(
        &mut self,
        id: ConversationId,
        cx: &mut Context<'_>,
    ) -> (Poll<Answer>, Option<Waker>) {
        let Some(call) = self.table.get_mut(id) else {
            // A call is polled by its one future, which is done when it was answered.
            return (Poll::Pending, None);
        };
        if let State::Waiting(waker) = &mut call.state {
            if waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return (Poll::Pending, None);
            }
            return (Poll::Pending, waker.replace(cx.waker().clone()));
        }
        match self.table.remove(id).map(|call| call.state) {
            Some(State::Answered(answer)) => (Poll::Ready(answer), None),
            Some(State::Waiting(old)) => (Poll::Pending, old),
            None => (Poll::Pending, None),
        }
    }

    /// Nobody waits for the answer any more. The caller drops what is left.
    pub(crate) fn cancel(&mut self, id: ConversationId) -> Option<Call> {
        self.table.remove(id)
    }

    /// Answers a call, unless it is over. Returns the number of its message.
    pub(crate) fn answer(
        &mut self,
        id: ConversationId,
        answer: impl FnOnce() -> Answer,
        effects: &mut Effects,
    ) -> Option<u64> {
        let call = self.table.get_mut(id)?;
        call.answer(answer, effects);
        Some(call.sequence)
    }

    /// Ends every call with an error.
    pub(crate) fn fail_all(&mut self, error: &Error, effects: &mut Effects) {
        for (_, call) in self.table.iter_mut() {
            call.answer(|| Err(error.clone()), effects);
        }
        self.next_deadline = None;
    }

    /// When [`Calls::expire`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Ends the calls whose time is over.
    pub(crate) fn expire(&mut self, now: Instant, error: &Error, effects: &mut Effects) {
        let mut earliest: Option<Instant> = None;
        for (_, call) in self.table.iter_mut() {
            if !matches!(call.state, State::Waiting(_)) {
                continue;
            }
            if call.deadline <= now {
                call.answer(|| Err(error.clone()), effects);
            } else {
                earliest = Some(earliest.map_or(call.deadline, |next| next.min(call.deadline)));
            }
        }
        self.next_deadline = earliest;
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn shrink(&mut self) {
        self.table.shrink();
    }
}

impl Call {
    fn answer(&mut self, answer: impl FnOnce() -> Answer, effects: &mut Effects) {
        if let State::Waiting(waker) = &mut self.state {
            effects.wakers.extend(waker.take());
            self.state = State::Answered(answer());
        }
    }
}
