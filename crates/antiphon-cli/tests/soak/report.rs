//! What is measured while it runs, and the report at the end.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;
use tokio::time::Instant;
use tokio::time::interval;

use crate::book::Book;
use crate::options::Options;
use crate::server::Server;

/// What was measured.
pub(crate) struct Report {
    json: bool,
    seed: u64,
    time: Duration,
    windows: Vec<Window>,
    /// Seconds since the beginning, and bytes of the server's memory.
    memory: Vec<(f64, f64)>,
}

/// What was measured in some seconds.
struct Window {
    end: Duration,
    requests: u64,
    latency: Histogram<u64>,
    memory: u64,
    files: usize,
}

impl Report {
    /// Measures until the time is over.
    pub(crate) async fn watch(options: &Options, server: &Server, book: &Book) -> Self {
        let Options { json, seed, time, .. } = *options;
        let mut report = Self { json, seed, time, windows: Vec::new(), memory: Vec::new() };
        let (begin, mut ticks) = (Instant::now(), interval(SAMPLE));
        let (mut last, mut ended) = (Duration::ZERO, 0);
        while begin.elapsed() < time {
            ticks.tick().await;
            let now = begin.elapsed();
            report.memory.push((now.as_secs_f64(), server.memory() as f64));
            if now - last >= WINDOW.min(time / 3) {
                let all = book.ended.load(Relaxed);
                let window = Window {
                    end: now,
                    requests: all - ended,
                    latency: book.latencies(),
                    memory: server.memory(),
                    files: server.files(),
                };
                if !json {
                    window.print(now - last);
                }
                report.windows.push(window);
                (last, ended) = (now, all);
            }
        }
        report
    }

    /// MiB an hour, by the line of least squares through the last three quarters of the time.
    fn slope(&self) -> f64 {
        let warm = self.time.as_secs_f64() / 4.0;
        let samples: Vec<_> = self.memory.iter().filter(|(second, _)| *second >= warm).collect();
        let count = samples.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| {
            samples.iter().map(|sample| of(sample)).sum::<f64>() / count
        };
        let (second, bytes) = (mean(|sample| sample.0), mean(|sample| sample.1));
        let covariance: f64 =
            samples.iter().map(|sample| (sample.0 - second) * (sample.1 - bytes)).sum();
        let variance: f64 = samples.iter().map(|sample| (sample.0 - second).powi(2)).sum();
        covariance / variance * 3600.0 / f64::from(1 << 20)
    }

    pub(crate) fn print(&self, book: &Book, problems: &[String]) {
        if self.json {
            return println!("{}", self.to_json(book, problems));
        }
        println!("\n{:<8} {:<44} {:>12}", "request", "outcome", "count");
        for ((kind, name), count) in book.outcomes() {
            println!("{:<8} {name:<44} {count:>12}", format!("{kind:?}").to_lowercase());
        }
        println!("\noutcomes in all    {}", book.ended.load(Relaxed));
        println!("memory slope       {:.2} MiB an hour", self.slope());
        println!("mismatches         {}", problems.len());
        problems.iter().take(MOST_SHOWN).for_each(|problem| println!("  {problem}"));
        if !problems.is_empty() {
            println!("  (seed {})", self.seed);
        }
    }

    fn to_json(&self, book: &Book, problems: &[String]) -> serde_json::Value {
        let outcomes: Vec<_> = book
            .outcomes()
            .into_iter()
            .map(|((kind, outcome), count)| {
                json!({"kind": format!("{kind:?}").to_lowercase(), "outcome": outcome, "count": count})
            })
            .collect();
        let windows: Vec<_> = self.windows.iter().map(Window::to_json).collect();
        json!({
            "seed": self.seed,
            "seconds": self.time.as_secs(),
            "ended": book.ended.load(Relaxed),
            "outcomes": outcomes,
            "mismatches": problems.len(),
            "problems": problems.iter().take(MOST_SHOWN).collect::<Vec<_>>(),
            "memory_slope_mib_per_hour": self.slope(),
            "windows": windows,
        })
    }
}

impl Window {
    fn print(&self, length: Duration) {
        println!(
            "{:>5} s  {:>8.0} requests/s  p50 {:>6} us  p99 {:>8} us  memory {:>6.1} MiB  files {}",
            self.end.as_secs(),
            self.requests as f64 / length.as_secs_f64(),
            self.latency.value_at_quantile(0.5),
            self.latency.value_at_quantile(0.99),
            self.memory as f64 / f64::from(1 << 20),
            self.files,
        );
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "second": self.end.as_secs(),
            "requests": self.requests,
            "p50_us": self.latency.value_at_quantile(0.5),
            "p99_us": self.latency.value_at_quantile(0.99),
            "memory": self.memory,
            "files": self.files,
        })
    }
}

const SAMPLE: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(10);
const MOST_SHOWN: usize = 20;
