//! The account of all requests: who asked what, who has executed it, and how it ended.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon::Error;
use hdrhistogram::Histogram;

/// Names a request: its sender, and which of its requests it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) sender: u16,
    pub(crate) number: u64,
}

impl Id {
    /// The bytes that stand at the front of each request and response.
    pub(crate) const LENGTH: usize = 10;

    pub(crate) fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sender.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (sender, rest) = bytes.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        Some(Self { sender: u16::from_be_bytes(*sender), number: u64::from_be_bytes(*number) })
    }
}

/// How a request was addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Path,
    Session,
    Filter,
}

/// What is known of a request to one recipient.
const EXECUTED: u8 = 1;
const ENDED: u8 = 2;
const ANSWERED: u8 = 4;
/// It ended by an error that says that nobody has executed it.
const SAFE: u8 = 8;

/// Everything that happened.
pub(crate) struct Book {
    /// One byte for each request of each sender.
    requests: Vec<Mutex<Vec<u8>>>,
    /// What members have executed of filter requests.
    members: Mutex<HashSet<(u64, Id)>>,
    outcomes: Mutex<BTreeMap<(Kind, String), u64>>,
    latency: Mutex<Histogram<u64>>,
    problems: Mutex<Vec<String>>,
    pub(crate) ended: AtomicU64,
}

impl Book {
    pub(crate) fn new(senders: usize) -> Self {
        Self {
            requests: (0..senders).map(|_| Mutex::default()).collect(),
            members: Mutex::default(),
            outcomes: Mutex::default(),
            latency: Mutex::new(Histogram::new(3).unwrap()),
            problems: Mutex::default(),
            ended: AtomicU64::new(0),
        }
    }

    /// A new request.
    pub(crate) fn open(&self, sender: u16) -> Id {
        let mut requests = lock(&self.requests[usize::from(sender)]);
        requests.push(0);
        Id { sender, number: requests.len() as u64 - 1 }
    }

    /// A handler has been given a request. Says so before it answers.
    pub(crate) fn executed(&self, id: Id) {
        let known = self.note(id, EXECUTED);
        if known & EXECUTED != 0 {
            self.problem(format!("{id:?} was executed twice"));
        }
    }

    /// A session that a filter matched has been given a request.
    pub(crate) fn member_executed(&self, member: u64, id: Id) {
        if !lock(&self.members).insert((member, id)) {
            self.problem(format!("{id:?} was executed twice by member {member}"));
        }
    }

    /// A request has ended at its sender, with the response or an error.
    pub(crate) fn end(&self, kind: Kind, id: Id, outcome: &Result<Id, Error>, took: Duration) {
        let (flag, name) = match outcome {
            Ok(_) => (ANSWERED, "answered".to_owned()),
            Err(error) if error.may_have_executed() => {
                (0, format!("{:?}, may have been executed", error.kind()))
            }
            Err(error) => (SAFE, format!("{:?}, not executed", error.kind())),
        };
        if let Ok(answered) = outcome
            && *answered != id
        {
            self.problem(format!("{id:?} got the answer to {answered:?}"));
        }
        if kind != Kind::Filter && self.note(id, ENDED | flag) & ENDED != 0 {
            self.problem(format!("{id:?} ended twice"));
        }
        self.ended.fetch_add(1, Relaxed);
        *lock(&self.outcomes).entry((kind, name)).or_default() += 1;
        lock(&self.latency).record(took.as_micros() as u64).unwrap();
    }

    /// A filter request has got all its outcomes.
    pub(crate) fn end_filter(&self, id: Id) {
        if self.note(id, ENDED) & ENDED != 0 {
            self.problem(format!("filter request {id:?} ended twice"));
        }
    }

    pub(crate) fn problem(&self, problem: String) {
        lock(&self.problems).push(problem);
    }

    /// The latencies since the last call.
    pub(crate) fn latencies(&self) -> Histogram<u64> {
        let mut latency = lock(&self.latency);
        let taken = latency.clone();
        latency.reset();
        taken
    }

    /// How many requests ended how.
    pub(crate) fn outcomes(&self) -> BTreeMap<(Kind, String), u64> {
        lock(&self.outcomes).clone()
    }

    /// What is wrong, when all requests must have ended and all handlers have said what they did.
    pub(crate) fn close(&self) -> Vec<String> {
        let mut problems = lock(&self.problems).clone();
        for (sender, requests) in self.requests.iter().enumerate() {
            for (number, flags) in lock(requests).iter().enumerate() {
                problems.extend(
                    wrong(*flags).map(|what| format!("request {number} of sender {sender} {what}")),
                );
            }
        }
        problems
    }

    /// Adds a flag, and returns those that were there.
    fn note(&self, id: Id, flag: u8) -> u8 {
        let mut requests = lock(&self.requests[usize::from(id.sender)]);
        let flags = &mut requests[id.number as usize];
        let known = *flags;
        *flags |= flag;
        known
    }
}

/// What is wrong with a request that is over.
fn wrong(flags: u8) -> Option<&'static str> {
    if flags & ENDED == 0 {
        return Some("has no outcome");
    }
    if flags & ANSWERED != 0 && flags & EXECUTED == 0 {
        return Some("was answered by nobody");
    }
    if flags & SAFE != 0 && flags & EXECUTED != 0 {
        return Some("was executed, though its error says that it was not");
    }
    None
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
