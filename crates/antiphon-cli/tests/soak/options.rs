//! The command line: what to be, for how long, with how much.

use std::time::Duration;

/// What this process is.
pub(crate) enum Role {
    /// Nothing: another test was asked for.
    None,
    /// A handler at this URL, until it is killed.
    Worker(String),
    /// The whole thing.
    Soak(Options),
}

/// How the load and the faults are.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    /// Decides which faults come when, and what each request is; not how the processes run against each other.
    pub(crate) seed: u64,
    pub(crate) senders: usize,
    /// Requests that each sender has on their way.
    pub(crate) outstanding: usize,
    /// Handlers in this process, and as many sessions that are addressed and matched by a filter.
    pub(crate) handlers: usize,
    /// Handlers in processes of their own.
    pub(crate) workers: usize,
    /// The mean time between two faults.
    pub(crate) fault_every: Duration,
    pub(crate) json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(15),
            seed: 1,
            senders: 6,
            outstanding: 16,
            handlers: 4,
            workers: 2,
            fault_every: Duration::from_millis(200),
            json: false,
        }
    }
}

/// Reads the arguments. Those of a test harness are understood as far as they say whether this is to run.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Role {
    let mut options = Options::default();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        let number =
            |text: String| text.parse::<u64>().unwrap_or_else(|_| panic!("not a number: {text}"));
        match argument.as_str() {
            "--worker" => return Role::Worker(value()),
            "--seconds" => options.time = Duration::from_secs(number(value())),
            "--seed" => options.seed = number(value()),
            "--senders" => options.senders = number(value()) as usize,
            "--outstanding" => options.outstanding = number(value()) as usize,
            "--handlers" => options.handlers = number(value()) as usize,
            "--workers" => options.workers = number(value()) as usize,
            "--fault-every-ms" => options.fault_every = Duration::from_millis(number(value())),
            "--json" => options.json = true,
            "--list" => return Role::None,
            name if !name.starts_with('-') && !"soak".contains(name) => return Role::None,
            _ => {}
        }
    }
    Role::Soak(options)
}
