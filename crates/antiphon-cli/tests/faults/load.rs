//! Requests without a pause, and the account of them: each has one outcome, and it is a true one.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon::Error;
use antiphon::Session;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

use crate::stage::ask;
use crate::stage::within;

/// Requests that each sender has under way.
const AT_ONCE: usize = 16;

struct Outcome {
    path: &'static str,
    number: i64,
    result: Result<i64, Error>,
}

/// Running requests, each with a number of its own.
pub(crate) struct Load {
    paths: &'static [&'static str],
    outcomes: UnboundedReceiver<Outcome>,
    book: BTreeMap<i64, Result<i64, Error>>,
    must_stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(senders: &[Session], paths: &'static [&'static str]) -> Self {
        let (tell, outcomes) = unbounded_channel();
        let (next, must_stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut tasks = JoinSet::new();
        for sender in senders {
            for lane in 0..AT_ONCE {
                let path = paths[lane % paths.len()];
                let (sender, next) = (sender.clone(), Arc::clone(&next));
                tasks.spawn(send(sender, path, next, tell.clone(), Arc::clone(&must_stop)));
            }
        }
        Self { paths, outcomes, book: BTreeMap::new(), must_stop, tasks }
    }

    /// Waits until each path has answered this many requests more.
    pub(crate) async fn expect_answers(&mut self, count: usize) {
        let mut missing: HashMap<_, _> = self.paths.iter().map(|path| (*path, count)).collect();
        while missing.values().any(|count| *count > 0) {
            let outcome = within(self.outcomes.recv()).await.unwrap();
            let missing = missing.get_mut(outcome.path).unwrap();
            *missing = missing.saturating_sub(usize::from(outcome.result.is_ok()));
            self.enter(outcome);
        }
    }

    fn enter(&mut self, Outcome { number, result, .. }: Outcome) {
        assert!(self.book.insert(number, result).is_none(), "{number} ended twice");
    }

    /// Waits for the last outcomes, and compares all with what the handlers have seen.
    pub(crate) async fn finish(mut self, handlers: &mut [UnboundedReceiver<i64>]) -> Summary {
        self.must_stop.store(true, Relaxed);
        while let Some(ended) = within(self.tasks.join_next()).await {
            ended.unwrap();
        }
        while let Some(outcome) = self.outcomes.recv().await {
            self.enter(outcome);
        }
        let mut seen: HashMap<i64, usize> = HashMap::new();
        for handler in handlers {
            while let Ok(number) = handler.try_recv() {
                *seen.entry(number).or_default() += 1;
            }
        }
        let mut summary = Summary { answered: 0, failed: 0 };
        for (number, result) in &self.book {
            let seen = seen.remove(number).unwrap_or(0);
            assert!(seen <= 1, "{number} was handled {seen} times");
            match result {
                Ok(answer) => {
                    assert_eq!((answer, seen), (number, 1));
                    summary.answered += 1;
                }
                Err(error) => {
                    let is_true = seen == 0 || error.may_have_executed();
                    assert!(is_true, "{number} was handled in spite of: {error}");
                    summary.failed += 1;
                }
            }
        }
        assert!(seen.is_empty(), "nobody sent {seen:?}");
        summary
    }
}

/// How requests ended.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
}

async fn send(
    sender: Session,
    path: &'static str,
    next: Arc<AtomicI64>,
    tell: UnboundedSender<Outcome>,
    must_stop: Arc<AtomicBool>,
) {
    while !must_stop.load(Relaxed) {
        let number = next.fetch_add(1, Relaxed);
        let result = ask(&sender, path, number).await;
        tell.send(Outcome { path, number, result }).unwrap();
    }
}
