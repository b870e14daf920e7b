//! The hot paths. Each case prepares what it needs, has the work measured, and says how many units it was.

use std::hint::black_box;

use antiphon_broker::filter::Attributes;
use antiphon_broker::filter::Filter;
use antiphon_wire::codec::Decode;
use antiphon_wire::message::Message;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;

use crate::counting::measured;
use crate::fleet::Client;
use crate::fleet::Fleet;
use crate::fleet::filter_request;
use crate::fleet::frame;
use crate::fleet::registration;
use crate::fleet::request;
use crate::fleet::requests;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    run: fn() -> u64,
}

pub(crate) const CASES: &[Case] = &[
    Case { name: "filter-10-of-10000", run: filter_ten_of_many },
    Case { name: "filter-scan-session", run: filter_scan },
    Case { name: "filter-outcome", run: filter_outcomes },
    Case { name: "filter-parse", run: filter_parse },
    Case { name: "filter-evaluate", run: filter_evaluate },
    Case { name: "decode", run: decode },
    Case { name: "request", run: || exchange(&Exchange { counts: [true, false, false], ..MANY }) },
    Case { name: "answer", run: || exchange(&Exchange { counts: [false, true, false], ..MANY }) },
    Case { name: "flush", run: || exchange(&Exchange { counts: [false, false, true], ..MANY }) },
    Case { name: "round-trip", run: || exchange(&MANY) },
    Case { name: "round-trip-alone", run: || exchange(&ALONE) },
    Case { name: "request-far-below", run: || exchange(&FAR_BELOW) },
    Case { name: "request-unhandled", run: unhandled },
    Case { name: "register-equal", run: || register_equal(false) },
    Case { name: "register-equal-linked", run: || register_equal(true) },
    Case { name: "open-and-close", run: open_and_close },
    Case { name: "sweep-1000-idle-sessions", run: sweep },
];

/// What the process of one case does.
pub(crate) fn run(name: &str) -> Result<(), String> {
    let case = CASES.iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| format!("there is no case {name}"))?;
    println!("{}", (case.run)());
    Ok(())
}

/// Sessions that ask, sessions that answer, and what of it is measured.
struct Exchange {
    requesters: usize,
    handlers: usize,
    /// How many requests one read brings.
    batch: u64,
    path: &'static str,
    /// Reading requests, reading answers, writing.
    counts: [bool; 3],
}

/// As in the setting `small`: 64 requests of each requester in reads of 16.
const MANY: Exchange =
    Exchange { requesters: 4, handlers: 4, batch: 16, path: "orders/eu/create", counts: [true; 3] };

const ALONE: Exchange = Exchange { requesters: 1, handlers: 1, batch: 1, ..MANY };

const FAR_BELOW: Exchange = Exchange {
    path: "orders/eu/create/four/five/six/seven/eight",
    counts: [true, false, false],
    ..MANY
};

/// Every requester asks, every handler answers what it got, round after round. The unit is a request.
fn exchange(exchange: &Exchange) -> u64 {
    let mut fleet = Fleet::new();
    let handlers: Vec<_> = (0..exchange.handlers).map(|_| fleet.open(&[])).collect();
    for handler in &handlers {
        fleet.register(handler, "orders/eu/create");
    }
    let requesters: Vec<_> = (0..exchange.requesters).map(|_| fleet.open(&[])).collect();
    let frames = requests(exchange.path, exchange.batch);
    let mut answered = 0;
    // Buffers have their size and sessions their pace after some rounds.
    for round in 0..WARM_UP + ROUNDS {
        let [asks, answers, writes] = exchange.counts.map(|counts| counts && round >= WARM_UP);
        let reads: Vec<_> = requesters.iter().map(|session| (session, frames.clone())).collect();
        answered += step(&mut fleet, reads, asks, writes).len() as u64;
        let asked = fleet.answers();
        let reads: Vec<_> = asked.iter().map(|(session, bytes)| (session, bytes.clone())).collect();
        step(&mut fleet, reads, answers, writes);
        // Now and then a requester is asked what it has got.
        let pinged = fleet.answers();
        step(
            &mut fleet,
            pinged.iter().map(|(to, bytes)| (to, bytes.clone())).collect(),
            false,
            false,
        );
    }
    let all = ROUNDS * exchange.requesters as u64 * exchange.batch;
    assert!(answered > 0, "nobody was asked");
    all
}

/// Reads of some sessions, then a flush: each measured or not.
fn step(
    fleet: &mut Fleet,
    mut reads: Vec<(&Client, Vec<u8>)>,
    counts_reads: bool,
    counts_writes: bool,
) -> Vec<Client> {
    let mut read = || reads.iter_mut().for_each(|(session, bytes)| fleet.read(session, bytes));
    if counts_reads {
        measured(&mut read)
    } else {
        read()
    }
    let mut flush = || fleet.flush();
    if counts_writes {
        measured(&mut flush)
    } else {
        flush()
    }
    fleet.written().into_iter().map(|(session, _)| session).collect()
}

/// A request for which nobody has registered.
fn unhandled() -> u64 {
    let mut fleet = Fleet::new();
    let requester = fleet.open(&[]);
    let frames = requests("nobody/is/here", 16);
    for round in 0..WARM_UP + ROUNDS {
        let mut frames = frames.clone();
        let mut read = || fleet.read(&requester, &mut frames);
        if round < WARM_UP {
            read()
        } else {
            measured(&mut read)
        }
        fleet.flush();
    }
    ROUNDS * 16
}

/// From the frame to the checked value.
fn decode() -> u64 {
    let masked = frame(&request("orders/eu/create", 300));
    let mut bytes = masked.clone();
    measured(&mut || {
        for _ in 0..MANY_TIMES {
            bytes.copy_from_slice(&masked);
            let mut decoder = Decoder::new(1 << 20);
            if let Ok(Some((_, Event::Message(message)))) = decoder.next(black_box(&mut bytes))
                && let Ok(Message::Request { body, .. }) = Message::decode(message)
                && let Ok(request) = SendRequest::decode_all(body)
            {
                black_box(request.value.check().is_ok());
            }
        }
    });
    MANY_TIMES
}

fn filter_parse() -> u64 {
    measured(&mut || {
        for _ in 0..100 {
            black_box(Filter::parse(black_box(FILTER)).is_ok());
        }
    });
    100
}

fn filter_evaluate() -> u64 {
    struct One;
    impl Attributes for One {
        fn property(&self, key: &str) -> Option<&str> {
            match key {
                "Department" => Some("Accounts"),
                "$Country" => Some("FR"),
                _ => None,
            }
        }
        fn has_role(&self, role: &str) -> bool {
            role == "CLIENT"
        }
        fn role_count(&self) -> usize {
            1
        }
    }
    let filter = Filter::parse(FILTER).expect("the filter is good");
    measured(&mut || {
        for _ in 0..MANY_TIMES {
            black_box(black_box(&filter).matches(&One));
        }
    });
    MANY_TIMES
}

/// A whole request to a filter that the index answers, without the outcomes.
fn filter_ten_of_many() -> u64 {
    let (mut fleet, requester) = many_sessions();
    filtered(&mut fleet, &requester, r#"Group is "7""#, true);
    ROUNDS
}

/// A filter that has to look at every session; the unit is one of them.
fn filter_scan() -> u64 {
    let (mut fleet, requester) = many_sessions();
    filtered(&mut fleet, &requester, r#"has Group and Group ne "7" and has Nothing"#, true);
    ROUNDS * SESSIONS
}

/// An answer of one of the sessions that a filter addressed.
fn filter_outcomes() -> u64 {
    let (mut fleet, requester) = many_sessions();
    filtered(&mut fleet, &requester, r#"Group is "7""#, false) * ROUNDS
}

/// Asks a filter and has all answer. Measures either the request or the answers, and tells how many answered last.
fn filtered(fleet: &mut Fleet, requester: &Client, filter: &str, measures_request: bool) -> u64 {
    let frame = frame(&filter_request(filter));
    let mut answered = 0;
    for round in 0..1 + ROUNDS {
        let reads = vec![(requester, frame.clone())];
        let counts = round > 0;
        step(fleet, reads, counts && measures_request, false);
        let asked = fleet.answers();
        let reads: Vec<_> = asked
            .iter()
            .filter(|(session, _)| session.id() != requester.id())
            .map(|(session, bytes)| (session, bytes.clone()))
            .collect();
        answered = reads.len() as u64;
        step(fleet, reads, counts && !measures_request, false);
        // The requester says that it has the outcomes.
        let told = fleet.answers();
        step(fleet, told.iter().map(|(to, bytes)| (to, bytes.clone())).collect(), false, false);
    }
    answered
}

/// 10,000 sessions in groups of ten, and one that asks.
fn many_sessions() -> (Fleet, Client) {
    let mut fleet = Fleet::new();
    for n in 0..SESSIONS {
        fleet.open(&[("Group", &(n / 10).to_string())]);
    }
    let requester = fleet.open(&[]);
    (fleet, requester)
}

/// Many sessions register for the same path: the last ones must not cost more than the first, neither if another node has to
/// know of each.
fn register_equal(is_linked: bool) -> u64 {
    let mut fleet = Fleet::new();
    if is_linked {
        fleet.join();
    }
    let sessions: Vec<_> = (0..2_000).map(|_| fleet.open(&[])).collect();
    let frame = frame(&registration("orders/eu/create"));
    for session in &sessions {
        let mut frame = frame.clone();
        measured(&mut || fleet.read(session, &mut frame));
        fleet.flush();
    }
    sessions.len() as u64
}

fn open_and_close() -> u64 {
    use antiphon_wire::service::events::CloseReason;
    let mut fleet = Fleet::new();
    let kept: Vec<_> = (0..100).map(|_| fleet.open(&[("Department", "Accounts")])).collect();
    measured(&mut || {
        for _ in 0..100 {
            let session = fleet.open(&[("Department", "Accounts")]);
            fleet.broker.close(&session, CloseReason::ClosedByClient, &mut fleet.outbox);
            fleet.flush();
        }
    });
    drop(kept);
    100
}

/// A sweep while nothing is due.
fn sweep() -> u64 {
    let (mut fleet, _) = many_sessions();
    fleet.sweep();
    for _ in 0..ROUNDS {
        measured(&mut || fleet.sweep());
    }
    ROUNDS * SESSIONS / 1_000
}

const FILTER: &str =
    r#"(Department in ["Payroll", "Accounts"] or hasRoles "OPERATOR") and not $Country is "UK""#;

const WARM_UP: u64 = 60;
const ROUNDS: u64 = 20;
const MANY_TIMES: u64 = 1_000;
const SESSIONS: u64 = 10_000;
