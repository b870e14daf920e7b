//! Requests to a filter: the outcomes that have come and were not taken yet.
//!
//! An entry lives until its stream is dropped. What comes for an entry that is gone is dropped.

use std::collections::VecDeque;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Outcome;
use tokio::time::Instant;

use crate::core::Effects;
use crate::core::table::Numbers;
use crate::core::table::Table;
use crate::error::Error;
use crate::error::ErrorKind;

/// Whose outcome it is, unless nobody knows, and the encoded value or the error.
pub(crate) type Arrived = (Option<SessionId>, Result<Vec<u8>, Error>);

/// The filter requests of a session.
#[derive(Debug)]
pub(crate) struct Filters {
    table: Table<FilterRequest>,
    /// How many bytes of values one request may hold untaken.
    limit: usize,
}

/// One request to a filter.
#[derive(Debug)]
pub(crate) struct FilterRequest {
    /// Known with the response to the request, which comes first.
    expected: Option<usize>,
    arrived: usize,
    untaken: VecDeque<Arrived>,
    bytes: usize,
    deadline: Instant,
    waker: Option<Waker>,
    /// Why no more outcomes come.
    lost: Option<Error>,
}

impl Filters {
    pub(crate) fn new(limit: usize) -> Self {
        Self { table: Table::default(), limit }
    }

    /// Enters a request. `None` if there are too many.
    pub(crate) fn enter(
        &mut self,
        numbers: &mut Numbers,
        deadline: Instant,
    ) -> Option<ConversationId> {
        let request = FilterRequest {
            expected: None,
            arrived: 0,
            untaken: VecDeque::new(),
            bytes: 0,
            deadline,
            waker: None,
            lost: None,
        };
        self.table.insert(numbers, request)
    }

    /// So many outcomes will come.
    pub(crate) fn expect(&mut self, id: ConversationId, expected: usize) {
        if let Some(request) = self.table.get_mut(id) {
            request.expected = Some(expected);
        }
    }

    /// Takes in an outcome.
    pub(crate) fn arrive(&mut self, response: &FilterResponse<'_>, effects: &mut Effects) {
        let limit = self.limit;
        let Some(request) = self.table.get_mut(response.conversation) else { return };
        // A surplus outcome has no place in the count that was announced.
        if request.expected.is_some_and(|expected| request.arrived >= expected) {
            return;
        }
        let outcome = match &response.outcome {
            Outcome::Response(value) if request.bytes + value.bytes.len() > limit => {
                Err(Error::answered(
                    ErrorKind::LimitExceeded,
                    format!(
                        "the response was dropped: {limit} bytes of earlier ones are not taken"
                    ),
                ))
            }
            Outcome::Response(value) => {
                let mut encoded = Vec::with_capacity(value.bytes.len() + 16);
                value.encode(&mut encoded);
                request.bytes += encoded.len();
                Ok(encoded)
            }
            Outcome::Error { reason, text } => Err(Error::from_server(*reason, text)),
        };
        request.arrived += 1;
        request.untaken.push_back((Some(response.session), outcome));
        effects.wakers.extend(request.waker.take());
    }

    /// The next outcome; `None` after the last. Until it comes the waker is kept, and the caller drops the old one.
    pub(crate) fn poll_next(
        &mut self,
        id: ConversationId,
        cx: &mut Context<'_>,
    ) -> (Poll<Option<Arrived>>, Option<Waker>) {
        let Some(request) = self.table.get_mut(id) else { return (Poll::Ready(None), None) };
        match request.next() {
            Poll::Ready(next) => (Poll::Ready(next), None),
            Poll::Pending => (Poll::Pending, request.waker.replace(cx.waker().clone())),
        }
    }

    /// Nobody takes the outcomes any more. The caller drops what is left.
    pub(crate) fn cancel(&mut self, id: ConversationId) -> Option<FilterRequest> {
        self.table.remove(id)
    }

    /// No request gets more outcomes: all that are missing are this error.
    pub(crate) fn fail_all(&mut self, error: &Error, effects: &mut Effects) {
        for (_, request) in self.table.iter_mut() {
            request.fail(error, effects);
        }
    }

    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let waiting = self.table.iter_mut().filter(|(_, request)| request.is_waiting());
        waiting.map(|(_, request)| request.deadline).min()
    }

    /// Ends the requests whose time is over.
    pub(crate) fn expire(&mut self, now: Instant, error: &Error, effects: &mut Effects) {
        for (_, request) in self.table.iter_mut() {
            if request.deadline <= now && request.is_waiting() {
                request.fail(error, effects);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn shrink(&mut self) {
        self.table.shrink();
    }
}

impl FilterRequest {
    fn next(&mut self) -> Poll<Option<Arrived>> {
        if let Some(arrived) = self.untaken.pop_front() {
            if let (_, Ok(value)) = &arrived {
                self.bytes -= value.len();
            }
            return Poll::Ready(Some(arrived));
        }
        if self.expected == Some(self.arrived) {
            return Poll::Ready(None);
        }
        let Some(lost) = &self.lost else { return Poll::Pending };
        self.arrived += 1;
        Poll::Ready(Some((None, Err(lost.clone()))))
    }

    fn is_waiting(&self) -> bool {
        self.lost.is_none() && self.expected != Some(self.arrived)
    }

    fn fail(&mut self, error: &Error, effects: &mut Effects) {
        if self.is_waiting() {
            self.lost = Some(error.clone());
            effects.wakers.extend(self.waker.take());
        }
    }
}
