//! The ledger of requests: that it counts each request once, that it balances under load, and that it can fail.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;
use std::sync::atomic::Ordering::Release;
use std::thread;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::SendRequest;

use crate::Broker;
use crate::BrokerConfig;
use crate::End;
use crate::Kind;
use crate::Limits;
use crate::MAX_PATHS;
use crate::Millis;
use crate::Mismatch;
use crate::Outbox;
use crate::PathFigures;
use crate::messaging::Ending;
use crate::messaging::Outcome;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::stats::Counts;
use crate::stats::Label;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_balanced;
use crate::tests::world::encoded;
use crate::tests::world::hello;
use crate::tests::world::request;

/// How many requests have ended in each way, as far as any have.
fn ended(w: &World) -> Vec<(End, u64)> {
    let ledger = w.broker.stats().ledger;
    let counts = End::ALL.iter().map(|&end| (end, ledger.ended(end)));
    counts.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn every_end_is_counted_once_by_its_name() {
    let limits = Limits { requests_per_handler: 6, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    for conversation in 1..=6 {
        w.send_to_path(&sender, conversation, "a");
    }
    let held = handler.conversations();
    // The handler is full; the sender itself takes it.
    w.send_to_filter(&sender, 7, "all");
    w.respond(&handler, held[0], &hello());
    w.fail(&handler, held[1], Reason::REJECTED_REQUEST, "no");
    w.respond(&handler, held[2], &crate::batch::Void);
    w.advance(10_000);
    w.send_to_session(&sender, 8, handler.id());
    w.close(&handler, CloseReason::ConnectionLost);
    w.send_to_session(&sender, 9, sender.id());
    w.shut_down();
    let ledger = w.broker.stats().ledger;
    let accepted = Kind::ALL.iter().map(|&kind| ledger.accepted(kind));
    assert_eq!(accepted.collect::<Vec<_>>(), [6, 2, 2, 0, 0, 0, 0]);
    assert_eq!(
        ended(&w),
        [
            (End::Responded, 1),
            (End::HandlerError, 1),
            (End::Malformed, 1),
            (End::TimedOut, 4),
            (End::RecipientEnded, 1),
            (End::Undeliverable, 1),
            (End::ShutDown, 1),
        ]
    );
}

#[test]
fn requests_of_a_session_that_has_ended_are_cancelled_however_they_end() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    for conversation in 1..=3 {
        w.send_to_path(&sender, conversation, "a");
    }
    let held = handler.conversations();
    w.close(&sender, CloseReason::ClosedByClient);
    assert_eq!(w.broker.stats().ledger.in_flight, 3);
    w.respond(&handler, held[0], &hello());
    w.fail(&handler, held[1], Reason::REJECTED_REQUEST, "no");
    w.advance(10_000);
    assert_eq!(ended(&w), [(End::Cancelled, 3)]);
}

#[test]
fn a_batch_that_has_not_ended_is_no_mismatch() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    let bytes = request(85, 1, &encoded(&SendRequest { path: "a", value: hello() }));
    for _ in 0..3 {
        let mut batch = w.broker.batch(&sender.session, w.now);
        batch.message(&bytes, &mut w.outbox);
        assert!(!w.broker.stats().ledger.balances());
        assert_eq!(w.broker.audit(), Ok(()));
    }
    assert_eq!(handler.conversations().len(), 3);
}

/// Audits until something is found; the time of three pages is enough.
fn audits(broker: &Broker<()>) -> Vec<Mismatch> {
    (0..6).filter_map(|_| broker.audit().err()).collect()
}

/// A world that need not balance at its end.
fn with_defect(spoil: impl FnOnce(&mut World, &Client, &Client)) -> (Vec<Mismatch>, u64, bool) {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    spoil(&mut w, &sender, &handler);
    let found = audits(&w.broker);
    let stats = w.broker.stats();
    w.broker = std::sync::Arc::new(Broker::new(BrokerConfig::default()));
    (found, stats.mismatched, stats.ledger.balances())
}

#[test]
fn a_request_that_is_lost_is_found_and_reported_once() {
    let (found, mismatched, balances) = with_defect(|_, _, handler| {
        let [conversation] = handler.conversations()[..] else { panic!("one request") };
        drop(handler.session.take_pending(conversation));
    });
    assert_eq!(found, [Mismatch { accepted: 1, ended: 0, in_flight: 0 }]);
    assert_eq!((found[0].requests(), mismatched, balances), (1, 1, false));
}

#[test]
fn a_request_that_ends_twice_is_found_while_others_are_in_flight() {
    let (found, mismatched, balances) = with_defect(|w, sender, handler| {
        let page = w.broker.totals.book.open_page();
        let again = InFlight {
            sender: sender.session.clone(),
            reply: Reply::Response(ConversationId(1)),
            life: 0,
            deadline: w.now,
            timeout: std::time::Duration::ZERO,
            sequence: 0,
            page,
            label: Label::SESSION,
        };
        let outcome = &Outcome::Error { reason: Reason::REQUEST_TIME_OUT, text: "" };
        let ending = Ending { end: End::TimedOut, responder: handler.id(), outcome, took: None };
        let mut counts = Counts::default();
        sender.session.awaiting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        w.broker.complete(again, &ending, (&mut counts, &w.broker.policy().limits), &mut w.outbox);
        w.broker.totals.add(&counts);
    });
    assert_eq!(found, [Mismatch { accepted: 1, ended: 1, in_flight: 1 }]);
    assert_eq!((found[0].requests(), mismatched, balances), (1, 1, false));
}

/// One thread's sessions: one asks the handler of the next thread, the other answers what it is asked.
///
/// A third of the rounds goes by until there was an audit.
fn ask_and_answer(
    broker: &Broker<()>,
    own: &(Client, Client),
    next: usize,
    (turns, audits): (&AtomicU64, &AtomicU64),
) {
    let (sender, handler) = own;
    let mut outbox = Outbox::default();
    for round in 0..ROUNDS {
        while round > ROUNDS / 3 && audits.load(Acquire) == 0 {
            thread::yield_now();
        }
        let path = format!("p{next}");
        let send = encoded(&SendRequest { path: &path, value: hello() });
        let mut batch = broker.batch(&sender.session, Millis(0));
        for conversation in 1..=3 {
            batch.message(&request(85, conversation, &send), &mut outbox);
        }
        drop(batch);
        sender.received();
        let asked = handler.received();
        let mut batch = broker.batch(&handler.session, Millis(0));
        for message in asked {
            let Received::Request {
                service: Service::MessagingReceiverClient, conversation, ..
            } = message
            else {
                continue;
            };
            let mut bytes = Vec::new();
            message::put_error(&mut bytes, conversation, Reason(100), "no");
            batch.message(&bytes, &mut outbox);
        }
        drop(batch);
        turns.store(round + 1, Release);
    }
    turns.store(u64::MAX, Release);
}

#[test]
fn audits_are_exact_while_threads_ask_and_answer() {
    let mut w = World::new();
    let own: Vec<_> = (0..THREADS).map(|_| (w.open("alice"), w.open("bob"))).collect();
    for (place, (_, handler)) in own.iter().enumerate() {
        w.register(handler, &format!("p{place}"), &[]);
    }
    let turns: Vec<_> = (0..THREADS).map(|_| AtomicU64::new(0)).collect();
    let read = || turns.iter().map(|turn| turn.load(Acquire)).collect::<Vec<_>>();
    let broker = &*w.broker;
    let audits = AtomicU64::new(0);
    thread::scope(|scope| {
        for (place, own) in own.iter().enumerate() {
            let shared = (&turns[place], &audits);
            scope.spawn(move || ask_and_answer(broker, own, (place + 1) % THREADS, shared));
        }
        while read().contains(&0) {
            thread::yield_now();
        }
        loop {
            let before = read();
            assert_eq!(broker.audit(), Ok(()));
            audits.fetch_add(1, Release);
            // Until every thread has ended what it was at.
            let is_over = |(now, then): (&u64, &u64)| *now == u64::MAX || *now > then + 1;
            while !read().iter().zip(&before).all(is_over) {
                thread::yield_now();
            }
            if read().iter().all(|turn| *turn == u64::MAX) {
                break;
            }
        }
    });
    w.advance(10_000);
    assert_balanced(&w.broker);
    let ledger = w.broker.stats().ledger;
    assert_eq!(ledger.all_accepted(), 3 * ROUNDS * THREADS as u64);
    assert_eq!(ledger.in_flight, 0);
}

const THREADS: usize = 3;
const ROUNDS: u64 = 300;

/// Who a row is for, how many of its requests ended, and the answers within 1 ms, 2 ms, 5 ms.
fn rows(w: &World) -> Vec<(String, u64, [u64; 3], u64)> {
    let row = |figures: PathFigures| {
        let path = figures.path.as_deref().unwrap_or("-");
        let ended = End::ALL.iter().map(|&end| figures.ended(end)).sum();
        let [one, two, five, ..] = figures.answers;
        (format!("{} {path}", figures.kind.name()), ended, [one, two, five], figures.milliseconds)
    };
    w.broker.path_figures().into_iter().map(row).collect()
}

#[test]
fn requests_are_sorted_by_registered_path_and_by_how_long_the_answer_took() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    for (path, took) in [("a", 0), ("a/b", 1), ("a", 2), ("a/b/c", 5), ("a", 3)] {
        w.send_to_path(&sender, 1, path);
        let [asked] = handler.conversations()[..] else { panic!("one request") };
        w.now.0 += took;
        w.respond(&handler, asked, &hello());
    }
    w.send_to_path(&sender, 2, "a");
    w.send_to_session(&sender, 3, handler.id());
    w.send_to_filter(&sender, 4, "all");
    w.advance(10_000);
    assert_eq!(
        rows(&w),
        [
            ("session -".to_owned(), 1, [0; 3], 0),
            ("filter -".to_owned(), 2, [0; 3], 0),
            ("authenticator -".to_owned(), 0, [0; 3], 0),
            ("call -".to_owned(), 0, [0; 3], 0),
            ("path -".to_owned(), 0, [0; 3], 0),
            ("path a".to_owned(), 6, [2, 1, 2], 11),
        ]
    );
    let stats = w.broker.stats();
    assert_eq!((stats.filters, stats.filtered, stats.matched), (1, 2, 2));
}

#[test]
fn paths_beyond_the_bound_share_one_row() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    for number in 0..MAX_PATHS + 5 {
        w.register(&handler, &format!("p{number}"), &[]);
        w.send_to_path(&sender, 1, &format!("p{number}/x"));
        let [asked] = handler.conversations()[..] else { panic!("one request") };
        w.respond(&handler, asked, &hello());
    }
    sender.received();
    let figures = w.broker.path_figures();
    assert_eq!(figures.len(), MAX_PATHS + 5);
    let others = &figures[4];
    assert_eq!(
        (others.path.as_deref(), others.handlers, others.ended(End::Responded)),
        (None, 5, 5)
    );
    // A path that is registered again is still the same.
    w.deregister(&handler, 2, "p0");
    w.register(&sender, "p0", &[]);
    assert_eq!(w.broker.path_figures().len(), MAX_PATHS + 5);
}
