//! How many requests are under way and done.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::Notify;

use crate::failure::Failure;

/// Counts requests. Dropping the guard of one ends it, however that comes about.
#[derive(Default)]
pub(super) struct Watch {
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Default)]
struct Counts {
    under_way: u64,
    done: u64,
    failure: Option<Failure>,
}

/// A request that is under way.
pub(super) struct UnderWay<'a>(&'a Watch);

impl Watch {
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.counts().under_way += 1;
        UnderWay(self)
    }

    /// Ends the command: requests cannot be shown any more.
    pub(super) fn fail(&self, failure: Failure) {
        self.counts().failure = Some(failure);
        self.changed.notify_waiters();
    }

    /// Waits until this many requests are done, or for ever; or until something fails.
    pub(super) async fn reached(&self, count: Option<u64>) -> Result<(), Failure> {
        self.until(|counts| {
            if let Some(failure) = counts.failure.take() {
                return Some(Err(failure));
            }
            count.is_some_and(|count| counts.done >= count).then_some(Ok(()))
        })
        .await
    }

    /// Waits until no request is under way.
    pub(super) async fn idle(&self) {
        self.until(|counts| (counts.under_way == 0).then_some(())).await;
    }

    async fn until<T>(&self, mut ready: impl FnMut(&mut Counts) -> Option<T>) -> T {
        loop {
            // Listening comes before looking, or a change between the two would be missed.
            let changed = self.changed.notified();
            let found = ready(&mut self.counts());
            match found {
                Some(found) => return found,
                None => changed.await,
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Self(watch) = self;
        let mut counts = watch.counts();
        counts.under_way -= 1;
        counts.done += 1;
        drop(counts);
        watch.changed.notify_waiters();
    }
}
