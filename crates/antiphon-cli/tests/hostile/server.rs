//! The server under attack: a process, and what can be seen of it from outside.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::sleep;

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    operations: SocketAddr,
    /// What it logs above the level of warnings.
    complaints: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

/// What was seen at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Resident, in bytes.
    pub(crate) memory: u64,
    pub(crate) files: usize,
    pub(crate) sessions: u64,
    pub(crate) in_flight: u64,
    pub(crate) mismatches: u64,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let configuration = configure(&folder);
        let mut child = Command::new(env!("CARGO_BIN_EXE_antiphon"))
            .args(["serve", "--config"])
            .arg(configuration)
            .env("ANTIPHON_LOG", "info")
            // Memory that is free goes back to the system instead of waiting for the next use. Without these glibc
            // learns from large blocks to keep ever more of it.
            .env("MALLOC_TRIM_THRESHOLD_", "131072")
            .env("MALLOC_MMAP_THRESHOLD_", "131072")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let [plain, tls] = [(); 2].map(|()| address(&mut log, " listens on "));
        let operations = address(&mut log, "operators are answered on http://");
        let complaints: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&complaints);
        thread::spawn(move || {
            let serious = |line: &String| line.contains("ERROR") || line.contains("panicked");
            let lines = log.lines().map_while(Result::ok).filter(serious);
            lines.for_each(|line| heard.lock().unwrap().push(line));
        });
        Self { child, plain, tls, operations, complaints, _folder: folder }
    }

    pub(crate) async fn look(&self) -> Seen {
        let figures = self.figures().await;
        let figure = |name: &str| -> u64 {
            let of_it = figures.lines().filter_map(|line| line.strip_prefix(name));
            of_it.map(|value| value.trim().parse::<u64>().unwrap()).sum()
        };
        Seen {
            memory: self.memory(),
            files: self.files(),
            sessions: figure("antiphon_sessions{state=\"connected\"}")
                + figure("antiphon_sessions{state=\"disconnected\"}"),
            in_flight: figure("antiphon_requests_in_flight "),
            mismatches: figure("antiphon_ledger_mismatches_total "),
        }
    }

    /// Looks until it is as it should be, or the time is over.
    pub(crate) async fn settled(&self, time: Duration, as_wanted: impl Fn(&Seen) -> bool) -> Seen {
        let end = Instant::now() + time;
        loop {
            let seen = self.look().await;
            if as_wanted(&seen) || Instant::now() > end {
                return seen;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap().clone()
    }

    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    async fn figures(&self) -> String {
        let mut stream = TcpStream::connect(self.operations).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the next line of the log that has this text.
fn address(log: &mut impl BufRead, text: &str) -> SocketAddr {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server does not start");
    }
    let rest = line.split(text).nth(1).unwrap();
    let end = rest.find(|c: char| !"0123456789.:".contains(c)).unwrap_or(rest.len());
    rest[..end].trim_end_matches('.').parse().unwrap()
}

/// Time limits are short, so that the test does not take long.
fn configure(folder: &TempDir) -> PathBuf {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(certificate, signed.cert.pem()).unwrap();
    fs::write(key, signed.signing_key.serialize_pem()).unwrap();
    let path = folder.path().join("antiphon.toml");
    fs::File::create(&path).unwrap().write_all(CONFIGURATION.as_bytes()).unwrap();
    path
}

const CONFIGURATION: &str = r#"
dev = true

[recovery]
keep_for = "2s"

[limits]
handshake_timeout = "2s"
proxies = []

[operations]
listen = "127.0.0.1:0"

[[listener]]
address = "127.0.0.1:0"

[[listener]]
address = "127.0.0.1:0"
certificate = "certificate.pem"
key = "key.pem"
"#;
