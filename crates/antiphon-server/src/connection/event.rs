//! What a frame from the socket means for its session. Reads and writes no sockets.

use std::net::IpAddr;
use std::sync::Arc;

use antiphon_broker::Authentication;
use antiphon_broker::Batch;
use antiphon_broker::Connection as Number;
use antiphon_broker::Next;
use antiphon_broker::SecurityUpdate;
use antiphon_broker::takes_long;
use antiphon_wire::connect::ClientFamily;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::websocket::Event;
use antiphon_wire::websocket::Violation;
use antiphon_wire::websocket::put_pong;
use tracing::trace;

use crate::flush::Outbox;
use crate::flush::Session;
use crate::line::Line;
use crate::shared::Shared;
use crate::socket::Signal;

/// Which connection of which session this is.
#[derive(Clone)]
pub(crate) struct Place {
    pub(super) session: Arc<Session>,
    pub(super) number: Number,
    pub(super) client: IpAddr,
    /// Whether a client that closes the WebSocket closes its session. Python has no other way to say so; the others
    /// close the WebSocket also when they have lost the connection, and say it with a message when they close.
    closes_by_websocket: bool,
}

impl Place {
    pub(crate) fn new(
        session: Arc<Session>,
        number: Number,
        client: IpAddr,
        family: ClientFamily,
    ) -> Self {
        Self { session, number, client, closes_by_websocket: family == ClientFamily::Python }
    }
}

/// Why a connection is read no more, for now or for ever.
pub(super) enum End {
    /// The session has asked to be authenticated.
    Ask(Box<Authentication>),
    /// The session has asked for a change of principals or roles.
    Update(Box<SecurityUpdate>),
    /// This message takes so long that it is served aside.
    Aside(Vec<u8>),
    /// It has said so much that others have their turn.
    Rest,
    /// The broker has ended the session.
    ByBroker,
    /// The session has another connection, or has given this one up.
    GivenUp,
    /// The session must end.
    Close(CloseReason),
    /// The connection is of no use any more.
    Lose(&'static str),
}

/// Serves a message, or does what another event means.
pub(super) fn take_event(
    shared: &Shared,
    place: &Place,
    batch: &mut Batch<'_, Line>,
    event: Event<'_>,
    outbox: &mut Outbox,
) -> Option<End> {
    let session = &place.session;
    match event {
        Event::Message(message) => {
            trace!(session = %session.id(), bytes = message.len(), "message");
            match takes_long(message) {
                true => Some(End::Aside(message.to_vec())),
                false => take_message(shared, batch, message, outbox),
            }
        }
        Event::Fragment | Event::Pong => None,
        Event::Ping(payload) => {
            // A client that does not read must not fill its mailbox with pongs.
            if session.driver().socket().signal() != Signal::Blocked {
                session.put_frame(|out| put_pong(out, payload), outbox);
            }
            None
        }
        Event::Close(code) => Some(place.closed(code)),
    }
}

/// Serves a message.
pub(super) fn take_message(
    shared: &Shared,
    batch: &mut Batch<'_, Line>,
    message: &[u8],
    outbox: &mut Outbox,
) -> Option<End> {
    match shared.figures.timed(message, || batch.message(message, outbox)) {
        Next::Continue => None,
        Next::Closed => Some(End::ByBroker),
        Next::Reconnect => Some(End::Lose("the client has lost messages unawares")),
        Next::Authenticate(authentication) => Some(End::Ask(authentication)),
        Next::UpdateSecurity(update) => Some(End::Update(update)),
    }
}

impl Place {
    /// What a close frame means. Going away and an ordinary end are the client's wish; other codes say that something
    /// failed.
    fn closed(&self, code: Option<u16>) -> End {
        let is_wish = matches!(code, None | Some(1000 | 1001));
        if is_wish && (self.closes_by_websocket || !self.session.can_come_back()) {
            End::Close(CloseReason::ClosedByClient)
        } else {
            End::Lose("the client closed the WebSocket")
        }
    }
}

/// Why a session ends whose client broke a rule.
pub(super) fn reason_of(violation: &Violation) -> CloseReason {
    match violation {
        Violation::MessageTooLarge { .. } => CloseReason::MessageTooLarge,
        _ => CloseReason::InvalidInboundMessage,
    }
}
