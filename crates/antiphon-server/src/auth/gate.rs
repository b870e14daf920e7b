//! How many may do something costly at once, and how many more may wait for it. Whoever comes beyond that is sent away at
//! once: no queue here grows with what clients send.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// A door with a waiting room.
pub(super) struct Gate {
    running: Arc<Semaphore>,
    /// Those who run and those who wait.
    inside: Arc<Semaphore>,
}

/// Who is inside; leaves when it is dropped.
pub(super) struct Pass {
    _running: OwnedSemaphorePermit,
    _inside: OwnedSemaphorePermit,
}

/// The work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Busy {
    /// Too many are waiting already.
    #[error("overloaded: too many authentications at once")]
    Full,
    /// It was begun and came to no end.
    #[error("a defect of the server")]
    Broken,
}

impl Gate {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.clamp(1, MOST);
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            inside: Arc::new(Semaphore::new(at_once + waiting.min(MOST))),
        }
    }

    /// Waits for its turn.
    pub(super) async fn enter(&self) -> Result<Pass, Busy> {
        let inside = Arc::clone(&self.inside).try_acquire_owned().map_err(|_| Busy::Full)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Busy::Broken)?;
        Ok(Pass { _running: running, _inside: inside })
    }

    /// Does work that blocks its thread, off the threads that serve sockets. Work that nobody waits for any more is still
    /// counted until it ends.
    pub(super) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let pass = self.enter().await?;
        let work = move || {
            let result = work();
            drop(pass);
            result
        };
        spawn_blocking(work).await.map_err(|_| Busy::Broken)
    }
}

/// Far below what a semaphore can count.
const MOST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn so_many_run_so_many_wait_and_the_others_are_sent_away() {
        let gate = Arc::new(Gate::new(1, 1));
        let (release, released) = mpsc::channel::<()>();
        let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let first = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move {
                let work = move || {
                    begin.send(()).unwrap();
                    released.recv().unwrap();
                    1
                };
                gate.block(work).await
            }
        });
        begun.recv().await.unwrap();
        let mut second = Box::pin(gate.block(|| 2));
        let waits = tokio::time::timeout(std::time::Duration::ZERO, &mut second).await;
        assert!(waits.is_err());
        assert_eq!(gate.block(|| 3).await, Err(Busy::Full));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(1));
        assert_eq!(second.await, Ok(2));
        assert_eq!(gate.block(|| 4).await, Ok(4));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_counted_until_it_ends() {
        let gate = Gate::new(1, 0);
        let (release, released) = mpsc::channel::<()>();
        let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let work = gate.block(move || {
            begin.send(()).unwrap();
            released.recv().unwrap();
        });
        let mut work = Box::pin(work);
        tokio::select! {
            _ = &mut work => panic!("it cannot end"),
            _ = begun.recv() => {}
        }
        drop(work);
        assert_eq!(gate.block(|| ()).await, Err(Busy::Full));
        release.send(()).unwrap();
        while gate.block(|| ()).await == Err(Busy::Full) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_gives_its_place_back() {
        let gate = Gate::new(1, 0);
        assert_eq!(gate.block(|| panic!("on purpose")).await, Err::<(), _>(Busy::Broken));
        assert_eq!(gate.block(|| 1).await, Ok(1));
    }
}
