//! What happened, as those at the edges saw it: who asked what, what arrived, who was handed it, what came back.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::locks::LockScope;

use crate::model::Expect;
use crate::network::Micros;
use crate::network::Who;

/// Names a call, over all clients.
pub(crate) type Serial = usize;
/// Names an answer, over all clients; it is quoted in the answer itself.
pub(crate) type Stamp = usize;

/// What a client asks of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Path(&'static str),
    Session(SessionId),
    /// A place in [`FILTERS`].
    Filter(usize),
    Register(&'static str),
    Deregister(&'static str),
    Acquire(&'static str, LockScope),
    /// Gives up the wait that this call is.
    Cancel(&'static str, Serial),
    /// Gives up what this call was granted.
    Release(&'static str, Serial),
    Listen,
    Ping,
    Kick(SessionId),
}

impl Ask {
    /// Whether it is a request that somebody else answers.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Self::Path(_) | Self::Session(_) | Self::Filter(_))
    }
}

/// One call of a client.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) who: Who,
    pub(crate) session: SessionId,
    pub(crate) ask: Ask,
    /// When the server served it, and in which place among all messages.
    pub(crate) arrived: Option<(Micros, u64)>,
    pub(crate) expect: Option<Expect>,
    /// If the server drained then: who may have been about to leave.
    pub(crate) leaving: Option<Vec<SessionId>>,
    /// The answers, the number of a filter request among them.
    pub(crate) replies: Vec<(Micros, What)>,
    /// The outcomes of a filter request.
    pub(crate) events: Vec<(Micros, SessionId, What)>,
    pub(crate) deliveries: Vec<Delivery>,
    /// When its client gave it up: the session ended or began anew.
    pub(crate) closed: Option<Micros>,
}

/// A request reaches the application of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    pub(crate) to: SessionId,
    pub(crate) conversation: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The value of an answer.
    Answer(Stamp),
    /// The number of sessions that a filter request was sent to.
    Count(u32),
    /// The number of the grant of a lock.
    Grant(u64),
    /// A response without a meaning of its own.
    Done,
    Owned(bool),
    Error(Reason, String),
}

/// An answer of a client to what it was, or was not, asked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) by: SessionId,
    pub(crate) conversation: u64,
    pub(crate) kind: Kind,
    pub(crate) arrived: Option<(Micros, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Value,
    Error,
    Malformed,
}

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) calls: Vec<Call>,
    pub(crate) answers: Vec<Answer>,
    by_conversation: BTreeMap<(SessionId, u64), Serial>,
    /// Of each session all requests that reached it, in order.
    pub(crate) delivered: BTreeMap<SessionId, Vec<Serial>>,
    /// The answers that each session was told, in order.
    pub(crate) told: BTreeMap<SessionId, Vec<Stamp>>,
    /// What each listener, named by its call, was told: which session, and what.
    pub(crate) heard: BTreeMap<Serial, Vec<(SessionId, Change)>>,
    /// The sessions that were told that they are over.
    pub(crate) aborted: BTreeSet<SessionId>,
    /// How many messages were served.
    pub(crate) served: u64,
    pub(crate) faults: Vec<String>,
}

/// What a listener is told of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    Disconnected,
    Reconnected,
    Closed,
}

impl Record {
    pub(crate) fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    pub(crate) fn call(&mut self, (who, session): (Who, SessionId), ask: Ask) -> Serial {
        let serial = self.calls.len();
        self.calls.push(Call {
            who,
            session,
            ask,
            arrived: None,
            expect: None,
            leaving: None,
            replies: Vec::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            closed: None,
        });
        self.by_conversation.insert((session, conversation_of(serial)), serial);
        serial
    }

    pub(crate) fn find(&self, session: SessionId, conversation: u64) -> Option<Serial> {
        self.by_conversation.get(&(session, conversation)).copied()
    }

    pub(crate) fn answer(&mut self, by: SessionId, conversation: u64, kind: Kind) -> Stamp {
        self.answers.push(Answer { by, conversation, kind, arrived: None });
        self.answers.len() - 1
    }

    /// A session is told an outcome.
    pub(crate) fn tell(&mut self, session: SessionId, what: &What) {
        let stamp = match what {
            What::Answer(stamp) => Some(*stamp),
            What::Error(_, text) => crate::wire::stamp_of_error(text),
            _ => None,
        };
        self.told.entry(session).or_default().extend(stamp);
    }

    /// A request reaches an application.
    pub(crate) fn deliver(&mut self, serial: Serial, delivery: Delivery) {
        let Some(call) = self.calls.get_mut(serial) else {
            return self.faults.push(format!("{:?} was handed what nobody sent", delivery.to));
        };
        if call.deliveries.iter().any(|other| other.to == delivery.to) {
            self.faults.push(format!("request {serial} was delivered to {} twice", delivery.to));
        }
        call.deliveries.push(delivery);
        self.delivered.entry(delivery.to).or_default().push(serial);
    }

    /// The client gives up whatever it still waits for.
    pub(crate) fn close(&mut self, session: SessionId, now: Micros) {
        let open = self.calls.iter_mut().filter(|call| call.session == session);
        open.for_each(|call| {
            call.closed.get_or_insert(now);
        });
    }
}

/// Under which conversation a call is made. Conversations are never used twice.
pub(crate) fn conversation_of(serial: Serial) -> u64 {
    serial as u64 + 1
}

/// Whether a client matches.
type Matches = fn(Who) -> bool;

/// Filters, and which clients match each.
pub(crate) const FILTERS: &[(&str, Matches)] = &[
    ("hasRoles [\"guest\"]", |_| true),
    ("hasRoles [\"even\"]", |who| who % 2 == 0),
    ("hasRoles [\"odd\"] and $Principal ne \"c3\"", |who| who % 2 == 1 && who != 3),
    ("$Principal is \"c1\"", |who| who == 1),
];
