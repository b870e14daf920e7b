//! What a call of the broker leaves for its driver to do.

use std::sync::Arc;

use antiphon_wire::ids::NodeId;
use antiphon_wire::service::events::CloseReason;

use crate::mailbox::Spare;
use crate::notes::Note;
use crate::session::Connection;
use crate::session::Session;

/// The sessions that have something to be written, and connections to be dropped. The driver passes it in, empties
/// [`Outbox::touched`] and [`Outbox::lost`], and may keep it for the next call.
#[derive(Debug)]
pub struct Outbox<X> {
    /// To be flushed, or transmitted if it is a link to another node. A session that is listed once is not listed again, here or in any other outbox, before it is
    /// flushed.
    pub touched: Vec<Arc<Session<X>>>,
    /// Connections that the broker has given up: their clients are gone without a farewell. The driver closes their
    /// sockets.
    pub lost: Vec<(Arc<Session<X>>, Connection)>,
    /// To be written down, if [`BrokerConfig::notes`](crate::BrokerConfig::notes) is set. The driver empties it.
    pub notes: Vec<Note>,
    /// Nodes that did not say in time what was asked of all, so that their sessions were left out, each named once. To be
    /// logged. The driver empties it.
    pub unheard: Vec<NodeId>,
    /// Writes a session at once, if the driver can: before a call that goes on for long, what somebody waits for.
    pub urgent: Option<fn(&Session<X>)>,
    /// Buffers for what is appended, and of what was flushed.
    pub spare: Spare,
    /// To be ended before the call returns, once no lock is held.
    pub(crate) doomed: Vec<(Arc<Session<X>>, CloseReason)>,
}

impl<X> Default for Outbox<X> {
    fn default() -> Self {
        Self {
            touched: Vec::new(),
            lost: Vec::new(),
            notes: Vec::new(),
            unheard: Vec::new(),
            urgent: None,
            spare: Spare::default(),
            doomed: Vec::new(),
        }
    }
}
