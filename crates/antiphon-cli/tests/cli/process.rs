//! The processes of a test: servers, handlers, and commands that end by themselves.

use std::fmt;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::process::Child;
use std::process::ChildStderr;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use regex::Regex;
use serde_json::Value;

/// A running server; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::run(antiphon(arguments))
    }

    /// A development server on a free port.
    pub(crate) fn dev() -> Self {
        Self::start(&["serve", "--dev", "--listen", "127.0.0.1:0"])
    }

    /// A development server with these settings.
    pub(crate) fn configured(settings: &str) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "dev = true\n{settings}\n[[listener]]\naddress = \"127.0.0.1:0\"\n").unwrap();
        Self::start(&["serve", "--config", file.path().to_str().unwrap()])
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut server = Self { child, log, address: String::new() };
        let line = server.log_line(" listens on ");
        let address = line.split(" listens on ").nth(1).unwrap().split(';').next().unwrap();
        server.address = address.to_owned();
        let (_, port) = address.rsplit_once(':').unwrap();
        assert!(line.contains("connect to ws://"), "{line}");
        assert!(line.contains(&format!(":{port}/diffusion")), "{line}");
        server
    }

    /// Waits for a line of the log.
    pub(crate) fn log_line(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the server ended");
        }
        line
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// The exit code and the rest of the log.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }

    /// A client command, not run yet, as nobody.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let mut command = antiphon(arguments);
        command.env("ANTIPHON_URL", format!("ws://{}", self.address));
        command
    }

    /// A client command, not run yet, as somebody who may do everything.
    pub(crate) fn admin(&self, arguments: &[&str]) -> Command {
        let mut command = self.client(arguments);
        command.env("ANTIPHON_PRINCIPAL", "admin").env("ANTIPHON_PASSWORD", "password");
        command
    }

    /// What a client command of an administrator says.
    pub(crate) fn said(&self, arguments: &[&str]) -> Said {
        Said::by(self.admin(arguments))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless a test failed or has no more use for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `antiphon handle --json`; killed when dropped.
pub(crate) struct Handler {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) session: String,
}

impl Handler {
    /// Starts a handler and waits until it is ready.
    pub(crate) fn start(server: &Server, arguments: &[&str]) -> Self {
        Self::run(server.admin(&[&["handle", "--json"], arguments].concat()))
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut handler = Self { child, output, session: String::new() };
        let ready = handler.event("ready");
        handler.session = ready["session"].as_str().unwrap().to_owned();
        handler
    }

    /// Waits for the next event of this name.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the handler ended");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// The exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command said and how it ended, without what differs from run to run.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn by(mut command: Command) -> Self {
        Self::of(command.output().unwrap())
    }

    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| redacted(&String::from_utf8(bytes).unwrap());
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The same with the lines of each stream in order, for those that come as they come.
    pub(crate) fn sorted(self) -> Self {
        let sort = |text: String| {
            let mut lines: Vec<_> = text.lines().map(|line| format!("{line}\n")).collect();
            lines.sort();
            lines.concat()
        };
        Self { stdout: sort(self.stdout), stderr: sort(self.stderr), ..self }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
        write!(f, "exit {code}")?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "\n{name}:\n{text}")?;
            }
        }
        Ok(())
    }
}

/// A command that sees nothing of the settings of whoever runs the tests.
pub(crate) fn antiphon(arguments: &[&str]) -> Command {
    let mut command = unaware(env!("CARGO_BIN_EXE_antiphon"));
    command.args(arguments);
    command
}

/// The same for any program.
pub(crate) fn unaware(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANTIPHON_") {
            command.env_remove(name);
        }
    }
    // Many servers run at the same time, and the default port is one.
    command.env("ANTIPHON_OPERATIONS_LISTEN", "off");
    command.env("ANTIPHON_CONFIG_DIR", "/nowhere/at/all").stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself.
pub(crate) fn run(arguments: &[&str]) -> Output {
    antiphon(arguments).output().unwrap()
}

/// Runs a command with this on its standard input.
pub(crate) fn fed(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
pub(crate) fn check_refused(arguments: &[&str], code: i32, texts: &[&str]) {
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "an error on standard output");
    for text in texts {
        assert!(said.contains(text), "expected {text:?} in {said}");
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
}

/// Puts names in place of ids, times and addresses.
fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, name) in [
        (r"[0-9a-f]{16}-[0-9a-f]{16}", "SESSION"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"\d+\.\d+ ?(µs|ms|s)\b", "SPAN"),
        (r"os error \d+", "os error N"),
        (r#""(elapsed_us|round_trip_us)":\d+"#, r#""$1":N"#),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
    }
    text
}
