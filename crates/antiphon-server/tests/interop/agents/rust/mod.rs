//! Drives one session of the Rust SDK over two pipes, one JSON object a line, as the scripts do.
//!
//! In: `{"id": 1, "command": "connect", ...}`. Out: `{"id": 1, "result": ...}` or
//! `{"id": 1, "error": {"class": ..., ...}}`, and, unasked, `{"event": ...}`.
//!
//! Commands run concurrently, so answers come in any order. Judges nothing: what an answer should
//! be is the test's business.

mod behaviour;
mod forms;
mod messaging;
mod session;

use std::collections::HashMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use antiphon::Error;
use antiphon::FilterHandler;
use antiphon::Registration;
use antiphon::Session;
use parking_lot::Mutex;
use parking_lot::MutexGuard;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::task::JoinHandle;

/// More than one, so that what the SDK does at once is at once.
const WORKERS: usize = 2;

/// Nothing here blocks for long.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Starts an agent that ends, with all its connections and without a word to the server, when
/// `commands` does.
pub(crate) fn start(commands: PipeReader, answers: PipeWriter) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("a tokio runtime");
    thread::spawn(move || {
        let agent = Arc::new(Agent { answers: Mutex::new(answers), state: Mutex::default() });
        for line in BufReader::new(commands).lines().map_while(Result::ok) {
            agent.take(runtime.handle(), &line);
        }
        // Before the agent lets go of its session, which would take its leave.
        runtime.shutdown_timeout(SHUTDOWN);
        drop(agent);
    });
}

/// One session at a time, its handlers, and the requests that they hold back.
struct Agent {
    answers: Mutex<PipeWriter>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    registrations: HashMap<String, Registration>,
    streams: Vec<Registration>,
    callbacks: HashMap<String, FilterHandler>,
    held: Vec<oneshot::Sender<()>>,
    running: HashMap<u64, AbortHandle>,
}

#[derive(Deserialize)]
struct Line {
    id: u64,
    #[serde(flatten)]
    command: Command,
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
enum Command {
    Connect(session::Connect),
    Close,
    Reset,
    Closed,
    Ping,
    Cancel { target: u64 },
    Register(messaging::Handling),
    Deregister { path: String },
    Stream(messaging::Handling),
    FilterHandler { filter: String },
    RequestPath(messaging::Request),
    RequestSession(messaging::Request),
    RequestFilter(messaging::Request),
    Release,
}

impl Agent {
    /// Begins to carry out a command. It is known as running before it can end.
    fn take(self: &Arc<Self>, runtime: &Handle, line: &str) {
        let Line { id, command } = match serde_json::from_str(line) {
            Ok(line) => line,
            Err(error) => panic!("the Rust agent does not understand {line}: {error}"),
        };
        let mut state = self.state();
        let running = runtime.spawn(Arc::clone(self).perform(id, command));
        state.running.insert(id, running.abort_handle());
        runtime.spawn(Arc::clone(self).answer(id, running));
    }

    async fn perform(self: Arc<Self>, id: u64, command: Command) -> Result<Value, Error> {
        match command {
            Command::Connect(connect) => self.connect(connect).await,
            Command::Close => self.close().await,
            Command::Reset => self.reset(id).await,
            Command::Closed => self.closed().await,
            Command::Ping => self.ping().await,
            Command::Cancel { target } => self.cancel(target),
            Command::Register(handling) => self.register(handling).await,
            Command::Deregister { path } => self.deregister(&path).await,
            Command::Stream(handling) => self.stream(handling),
            Command::FilterHandler { filter } => self.filter_handler(filter),
            Command::RequestPath(request) => self.request_path(request).await,
            Command::RequestSession(request) => self.request_session(request).await,
            Command::RequestFilter(request) => self.request_filter(request).await,
            Command::Release => Ok(json!({"released": self.release()})),
        }
    }

    /// Tells how a command ended: by itself, by `cancel`, or by a panic.
    async fn answer(self: Arc<Self>, id: u64, running: JoinHandle<Result<Value, Error>>) {
        let ended = running.await;
        self.state().running.remove(&id);
        self.emit(&match ended {
            Ok(Ok(result)) => json!({"id": id, "result": result}),
            Ok(Err(error)) => json!({"id": id, "error": forms::describe(&error)}),
            Err(error) if error.is_cancelled() => {
                json!({"id": id, "error": {"class": "Cancelled"}})
            }
            Err(error) => {
                json!({"id": id, "error": {"class": "Panic", "message": error.to_string()}})
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Nobody may listen any more.
    fn emit(&self, message: &Value) {
        writeln!(self.answers.lock(), "{message}").ok();
    }
}
