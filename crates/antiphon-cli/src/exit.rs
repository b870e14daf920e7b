//! What a command's end means to a script: the one table of exit codes, and which errors lead to which.

use std::process::ExitCode;

use antiphon::ErrorKind;

/// How a command ended. The number is its exit code; `docs/cli.md` has the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Wrong arguments or configuration, or an error that has no code of its own.
    Usage = 1,
    /// No connection could be made, or the server could not start.
    Connect = 2,
    /// The credentials are wrong, or a permission is missing.
    Authentication = 3,
    /// Nobody handles the path.
    NoHandler = 4,
    /// The handler rejected the request or failed.
    HandlerError = 5,
    /// No answer came in time.
    TimeOut = 6,
    /// A session does not exist, or ended.
    SessionGone = 7,
    /// A session filter does not parse, or a value is of the wrong type.
    FilterOrType = 8,
    /// Too much is under way.
    Overloaded = 9,
    /// Some of several requests failed.
    Partial = 10,
    /// No session matches the filter.
    NobodyMatched = 11,
    /// A second signal ended it at once.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error's name in JSON, and the end that it leads to.
pub(crate) const fn classify(kind: ErrorKind) -> (&'static str, Exit) {
    match kind {
        ErrorKind::CommunicationFailure => ("communication_failure", Exit::HandlerError),
        ErrorKind::SessionClosed => ("session_closed", Exit::SessionGone),
        ErrorKind::RequestTimeOut => ("request_time_out", Exit::TimeOut),
        ErrorKind::AccessDenied => ("access_denied", Exit::Authentication),
        ErrorKind::Unsupported => ("unsupported", Exit::Usage),
        ErrorKind::CallbackException => ("callback_exception", Exit::HandlerError),
        ErrorKind::InvalidData => ("invalid_data", Exit::FilterOrType),
        ErrorKind::NoSuchSession => ("no_such_session", Exit::SessionGone),
        ErrorKind::IncompatibleDataType => ("incompatible_data_type", Exit::FilterOrType),
        ErrorKind::UnhandledMessage => ("unhandled_message", Exit::NoHandler),
        ErrorKind::ClusterRepartition => ("cluster_repartition", Exit::Overloaded),
        ErrorKind::ClusterRouting => ("cluster_routing", Exit::Overloaded),
        ErrorKind::HandlerConflict => ("handler_conflict", Exit::Usage),
        ErrorKind::InvalidPath => ("invalid_path", Exit::Usage),
        ErrorKind::Rejected => ("rejected", Exit::HandlerError),
        ErrorKind::Overloaded => ("overloaded", Exit::Overloaded),
        ErrorKind::InvalidUrl => ("invalid_url", Exit::Usage),
        ErrorKind::Connect => ("connect", Exit::Connect),
        ErrorKind::Tls => ("tls", Exit::Connect),
        ErrorKind::Refused => ("refused", Exit::Connect),
        ErrorKind::AuthenticationFailed => ("authentication_failed", Exit::Authentication),
        ErrorKind::InvalidFilter => ("invalid_filter", Exit::FilterOrType),
        ErrorKind::Value => ("value", Exit::FilterOrType),
        ErrorKind::LimitExceeded => ("limit_exceeded", Exit::Overloaded),
        // A code that the server or a handler made up, or a kind that is newer than this program.
        _ => ("other", Exit::HandlerError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: ErrorKind, name: &str, code: u8) {
        let (found, exit) = classify(kind);
        assert_eq!((found, exit as u8), (name, code));
    }

    #[test]
    fn every_kind_of_error_has_its_code() {
        check(ErrorKind::InvalidUrl, "invalid_url", 1);
        check(ErrorKind::InvalidPath, "invalid_path", 1);
        check(ErrorKind::HandlerConflict, "handler_conflict", 1);
        check(ErrorKind::Unsupported, "unsupported", 1);
        check(ErrorKind::Connect, "connect", 2);
        check(ErrorKind::Tls, "tls", 2);
        check(ErrorKind::Refused, "refused", 2);
        check(ErrorKind::AuthenticationFailed, "authentication_failed", 3);
        check(ErrorKind::AccessDenied, "access_denied", 3);
        check(ErrorKind::UnhandledMessage, "unhandled_message", 4);
        check(ErrorKind::Rejected, "rejected", 5);
        check(ErrorKind::CallbackException, "callback_exception", 5);
        check(ErrorKind::CommunicationFailure, "communication_failure", 5);
        check(ErrorKind::Other(77), "other", 5);
        check(ErrorKind::RequestTimeOut, "request_time_out", 6);
        check(ErrorKind::NoSuchSession, "no_such_session", 7);
        check(ErrorKind::SessionClosed, "session_closed", 7);
        check(ErrorKind::InvalidFilter, "invalid_filter", 8);
        check(ErrorKind::IncompatibleDataType, "incompatible_data_type", 8);
        check(ErrorKind::InvalidData, "invalid_data", 8);
        check(ErrorKind::Value, "value", 8);
        check(ErrorKind::Overloaded, "overloaded", 9);
        check(ErrorKind::LimitExceeded, "limit_exceeded", 9);
        check(ErrorKind::ClusterRepartition, "cluster_repartition", 9);
        check(ErrorKind::ClusterRouting, "cluster_routing", 9);
    }
}
