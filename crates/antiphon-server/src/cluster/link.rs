//! One link to one node, for as long as it is here: pieces become transmissions again, which the broker serves. Whether they belong
//! together, and what is to be done if one is missing, the broker decides.

use std::sync::Arc;

use antiphon_broker::Broken;
use parking_lot::Mutex;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::cluster::fabric::Peer;
use crate::cluster::fabric::Way;
use crate::cluster::frame::Frame;
use crate::cluster::frame::Piece;
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
}

#[derive(Default)]
struct Inbound {
    /// The stream of the other end, and how much of it has come.
    stream: u64,
    received: u64,
    /// What has come of a transmission; `None` if its beginning is missing.
    begun: Option<Vec<u8>>,
    /// The node speaks another version, and there is no link.
    is_refused: bool,
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
        Ok(Self { peer, outbound, session, inbound: Mutex::default() })
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
        if inbound.is_refused {
            return;
        }
        let (Piece { from, offset, is_last, bytes, .. }, is_whole) =
            (piece.clone(), inbound.take(&piece));
        // One that came in a single piece needs no other place.
        let served = match (is_whole, inbound.begun.take()) {
            (true, _) => self.serve(bytes, shared),
            (false, Some(transmission)) if is_last => self.serve(&transmission, shared),
            (false, begun) => {
                inbound.begun = begun;
                Ok(())
            }
        };
        if matches!(served, Err(Broken::Version(_))) {
            inbound.is_refused = true;
            self.part(shared);
        }
        // Who leaves waits until all has arrived.
        let is_awaited = self.session.node_is_leaving();
        self.outbound.received(from, offset + bytes.len() as u64, is_awaited);
    }

    fn serve(&self, transmission: &[u8], shared: &Shared) -> Result<(), Broken> {
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
        served
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

impl Inbound {
    /// Takes a piece. True if it is a whole transmission by itself.
    fn take(&mut self, piece: &Piece<'_>) -> bool {
        if (piece.from, piece.offset) != (self.stream, self.received) {
            // Something is missing, or this is another stream: go on where the next transmission begins.
            self.stream = piece.from;
            self.begun = None;
        }
        self.received = piece.offset + piece.bytes.len() as u64;
        if piece.is_first {
            self.begun = (!piece.is_last).then(|| piece.bytes.to_vec());
            return piece.is_last;
        }
        if let Some(begun) = &mut self.begun {
            begun.extend_from_slice(piece.bytes);
        }
        false
    }
}

/// A node as it is named everywhere.
pub(crate) fn shown(peer: Peer) -> String {
    format!("{:016x}", peer.node.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transmissions that come of pieces `(from, offset, first, last, bytes)`.
    fn whole(pieces: &[(u64, u64, bool, bool, &str)]) -> Vec<String> {
        let mut inbound = Inbound::default();
        let mut got = Vec::new();
        for (from, offset, is_first, is_last, bytes) in pieces {
            let (from, offset, is_first, is_last) = (*from, *offset, *is_first, *is_last);
            let bytes = bytes.as_bytes();
            let is_whole = inbound.take(&Piece { from, offset, is_first, is_last, bytes });
            let done =
                if is_whole { Some(bytes.to_vec()) } else { inbound.begun.take_if(|_| is_last) };
            got.extend(done.map(|bytes| String::from_utf8(bytes).unwrap()));
        }
        got
    }

    #[test]
    fn pieces_become_transmissions() {
        let pieces = [
            (1, 0, true, true, "ab"),
            (1, 2, true, false, "cd"),
            (1, 4, false, false, "ef"),
            (1, 6, false, true, "g"),
            (1, 7, true, true, "h"),
        ];
        assert_eq!(whole(&pieces), ["ab", "cdefg", "h"]);
    }

    #[test]
    fn a_transmission_of_which_a_piece_is_missing_is_missing_as_a_whole() {
        let pieces = [
            (1, 0, true, false, "ab"),
            (1, 4, false, true, "ef"),
            (1, 6, false, true, "g"),
            (1, 7, true, false, "h"),
            (2, 0, false, true, "i"),
            (2, 1, true, true, "j"),
        ];
        assert_eq!(whole(&pieces), ["j"]);
    }
}
