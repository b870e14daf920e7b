//! Drives one agent: sends commands, awaits answers and events, and tells all on failure.
//!
//! An agent is a process of a published SDK, or a thread of this process with the Rust SDK. Knows
//! the line protocol that all of them speak, and no command by name but `reset`.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::io::BufRead;
use std::io::BufReader;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::io::Write;
use std::io::pipe;
use std::process::Child;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::agents;
use crate::environment;
use crate::sdk::Sdk;

/// Longer than anything here can take; only a hang reaches it.
const GUARD: Duration = Duration::from_secs(60);
const STDERR_LINES_KEPT: usize = 40;
const TRANSCRIPT_LINE: usize = 600;

/// A command that was sent, to be awaited with [`Driver::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pending(u64);

impl Pending {
    /// The command's id, by which another command can name it.
    pub(crate) const fn id(self) -> u64 {
        self.0
    }
}

/// An error as the SDK gave it to its application.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure(Value);

impl Failure {
    pub(crate) fn class(&self) -> &str {
        self.0["class"].as_str().unwrap_or_default()
    }

    pub(crate) fn code(&self) -> Option<u64> {
        self.0["code"].as_u64()
    }

    pub(crate) fn message(&self) -> &str {
        self.0["message"].as_str().unwrap_or_default()
    }

    /// Whether the request may have been executed, where the SDK says so.
    pub(crate) fn may_have_executed(&self) -> Option<bool> {
        self.0["may_have_executed"].as_bool()
    }

    /// The error reports of a filter that does not parse, where the SDK hands them over.
    pub(crate) fn reports(&self) -> &Value {
        &self.0["reports"]
    }
}

impl From<Value> for Failure {
    fn from(error: Value) -> Self {
        Self(error)
    }
}

/// The result of a command, or the SDK's error.
pub(crate) type Outcome = Result<Value, Failure>;

/// The other side of an agent. Dropping it ends the agent, whose connections are lost without a
/// word.
pub(crate) struct Driver {
    sdk: Sdk,
    /// `None` is a thread, which ends when its commands do.
    child: Option<Child>,
    commands: PipeWriter,
    lines: mpsc::Receiver<String>,
    stderr: Arc<Mutex<VecDeque<String>>>,
    transcript: Vec<String>,
    answers: HashMap<Pending, Outcome>,
    events: VecDeque<Value>,
    last_id: u64,
}

impl Driver {
    pub(crate) fn start(sdk: Sdk) -> Self {
        let (stdin, commands) = pipe().expect("a pipe");
        let (answers, stdout) = pipe().expect("a pipe");
        let (log, stderr) = pipe().expect("a pipe");
        let child = if sdk.is_published() {
            Some(spawn(sdk, stdin, stdout, stderr))
        } else {
            agents::rust::start(stdin, stdout);
            None
        };
        Self {
            sdk,
            child,
            commands,
            lines: read_lines(answers),
            stderr: keep_tail(log),
            transcript: Vec::new(),
            answers: HashMap::new(),
            events: VecDeque::new(),
            last_id: 0,
        }
    }

    pub(crate) const fn sdk(&self) -> Sdk {
        self.sdk
    }

    /// Sends a command without waiting for its answer.
    pub(crate) fn send(&mut self, command: &str, mut parameters: Value) -> Pending {
        self.last_id += 1;
        parameters["id"] = json!(self.last_id);
        parameters["command"] = json!(command);
        let line = parameters.to_string();
        self.note(">", &line);
        if let Err(error) = writeln!(self.commands, "{line}") {
            panic!("{} does not take commands any more: {error}", self.sdk);
        }
        Pending(self.last_id)
    }

    /// The answer to an earlier command.
    pub(crate) fn wait(&mut self, pending: Pending) -> Outcome {
        self.await_answer(pending);
        self.answers.remove(&pending).expect("the answer has just come in")
    }

    /// Waits until an answer has come in; it stays to be awaited.
    pub(crate) fn await_answer(&mut self, pending: Pending) {
        let deadline = Instant::now() + GUARD;
        while !self.has_answered(pending) {
            self.read(deadline, &format!("the answer to command {}", pending.0));
        }
    }

    /// Whether an answer has come in already; it stays to be awaited.
    pub(crate) fn has_answered(&self, pending: Pending) -> bool {
        self.answers.contains_key(&pending)
    }

    /// The next event of that name; events of other names stay.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let deadline = Instant::now() + GUARD;
        loop {
            if let Some(at) = self.events.iter().position(|event| event["event"] == name) {
                return self.events.remove(at).expect("the position was just found");
            }
            self.read(deadline, &format!("an event {name:?}"));
        }
    }

    /// All events of that name that have come in already.
    pub(crate) fn events_so_far(&mut self, name: &str) -> Vec<Value> {
        let (named, others) = self.events.drain(..).partition(|event| event["event"] == name);
        self.events = others;
        VecDeque::into(named)
    }

    /// Closes the session and forgets everything, so that another test can use the agent.
    /// False when the agent cannot.
    pub(crate) fn reset(&mut self) -> bool {
        let pending = self.send("reset", json!({}));
        let clean = self.wait(pending).is_ok();
        self.answers.clear();
        self.events.clear();
        self.transcript.clear();
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clear();
        clean
    }

    /// What was said, and the last lines of the SDK's log.
    pub(crate) fn story(&self) -> String {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let log: Vec<&str> = stderr.iter().map(String::as_str).collect();
        format!(
            "---- {} said ----\n{}\n---- the end of its stderr ----\n{}\n",
            self.sdk,
            self.transcript.join("\n"),
            log.join("\n"),
        )
    }

    fn read(&mut self, deadline: Instant, wanted: &str) {
        let line = match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{}: {wanted} did not come within {GUARD:?}", self.sdk)
            }
            Err(RecvTimeoutError::Disconnected) => {
                panic!("{} ended while {wanted} was awaited", self.sdk)
            }
        };
        self.note("<", &line);
        let Ok(mut message) = serde_json::from_str::<Value>(&line) else {
            panic!("{} wrote a line that is not JSON: {line}", self.sdk);
        };
        let Some(id) = message["id"].as_u64() else {
            self.events.push_back(message);
            return;
        };
        let outcome = match message.get_mut("error") {
            Some(error) => Err(Failure(error.take())),
            None => Ok(message["result"].take()),
        };
        self.answers.insert(Pending(id), outcome);
    }

    fn note(&mut self, direction: &str, line: &str) {
        let shown: String = line.chars().take(TRANSCRIPT_LINE).collect();
        self.transcript.push(format!("{direction} {shown}"));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn spawn(sdk: Sdk, stdin: PipeReader, stdout: PipeWriter, stderr: PipeWriter) -> Child {
    let mut command = environment::agent_command(sdk);
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

fn read_lines(stdout: PipeReader) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn keep_tail(stderr: PipeReader) -> Arc<Mutex<VecDeque<String>>> {
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let kept = Arc::clone(&tail);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == STDERR_LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    });
    tail
}
