//! The bounds of a session. Nothing in it grows without one.

use std::time::Duration;

/// How much a session may take.
///
/// ```
/// use antiphon::Limits;
///
/// let limits = Limits { handler_concurrency: 8, ..Limits::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest message taken from the server, in bytes. Default 16 MiB.
    pub message: usize,
    /// Calls that await their answer at once; more wait for their turn. Default 16,384, at most 1,048,576.
    pub requests_in_flight: usize,
    /// Handlers that run at once. Default 1,024.
    pub handler_concurrency: usize,
    /// Requests that wait for a handler; those that find no room are refused as overloaded. Default 16,384.
    pub handler_queue: usize,
    /// How long a handler may take; then it is dropped and its sender told so. Default 60 s. The server has a limit of
    /// its own, 10 seconds unless configured otherwise, and tells the sender when that is over.
    pub handler_timeout: Duration,
    /// Bytes that wait to be written before calls wait too, and nothing is read. Default 1 MiB.
    pub outbound: usize,
    /// Bytes of responses that one filter request holds until they are taken; what comes beyond becomes an error.
    /// Default 64 MiB.
    pub filter_responses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            requests_in_flight: 16_384,
            handler_concurrency: 1024,
            handler_queue: 16_384,
            handler_timeout: Duration::from_secs(60),
            outbound: 1 << 20,
            filter_responses: 64 << 20,
        }
    }
}
