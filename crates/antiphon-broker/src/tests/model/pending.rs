//! The requests that one session has to answer, against a list of them.

use std::sync::Arc;
use std::time::Duration;

use antiphon_wire::ids::ConversationId;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::pending::InFlight;
use crate::pending::Pending;
use crate::pending::Reply;
use crate::pending::UNANSWERED;
use crate::session::Session;
use crate::stats::Label;
use crate::stats::Page;
use crate::tests::model::cases;
use crate::tests::world::World;
use crate::time::Millis;

#[derive(Debug, Clone, Copy)]
enum Op {
    /// So many requests come, each with a later deadline than the one before.
    Insert(u8),
    /// One is answered.
    Remove(u16),
    /// All are answered, the youngest first.
    RemoveAll,
    /// One is answered that was answered before.
    RemoveAgain(u16),
    /// An answer that was made up.
    Forge(u64, u64),
    Expire(u64),
    Drain,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (1..5u8).prop_map(Op::Insert),
        1 => (60..200u8).prop_map(Op::Insert),
        8 => any::<u16>().prop_map(Op::Remove),
        2 => Just(Op::RemoveAll),
        4 => any::<u16>().prop_map(Op::RemoveAgain),
        4 => (0..500u64, 0..200u64).prop_map(|(generation, place)| Op::Forge(generation, place)),
        2 => (0..300u64).prop_map(Op::Expire),
        1 => Just(Op::Drain),
    ];
    vec(op, 1..60)
}

/// The number that tells one request from another, its conversation and its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    serial: u64,
    conversation: ConversationId,
    deadline: Millis,
}

struct Both {
    pending: Pending<()>,
    sender: Arc<Session<()>>,
    naive: Vec<Entry>,
    past: Vec<Entry>,
    now: u64,
}

/// Every other request is of the other page of the ledger.
fn page(serial: u64) -> Page {
    if serial.is_multiple_of(2) { Page::default() } else { Page::default().other() }
}

impl Both {
    fn new() -> Self {
        let sender = World::new().open("ann").session;
        Self { pending: Pending::default(), sender, naive: Vec::new(), past: Vec::new(), now: 0 }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Insert(count) => (0..count).for_each(|_| self.insert()),
            Op::Remove(number) => {
                let count = self.naive.len();
                if count > 0 {
                    self.remove(usize::from(number) % count);
                }
            }
            Op::RemoveAll => (0..self.naive.len()).rev().for_each(|place| self.remove(place)),
            Op::RemoveAgain(number) => {
                let Some(entry) = self.past.get(usize::from(number) % self.past.len().max(1))
                else {
                    return;
                };
                assert!(self.pending.remove(entry.conversation).is_none(), "{entry:?}");
            }
            Op::Forge(generation, place) => {
                let conversation = ConversationId(generation << 20 | place);
                if self.naive.iter().all(|entry| entry.conversation != conversation) {
                    assert!(self.pending.remove(conversation).is_none(), "{conversation:?}");
                }
            }
            Op::Expire(millis) => self.expire(millis),
            Op::Drain => {
                let drained = self.pending.drain().iter().map(serial).collect();
                self.end(|_| true, drained);
            }
        }
        assert_eq!(self.pending.len(), self.naive.len());
        for first in 0..2 {
            let of_page = |entry: &&Entry| entry.serial % 2 == first;
            let count = self.naive.iter().filter(of_page).count();
            assert_eq!(self.pending.of_page(page(first)) as usize, count);
        }
        assert!(self.pending.len() > 0 || self.pending.room() <= 64, "{}", self.pending.room());
    }

    fn insert(&mut self) {
        let serial = (self.naive.len() + self.past.len()) as u64;
        let deadline = Millis(self.now + serial % 200);
        let conversation = self.pending.insert(InFlight {
            sender: self.sender.clone(),
            reply: Reply::Response(ConversationId(serial)),
            life: 0,
            deadline,
            timeout: Duration::ZERO,
            sequence: 0,
            page: page(serial),
            label: Label::SESSION,
        });
        assert!(conversation.0 >= UNANSWERED, "{conversation:?} may be a ping");
        let mut known = self.naive.iter().chain(&self.past);
        assert!(known.all(|entry| entry.conversation != conversation), "{conversation:?} again");
        self.naive.push(Entry { serial, conversation, deadline });
    }

    fn remove(&mut self, place: usize) {
        let entry = self.naive.remove(place);
        let removed = self.pending.remove(entry.conversation);
        assert_eq!(removed.as_ref().map(serial), Some(entry.serial));
        self.past.push(entry);
    }

    fn expire(&mut self, millis: u64) {
        self.now += millis;
        let now = Millis(self.now);
        let (expired, next) = self.pending.expire(now);
        self.end(|entry| entry.deadline <= now, expired.iter().map(serial).collect());
        let earliest = self.naive.iter().map(|entry| entry.deadline).min();
        assert_eq!(next, earliest.unwrap_or(Millis::NEVER));
    }

    /// Those that `is_over` are what the real one gave back, in any order.
    fn end(&mut self, is_over: impl Fn(&Entry) -> bool, mut given_back: Vec<u64>) {
        let (over, left) = self.naive.iter().partition(|entry| is_over(entry));
        self.naive = left;
        let over: Vec<Entry> = over;
        given_back.sort_unstable();
        assert_eq!(given_back, over.iter().map(|entry| entry.serial).collect::<Vec<_>>());
        self.past.extend(over);
        self.past.sort_unstable();
    }
}

fn serial(request: &InFlight<()>) -> u64 {
    match request.reply {
        Reply::Response(ConversationId(serial)) | Reply::FilterEvent(ConversationId(serial)) => {
            serial
        }
        other => panic!("nobody asked for {other:?}"),
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn each_request_is_taken_out_once_and_by_its_own_name_only(ops in ops()) {
        let mut both = Both::new();
        for op in ops {
            both.step(op);
        }
    }
}
