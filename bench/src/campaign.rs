//! All that is measured, one after the other. Each part stands for itself: a server is started for it and ended after it.

use std::io;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use clap::ValueEnum;

use crate::broker;
use crate::callgrind;
use crate::compare::Comparison;
use crate::compare::Spread;
use crate::compare::in_turn;
use crate::compare::pair;
use crate::counters::resident;
use crate::crowd::Crowd;
use crate::filters;
use crate::frames::invalid;
use crate::machine::Machine;
use crate::machine::open_files;
use crate::open_loop;
use crate::row::Book;
use crate::row::Memory;
use crate::row::Record;
use crate::row::Row;
use crate::row::Series;
use crate::say;
use crate::servers::Programs;
use crate::settings::SETTINGS;
use crate::settings::SMALL;
use crate::settings::Times;
use crate::target::Peer;
use crate::target::Target;
use crate::tls;

/// How much is measured.
pub(crate) struct Plan {
    times: Times,
    rounds: usize,
    /// How long loads under valgrind last.
    valgrind: [Duration; 2],
    /// Percent of the peak in an open loop.
    loads: &'static [u32],
    open_rounds: usize,
    /// Idle sessions, in steps.
    crowd: &'static [usize],
    /// Sessions that register, and how many handlers each.
    handlers: [usize; 2],
    /// Sessions among which is filtered, and how often.
    filtered: usize,
    filter_requests: usize,
    /// Handlers among which one is looked up, and sessions among which ten are.
    table: [usize; 2],
    indexed: usize,
    /// How long a server has until its memory is looked at.
    settling: Duration,
}

impl Plan {
    pub(crate) const FULL: Self = Self {
        times: Times::FULL,
        rounds: 8,
        valgrind: [Duration::from_secs(2), Duration::from_secs(6)],
        loads: &[10, 20, 30, 40, 50, 60, 70, 80, 90],
        open_rounds: 3,
        crowd: &[0, 2_000, 5_000, 10_000, 20_000],
        handlers: [100, 1_000],
        filtered: 10_000,
        filter_requests: 200,
        table: [1_000, 1_000_000],
        indexed: 99_990,
        settling: Duration::from_secs(1),
    };
    /// Only to see that everything works.
    pub(crate) const QUICK: Self = Self {
        times: Times::QUICK,
        rounds: 1,
        valgrind: [Duration::from_millis(500), Duration::from_millis(1500)],
        loads: &[50],
        open_rounds: 1,
        crowd: &[0, 200, 500],
        handlers: [2, 100],
        filtered: 500,
        filter_requests: 5,
        table: [100, 10_000],
        indexed: 1_000,
        settling: Duration::ZERO,
    };
}

/// Files that a process has open beside its crowd.
const OTHER_FILES: usize = 400;

/// A plan that is carried out.
struct Campaign<'a> {
    plan: &'a Plan,
    programs: &'a Programs,
    book: &'a mut Book,
    began: Instant,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Throughput and latency of peers in alternation
    Peers,
    /// System calls and instructions
    Counters,
    /// Latency over load; needs the peers
    Open,
    /// Memory of idle sessions
    Memory,
    /// A crowded server against an empty one
    Growth,
    /// TLS against none
    Tls,
    /// Requests to filters
    Filters,
    /// The broker alone, with more handlers and sessions than there are sockets
    Broker,
}

/// Measures these parts, in their order, and writes them into `book`.
pub(crate) fn run(
    plan: &Plan,
    programs: &Programs,
    book: &mut Book,
    parts: &[Part],
) -> io::Result<()> {
    let began = Instant::now();
    let mut campaign = Campaign { plan, programs, book, began };
    campaign.book.add(Record::Machine(Machine::here(programs)))?;
    for part in Part::value_variants().iter().filter(|part| parts.contains(part)) {
        match part {
            Part::Peers => campaign.peers(false)?,
            Part::Counters => {
                campaign.peers(true)?;
                campaign.instructions()?;
            }
            Part::Open => campaign.open_loop()?,
            Part::Memory => campaign.memory()?,
            Part::Growth => campaign.growth()?,
            Part::Tls => campaign.tls()?,
            Part::Filters => campaign.filters()?,
            Part::Broker => campaign.broker()?,
        }
    }
    campaign.headline("done")
}

impl Campaign<'_> {
    fn peers(&mut self, count: bool) -> io::Result<()> {
        self.headline(if count { "system calls" } else { "peers in alternation" })?;
        let comparison = Comparison {
            peers: Peer::ALL.to_vec(),
            settings: SETTINGS.to_vec(),
            rounds: if count { 1 } else { self.plan.rounds },
            times: self.plan.times,
            count,
        };
        comparison.run(self.programs, |row| add(self.book, row))
    }

    /// Only where `perf` has not counted them.
    fn instructions(&mut self) -> io::Result<()> {
        let counted = |record: &Record| match record {
            Record::Run(row) => {
                row.counted.is_some_and(|counted| counted.user_instructions.is_some())
            }
            _ => false,
        };
        if self.book.records.iter().any(counted) || !callgrind::available() {
            return Ok(());
        }
        self.headline("user instructions, under valgrind")?;
        for peer in [Peer::Antiphon, Peer::Ws] {
            let row = callgrind::run(self.programs, peer, SMALL, self.plan.valgrind)?;
            say::instructions(&row)?;
            self.book.add(Record::Instructions(row))?;
        }
        Ok(())
    }

    /// At parts of the median rate that each peer reached in the setting small.
    fn open_loop(&mut self) -> io::Result<()> {
        self.headline("latency over load")?;
        for round in 0..self.plan.open_rounds {
            for load in self.plan.loads {
                for peer in in_turn(&Peer::ALL, round) {
                    let load = f64::from(*load) / 100.0;
                    let Some(peak) = self.peak(*peer) else { continue };
                    let server = self.programs.start(*peer)?;
                    let row = open_loop::run(&server.target, SMALL, self.plan.times, peak * load)?;
                    add(self.book, Row { round, load: Some(load), ..row })?;
                }
            }
        }
        Ok(())
    }

    fn peak(&self, peer: Peer) -> Option<f64> {
        let rates = self.book.records.iter().filter_map(|record| match record {
            Record::Run(row)
                if row.series == Series::Peers
                    && row.setting == SMALL.name
                    && row.peer == peer.name()
                    && row.counts() =>
            {
                Some(row.rate)
            }
            _ => None,
        });
        Spread::of(rates).map(|spread| spread.median)
    }

    fn memory(&mut self) -> io::Result<()> {
        self.headline("memory of idle sessions")?;
        for peer in Peer::ALL {
            let server = self.programs.start(peer)?;
            let mut crowd = Crowd::new(&server.target)?;
            for size in self.plan.crowd {
                crowd.grow(admitted(*size)?)?;
                self.weigh(&server.target, &crowd, 0)?;
            }
        }
        Ok(())
    }

    /// One server that is empty and one that is not. Whoever is not measured stands still.
    fn growth(&mut self) -> io::Result<()> {
        self.headline("a crowded server against an empty one")?;
        let [empty, crowded] =
            [self.programs.start(Peer::Antiphon)?, self.programs.start(Peer::Antiphon)?];
        let mut crowd = Crowd::new(&crowded.target)?;
        let [sessions, each] = self.plan.handlers;
        crowd.grow(admitted(self.plan.crowd.last().copied().unwrap_or(0))?)?;
        let target = crowded.target.called("antiphon crowded");
        self.weigh(&target, &crowd, 0)?;
        crowd.register(sessions, each)?;
        self.weigh(&target, &crowd, sessions * each)?;
        let targets = [target, empty.target.clone()];
        let prepare = |target: &Target| {
            empty.hold(target.pid != empty.target.pid)?;
            crowded.hold(target.pid != crowded.target.pid)
        };
        let done = |row| add(self.book, Row { series: Series::Growth, ..row });
        pair(&targets, (SMALL, self.plan.rounds, self.plan.times), prepare, done)?;
        crowd.check()
    }

    fn tls(&mut self) -> io::Result<()> {
        self.headline("TLS against none")?;
        let (server, encrypted) = tls::start(self.programs)?;
        let targets = [encrypted, server.target.clone()];
        let done = |row| add(self.book, Row { series: Series::Tls, ..row });
        pair(&targets, (SMALL, self.plan.rounds, self.plan.times), |_| Ok(()), done)
    }

    fn filters(&mut self) -> io::Result<()> {
        self.headline("filters")?;
        let server = self.programs.start(Peer::Antiphon)?;
        let mut crowd = Crowd::new(&server.target)?;
        crowd.grow(self.plan.filtered)?;
        for (filter, fewer) in FILTERS {
            let asked = self.plan.filter_requests.div_ceil(fewer);
            let row = filters::run(&server.target, filter, asked, self.plan.filtered)?;
            if row.matches == 0 {
                return Err(invalid(format!("no session matches {filter}")));
            }
            say::filter(&row)?;
            self.book.add(Record::Filter(row))?;
        }
        crowd.check()
    }

    fn broker(&mut self) -> io::Result<()> {
        self.headline("the broker alone")?;
        let [few, many] = self.plan.table;
        for row in [broker::lookup(few), broker::lookup(many), broker::filter(self.plan.indexed)] {
            let row = row?;
            say::inside(&row)?;
            self.book.add(Record::Inside(row))?;
        }
        Ok(())
    }

    fn weigh(&mut self, target: &Target, crowd: &Crowd, handlers: usize) -> io::Result<()> {
        sleep(self.plan.settling);
        crowd.check()?;
        let kib = target.pid.map_or(0, resident);
        let memory = Memory { peer: target.name.clone(), sessions: crowd.size(), handlers, kib };
        say::memory(&memory)?;
        self.book.add(Record::Memory(memory))
    }

    fn headline(&self, what: &str) -> io::Result<()> {
        let seconds = self.began.elapsed().as_secs();
        say::line(&format!("\n{:02}:{:02}  {what}", seconds / 60, seconds % 60))
    }
}

/// With how many times fewer requests than usual. Each matches 10 sessions of 10,000, but for the last two.
const FILTERS: [(&str, usize); 8] = [
    ("Group is 'group-7'", 1),
    ("Group is 'group-7' and Kind is 'till'", 1),
    ("Group is 'group-7' or Place is 'shop-7'", 1),
    ("Place matches 'shop-12[0-9]'", 1),
    ("hasRoles['CLIENT'] and Group is 'group-7'", 1),
    ("not (Group ne 'group-7')", 1),
    (FAN_OUT, 4),
    (EVERYBODY, 20),
];

/// A tenth of the sessions: 1,000.
pub(crate) const FAN_OUT: &str = "Part is 'part-7'";
pub(crate) const EVERYBODY: &str = "Kind is 'till'";

/// How many of so many sessions the limit of open files leaves.
fn admitted(sessions: usize) -> io::Result<usize> {
    let files = match open_files() {
        0 => usize::MAX,
        files => usize::try_from(files).unwrap_or(usize::MAX),
    };
    let most = files.saturating_sub(OTHER_FILES);
    if sessions > most {
        say::line(&format!("{most} sessions instead of {sessions}, because of ulimit -n {files}"))?;
    }
    Ok(sessions.min(most))
}

fn add(book: &mut Book, row: Row) -> io::Result<()> {
    say::row(&row)?;
    book.add(Record::Run(row))
}
