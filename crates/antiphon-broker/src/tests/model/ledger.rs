//! The promises to a sender, kept account of without knowing how the broker works: each call has one answer, a request
//! within its time; a filter request has its count first and then so many outcomes.

use std::collections::BTreeMap;

use antiphon_wire::service::messaging::Sent;

use crate::tests::model::got::Got;
use crate::tests::model::naive::Caller;
use crate::tests::model::naive::Naive;
use crate::tests::model::op::Call;
use crate::tests::world::decoded;

/// The calls by their conversation ids, which are never used twice here.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    calls: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    caller: usize,
    kind: Kind,
    answers: usize,
    /// For a filter request: how many outcomes there will be, and how many there were.
    count: Option<usize>,
    outcomes: usize,
    /// When it must have been answered.
    due: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    FilterRequest,
    /// It is answered when a lock is granted, or never.
    Lock,
    Other,
}

impl Ledger {
    pub(super) fn ask(&mut self, caller: Caller, call: &Call, naive: &Naive) {
        let kind = match call {
            Call::Answer(..) | Call::Leave | Call::Garbage => return,
            Call::ToPath(..) | Call::ToSession(..) => Kind::Request,
            Call::ToFilter(..) => Kind::FilterRequest,
            Call::Lock(..) => Kind::Lock,
            _ => Kind::Other,
        };
        let takes = if matches!(kind, Kind::Request | Kind::FilterRequest) { 10_000 } else { 0 };
        let due = naive.now + takes;
        let entry = Entry { caller: caller.me, kind, answers: 0, count: None, outcomes: 0, due };
        if naive.people[caller.me].open {
            self.calls.insert(caller.conversation, entry);
        }
    }

    pub(super) fn read(&mut self, who: usize, seen: &[Got]) {
        for got in seen {
            match got {
                Got::Response { conversation, body } => {
                    let entry = self.answer(who, *conversation);
                    if entry.kind == Kind::FilterRequest {
                        let Some(&tag) = body.first() else { panic!("no body") };
                        entry.count = Some(if tag == 0 { count(body) } else { 0 });
                    }
                }
                Got::Error { conversation, .. } => {
                    self.answer(who, *conversation).count = Some(0);
                }
                Got::Outcome { conversation, .. } => {
                    let entry = self.entry(who, *conversation);
                    entry.outcomes += 1;
                    assert!(entry.count.is_some_and(|count| entry.outcomes <= count), "{entry:?}");
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, who: usize, conversation: u64) -> &mut Entry {
        let entry = self.entry(who, conversation);
        entry.answers += 1;
        assert_eq!(entry.answers, 1, "{entry:?}");
        entry
    }

    fn entry(&mut self, who: usize, conversation: u64) -> &mut Entry {
        let entry = self.calls.get_mut(&conversation).unwrap();
        assert_eq!(entry.caller, who, "conversation {conversation}");
        entry
    }

    /// What is due has been answered, if the caller is still there.
    pub(super) fn check_deadlines(&self, naive: &Naive) {
        for entry in self.calls.values() {
            if naive.people[entry.caller].open && entry.due <= naive.now {
                entry.check(naive.now);
            }
        }
    }

    /// At the end: all that the sessions asked that were there until then has been answered.
    pub(super) fn close(&self, left: &[usize]) {
        for entry in self.calls.values().filter(|entry| left.contains(&entry.caller)) {
            entry.check(u64::MAX);
        }
    }
}

impl Entry {
    fn check(&self, now: u64) {
        assert!(self.answers == 1 || self.kind == Kind::Lock, "not answered at {now}: {self:?}");
        if self.kind == Kind::FilterRequest {
            assert_eq!(self.count, Some(self.outcomes), "at {now}: {self:?}");
        }
    }
}

fn count(body: &[u8]) -> usize {
    match decoded::<Sent<'_>>(body) {
        Sent::To(count) => count as usize,
        other => panic!("{other:?}"),
    }
}
