//! Threads that come between each other wherever a lock is taken, in thousands of orders that a scheduler chooses.
//!
//! The broker here is the real one, compiled with the scheduler's locks; see the manifest of this package. Atomics are not
//! points of change. A failure prints a schedule that `shuttle::replay` takes.

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod ends;
mod flushing;
mod stage;
mod takeover;

/// Tries `test` under random schedules, and under such in which few, but early, changes are made.
fn check(test: fn()) {
    shuttle::check_random(test, SCHEDULES);
    shuttle::check_pct(test, SCHEDULES, 3);
}

const SCHEDULES: usize = 1_000;
