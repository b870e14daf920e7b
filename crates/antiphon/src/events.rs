//! What happens to a session: its state, the events that change it, and why it ended.

use std::fmt;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use antiphon_wire::ids::SessionId;
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::error::Error;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// It can send and answer.
    Connected,
    /// Its connection is lost. Calls wait until it is back.
    Recovering,
    /// It is over.
    Closed(CloseReason),
}

/// What happened to a session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SessionEvent {
    /// It is connected: what a listener that comes later is told first.
    Connected(SessionId),
    /// Its connection was lost.
    Recovering,
    /// It is connected again.
    Reconnected {
        /// The session, which is another one unless `resumed`.
        session: SessionId,
        /// Whether the server had kept the session. If not, its requests in flight have failed, its properties are
        /// those of a new session, and its handlers are being registered again.
        resumed: bool,
    },
    /// A handler could not be registered again after the session was lost, and is gone.
    HandlerLost {
        /// The path that it was registered for.
        path: String,
        /// Why.
        error: Error,
    },
    /// It is over. Nothing follows.
    Closed(CloseReason),
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it, by [`Session::close`](crate::Session::close) or by dropping its last handle.
    ClosedByClient,
    /// The server closed it, perhaps because another session asked for that.
    ClosedByServer,
    /// The connection was lost and could not be made again.
    ConnectionLost,
    /// The server does not accept the credentials any more.
    AccessDenied,
    /// The server refused the connection for another reason.
    Refused,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClosedByClient => "the session was closed here",
            Self::ClosedByServer => "the session was closed by the server",
            Self::ConnectionLost => "the connection was lost and could not be made again",
            Self::AccessDenied => "the server does not accept the credentials any more",
            Self::Refused => "the server refused to take the session up again",
        })
    }
}

/// The events of a session, as a [`Stream`] or by [`Events::next`]. It ends after [`SessionEvent::Closed`].
///
/// A listener that takes nothing misses what comes after its first 64 events, but never the last.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<SessionEvent>,
}

impl Events {
    pub(crate) fn channel() -> (mpsc::Sender<SessionEvent>, Self) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (sender, Self { receiver })
    }

    /// The next event; `None` after the last.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        self.receiver.recv().await
    }
}

impl Stream for Events {
    type Item = SessionEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionEvent>> {
        self.receiver.poll_recv(cx)
    }
}

/// One place is kept for the last event.
const CAPACITY: usize = 65;
