//! Whether the server wants work: one value, to be read at any time or waited for.

use tokio::sync::watch;

/// Whether the server wants work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// It listens, but does not serve yet.
    Starting,
    /// It does.
    Ready,
    /// It is about to end: new sessions belong elsewhere.
    Draining,
}

impl Readiness {
    pub(crate) const ALL: [Self; 3] = [Self::Starting, Self::Ready, Self::Draining];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// The [`Readiness`] of a server. It only goes forward.
pub(crate) struct Ready(watch::Sender<Readiness>);

impl Ready {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Readiness::Starting))
    }

    pub(crate) fn get(&self) -> Readiness {
        *self.0.borrow()
    }

    pub(crate) fn advance_to(&self, next: Readiness) {
        self.0.send_if_modified(|present| {
            let is_next = next > *present;
            *present = next.max(*present);
            is_next
        });
    }

    /// Waits for [`Readiness::Draining`].
    pub(crate) async fn draining(&self) {
        let mut present = self.0.subscribe();
        // The sender is here, so it is not gone.
        let _ = present.wait_for(|present| *present == Readiness::Draining).await;
    }
}
