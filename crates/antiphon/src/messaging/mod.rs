//! Requests, responses and handlers: the methods of the mission's API, under their names.
//!
//! | file | holds |
//! |---|---|
//! | `requests` | requests to a path and to a session |
//! | `filter`, `callbacks` | requests to a filter, as a stream and by callbacks |
//! | `handler`, `context`, `responder` | what answers requests |
//! | `registration` | how handlers come and go |

mod callbacks;
mod context;
mod filter;
mod handler;
mod registration;
mod requests;
mod responder;

use std::time::Duration;

use antiphon_wire::ids::SessionId;
use tokio::time::Instant;

pub(crate) use crate::messaging::callbacks::Callback;
pub use crate::messaging::callbacks::FilterHandler;
pub use crate::messaging::context::RequestContext;
pub use crate::messaging::filter::Collected;
pub use crate::messaging::filter::FilterResponse;
pub use crate::messaging::filter::FilterResponses;
pub(crate) use crate::messaging::handler::AnyHandler;
pub use crate::messaging::handler::ByClosure;
pub use crate::messaging::handler::ByTrait;
pub use crate::messaging::handler::Handler;
pub use crate::messaging::handler::Rejection;
pub use crate::messaging::handler::RequestHandler;
pub use crate::messaging::registration::Registration;
pub(crate) use crate::messaging::registration::register;
pub(crate) use crate::messaging::responder::Responder;

use crate::deadline::after;
use crate::error::Error;
use crate::session::Handle;
use crate::value::DataType;
use crate::value::ToValue;

/// Stands for all fixed properties among the session properties that a handler wants to be told.
pub const ALL_FIXED_PROPERTIES: &str = "*F";

/// Stands for all user-defined properties among the session properties that a handler wants to be told.
pub const ALL_USER_PROPERTIES: &str = "*U";

/// Which requests a local handler answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addressing {
    /// Those that name this session, by its id or by a filter that it matches.
    Addressed,
    /// Those to a path, which the server brings here because this session is registered for it.
    Unaddressed,
}

/// Sends requests and handles them. Cheap to make and to clone; see
/// [`Session::messaging`](crate::Session::messaging).
///
/// All paths are segments separated by `/`; leading and trailing slashes do not matter. A handler answers requests to
/// its path and to every path below it that has no handler of its own.
#[derive(Debug, Clone)]
pub struct Messaging {
    handle: Handle,
    timeout: Duration,
}

impl Messaging {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { timeout: handle.request_timeout(), handle }
    }

    /// The same with another time limit for each call, in place of
    /// [`request_timeout`](crate::SessionBuilder::request_timeout). The server has a limit of its own, 10 seconds
    /// unless configured otherwise; the shorter one counts.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { handle: self.handle.clone(), timeout }
    }

    /// Sends a request to a path. The server picks one of the sessions that are registered for the path or, if there
    /// is none, for the nearest path above it.
    ///
    /// # Errors
    /// [`UnhandledMessage`](crate::ErrorKind::UnhandledMessage) if nobody is registered,
    /// [`Rejected`](crate::ErrorKind::Rejected) and others as the handler says,
    /// [`Value`](crate::ErrorKind::Value) if the response is of another type than `R`, and what can befall every call:
    /// no permission, no time left, too much under way, the end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future takes no more interest in the answer. If the request was sent, its handler still gets it.
    pub async fn send_request_to_path<R: DataType>(
        &self,
        path: &str,
        request: impl ToValue,
    ) -> Result<R, Error> {
        self.ask_path(path, request).await
    }

    /// Sends a request to one session, which answers it by a handler that it has
    /// [added](Messaging::add_request_handler) for requests that are addressed to it.
    ///
    /// # Errors
    /// [`NoSuchSession`](crate::ErrorKind::NoSuchSession) if there is no such session or if it ends before it answers,
    /// [`UnhandledMessage`](crate::ErrorKind::UnhandledMessage) if it has no handler for the path, and as
    /// [`Messaging::send_request_to_path`].
    ///
    /// # Cancel safety
    /// As [`Messaging::send_request_to_path`].
    pub async fn send_request_to_session<R: DataType>(
        &self,
        path: &str,
        session: SessionId,
        request: impl ToValue,
    ) -> Result<R, Error> {
        self.ask_session(path, session, request).await
    }

    /// Sends a request to every session that matches a filter, this one included, and returns how many there are.
    /// Each outcome goes to the callbacks that were [added](Messaging::add_filter_response_handler) for the filter.
    ///
    /// [`Messaging::request_filter`] hands the outcomes over as a stream instead.
    ///
    /// # Errors
    /// [`InvalidFilter`](crate::ErrorKind::InvalidFilter) if the filter does not parse, and what can befall every
    /// call. That nobody matches is not an error but a count of 0.
    ///
    /// # Cancel safety
    /// Dropping the future takes no more interest in count and outcomes. If the request was sent, it still arrives.
    pub async fn send_request_to_filter(
        &self,
        filter: &str,
        path: &str,
        request: impl ToValue,
    ) -> Result<usize, Error> {
        self.ask_filter_calling_back(filter, path, request).await
    }

    /// Sends a request to every session that matches a filter, this one included: first the number of sessions, then
    /// exactly that many outcomes.
    ///
    /// ```
    /// # async fn ask(session: &antiphon::Session) -> Result<(), antiphon::Error> {
    /// let filter = "$Country is 'DE' and hasRoles ['till']";
    /// let mut responses = session.messaging().request_filter::<i64>(filter, "takings", "today").await?;
    /// println!("{} tills were asked", responses.expected());
    /// while let Some(response) = responses.next().await {
    ///     match response.outcome {
    ///         Ok(takings) => println!("{:?} took {takings}", response.session),
    ///         Err(error) => println!("{:?}: {error}", response.session),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Messaging::send_request_to_filter`].
    ///
    /// # Cancel safety
    /// As [`Messaging::send_request_to_filter`].
    pub async fn request_filter<R: DataType>(
        &self,
        filter: &str,
        path: &str,
        request: impl ToValue,
    ) -> Result<FilterResponses<R>, Error> {
        self.ask_filter(filter, path, request).await
    }

    /// Adds a handler to this session, without the server's knowledge, in place of the one that was there.
    ///
    /// [`Addressing::Addressed`] handlers answer requests that name this session. [`Addressing::Unaddressed`] ones
    /// answer requests to a path for which this session is registered: they take the place of the handler that was
    /// given to [`Messaging::register_request_handler`].
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath), [`SessionClosed`](crate::ErrorKind::SessionClosed).
    pub fn add_request_handler<M: 'static>(
        &self,
        path: &str,
        handler: impl Handler<M>,
        addressing: Addressing,
    ) -> Result<Registration, Error> {
        self.add(path, handler::erase(handler), addressing)
    }

    /// Registers a handler with the server: requests to `path` and below come to this session, or to another one that
    /// is registered for the same path.
    ///
    /// With each request come those of the sender's session properties that `session_properties` names. It may hold
    /// [`ALL_FIXED_PROPERTIES`] and [`ALL_USER_PROPERTIES`]; other keys of that sort are ignored then.
    ///
    /// When the session is lost and another takes its place, the handler is registered again.
    ///
    /// ```
    /// # async fn serve(session: &antiphon::Session) -> Result<(), antiphon::Error> {
    /// use antiphon::RequestContext;
    ///
    /// let greet = |name: String, context: RequestContext| async move {
    ///     let asker = context.property("$Principal").unwrap_or("nobody");
    ///     Ok(format!("hello {name}, says {asker}"))
    /// };
    /// let registration =
    ///     session.messaging().register_request_handler("greetings", greet, &["$Principal"]).await?;
    /// # registration.close().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`HandlerConflict`](crate::ErrorKind::HandlerConflict) if this session is registered for the path already,
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath), [`AccessDenied`](crate::ErrorKind::AccessDenied) without the
    /// permission REGISTER_HANDLER, or VIEW_SESSION if it names properties.
    ///
    /// # Cancel safety
    /// Dropping the future takes the registration back.
    pub async fn register_request_handler<M: 'static>(
        &self,
        path: &str,
        handler: impl Handler<M>,
        session_properties: &[&str],
    ) -> Result<Registration, Error> {
        self.register(path, handler::erase(handler), session_properties).await
    }

    /// Sets the callbacks for outcomes of [`Messaging::send_request_to_filter`] with exactly this filter, in place of
    /// those that were there. They are called one after the other; they should not block.
    pub fn add_filter_response_handler<R: DataType>(
        &self,
        filter: &str,
        callback: impl Fn(SessionId, R) + Send + Sync + 'static,
        error_callback: impl Fn(Option<SessionId>, Error) + Send + Sync + 'static,
    ) -> FilterHandler {
        self.add_callbacks(filter, callback, error_callback)
    }

    fn deadline(&self) -> Instant {
        after(self.timeout)
    }
}
