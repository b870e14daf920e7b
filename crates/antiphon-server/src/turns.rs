//! Turns of those that take long. Who takes short turns is served whenever the runtime comes to it; the others wait in a queue,
//! of which a few go each time when everybody else who is ready has had a turn. So a short one waits for those few, however
//! many long ones there are.

use std::collections::VecDeque;
use std::future::Future;
use std::future::poll_fn;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::ready;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;

/// A queue of those that take long.
pub(crate) struct Turns {
    /// How many go at a time, for each thread of the runtime.
    at_once: usize,
    queue: Mutex<Queue>,
}

/// Ready when it is one's turn.
pub(crate) type Turn = oneshot::Receiver<()>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<oneshot::Sender<()>>,
    /// Tasks that give turns; there are none while nobody waits.
    ushers: usize,
}

impl Turns {
    pub(crate) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self { at_once, queue: Mutex::default() })
    }

    /// Waits in the queue. May be dropped at any time. Must be called on a runtime.
    pub(crate) fn wait(self: &Arc<Self>) -> Turn {
        let (turn, wait) = oneshot::channel();
        let runtime = Handle::current();
        let mut queue = self.queue.lock();
        queue.waiting.push_back(turn);
        if queue.ushers < runtime.metrics().num_workers() {
            queue.ushers += 1;
            runtime.spawn(Arc::clone(self).usher());
        }
        wait
    }

    /// Does what `future` has to do in turns of this queue, one for each of its steps.
    pub(crate) async fn pace<F: Future>(self: Arc<Self>, future: F) -> F::Output {
        let (mut future, mut turn) = (pin!(future), None);
        poll_fn(|cx| {
            let wait = turn.get_or_insert_with(|| self.wait());
            // There is no error as long as the runtime is there.
            let _ = ready!(Pin::new(wait).poll(cx));
            turn = None;
            future.as_mut().poll(cx)
        })
        .await
    }

    async fn usher(self: Arc<Self>) {
        loop {
            // A mere wake-up would not wait until the sockets were looked at.
            yield_now().await;
            let mut queue = self.queue.lock();
            if queue.waiting.is_empty() {
                queue.ushers -= 1;
                return;
            }
            let mut gone = 0;
            while gone < self.at_once
                && let Some(turn) = queue.waiting.pop_front()
            {
                // Who does not wait any more takes nobody's turn.
                gone += usize::from(turn.send(()).is_ok());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use tokio::task::JoinSet;

    use super::*;

    async fn take_three(turns: Arc<Turns>, taken: Arc<AtomicUsize>) {
        for _ in 0..3 {
            turns.wait().await.unwrap();
            taken.fetch_add(1, Relaxed);
        }
    }

    #[tokio::test]
    async fn a_short_turn_waits_for_few_long_ones_however_many_there_are() {
        for at_once in [1, 4] {
            let (turns, taken) = (Turns::new(at_once), Arc::new(AtomicUsize::new(0)));
            let mut everybody = JoinSet::new();
            for _ in 0..50 {
                everybody.spawn(take_three(Arc::clone(&turns), Arc::clone(&taken)));
            }
            let (mut seen, mut most) = (0, 0);
            while seen < 150 {
                yield_now().await;
                let now = taken.load(Relaxed);
                (seen, most) = (now, most.max(now - seen));
            }
            // Usher and this one may change places once.
            assert!(most <= 2 * at_once, "{most} long turns between two short ones");
        }
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_takes_nobodys_turn() {
        let turns = Turns::new(1);
        let gone: Vec<_> = (0..50).map(|_| turns.wait()).collect();
        let there = turns.wait();
        drop(gone);
        there.await.unwrap();
        yield_now().await;
        assert_eq!(turns.queue.lock().ushers, 0);
        turns.pace(async { yield_now().await }).await;
    }
}
