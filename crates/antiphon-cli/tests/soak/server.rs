//! The server under test: a process, and what can be seen of it from outside.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use crate::book::lock;

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    operations: SocketAddr,
    /// What it logs above the level of information.
    complaints: Arc<Mutex<Vec<String>>>,
    _configuration: tempfile::NamedTempFile,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut configuration = tempfile::NamedTempFile::new().unwrap();
        configuration.write_all(CONFIGURATION.as_bytes()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_antiphon"))
            .args(["serve", "--config"])
            .arg(configuration.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = address_after(&mut log, " listens on ");
        let operations = address_after(&mut log, " answered on http://");
        let complaints: Arc<Mutex<Vec<String>>> = Arc::default();
        let listening = Arc::clone(&complaints);
        thread::spawn(move || {
            let serious = |line: &String| line.contains("ERROR") || line.contains("panicked");
            log.lines()
                .map_while(Result::ok)
                .filter(serious)
                .for_each(|line| lock(&listening).push(line));
        });
        Self { child, address, operations, complaints, _configuration: configuration }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Its resident memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    /// Its open files.
    pub(crate) fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// What it says itself that is wrong: errors in its log, and a ledger of requests that does not balance when all
    /// clients are gone.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let figures = self.figures();
        let sum = |name: &str| -> f64 {
            let of_it = figures.lines().filter(|line| line.starts_with(name));
            of_it.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        let accepted = sum("antiphon_requests_accepted_total");
        let ended = sum("antiphon_requests_ended_total");
        let in_flight = sum("antiphon_requests_in_flight");
        let mismatches = sum("antiphon_ledger_mismatches_total");
        let mut complaints = lock(&self.complaints).clone();
        if accepted == 0.0 || accepted != ended + in_flight || mismatches != 0.0 {
            complaints.push(format!(
                "the server's ledger: {accepted} accepted, {ended} ended, {in_flight} in flight, {mismatches} mismatches"
            ));
        }
        complaints
    }

    /// What it tells operators.
    fn figures(&self) -> String {
        let mut stream = TcpStream::connect(self.operations).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut figures = String::new();
        stream.read_to_string(&mut figures).unwrap();
        figures
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the next line of the log that has `text` before it.
fn address_after(log: &mut impl BufRead, text: &str) -> SocketAddr {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server does not start");
    }
    let address = line.split(text).nth(1).unwrap();
    address.split([';', '"', '\n']).next().unwrap().parse().unwrap()
}

/// Time limits are short, so that faults often meet them.
const CONFIGURATION: &str = r#"
dev = true
request_timeout = "2s"
ping_period = "2s"

[recovery]
keep_for = "8s"

[liveness]
handler_timeout = "3s"

[operations]
listen = "127.0.0.1:0"

[[listener]]
address = "127.0.0.1:0"
"#;
