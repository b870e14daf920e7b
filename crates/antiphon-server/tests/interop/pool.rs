//! Agents that outlive a test: loading an SDK takes seconds, resetting an agent milliseconds.
//!
//! An agent goes back only after a test that passed and only when its session closed cleanly;
//! else its process is killed. Idle processes end when the test process does, as their stdin ends.

use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use crate::agent::Process;
use crate::sdk::Sdk;

static IDLE: Mutex<Vec<Process>> = Mutex::new(Vec::new());

/// A process on loan from the pool. A failing test prints its story.
pub(crate) struct Agent(Option<Process>);

impl Agent {
    pub(crate) fn take(sdk: Sdk) -> Self {
        let idle = {
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            idle.iter().position(|process| process.sdk() == sdk).map(|at| idle.swap_remove(at))
        };
        Self(Some(idle.unwrap_or_else(|| Process::start(sdk))))
    }

    /// Ends the process at once.
    pub(crate) fn kill(mut self) {
        self.0 = None;
    }
}

impl Deref for Agent {
    type Target = Process;

    fn deref(&self) -> &Process {
        self.0.as_ref().expect("an agent has its process until it is dropped")
    }
}

impl DerefMut for Agent {
    fn deref_mut(&mut self) -> &mut Process {
        self.0.as_mut().expect("an agent has its process until it is dropped")
    }
}

impl Drop for Agent {
    #[expect(
        clippy::print_stderr,
        reason = "the story of a failed test belongs beside its failure"
    )]
    fn drop(&mut self) {
        let Some(mut process) = self.0.take() else {
            return;
        };
        if thread::panicking() {
            eprintln!("{}", process.story());
        } else if process.reset() {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(process);
        }
    }
}
