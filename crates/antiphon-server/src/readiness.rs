//! Whether the server wants to be sent clients.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

/// What the server is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// It does not accept connections yet.
    Starting,
    /// It serves.
    Ready,
    /// It is on its way to its end.
    Draining,
}

impl State {
    pub(crate) const ALL: [Self; 3] = [Self::Starting, Self::Ready, Self::Draining];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// The present state, which anybody may read at any time.
#[derive(Debug)]
pub(crate) struct Readiness(AtomicU8);

impl Readiness {
    pub(crate) const fn starting() -> Self {
        Self(AtomicU8::new(State::Starting as u8))
    }

    pub(crate) fn set(&self, state: State) {
        self.0.store(state as u8, Relaxed);
    }

    pub(crate) fn state(&self) -> State {
        State::ALL[usize::from(self.0.load(Relaxed))]
    }
}
