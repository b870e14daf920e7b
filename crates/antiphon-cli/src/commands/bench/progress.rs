//! The bar that shows on a terminal how far a run is.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::output::Output;

/// A line on standard error that is written over and over.
pub(super) struct Progress(Option<JoinHandle<()>>);

impl Progress {
    /// Begins to show it, if somebody is there to see it.
    pub(super) fn start(
        output: Output,
        completed: Arc<AtomicU64>,
        begin: Instant,
        end: Instant,
    ) -> Self {
        let seen = output != Output::Json && io::stderr().is_terminal();
        Self(seen.then(|| tokio::spawn(show(completed, begin, end))))
    }

    pub(super) fn clear(self) {
        if let Self(Some(task)) = self {
            task.abort();
            // Nothing depends on it.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

async fn show(completed: Arc<AtomicU64>, begin: Instant, end: Instant) {
    let mut before = 0;
    loop {
        sleep(PERIOD).await;
        let now = completed.load(Ordering::Relaxed);
        let rate = (now - before) as f64 / PERIOD.as_secs_f64();
        before = now;
        let line = line(begin.elapsed(), end - begin, rate);
        // Nothing depends on it.
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
    }
}

fn line(elapsed: Duration, all: Duration, rate: f64) -> String {
    let (elapsed, all) = (elapsed.as_secs_f64(), all.as_secs_f64());
    let part = if all > 0.0 { (elapsed / all).min(1.0) } else { 1.0 };
    let filled = (part * WIDTH as f64) as usize;
    let bar = "#".repeat(filled) + &" ".repeat(WIDTH - filled);
    format!("[{bar}] {:.0} of {all:.0} s, {rate:.0} requests per second", elapsed.min(all))
}

const WIDTH: usize = 30;
const PERIOD: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        let second = Duration::from_secs(1);
        let half = line(second * 5, second * 10, 1234.0);
        let bar = "#".repeat(15) + &" ".repeat(15);
        assert_eq!(half, format!("[{bar}] 5 of 10 s, 1234 requests per second"));
        assert!(line(second * 11, second * 10, 0.0).contains(&"#".repeat(30)));
        assert!(line(second, Duration::ZERO, 0.0).contains(&"#".repeat(30)));
    }
}
