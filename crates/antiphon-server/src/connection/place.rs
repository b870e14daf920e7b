//! Which connection of which session one is, and what its client means by closing it.

use std::net::IpAddr;
use std::sync::Arc;

use antiphon_broker::Connection as Number;
use antiphon_wire::connect::ClientFamily;
use antiphon_wire::service::events::CloseReason;

use crate::connection::End;
use crate::flush::Session;

/// Which connection of which session this is.
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

    /// What a close frame means. Going away and an ordinary end are the client's wish; other codes say that something
    /// failed.
    pub(super) fn closed(&self, code: Option<u16>) -> End {
        let is_wish = matches!(code, None | Some(1000 | 1001));
        if is_wish && (self.closes_by_websocket || !self.session.can_come_back()) {
            End::Close(CloseReason::ClosedByClient)
        } else {
            End::Lose("the client closed the WebSocket")
        }
    }
}
