//! The broker under a simulated driver, network and clients: thousands of schedules, each decided by one number.
//!
//! | module | holds |
//! |---|---|
//! | `random`, `plan` | what a seed decides |
//! | `world` | the virtual clock and what happens next |
//! | `network` | connections that take few bytes, lose some, and are cut |
//! | `server`, `sweeping`, `draining` | what the real driver does with the broker |
//! | `client`, `wire` | what the SDKs do |
//! | `record` | what happened, as the clients and the driver saw it |
//! | `model` | what must be |
//! | `judge` | whether what happened is what must be |
//! | `tally` | how much happened |
//!
//! `docs/testing.md` says how to replay a seed. Nothing here knows the broker from within.

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]
#![allow(clippy::print_stdout, reason = "a seed that is replayed tells what happens")]

mod client;
mod draining;
mod judge;
mod model;
mod network;
mod plan;
mod random;
mod record;
mod server;
mod sweeping;
mod tally;
mod wire;
mod world;

use std::ops::Range;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use crate::tally::Tally;

/// What is tried unless the environment says otherwise.
const SEEDS: Range<u64> = 0..10_000;
/// One seed, with all that happens.
const ONE: &str = "ANTIPHON_SIM_SEED";
/// `from..to`.
const MANY: &str = "ANTIPHON_SIM_SEEDS";

#[test]
fn whatever_breaks_every_request_ends_exactly_once() {
    if let Ok(seed) = std::env::var(ONE) {
        let verdict = world::run(seed.parse().unwrap(), true);
        assert_eq!(verdict.faults, Vec::<String>::new());
        return;
    }
    let seeds = std::env::var(MANY).map_or(SEEDS, |seeds| {
        let (from, to) = seeds.split_once("..").unwrap();
        from.parse().unwrap()..to.parse().unwrap()
    });
    let (failed, tally) = run_all(seeds.clone());
    println!("{tally:?}");
    let shown: Vec<_> =
        failed.iter().take(5).map(|(seed, faults)| describe(*seed, faults)).collect();
    let count = failed.len();
    assert!(
        failed.is_empty(),
        "{count} of {} seeds failed\n{}",
        seeds.end - seeds.start,
        shown.join("\n")
    );
    if seeds == SEEDS {
        tally.check();
    }
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..50 {
        assert_eq!(world::run(seed, false).digest, world::run(seed, false).digest, "seed {seed}");
    }
}

/// The seeds that failed, in order, and what all did.
fn run_all(seeds: Range<u64>) -> (Vec<(u64, Vec<String>)>, Tally) {
    let next = &AtomicU64::new(seeds.start);
    let end = seeds.end;
    let work = move || {
        let (mut failed, mut tally) = (Vec::new(), Tally::default());
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= end {
                return (failed, tally);
            }
            match panic::catch_unwind(AssertUnwindSafe(|| world::run(seed, false))) {
                Ok(verdict) if verdict.faults.is_empty() => tally.add(&verdict.tally),
                Ok(verdict) => failed.push((seed, verdict.faults)),
                Err(_) => failed.push((seed, vec!["it panicked".to_owned()])),
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let (mut failed, mut tally) = (Vec::new(), Tally::default());
        for thread in threads {
            let (own, did) = thread.join().unwrap();
            failed.extend(own);
            tally.add(&did);
        }
        failed.sort_by_key(|(seed, _)| *seed);
        (failed, tally)
    })
}

fn describe(seed: u64, faults: &[String]) -> String {
    let faults: Vec<_> = faults.iter().take(5).map(|fault| format!("    {fault}\n")).collect();
    let faults = faults.concat();
    format!(
        "seed {seed}:\n{faults}    replay with: {ONE}={seed} cargo test -p antiphon-broker --test simulation every -- --nocapture"
    )
}
