//! The server under test: a process, and what can be seen of it from outside.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
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
        let mut line = String::new();
        while !line.contains(" listens on ") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server does not start");
        }
        let address = line.split(" listens on ").nth(1).unwrap().split(';').next().unwrap();
        let address = address.parse().unwrap();
        let complaints: Arc<Mutex<Vec<String>>> = Arc::default();
        let listening = Arc::clone(&complaints);
        thread::spawn(move || {
            let serious = |line: &String| line.contains("ERROR") || line.contains("panicked");
            log.lines()
                .map_while(Result::ok)
                .filter(serious)
                .for_each(|line| lock(&listening).push(line));
        });
        Self { child, address, complaints, _configuration: configuration }
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

    /// What it says itself that is wrong. An audit of the ledger that does not balance is logged as an error.
    pub(crate) fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time limits are short, so that faults often meet them.
const CONFIGURATION: &str = r#"
dev = true
request_timeout = "2s"
ping_period = "2s"

[recovery]
keep_for = "8s"

[[listener]]
address = "127.0.0.1:0"
"#;
