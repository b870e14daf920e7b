//! Turns of those that take long. Who takes short turns is served whenever the runtime comes to it; the others wait in a queue,
//! of which a few go each time when everybody else who is ready has had a turn. So a short one waits for those few, however
//! many long ones there are. How many go follows from how long all of it takes.

use std::collections::VecDeque;
use std::future::Future;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::flush;

/// A queue of those that take long.
pub(crate) struct Turns {
    /// At most so many go in one round, for each thread of the runtime.
    most: usize,
    queue: Mutex<Queue>,
}

/// Ready when it is one's turn.
pub(crate) type Turn = oneshot::Receiver<()>;

struct Queue {
    waiting: VecDeque<oneshot::Sender<()>>,
    /// Tasks that give turns; there are none while nobody waits.
    ushers: usize,
    /// So many go in the next round.
    at_once: usize,
}

impl Turns {
    /// A queue of which at most so many go in one round.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let queue = Queue { waiting: VecDeque::new(), ushers: 0, at_once: 1 };
        Arc::new(Self { most, queue: Mutex::new(queue) })
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
        let mut began = Instant::now();
        loop {
            // A mere wake-up would not wait until the sockets were looked at.
            yield_now().await;
            // While there are ushers no thread parks, which is when it would write.
            flush::write_own_list();
            let now = Instant::now();
            let round = now - mem::replace(&mut began, now);
            let mut queue = self.queue.lock();
            if queue.waiting.is_empty() {
                queue.ushers -= 1;
                return;
            }
            queue.at_once = self.after(queue.at_once, round);
            let mut gone = 0;
            while gone < queue.at_once
                && let Some(turn) = queue.waiting.pop_front()
            {
                // Who does not wait any more takes nobody's turn.
                gone += usize::from(turn.send(()).is_ok());
            }
        }
    }

    /// How many go in a round after one that took so long.
    fn after(&self, at_once: usize, round: Duration) -> usize {
        let next = if round < ROUND { at_once + 1 } else { at_once / 2 };
        next.clamp(1, self.most)
    }
}

/// For how long a turn has gone on. It begins when it has had some messages, so that a short one takes no time for its clock.
#[derive(Default)]
pub(crate) struct Length {
    messages: u32,
    began: Option<Instant>,
}

impl Length {
    /// Counts a message; whether others have their turn now.
    pub(crate) fn is_over(&mut self) -> bool {
        self.messages += 1;
        self.messages.is_multiple_of(MESSAGES_PER_LOOK)
            && self.began.get_or_insert_with(Instant::now).elapsed() >= LONG
    }
}

/// A client that has little to say waits for about two of these, and for the others that have little to say.
const ROUND: Duration = Duration::from_micros(200);

/// Some hundred messages that cost little, or a few that cost much.
const LONG: Duration = Duration::from_micros(50);

/// To look at the clock takes as long as a twentieth of a message.
const MESSAGES_PER_LOOK: u32 = 8;

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
        for most_at_once in [1, 4] {
            let (turns, taken) = (Turns::new(most_at_once), Arc::new(AtomicUsize::new(0)));
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
            assert!(most <= 2 * most_at_once, "{most} long turns between two short ones");
        }
    }

    #[test]
    fn fewer_go_after_a_round_that_took_long_and_more_after_a_short_one() {
        let turns = Turns::new(4);
        let (short, long) = (ROUND / 2, ROUND * 2);
        assert_eq!([1, 2, 3, 4].map(|at_once| turns.after(at_once, short)), [2, 3, 4, 4]);
        assert_eq!([1, 2, 3, 4].map(|at_once| turns.after(at_once, long)), [1, 1, 1, 2]);
    }

    #[test]
    fn a_turn_ends_when_it_has_taken_long() {
        let mut length = Length::default();
        assert!((1..MESSAGES_PER_LOOK * 2).all(|_| !length.is_over()), "it has only begun");
        length.began = length.began.map(|began| began - LONG);
        assert!(length.is_over());
        assert!(!length.is_over(), "it is looked at now and then only");
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
