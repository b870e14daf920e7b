//! The choice among equal handlers.
//!
//! It only proposes: whether the chosen session takes the request is found out by handing it over. So a choice is an
//! order in which to try, whose first place is what the policy says.

use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::ids::SessionId;
use foldhash::HashMap;

use crate::config::Choice;
use crate::routes::Route;
use crate::session::Session;

/// Which handler's session a sender had for which route, and at which place, for routes with [`Choice::Sticky`]. Of
/// handlers of another node the place is that of the node.
#[derive(Debug, Default)]
pub(crate) struct Stickiness {
    chosen: Option<Box<HashMap<Box<str>, Chosen>>>,
}

type Chosen = (SessionId, usize);

impl Stickiness {
    pub(crate) fn recall(&self, path: &str) -> Option<Chosen> {
        self.chosen.as_ref()?.get(path).copied()
    }

    /// Of the handlers of a node that was chosen this is the one.
    pub(crate) fn learn(&mut self, path: &str, handler: SessionId) {
        let chosen = self.chosen.as_mut().and_then(|chosen| chosen.get_mut(path));
        if let Some((known, _)) = chosen.filter(|(known, _)| known.node() == handler.node()) {
            *known = handler;
        }
    }

    fn remember(&mut self, path: &str, handler: Chosen) {
        let chosen = self.chosen.get_or_insert_default();
        if chosen.len() >= MAX_STICKY && !chosen.contains_key(path) {
            chosen.clear();
        }
        chosen.insert(path.into(), handler);
    }
}

impl<X> Route<X> {
    /// The places of all handlers, in the order in which `sender`'s request should be offered to them.
    pub(crate) fn order(
        &self,
        sender: &Session<X>,
    ) -> impl Iterator<Item = usize> + Clone + use<X> {
        let count = self.handlers.len();
        let first = if count == 1 { 0 } else { self.first(sender) };
        (first..first + count).map(move |turn| if turn < count { turn } else { turn - count })
    }

    #[inline(never)]
    fn first(&self, sender: &Session<X>) -> usize {
        match self.choice() {
            Choice::LeastInFlight => self.least_in_flight(sender),
            Choice::RoundRobin => self.in_turn(self.turn()),
            Choice::Sticky => sender
                .sticky
                .lock()
                .recall(self.path())
                .and_then(|(chosen, place)| {
                    let is_it = |place: usize| self.handlers.get(place).is_of(chosen);
                    // It stands where it stood, unless an older one has gone.
                    let known =
                        Some(place).filter(|place| *place < self.handlers.len() && is_it(*place));
                    known.or_else(|| (0..self.handlers.len()).find(|place| is_it(*place)))
                })
                .unwrap_or_else(|| self.least_in_flight(sender)),
        }
    }

    /// Notes that `sender`'s request was taken by the handler at `place`.
    pub(crate) fn taken(&self, sender: &Session<X>, place: usize) {
        if self.choice() == Choice::Sticky {
            self.stick(sender, place);
        }
    }

    #[cold]
    fn stick(&self, sender: &Session<X>, place: usize) {
        let handler = self.handlers.get(place);
        let mut sticky = sender.sticky.lock();
        let known = sticky.recall(self.path()).filter(|(chosen, _)| handler.is_of(*chosen));
        // Which handler of another node it is, that node tells.
        let client = if handler.remote().is_some() { 0 } else { handler.session.id().client };
        let new = SessionId { client, ..handler.session.id() };
        sticky.remember(self.path(), (known.map_or(new, |(chosen, _)| chosen), place));
    }

    /// Whose turn it is among the handlers of this node, or, if it has none, among the other nodes: these are asked after
    /// them, so their turns would all be those of whoever stands behind them.
    fn in_turn(&self, turn: u32) -> usize {
        if self.handlers.are_all_own() {
            return turn as usize % self.handlers.len();
        }
        self.in_turn_among_others(turn)
    }

    #[cold]
    fn in_turn_among_others(&self, turn: u32) -> usize {
        let (turn, own, all) = (turn as usize, self.own_count() as usize, self.handlers.len());
        if own == 0 {
            return turn % all;
        }
        let is_own = |place: &usize| self.handlers.get(*place).remote().is_none();
        (0..all).filter(is_own).nth(turn % own).unwrap_or_default()
    }

    fn least_in_flight(&self, sender: &Session<X>) -> usize {
        let count = self.handlers.len();
        let turn = sender.rotation.fetch_add(1, Relaxed);
        let load = |place: usize| self.handlers.get(place).load();
        if count > MAX_SCAN {
            // Multiplying spreads the turns; the two halves of the product are as good as two dice.
            let dice = u64::from(turn).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (one, other) = ((dice >> 32) as usize % count, (dice as u32) as usize % count);
            return if load(other) < load(one) { other } else { one };
        }
        let mut place = self.in_turn(turn);
        let (mut best, mut least) = (place, load(place));
        for _ in 1..count {
            if least == 0 {
                break;
            }
            place = if place + 1 < count { place + 1 } else { 0 };
            let load = load(place);
            if load < least {
                (best, least) = (place, load);
            }
        }
        best
    }

    pub(crate) fn path(&self) -> &str {
        self.handlers.get(0).path()
    }
}

/// Beyond so many equal handlers two are compared instead of all: nearly as even, and the cost stays the same.
const MAX_SCAN: usize = 16;

/// How many sticky routes a sender may have in mind; beyond it begins anew.
const MAX_STICKY: usize = 1024;
