//! The Rust SDK of Antiphon: sessions that ask each other questions and get typed answers.
//!
//! ```no_run
//! use antiphon::{RequestContext, Session};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), antiphon::Error> {
//!     let session = Session::builder("ws://127.0.0.1:8080")
//!         .principal("admin")
//!         .password("password")
//!         .connect()
//!         .await?;
//!
//!     let greet = |name: String, _: RequestContext| async move { Ok(format!("hello {name}")) };
//!     let _greeter = session.messaging().register_request_handler("greetings", greet, &[]).await?;
//!
//!     let answer: String = session.messaging().send_request_to_path("greetings", "world").await?;
//!     println!("{answer}");
//!
//!     session.close().await;
//!     Ok(())
//! }
//! ```
//!
//! It needs a server, such as `cargo run --release -- serve --dev` of this project starts, and the crate `tokio` with the
//! features `macros` and `rt-multi-thread`. It speaks protocol 29 of the published Diffusion SDKs over WebSocket, with
//! or without TLS.
//!
//! # Three ways to ask
//!
//! | | who answers | what comes back |
//! |---|---|---|
//! | [`send_request_to_path`](Messaging::send_request_to_path) | one session that is [registered](Messaging::register_request_handler) for the path or above it | its response |
//! | [`send_request_to_session`](Messaging::send_request_to_session) | that session, by a handler that it has [added](Messaging::add_request_handler) | its response |
//! | [`request_filter`](Messaging::request_filter) | every session that matches a filter, likewise | how many there are, then exactly as many [outcomes](FilterResponses) |
//!
//! Requests and responses are values of a [`DataType`]: `String`, `&str`, `i64`, `f64`, bytes, [`Json`] of any type that
//! serde knows, [`RecordV2`], or whichever comes as a [`Value`].
//!
//! # The same API as the document that it mirrors
//!
//! | document (Python 6.6rc1) | here | differences |
//! |---|---|---|
//! | `Messaging(session)` | [`Session::messaging`] | |
//! | `add_request_handler(path, callback, request_type, response_type, addressed)` | [`Messaging::add_request_handler`] | the types are those of the callback; [`Addressing`] says whether `addressed` |
//! | `add_filter_response_handler(session_filter, callback, error_callback)` | [`Messaging::add_filter_response_handler`] | dropping what it returns takes the callbacks back |
//! | `register_request_handler(path, callback, request_type, response_type, session_properties)` | [`Messaging::register_request_handler`] | dropping the [`Registration`] deregisters; the handler serves the branch below its path too |
//! | `send_request_to_filter(session_filter, path, request)` | [`Messaging::send_request_to_filter`] | [`Messaging::request_filter`] is the same with a stream |
//! | `send_request_to_path(path, request, response_type)` | [`Messaging::send_request_to_path`] | the response type is the type parameter |
//! | `send_request_to_session(path, session_id, request, response_type)` | [`Messaging::send_request_to_session`] | likewise |
//! | `ALL_FIXED_PROPERTIES`, `ALL_USER_PROPERTIES` | [`ALL_FIXED_PROPERTIES`], [`ALL_USER_PROPERTIES`] | |
//!
//! # Every request ends once
//!
//! With its response or with one [`Error`]. [`Error::may_have_executed`] tells whether a retry could do something twice;
//! this crate never repeats a request that a handler may have got. The server has a time limit for requests, and this
//! side has one for [every call](SessionBuilder::request_timeout).
//!
//! # When the connection is lost
//!
//! The session tries to come back, as its [`ReconnectPolicy`] says. [`Session::events`] tells what happens.
//!
//! * If the server has kept the session, everything goes on: requests in flight get their answers, handlers answer.
//! * If not, a new session takes its place. Requests in flight fail with [`ErrorKind::SessionClosed`], and handlers are
//!   registered again. [`Session::id`] is another one then.
//! * Calls that are made meanwhile wait for the connection, within their time limit.
//!
//! # Cancel safety
//!
//! Every future of this crate may be dropped. Dropping a call ends the wait and frees what was kept for it; a request
//! that was sent still reaches its handler. Streams and `next` methods lose nothing.
//!
//! # Bounds
//!
//! Nothing grows without a bound; see [`Limits`]. Handlers run in tasks of their own, many at once. What several calls
//! send at the same time is written together, so one session is enough for thousands of requests at once.

mod builder;
mod clients;
mod core;
mod credentials;
mod deadline;
mod error;
mod events;
mod limits;
mod link;
mod messaging;
mod reconnect;
mod session;
mod shared;
mod supervisor;
#[cfg(test)]
mod tests;
mod transport;
pub mod value;

pub use antiphon_wire::ids::NotASessionId;
pub use antiphon_wire::ids::SessionId;

pub use crate::builder::SessionBuilder;
pub use crate::clients::Clients;
pub use crate::clients::FetchedSession;
pub use crate::clients::FetchedSessions;
pub use crate::credentials::Credentials;
pub use crate::error::Error;
pub use crate::error::ErrorKind;
pub use crate::error::FilterError;
pub use crate::events::CloseReason;
pub use crate::events::Events;
pub use crate::events::SessionEvent;
pub use crate::events::SessionState;
pub use crate::limits::Limits;
pub use crate::messaging::ALL_FIXED_PROPERTIES;
pub use crate::messaging::ALL_USER_PROPERTIES;
pub use crate::messaging::Addressing;
pub use crate::messaging::ByClosure;
pub use crate::messaging::ByTrait;
pub use crate::messaging::Collected;
pub use crate::messaging::FilterHandler;
pub use crate::messaging::FilterResponse;
pub use crate::messaging::FilterResponses;
pub use crate::messaging::Handler;
pub use crate::messaging::Messaging;
pub use crate::messaging::Registration;
pub use crate::messaging::Rejection;
pub use crate::messaging::RequestContext;
pub use crate::messaging::RequestHandler;
pub use crate::reconnect::ReconnectPolicy;
pub use crate::session::Session;
pub use crate::transport::TlsOptions;
pub use crate::value::AsJson;
pub use crate::value::DataType;
pub use crate::value::Json;
pub use crate::value::JsonValue;
pub use crate::value::RecordV2;
pub use crate::value::ToValue;
pub use crate::value::Value;
pub use crate::value::ValueError;
