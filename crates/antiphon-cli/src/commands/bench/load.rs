//! The requests of a run: a closed loop keeps a number of them under way, an open one sends them when they are due.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use antiphon::Messaging;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::commands::bench::fleet::Fleet;
use crate::commands::bench::tally::Tally;

/// When to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) begin: Instant,
    /// What is answered before this does not count.
    pub(super) counted_from: Instant,
    pub(super) end: Instant,
    /// Requests per second; without it as many as possible.
    pub(super) rate: Option<f64>,
}

/// What the workers share.
pub(super) struct Load {
    path: String,
    payload: Bytes,
    plan: Plan,
    /// Requests with an outcome, counted or not.
    completed: Arc<AtomicU64>,
    /// In an open loop: the number of the next request.
    next: AtomicU64,
    /// In an open loop: one permit for each request that is due. Closed at the end.
    due: Semaphore,
}

/// The results of one requester.
type Results = Arc<Mutex<Tally>>;

impl Load {
    pub(super) fn new(fleet: &Fleet, plan: Plan, payload: usize) -> Arc<Self> {
        Arc::new(Self {
            path: fleet.path.clone(),
            payload: (0..payload).map(|index| index as u8).collect(),
            plan,
            completed: Arc::default(),
            next: AtomicU64::new(0),
            due: Semaphore::new(0),
        })
    }

    pub(super) fn completed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.completed)
    }

    /// Sends requests until the end and waits for their outcomes.
    pub(super) async fn run(self: Arc<Self>, fleet: &Fleet, outstanding: usize) -> Tally {
        let mut workers = JoinSet::new();
        let mut results: Vec<Results> = Vec::new();
        for requester in &fleet.requesters {
            let result = Results::default();
            for _ in 0..outstanding {
                let worker = Worker {
                    load: Arc::clone(&self),
                    messaging: requester.messaging().clone(),
                    results: Arc::clone(&result),
                };
                workers.spawn(worker.run());
            }
            results.push(result);
        }
        if let Some(rate) = self.plan.rate {
            let load = Arc::clone(&self);
            thread::spawn(move || load.pace(rate));
        }
        while workers.join_next().await.is_some() {}
        let mut total = Tally::default();
        for result in &results {
            total.add(&result.lock().unwrap_or_else(PoisonError::into_inner));
        }
        total.not_sent = self.not_sent();
        total
    }

    /// Lets requests go when they are due. It is a thread, because timers of the runtime are a millisecond coarse.
    fn pace(&self, rate: f64) {
        let mut released = 0;
        loop {
            let now = Instant::now().min(self.plan.end);
            let due = self.due_by(now, rate);
            // A semaphore has bounds; what is beyond them is sent late, as all else that is behind.
            let room = Semaphore::MAX_PERMITS - self.due.available_permits();
            let more = due.saturating_sub(released).min(room);
            self.due.add_permits(more);
            released += more;
            if now == self.plan.end {
                return self.due.close();
            }
            let next = self.due_at(released as u64 + 1, rate);
            thread::sleep(next.saturating_duration_since(now).clamp(SHORTEST_NAP, LONGEST_NAP));
        }
    }

    /// How many requests are due before a time.
    fn due_by(&self, time: Instant, rate: f64) -> usize {
        let passed = time.saturating_duration_since(self.plan.begin).as_secs_f64();
        ((passed * rate).ceil() as usize).saturating_sub(1)
    }

    /// When the request with this number is due. The first has number 1, so that none is due before its time.
    fn due_at(&self, number: u64, rate: f64) -> Instant {
        self.plan.begin + Duration::from_secs_f64(number as f64 / rate)
    }

    /// Requests that were due and had to wait until the end.
    fn not_sent(&self) -> u64 {
        let Some(rate) = self.plan.rate else { return 0 };
        let due = self.due_by(self.plan.end, rate) as u64;
        due.saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// Waits until a request may be sent; from when its latency counts. `None` at the end.
    async fn turn(&self) -> Option<Instant> {
        let Some(rate) = self.plan.rate else {
            let now = Instant::now();
            return (now < self.plan.end).then_some(now);
        };
        self.due.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        Some(self.due_at(number, rate))
    }
}

/// One of the requests that a session may have under way.
struct Worker {
    load: Arc<Load>,
    messaging: Messaging,
    results: Results,
}

impl Worker {
    async fn run(self) {
        let load = &*self.load;
        while let Some(since) = load.turn().await {
            let request = load.payload.clone();
            let answered = self.messaging.send_request_to_path::<Bytes>(&load.path, request).await;
            let now = Instant::now();
            let is_over = answered.as_ref().is_err_and(antiphon::Error::is_closed);
            let failed = answered.is_err();
            load.completed.fetch_add(1, Ordering::Relaxed);
            if now >= load.plan.counted_from {
                let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
                results.take(answered, &load.payload, now.saturating_duration_since(since));
            }
            if is_over {
                return;
            }
            if failed {
                // Whatever fails at once would fail millions of times.
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

const SHORTEST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(100);
const AFTER_FAILURE: Duration = Duration::from_millis(10);
