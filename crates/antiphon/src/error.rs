//! What can go wrong, in one opaque type: a kind for programs, a text for people, and whether a retry is safe.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use antiphon_wire::error::Malformed;
use antiphon_wire::error::Reason;
use antiphon_wire::path::InvalidPath;
use antiphon_wire::service::ErrorReport;

use crate::value::ValueError;

/// Why a call failed.
///
/// ```
/// # async fn ask(session: &antiphon::Session) -> Result<(), antiphon::Error> {
/// use antiphon::ErrorKind;
///
/// match session.messaging().send_request_to_path::<String>("greetings", "world").await {
///     Ok(answer) => println!("{answer}"),
///     Err(error) if error.kind() == ErrorKind::UnhandledMessage => println!("nobody is there"),
///     Err(error) if !error.may_have_executed() => println!("nothing happened, try again: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    text: String,
    code: Option<u32>,
    may_have_executed: bool,
    filter_errors: Vec<FilterError>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Code 100: the other side does not know what it was asked for.
    CommunicationFailure,
    /// Code 101, and whatever was under way when a session or its connection ended.
    SessionClosed,
    /// Code 102, and calls that took longer than [`request_timeout`](crate::SessionBuilder::request_timeout).
    RequestTimeOut,
    /// Code 103: a permission is missing.
    AccessDenied,
    /// Code 104: the server does not offer the service.
    Unsupported,
    /// Code 105: the handler failed, or panicked.
    CallbackException,
    /// Code 106: the server or the recipient could not read the message.
    InvalidData,
    /// Code 107: the addressed session does not exist, or ended before it answered.
    NoSuchSession,
    /// Code 108: the recipient wants another data type.
    IncompatibleDataType,
    /// Code 109: nobody handles the path.
    UnhandledMessage,
    /// Code 110: the cluster is rearranging.
    ClusterRepartition,
    /// Code 112: the cluster could not route the request.
    ClusterRouting,
    /// Code 201: the session has a handler for the path already.
    HandlerConflict,
    /// Code 202: the path breaks a rule.
    InvalidPath,
    /// Code 9003: the handler rejected the request.
    Rejected,
    /// Code 9003 with a text that begins with `overloaded`: too much is under way at the recipient or the sender.
    Overloaded,
    /// Another code.
    Other(u32),
    /// The URL is not one that a session can be opened at.
    InvalidUrl,
    /// No connection could be made.
    Connect,
    /// TLS certificates or keys are unusable, or the server's certificate is not trusted.
    Tls,
    /// The server refused the connection for another reason than the credentials.
    Refused,
    /// The principal or the credentials are wrong.
    AuthenticationFailed,
    /// The session filter does not parse; see [`Error::filter_errors`].
    InvalidFilter,
    /// A value does not fit its type; the source is a [`ValueError`].
    Value,
    /// A bound of [`Limits`](crate::Limits) was met.
    LimitExceeded,
}

/// What is wrong with a session filter, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// For people.
    pub message: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
}

impl FilterError {
    fn of(report: &ErrorReport<'_>) -> Self {
        Self { message: report.message.to_owned(), line: report.line, column: report.column }
    }
}

impl Error {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the server, the handler or this crate says of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The reason code, if the error came over the wire.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        self.0.code
    }

    /// Whether no answer came in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::RequestTimeOut
    }

    /// Whether too much is under way; later the same call may succeed.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Overloaded | ErrorKind::LimitExceeded)
    }

    /// Whether this session is over or was interrupted.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.kind == ErrorKind::SessionClosed
    }

    /// Whether a handler may have got the request. False only where that is certain not to be: then a retry cannot
    /// do anything twice.
    #[must_use]
    pub fn may_have_executed(&self) -> bool {
        self.0.may_have_executed
    }

    /// Where a session filter is wrong; empty for other kinds of failure.
    #[must_use]
    pub fn filter_errors(&self) -> &[FilterError] {
        &self.0.filter_errors
    }

    /// An error of this side. Of the kinds that are made here, three leave open what became of the request.
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        let may_have_executed =
            matches!(kind, ErrorKind::SessionClosed | ErrorKind::RequestTimeOut);
        Self::from(Inner { may_have_executed, ..Inner::new(kind, text.into()) })
    }

    /// An error of this side about an answer that came.
    pub(crate) fn answered(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self::from(Inner { may_have_executed: true, ..Inner::new(kind, text.into()) })
    }

    /// A path that breaks a rule.
    pub(crate) fn invalid_path(path: &str, rule: InvalidPath) -> Self {
        Self::new(ErrorKind::InvalidPath, format!("invalid path {path:?}: {rule}"))
    }

    /// An error with the one that caused it.
    pub(crate) fn caused(
        kind: ErrorKind,
        text: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let source = Some(source.into());
        Self::from(Inner { source, ..Inner::new(kind, text.into()) })
    }

    /// The request was never sent.
    pub(crate) fn unsent(self) -> Self {
        Self::from(Inner::new(self.0.kind, self.0.text.clone()))
    }

    /// The handler has answered, but the answer is of no use.
    pub(crate) fn of_response(error: ValueError) -> Self {
        let text = format!("the response cannot be read: {error}");
        let inner = Inner::new(ErrorKind::Value, text);
        Self::from(Inner { may_have_executed: true, source: Some(error.into()), ..inner })
    }

    pub(crate) fn invalid_filter(reports: &[ErrorReport<'_>]) -> Self {
        let filter_errors: Vec<_> = reports.iter().map(FilterError::of).collect();
        let mut text = "the session filter is not valid".to_owned();
        for FilterError { message, line, column } in &filter_errors {
            text.push_str(&format!("; line {line}, column {column}: {message}"));
        }
        Self::from(Inner { filter_errors, ..Inner::new(ErrorKind::InvalidFilter, text) })
    }

    /// An error that the server sent, its own or a handler's.
    pub(crate) fn from_server(reason: Reason, text: &str) -> Self {
        let kind = ErrorKind::of(reason, text);
        let may_have_executed = kind.may_have_executed(text);
        let inner = Inner::new(kind, text.to_owned());
        Self::from(Inner { code: Some(reason.0), may_have_executed, ..inner })
    }
}

impl Inner {
    /// Of a request that no handler has got.
    fn new(kind: ErrorKind, text: String) -> Self {
        Self {
            kind,
            text,
            code: None,
            may_have_executed: false,
            filter_errors: Vec::new(),
            source: None,
        }
    }
}

impl From<Inner> for Error {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl ErrorKind {
    fn of(reason: Reason, text: &str) -> Self {
        match reason {
            Reason::COMMUNICATION_FAILURE => Self::CommunicationFailure,
            Reason::SESSION_CLOSED => Self::SessionClosed,
            Reason::REQUEST_TIME_OUT => Self::RequestTimeOut,
            Reason::ACCESS_DENIED => Self::AccessDenied,
            Reason::UNSUPPORTED => Self::Unsupported,
            Reason::CALLBACK_EXCEPTION => Self::CallbackException,
            Reason::INVALID_DATA => Self::InvalidData,
            Reason::NO_SUCH_SESSION => Self::NoSuchSession,
            Reason::INCOMPATIBLE_DATATYPE => Self::IncompatibleDataType,
            Reason::UNHANDLED_MESSAGE => Self::UnhandledMessage,
            Reason::CLUSTER_REPARTITION => Self::ClusterRepartition,
            Reason::CLUSTER_ROUTING => Self::ClusterRouting,
            Reason::HANDLER_CONFLICT => Self::HandlerConflict,
            Reason::INVALID_PATH => Self::InvalidPath,
            Reason::REJECTED_REQUEST if text.starts_with(OVERLOADED) => Self::Overloaded,
            Reason::REJECTED_REQUEST => Self::Rejected,
            Reason(code) => Self::Other(code),
        }
    }

    /// Of an error that the server sent. What is not known to be refused before delivery may have been delivered.
    fn may_have_executed(self, text: &str) -> bool {
        match self {
            Self::AccessDenied
            | Self::Unsupported
            | Self::UnhandledMessage
            | Self::ClusterRepartition
            | Self::ClusterRouting
            | Self::HandlerConflict
            | Self::InvalidPath
            | Self::Overloaded => false,
            Self::NoSuchSession => !text.starts_with(NO_SUCH_SESSION),
            _ => true,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::CommunicationFailure => "communication failed",
            Self::SessionClosed => "session closed",
            Self::RequestTimeOut => "request timed out",
            Self::AccessDenied => "access denied",
            Self::Unsupported => "not supported",
            Self::CallbackException => "the handler failed",
            Self::InvalidData => "invalid data",
            Self::NoSuchSession => "no such session",
            Self::IncompatibleDataType => "incompatible data type",
            Self::UnhandledMessage => "no handler",
            Self::ClusterRepartition => "the cluster is rearranging",
            Self::ClusterRouting => "the cluster could not route",
            Self::HandlerConflict => "handler conflict",
            Self::InvalidPath => "invalid path",
            Self::Rejected => "rejected",
            Self::Overloaded => "overloaded",
            Self::Other(_) => "failed",
            Self::InvalidUrl => "invalid URL",
            Self::Connect => "cannot connect",
            Self::Tls => "TLS failed",
            Self::Refused => "connection refused by the server",
            Self::AuthenticationFailed => "authentication failed",
            Self::InvalidFilter => "invalid filter",
            Self::Value => "value of the wrong type",
            Self::LimitExceeded => "limit exceeded",
        }
    }
}

impl fmt::Display for ErrorKind {
    /// In a few words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())?;
        if let Self::Other(code) = self {
            write!(f, " with code {code}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, text, .. } = &*self.0;
        let words = kind.words();
        if text.starts_with(words) {
            return f.write_str(text);
        }
        write!(f, "{kind}: {text}")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("text", &self.0.text)
            .field("may_have_executed", &self.0.may_have_executed)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<ValueError> for Error {
    /// Of a request, which was not sent.
    fn from(error: ValueError) -> Self {
        Self::caused(ErrorKind::Value, error.to_string(), error)
    }
}

impl From<Malformed> for Error {
    /// Of a response that the server sent.
    fn from(fault: Malformed) -> Self {
        let text = format!("the server's response cannot be read: {fault}");
        Self::caused(ErrorKind::InvalidData, text, fault)
    }
}

/// How Antiphon begins the text of a refusal for want of room.
const OVERLOADED: &str = "overloaded";

/// How Antiphon begins the text of error 107 if nothing was delivered.
const NO_SUCH_SESSION: &str = "no session";
