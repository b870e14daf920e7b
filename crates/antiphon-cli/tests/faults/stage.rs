//! A server with its figures, and sessions of this process with it.

use std::future::Future;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::ops::Deref;
use std::ops::DerefMut;
use std::ops::Range;
use std::process::Child;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use antiphon::Error;
use antiphon::Events;
use antiphon::ReconnectPolicy;
use antiphon::Registration;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use antiphon::SessionEvent;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::process::Server;
use crate::process::signal;
use crate::process::unaware;

/// Longer than anything here can take; only a hang reaches it.
pub(crate) const GUARD: Duration = Duration::from_secs(120);

/// Between two looks, so that the machine is left to those who are waited for.
const A_MOMENT: Duration = Duration::from_millis(5);

/// Where a test lets its server listen if nothing else matters.
pub(crate) const ANYWHERE: &str = "127.0.0.1:0";

/// Settings that let requests to `orders` take an hour, so that only a fault ends them.
pub(crate) const PATIENT: [(&str, &str); 2] = [("PATH_0_PATH", "orders"), ("PATH_0_TIMEOUT", "1h")];

/// A development server whose figures can be read.
pub(crate) struct Stage {
    server: Server,
    /// Where operators are answered.
    pub(crate) operations: String,
}

impl Stage {
    /// A server with these settings, each by its variable without `ANTIPHON_`.
    pub(crate) fn open(settings: &[(&str, &str)]) -> Self {
        Self::prepared("", ANYWHERE, settings)
    }

    /// Such a server at one address, started by a shell that has done something before. What starts it are the
    /// shell's arguments.
    pub(crate) fn prepared(first: &str, address: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = unaware("sh");
        command.args(["-c", &format!("{first}\nexec \"$@\""), "sh"]);
        command.args([env!("CARGO_BIN_EXE_antiphon"), "serve", "--dev", "--listen", address]);
        command.env("ANTIPHON_OPERATIONS_LISTEN", ANYWHERE);
        for (name, value) in settings {
            command.env(format!("ANTIPHON_{name}"), value);
        }
        Self::run(command)
    }

    fn run(command: Command) -> Self {
        let mut server = Server::run(command);
        let line = server.log_line("operators are answered on http://");
        let operations = line.split("http://").nth(1).unwrap().split('"').next().unwrap().trim();
        Self { operations: operations.to_owned(), server }
    }

    pub(crate) fn socket_address(&self) -> SocketAddr {
        self.address.parse().unwrap()
    }

    /// A session of somebody who may do everything.
    pub(crate) async fn join(&self) -> Session {
        join(&self.address).await
    }

    /// The sum of all rows of a figure whose labels contain `label`.
    pub(crate) fn figure(&self, name: &str, label: &str) -> u64 {
        let mut client = TcpStream::connect(&self.operations).unwrap();
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        client.read_to_string(&mut page).unwrap();
        let mut sum = 0.0;
        for line in page.lines().filter_map(|line| line.strip_prefix(name)) {
            let is_it = line.starts_with(['{', ' ']) && line.contains(label);
            if is_it {
                sum += line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
            }
        }
        sum as u64
    }

    /// Waits until a figure is as it is wanted.
    pub(crate) fn expect(&self, name: &str, label: &str, wanted: impl Fn(u64) -> bool) {
        let deadline = Instant::now() + GUARD;
        loop {
            let figure = self.figure(name, label);
            if wanted(figure) {
                return;
            }
            assert!(Instant::now() < deadline, "{name} with {label:?} stays {figure}");
            thread::sleep(A_MOMENT);
        }
    }

    /// Waits until this many sessions are open, connected or not.
    pub(crate) fn expect_sessions(&self, count: u64) {
        self.expect("antiphon_sessions", "", |sessions| sessions == count);
    }

    /// Waits until this many sessions are without a connection.
    pub(crate) fn expect_away(&self, count: u64) {
        self.expect("antiphon_sessions", "disconnected", |sessions| sessions == count);
    }

    /// Waits until nothing is in flight, and insists that each accepted request has ended once. How many there were.
    pub(crate) fn settle(&self) -> u64 {
        self.expect("antiphon_requests_in_flight", "", |requests| requests == 0);
        let accepted = self.figure("antiphon_requests_accepted_total", "");
        self.expect("antiphon_requests_ended_total", "", |ended| ended == accepted);
        assert_eq!(self.figure("antiphon_ledger_mismatches_total", ""), 0);
        accepted
    }

    /// How many requests have ended in one way.
    pub(crate) fn ended(&self, outcome: &str) -> u64 {
        self.figure("antiphon_requests_ended_total", &format!("\"{outcome}\""))
    }

    /// The resident memory of the server, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Ends the server by a drain, and insists that it has nothing to complain about.
    pub(crate) fn end_well(mut self) {
        self.server.signal("TERM");
        let (code, log) = self.server.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    }
}

impl Deref for Stage {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// A client process; killed when dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.0, name);
    }

    /// The exit code and what it said on its outputs, as far as they are pipes.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().map(|mut pipe| pipe.read_to_string(&mut out).unwrap());
        self.0.stderr.take().map(|mut pipe| pipe.read_to_string(&mut err).unwrap());
        (self.0.wait().unwrap().code(), out, err)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A session that comes back from whatever happens to it.
pub(crate) async fn join(address: &str) -> Session {
    let policy = ReconnectPolicy::default()
        .first_delay(Duration::from_millis(10))
        .longest_delay(Duration::from_millis(200))
        .after_server_close(true);
    let builder = Session::builder(&format!("ws://{address}"))
        .principal("admin")
        .password("password")
        .reconnect(policy)
        .connect_timeout(GUARD)
        .request_timeout(2 * GUARD);
    within(builder.connect()).await.unwrap()
}

/// Answers each request at `path` with itself, and tells of it.
pub(crate) async fn echo(session: &Session, path: &str) -> (Registration, UnboundedReceiver<i64>) {
    let (tell, told) = unbounded_channel();
    let answer = move |number: i64, _: RequestContext| {
        let _ = tell.send(number);
        async move { Ok::<_, Rejection>(number) }
    };
    let registered = session.messaging().register_request_handler(path, answer, &[]);
    (within(registered).await.unwrap(), told)
}

pub(crate) async fn ask(session: &Session, path: &str, number: i64) -> Result<i64, Error> {
    within(session.messaging().send_request_to_path(path, number)).await
}

/// Sends requests all at once.
pub(crate) fn ask_many(
    session: &Session,
    path: &'static str,
    numbers: Range<i64>,
) -> Vec<JoinHandle<Result<i64, Error>>> {
    let send = |number| {
        let session = session.clone();
        tokio::spawn(async move { ask(&session, path, number).await })
    };
    numbers.map(send).collect()
}

/// Insists on an error with this code, after which nobody knows whether the request was executed.
#[track_caller]
pub(crate) fn expect_error(outcome: Result<i64, Error>, code: u32) {
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), Some(code), "{error}");
    assert!(error.may_have_executed(), "{error}");
}

/// Waits until the session is connected again, and insists that it is the same.
pub(crate) async fn expect_resumed(events: &mut Events) {
    loop {
        match within(events.next()).await.unwrap() {
            SessionEvent::Reconnected { resumed, .. } => return assert!(resumed),
            SessionEvent::Connected(_) | SessionEvent::Recovering => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(GUARD, future).await.expect("nothing here takes so long")
}
