//! Agents that outlive a test: loading an SDK takes seconds, resetting an agent milliseconds.
//!
//! An agent goes back only after a test that passed and only when its session closed cleanly;
//! else it is ended. Idle agents end when the test process does, as their commands end.

use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use crate::agent::Driver;
use crate::sdk::Sdk;

static IDLE: Mutex<Vec<Driver>> = Mutex::new(Vec::new());

/// An agent on loan from the pool. A failing test prints its story.
pub(crate) struct Agent(Option<Driver>);

impl Agent {
    pub(crate) fn take(sdk: Sdk) -> Self {
        let idle = {
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            idle.iter().position(|driver| driver.sdk() == sdk).map(|at| idle.swap_remove(at))
        };
        Self(Some(idle.unwrap_or_else(|| Driver::start(sdk))))
    }

    /// Ends the agent at once.
    pub(crate) fn kill(mut self) {
        self.0 = None;
    }
}

impl Deref for Agent {
    type Target = Driver;

    fn deref(&self) -> &Driver {
        self.0.as_ref().expect("an agent has its driver until it is dropped")
    }
}

impl DerefMut for Agent {
    fn deref_mut(&mut self) -> &mut Driver {
        self.0.as_mut().expect("an agent has its driver until it is dropped")
    }
}

impl Drop for Agent {
    #[expect(
        clippy::print_stderr,
        reason = "the story of a failed test belongs beside its failure"
    )]
    fn drop(&mut self) {
        let Some(mut driver) = self.0.take() else {
            return;
        };
        if thread::panicking() {
            eprintln!("{}", driver.story());
        } else if driver.reset() {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(driver);
        }
    }
}
