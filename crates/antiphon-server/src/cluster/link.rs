//! One link to one node, for as long as it is here: what comes over it the broker serves, and decides what is to be done if something is
//! missing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_broker::Broken;
use parking_lot::Mutex;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::cluster::fabric::Peer;
use crate::cluster::fabric::Way;
use crate::cluster::frame::Frame;
use crate::cluster::inbound::Inbound;
use crate::cluster::inbound::Taken;
use crate::cluster::outbound::Carried;
use crate::cluster::outbound::Outbound;
use crate::flush;
use crate::flush::Session;
use crate::line::Line;
use crate::shared::Shared;

/// A link.
pub(crate) struct Link {
    peer: Peer,
    outbound: Arc<Outbound>,
    session: Arc<Session>,
    /// Held while a frame is served, so that they are in order.
    inbound: Mutex<Inbound>,
    /// The node speaks another version, and there is no link.
    is_refused: AtomicBool,
}

impl Link {
    /// Begins one.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new(peer: Peer, way: Arc<dyn Way>, shared: &Shared) -> std::io::Result<Self> {
        let incarnation = getrandom::u64()?;
        let outbound = Arc::new(Outbound::new(way));
        let line = Line::node(Arc::clone(&outbound));
        let mut outbox = flush::delivery();
        let now = shared.clock.now();
        let session = shared.broker.join((peer.node, incarnation), line, now, &mut outbox);
        drop(outbox);
        info!(node = %shown(peer), "a node is here");
        let mailbox = shared.config.load().cluster.mailbox;
        let inbound = Mutex::new(Inbound::new(MAILBOXES.saturating_mul(mailbox)));
        Ok(Self { peer, outbound, session, inbound, is_refused: AtomicBool::new(false) })
    }

    /// Serves a frame of the node.
    pub(crate) fn receive(&self, frame: &[u8], shared: &Shared) {
        let Ok(Frame { receipt, piece }) = Frame::read(frame) else {
            return warn!(node = %shown(self.peer), "a node sends what is no frame");
        };
        if let Some(connection) = self.outbound.arrived(receipt) {
            self.session.unblock(connection);
            flush::write(&self.session);
        }
        let Some(piece) = piece else { return };
        let mut inbound = self.inbound.lock();
        if self.is_refused.load(Relaxed) {
            return;
        }
        let (from, end) = (piece.from, piece.end());
        match inbound.take(&piece) {
            Taken::Part => {}
            Taken::Whole(transmission) => self.serve(&transmission, shared),
            Taken::TooLarge => self.begin_anew(inbound.most(), shared),
        }
        // Who leaves waits until all has arrived.
        let is_awaited = self.session.node_is_leaving();
        self.outbound.received(from, end, is_awaited);
    }

    fn serve(&self, transmission: &[u8], shared: &Shared) {
        let mut outbox = flush::delivery();
        let now = shared.clock.now();
        let served = shared.broker.transmission(&self.session, transmission, now, &mut outbox);
        shared.audit.take(&mut outbox.notes, None);
        drop(outbox);
        match &served {
            Ok(()) => {}
            Err(problem @ (Broken::BegunAnew | Broken::Gap)) => {
                warn!(node = %shown(self.peer), "the link to a node begins anew: {problem}");
            }
            Err(problem) => error!(node = %shown(self.peer), "no link to a node: {problem}"),
        }
        if matches!(served, Err(Broken::Version(_))) {
            self.is_refused.store(true, Relaxed);
            self.part(shared);
        }
    }

    /// The node transmits more at a time than is kept for it.
    fn begin_anew(&self, most: usize, shared: &Shared) {
        error!(
            node = %shown(self.peer),
            "the link to a node begins anew: it transmits more than {most} bytes at a time, twice cluster.mailbox"
        );
        let mut outbox = flush::delivery();
        shared.broker.begin_anew(&self.session, &mut outbox);
        shared.audit.take(&mut outbox.notes, None);
    }

    /// The node is gone.
    pub(crate) fn end(&self, shared: &Shared) {
        info!(node = %shown(self.peer), "a node is gone");
        self.part(shared);
    }

    fn part(&self, shared: &Shared) {
        let mut outbox = flush::delivery();
        shared.broker.part(&self.session, &mut outbox);
        shared.audit.take(&mut outbox.notes, None);
    }

    pub(crate) const fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether all that was to be told has arrived.
    pub(crate) fn has_settled(&self) -> bool {
        let Carried { underway_bytes, is_blocked, .. } = self.outbound.carried();
        underway_bytes == 0 && !is_blocked && !self.session.has_mail()
    }

    pub(crate) fn carried(&self) -> Carried {
        self.outbound.carried()
    }
}

/// A node as it is named everywhere.
pub(crate) fn shown(peer: Peer) -> String {
    format!("{:016x}", peer.node.0)
}

/// What is transmitted at a time is some MiB, or one message, and none is larger than so many mailboxes.
const MAILBOXES: usize = 2;
