//! The requests that one session has been sent and not yet answered.
//!
//! The conversation id on the wire is the entry's place and generation. Generations are never used twice in a
//! session, so a late, second or forged answer finds nothing.

use std::sync::Arc;
use std::time::Duration;

use antiphon_wire::ids::ConversationId;
use slab::Slab;

use crate::session::Session;
use crate::stats::Label;
use crate::stats::Page;
use crate::time::Millis;

/// A request on its way to be answered: where its outcome goes, and until when.
#[derive(Debug)]
pub(crate) struct InFlight<X> {
    /// Who asked.
    pub(crate) sender: Arc<Session<X>>,
    pub(crate) reply: Reply,
    /// How often the sender had begun anew when it asked: it has given up what it asked before the last time.
    pub(crate) life: u32,
    pub(crate) deadline: Millis,
    /// What the deadline allowed, for the text of the error.
    pub(crate) timeout: Duration,
    /// The number of the message that carries it, where the recipient's messages are numbered.
    pub(crate) sequence: u64,
    /// Where it stands in the ledger.
    pub(crate) page: Page,
    /// Which figures it counts for.
    pub(crate) label: Label,
}

/// In which form the sender is told the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// As the response to its request.
    Response(ConversationId),
    /// As one event of its filter request.
    FilterEvent(ConversationId),
    /// It is the driver that wants to know, and waits with this ticket.
    Opinion(Ticket),
    /// To the node that has forwarded the request.
    Node(ConversationId),
    /// As one event of its filter request, for the session with this client part of the node that was asked.
    RemoteEvent(ConversationId, u64),
    /// As the response to a service call that was forwarded to a node.
    Call(ConversationId),
    /// As the answer of one node to a question to all, by its number.
    Gather(u64),
}

/// Names a question to an authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Pending<X> {
    entries: Slab<(u64, InFlight<X>)>,
    next_generation: u64,
    /// How many there are of each page of the ledger.
    of_page: [u32; 2],
}

impl<X> Default for Pending<X> {
    fn default() -> Self {
        Self { entries: Slab::new(), next_generation: FIRST_GENERATION, of_page: [0; 2] }
    }
}

impl<X> Pending<X> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many requests of this page of the ledger there are.
    pub(crate) fn of_page(&self, page: Page) -> u32 {
        self.of_page[page.index()]
    }

    /// Enters a request and names it. The caller keeps `len` below [`MAX_PENDING`].
    pub(crate) fn insert(&mut self, request: InFlight<X>) -> ConversationId {
        let generation = self.next_generation;
        self.next_generation += 1;
        self.of_page[request.page.index()] += 1;
        let place = self.entries.insert((generation, request));
        ConversationId(generation << PLACE_BITS | place as u64)
    }

    /// Takes out the request of a conversation, if it is still there.
    pub(crate) fn remove(&mut self, conversation: ConversationId) -> Option<InFlight<X>> {
        let place = (conversation.0 & PLACE_MASK) as usize;
        let (generation, _) = self.entries.get(place)?;
        if *generation != conversation.0 >> PLACE_BITS {
            return None;
        }
        let (_, request) = self.entries.remove(place);
        self.of_page[request.page.index()] -= 1;
        self.give_back();
        Some(request)
    }

    /// Takes out all requests whose deadline has passed, and tells the next deadline.
    pub(crate) fn expire(&mut self, now: Millis) -> (Vec<InFlight<X>>, Millis) {
        let (mut due, mut next) = (Vec::new(), Millis::NEVER);
        for (place, (_, request)) in &self.entries {
            if request.deadline <= now {
                due.push(place);
            } else {
                next = next.min(request.deadline);
            }
        }
        let take = |place| {
            let (_, request) = self.entries.remove(place);
            self.of_page[request.page.index()] -= 1;
            request
        };
        let expired = due.into_iter().map(take).collect();
        self.give_back();
        (expired, next)
    }

    /// The longest that any of them was allowed to take.
    pub(crate) fn longest_allowed(&self) -> Duration {
        self.entries.iter().map(|(_, (_, request))| request.timeout).max().unwrap_or_default()
    }

    /// Takes out all requests.
    pub(crate) fn drain(&mut self) -> Vec<InFlight<X>> {
        self.of_page = [0; 2];
        std::mem::take(&mut self.entries).into_iter().map(|(_, (_, request))| request).collect()
    }

    fn give_back(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > KEPT_ENTRIES {
            self.entries = Slab::new();
        }
    }

    /// For how many requests it holds memory.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.entries.capacity()
    }
}

/// The most requests that one session can have to answer: the places that a conversation id can name.
pub(crate) const MAX_PENDING: u32 = PLACE_MASK as u32;

/// Conversations below the first generation are those of messages that await no answer, such as pings.
pub(crate) const UNANSWERED: u64 = 1 << PLACE_BITS;

const PLACE_BITS: u32 = 20;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;
const FIRST_GENERATION: u64 = 1;

/// A slab larger than this is given back when it is empty: 5 KiB for a session that was busy once.
const KEPT_ENTRIES: usize = 64;
