//! What goes out over one link: transmissions in pieces, and never more of them on its way than the fabric surely takes, so that
//! whoever writes never waits. The rest of a transmission is kept here, and further ones stay in the link's mailbox, as they do
//! for a socket that takes no more.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;

use antiphon_broker::Connection;
use parking_lot::Mutex;

use crate::cluster::fabric::FabricError;
use crate::cluster::fabric::Way;
use crate::cluster::frame::Frame;
use crate::cluster::frame::Piece;
use crate::cluster::frame::Receipt;

/// The sending side of a link.
pub(crate) struct Outbound {
    way: Arc<dyn Way>,
    /// Of this stream; no other one of this process has it.
    number: u64,
    sending: Mutex<Sending>,
    /// The other end's stream.
    theirs: AtomicU64,
    received: AtomicU64,
    /// Pieces that the other end was not told of.
    untold: AtomicU64,
}

#[derive(Default)]
struct Sending {
    sent: u64,
    /// Of what was sent, what has arrived.
    arrived: u64,
    /// Where each piece ends that is on its way.
    underway: VecDeque<u64>,
    transmissions: u64,
    /// What is left of the last transmission begins at this place.
    rest: (Vec<u8>, usize),
    /// The session waits for room, with this connection.
    blocked: Option<Connection>,
}

/// Counts of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Carried {
    pub(crate) sent_bytes: u64,
    pub(crate) transmissions: u64,
    pub(crate) received_bytes: u64,
    /// Sent, but not known to have arrived.
    pub(crate) underway_bytes: u64,
    pub(crate) is_blocked: bool,
}

impl Outbound {
    pub(crate) fn new(way: Arc<dyn Way>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self {
            way,
            number: NUMBERS.fetch_add(1, Relaxed),
            sending: Mutex::default(),
            theirs: AtomicU64::new(0),
            received: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }

    /// Takes a transmission, header and what follows it, and sends as much of it as may be on its way.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if nothing more may be on its way: the session waits.
    pub(crate) fn transmit(
        &self,
        connection: Connection,
        header: &[u8],
        messages: &[u8],
    ) -> io::Result<()> {
        let mut sending = self.sending.lock();
        if !sending.has_room() || sending.has_rest() {
            sending.blocked = Some(connection);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        sending.transmissions += 1;
        sending.rest = ([header, messages].concat(), 0);
        self.send_rest(&mut sending).map_err(io::Error::other)
    }

    /// Whether somebody is to go on when there is room.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.sending.lock().blocked.is_some()
    }

    fn send_rest(&self, sending: &mut Sending) -> Result<(), FabricError> {
        while sending.has_rest() && sending.has_room() {
            let (bytes, from) = &sending.rest;
            let to = bytes.len().min(from + LARGEST_PIECE);
            let piece = Piece {
                from: self.number,
                offset: sending.sent,
                is_first: *from == 0,
                is_last: to == bytes.len(),
                bytes: &bytes[*from..to],
            };
            let frame = Frame { receipt: self.tell(), piece: Some(piece) }.bytes();
            sending.sent += (to - from) as u64;
            sending.rest.1 = to;
            sending.underway.push_back(sending.sent);
            self.way.send(frame)?;
        }
        if !sending.has_rest() {
            sending.rest = (Vec::new(), 0);
        }
        Ok(())
    }

    /// So much has arrived at the other end. If that makes room for which the session was waiting, it has to go on, with that
    /// connection.
    pub(crate) fn arrived(&self, receipt: Receipt) -> Option<Connection> {
        let mut sending = self.sending.lock();
        if receipt.of != self.number || receipt.received <= sending.arrived {
            return None;
        }
        let arrived = receipt.received.min(sending.sent);
        sending.arrived = arrived;
        while sending.underway.pop_front_if(|end| *end <= arrived).is_some() {}
        // If that fails the node is gone, and the link ends.
        let _ = self.send_rest(&mut sending);
        if sending.has_rest() || !sending.has_room() {
            return None;
        }
        sending.blocked.take()
    }

    /// So many bytes of the other end's stream are here. It hears of that with the next piece, or now if it is long overdue or
    /// `is_awaited`.
    pub(crate) fn received(&self, stream: u64, bytes: u64, is_awaited: bool) {
        self.theirs.store(stream, Release);
        self.received.store(bytes, Relaxed);
        if self.untold.fetch_add(1, AcqRel) + 1 >= MOST_UNTOLD || is_awaited {
            let frame = Frame { receipt: self.tell(), piece: None };
            // Whoever is gone needs none.
            let _ = self.way.send(frame.bytes());
        }
    }

    fn tell(&self) -> Receipt {
        self.untold.store(0, Release);
        Receipt { of: self.theirs.load(Acquire), received: self.received.load(Relaxed) }
    }

    pub(crate) fn carried(&self) -> Carried {
        let sending = self.sending.lock();
        Carried {
            sent_bytes: sending.sent,
            transmissions: sending.transmissions,
            received_bytes: self.received.load(Relaxed),
            underway_bytes: sending.sent - sending.arrived,
            is_blocked: sending.has_rest() || !sending.has_room(),
        }
    }
}

impl Sending {
    /// Whether one more piece may be on its way.
    fn has_room(&self) -> bool {
        self.underway.len() < MOST_UNDERWAY
    }

    const fn has_rest(&self) -> bool {
        self.rest.1 < self.rest.0.len()
    }
}

/// Pieces that may be on their way to one node. A fabric has to take as many without waiting, and with them
/// the receipts for as many others.
pub(crate) const MOST_UNDERWAY: usize = 10;

/// Such that one fits into one batch of the fabric with all that is around it.
pub(crate) const LARGEST_PIECE: usize = 60 << 10;

/// Early enough that the other end need not stop.
pub(crate) const MOST_UNTOLD: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Wire(Mutex<Vec<Vec<u8>>>);

    impl Way for Wire {
        fn send(&self, frame: Vec<u8>) -> Result<(), FabricError> {
            self.0.lock().push(frame);
            Ok(())
        }
    }

    fn outbound() -> (Outbound, Arc<Wire>) {
        let wire = Arc::<Wire>::default();
        (Outbound::new(wire.clone()), wire)
    }

    fn stream_on(wire: &Wire) -> (Vec<u8>, Vec<(bool, bool)>) {
        let (mut stream, mut places) = (Vec::new(), Vec::new());
        for frame in wire.0.lock().iter() {
            let Some(piece) = Frame::read(frame).unwrap().piece else { continue };
            assert_eq!(piece.offset as usize, stream.len());
            assert!(piece.bytes.len() <= LARGEST_PIECE);
            stream.extend_from_slice(piece.bytes);
            places.push((piece.is_first, piece.is_last));
        }
        (stream, places)
    }

    #[test]
    fn a_transmission_is_cut_into_pieces() {
        let (outbound, wire) = outbound();
        let messages: Vec<u8> = (0..LARGEST_PIECE + 10).map(|index| index as u8).collect();
        outbound.transmit(Connection::FIRST, b"head", &messages).unwrap();
        outbound.transmit(Connection::FIRST, b"head", b"").unwrap();
        let (stream, places) = stream_on(&wire);
        assert_eq!(stream, [b"head", &messages[..], b"head"].concat());
        assert_eq!(places, [(true, false), (false, true), (true, true)]);
    }

    #[test]
    fn no_more_is_on_its_way_than_may_be_and_what_arrives_makes_room() {
        const MOST: usize = MOST_UNDERWAY * LARGEST_PIECE;
        const PIECE: u64 = LARGEST_PIECE as u64;
        let (outbound, wire) = outbound();
        let of = outbound.number;
        let sent = |count: usize| assert_eq!(stream_on(&wire).0.len(), count);
        outbound.transmit(Connection::FIRST, b"", &vec![1; MOST + 100]).unwrap();
        sent(MOST);
        let refused = outbound.transmit(Connection::FIRST, b"", b"more").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(outbound.carried().is_blocked);
        let arrived = |of, received| outbound.arrived(Receipt { of, received });
        assert_eq!(arrived(of, 0), None, "nothing has arrived");
        assert_eq!(arrived(of + 1, PIECE), None, "of another stream");
        assert_eq!(arrived(of, PIECE - 1), None, "not the whole piece");
        sent(MOST);
        assert_eq!(arrived(of, PIECE), None, "the rest comes first");
        sent(MOST + 100);
        assert_eq!(arrived(of, 2 * PIECE), Some(Connection::FIRST), "whoever waits goes on");
        assert_eq!(arrived(of, 3 * PIECE), None, "and only once");
        assert_eq!(arrived(of, u64::MAX), None, "more than was sent");
        assert_eq!(outbound.carried().underway_bytes, 0);
    }

    #[test]
    fn small_transmissions_count_as_large_ones() {
        let (outbound, _wire) = outbound();
        for _ in 0..MOST_UNDERWAY {
            outbound.transmit(Connection::FIRST, b"", b"x").unwrap();
        }
        assert!(outbound.transmit(Connection::FIRST, b"", b"x").is_err());
    }

    #[test]
    fn what_was_received_is_told_with_the_next_piece_or_when_it_is_much() {
        let (outbound, wire) = outbound();
        (1..MOST_UNTOLD).for_each(|number| outbound.received(5, number, false));
        assert!(wire.0.lock().is_empty());
        outbound.transmit(Connection::FIRST, b"", b"x").unwrap();
        (1..MOST_UNTOLD).for_each(|number| outbound.received(5, 10 + number, false));
        assert_eq!(wire.0.lock().len(), 1, "the piece told of all but these");
        outbound.received(5, 20, false);
        let told: Vec<_> =
            wire.0.lock().iter().map(|frame| Frame::read(frame).unwrap().receipt).collect();
        let receipt = |received| Receipt { of: 5, received };
        assert_eq!(told, [receipt(MOST_UNTOLD - 1), receipt(20)]);
        outbound.received(5, 30, true);
        assert_eq!(wire.0.lock().len(), 3, "somebody waits for it");
    }
}
