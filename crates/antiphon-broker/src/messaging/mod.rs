//! Requests, responses and handlers: services 85, 86, 88, 97, 98, 102 and 103.
//!
//! A request is entered at the session that has to answer it, in one step with the message to that session; whatever
//! then happens first (an answer, the deadline, the end of that session) takes the entry out and tells the sender.
//! So each accepted request has exactly one outcome. Nothing is ever delivered twice.

mod admission;
mod aim;
mod answers;
mod handlers;
mod requests;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::ErrorReport;

use crate::error::ServiceError;
use crate::filter::FilterError;

pub(crate) use crate::messaging::aim::Aim;
pub(crate) use crate::messaging::answers::Ending;
pub(crate) use crate::messaging::answers::Outcome;
pub(crate) use crate::messaging::requests::NOT_DELIVERED;
pub(crate) use crate::messaging::requests::Request;
pub(crate) use crate::messaging::requests::overloaded_recipient;

pub(crate) fn report(error: &FilterError) -> ErrorReport<'_> {
    ErrorReport { message: error.message(), line: error.line(), column: error.column() }
}

pub(crate) fn no_such_session(session: SessionId) -> ServiceError {
    ServiceError::new(Reason::NO_SUCH_SESSION, format!("no session {session}"))
}

/// What commonly stands around path and value: type, service, conversations, session id, type name and lengths.
pub(crate) const MOST_HEADERS: usize = 40;
