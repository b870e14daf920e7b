//! Callbacks for the outcomes of filter requests, kept under the filter's text.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use antiphon_wire::ids::SessionId;
use tracing::error;

use crate::core::HandlerId;
use crate::error::Error;
use crate::messaging::FilterResponse;
use crate::messaging::FilterResponses;
use crate::messaging::Messaging;
use crate::session::Handle;
use crate::value::DataType;
use crate::value::ToValue;
use crate::value::ValueError;

/// Callbacks for the outcomes of requests to one filter. Dropping it removes them; requests that were sent before
/// keep them.
#[must_use = "the callbacks are removed when this is dropped"]
pub struct FilterHandler {
    handle: Handle,
    filter: Arc<str>,
    id: HandlerId,
    kept: bool,
}

impl FilterHandler {
    /// Keeps the callbacks for as long as the session lives.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for FilterHandler {
    fn drop(&mut self) {
        if !self.kept {
            let Self { handle, filter, id, .. } = self;
            handle.shared().look(|core| core.callbacks.remove(filter, *id));
        }
    }
}

/// What is called with each outcome.
pub(crate) type Callback = Arc<dyn Fn(FilterResponse<Undecoded>) + Send + Sync>;

/// A response as it came, to be read when it is known as what.
pub(crate) struct Undecoded {
    type_name: String,
    bytes: Vec<u8>,
}

impl DataType for Undecoded {
    const NAME: &'static str = "any type";

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        out.extend_from_slice(&self.bytes);
        Ok(())
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<Self, ValueError> {
        Ok(Self { type_name: type_name.to_owned(), bytes: bytes.to_vec() })
    }
}

impl Messaging {
    pub(crate) fn add_callbacks<R: DataType>(
        &self,
        filter: &str,
        callback: impl Fn(SessionId, R) + Send + Sync + 'static,
        error_callback: impl Fn(Option<SessionId>, Error) + Send + Sync + 'static,
    ) -> FilterHandler {
        let both = move |response: FilterResponse<Undecoded>| {
            let FilterResponse { session, outcome } = response;
            let read =
                |raw: Undecoded| R::decode(&raw.type_name, &raw.bytes).map_err(Error::of_response);
            match (session, outcome.and_then(read)) {
                (Some(session), Ok(response)) => callback(session, response),
                // A response always says whose it is.
                (None, Ok(_)) => {}
                (session, Err(error)) => error_callback(session, error),
            }
        };
        let filter: Arc<str> = filter.into();
        let callback: Callback = Arc::new(both);
        let id =
            self.handle.shared().look(|core| core.callbacks.add(Arc::clone(&filter), callback));
        FilterHandler { handle: self.handle.clone(), filter, id, kept: false }
    }

    pub(crate) async fn ask_filter_calling_back(
        &self,
        filter: &str,
        path: &str,
        request: impl ToValue,
    ) -> Result<usize, Error> {
        let responses = self.ask_filter(filter, path, request).await?;
        let expected = responses.expected();
        let shared = self.handle.shared();
        if let Some(callback) = shared.look(|core| core.callbacks.get(filter)) {
            shared.runtime().spawn(call_back(responses, callback));
        }
        Ok(expected)
    }
}

async fn call_back(mut responses: FilterResponses<Undecoded>, callback: Callback) {
    while let Some(response) = responses.next().await {
        // The outcomes that follow are owed to the application all the same.
        if catch_unwind(AssertUnwindSafe(|| callback(response))).is_err() {
            error!("a callback for outcomes of a filter request panicked");
        }
    }
}
