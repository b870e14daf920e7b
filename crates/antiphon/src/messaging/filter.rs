//! Requests to a filter, and the outcomes as they come.

use std::collections::HashSet;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;
use futures_core::Stream;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::clients::Clients;
use crate::core::Arrived;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::messaging::Messaging;
use crate::messaging::requests::encode;
use crate::messaging::requests::response;
use crate::session::Handle;
use crate::value::DataType;
use crate::value::ToValue;

/// One outcome of a request to a filter.
#[derive(Debug, Clone)]
pub struct FilterResponse<R> {
    /// Whose outcome it is. `None` only for outcomes that did not come because this session lost its connection or
    /// its time was over: nobody knows who would have answered.
    pub session: Option<SessionId>,
    /// The response, or why there is none.
    pub outcome: Result<R, Error>,
}

/// The outcomes of a request to a filter, as they come: a [`Stream`] of exactly
/// [`expected`](FilterResponses::expected) items.
///
/// Dropping it ends the interest in what has not come yet.
pub struct FilterResponses<R> {
    handle: Handle,
    filter: Box<str>,
    id: ConversationId,
    expected: usize,
    answered: Vec<SessionId>,
    received: usize,
    response: PhantomData<fn() -> R>,
}

/// Outcomes that have been collected, perhaps not all.
#[derive(Debug, Clone)]
pub struct Collected<R> {
    /// How many sessions were asked.
    pub expected: usize,
    /// The outcomes, in the order in which they came.
    pub outcomes: Vec<FilterResponse<R>>,
}

impl<R> Collected<R> {
    /// How many of the sessions that were asked have no outcome here.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.expected - self.outcomes.len()
    }

    /// The responses, each with its session.
    pub fn responses(&self) -> impl Iterator<Item = (SessionId, &R)> {
        self.outcomes.iter().filter_map(|one| Some((one.session?, one.outcome.as_ref().ok()?)))
    }

    /// The errors, each with its session where that is known.
    pub fn errors(&self) -> impl Iterator<Item = (Option<SessionId>, &Error)> {
        self.outcomes.iter().filter_map(|one| Some((one.session, one.outcome.as_ref().err()?)))
    }
}

impl<R: DataType> FilterResponses<R> {
    /// How many sessions were asked, and so how many outcomes come in all.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.expected
    }

    /// How many outcomes were taken.
    #[must_use]
    pub fn received(&self) -> usize {
        self.received
    }

    /// How many outcomes were not taken yet.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.expected - self.received
    }

    /// The next outcome; `None` after the last.
    ///
    /// # Cancel safety
    /// Dropping the future loses no outcome.
    pub async fn next(&mut self) -> Option<FilterResponse<R>> {
        poll_fn(|cx| self.poll_outcome(cx)).await
    }

    /// Waits for all outcomes. Every one comes, if only as an error, within the time that the server allows.
    pub async fn collect_all(mut self) -> Collected<R> {
        let expected = self.expected;
        self.collect(expected, None).await
    }

    /// Waits for the first `k` outcomes and takes no interest in the rest.
    pub async fn first(mut self, k: usize) -> Collected<R> {
        self.collect(k, None).await
    }

    /// Takes the outcomes that come before `deadline` and no more interest in the rest.
    pub async fn until(mut self, deadline: Instant) -> Collected<R> {
        let expected = self.expected;
        self.collect(expected, Some(deadline)).await
    }

    /// Which sessions have not answered: those that match the filter when this is called, without those whose outcome
    /// was taken. Sessions that came or changed since the request was sent make it differ from who was asked.
    ///
    /// # Errors
    /// As [`Clients::fetch`](crate::Clients::fetch): it needs the permission VIEW_SESSION.
    pub async fn missing_sessions(&self) -> Result<Vec<SessionId>, Error> {
        let clients = Clients::new(self.handle.clone());
        let fetched = clients.fetch(&self.filter, &[], u32::MAX).await?;
        let ids = fetched.sessions.into_iter().map(|session| session.id);
        let answered: HashSet<&SessionId> = self.answered.iter().collect();
        Ok(ids.filter(|id| !answered.contains(id)).collect())
    }

    async fn collect(&mut self, most: usize, deadline: Option<Instant>) -> Collected<R> {
        let mut collected = Collected { expected: self.expected, outcomes: Vec::new() };
        while collected.outcomes.len() < most {
            let next = match deadline {
                Some(deadline) => timeout_at(deadline, self.next()).await.unwrap_or(None),
                None => self.next().await,
            };
            let Some(outcome) = next else { break };
            collected.outcomes.push(outcome);
        }
        collected
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Option<FilterResponse<R>>> {
        let id = self.id;
        let arrived = self.handle.shared().look(|core| core.filters.poll_next(id, cx));
        arrived.map(|arrived| arrived.map(|arrived| self.take(arrived)))
    }

    fn take(&mut self, arrived: Arrived) -> FilterResponse<R> {
        let (session, outcome) = arrived;
        self.received += 1;
        self.answered.extend(session);
        FilterResponse { session, outcome: outcome.and_then(|value| response(&value)) }
    }
}

impl<R: DataType> Stream for FilterResponses<R> {
    type Item = FilterResponse<R>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_outcome(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let missing = self.expected - self.received;
        (missing, Some(missing))
    }
}

impl<R> fmt::Debug for FilterResponses<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterResponses")
            .field("expected", &self.expected)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl<R> Drop for FilterResponses<R> {
    fn drop(&mut self) {
        self.handle.shared().look(|core| core.filters.cancel(self.id));
    }
}

impl Messaging {
    pub(crate) async fn ask_filter<R: DataType>(
        &self,
        filter: &str,
        path: &str,
        request: impl ToValue,
    ) -> Result<FilterResponses<R>, Error> {
        let (type_name, bytes) = encode(&request)?;
        let deadline = self.deadline();
        let shared = self.handle.shared();
        let id = shared
            .look(|core| core.filters.enter(&mut core.numbers, deadline))
            .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "too many filter requests"))?;
        // From here on the entry is removed if the request fails, or if nobody waits any more.
        let mut responses = FilterResponses {
            handle: self.handle.clone(),
            filter: filter.into(),
            id,
            expected: 0,
            answered: Vec::new(),
            received: 0,
            response: PhantomData,
        };
        let body = |out: &mut Vec<u8>| {
            let value = Value { type_name, bytes: &bytes };
            SendToFilter { conversation: id, filter, path, value }.encode(out);
        };
        let answer = shared.call(Service::MessagingFilterSend, deadline, body).await?;
        responses.expected = count(&answer)?;
        shared.look(|core| core.filters.expect(id, responses.expected));
        Ok(responses)
    }
}

/// The number of sessions that were asked.
fn count(answer: &[u8]) -> Result<usize, Error> {
    match Sent::decode_all(answer)? {
        Sent::To(count) => Ok(count as usize),
        Sent::Refused(reports) => Err(Error::invalid_filter(&reports)),
        Sent::RefusedOnce(report) => Err(Error::invalid_filter(&[report])),
    }
}
