//! The audit log: who came, who was turned away, who changed what. One JSON object a line, appended to a file.
//!
//! A thread of its own writes. Events come to it through a bounded queue, and nobody waits for room in it: when the
//! queue or the disk is full, events are dropped, counted and complained about. A log must never hold up a session.
//!
//! Secrets are never in it: no credentials, no session tokens, and of properties only their keys.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::mem;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TryRecvError;
use std::sync::mpsc::TrySendError;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use antiphon_broker::Note;
use antiphon_wire::ids::SessionId;
use serde::Serialize;
use tracing::error;
use tracing::info;

use crate::clock;
use crate::operations::figures::snake;

/// Where events go; nowhere if there is no audit log.
#[derive(Debug)]
pub(crate) struct Audit {
    queue: Option<SyncSender<Order>>,
    results: Arc<Results>,
}

/// What became of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) written: u64,
    /// The queue was full.
    pub(crate) dropped: u64,
    /// The file took no more.
    pub(crate) failed: u64,
}

#[derive(Debug, Default)]
struct Results {
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Something to be written down, by the server itself. What the broker notes comes as [`Note`].
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    Started {
        address: String,
    },
    Draining,
    Stopped,
    Login {
        session: String,
        principal: &'a str,
        address: String,
        authenticator: &'a str,
    },
    /// A session has another principal, or was refused one.
    Reauthentication {
        session: String,
        principal: &'a str,
        allowed: bool,
    },
    Reconnection {
        session: String,
        address: String,
    },
    /// A connection did not become a session.
    Refused {
        principal: &'a str,
        address: String,
        reason: String,
    },
    /// A client was refused before anybody was asked, because attempts have failed.
    TooManyAttempts {
        session: Option<String>,
        principal: &'a str,
        address: String,
    },
    /// A session has changed principals or roles, or was refused to.
    Security {
        session: String,
        principal: &'a str,
        of: &'static str,
        commands: usize,
        changed: bool,
    },
    /// The configuration and the files that it names were read again.
    Reload {
        changed: &'a [&'static str],
        waiting: &'a [&'static str],
        store: bool,
    },
    Registration {
        session: String,
        path: &'a str,
    },
    Deregistration {
        session: String,
        path: &'a str,
    },
    Change {
        session: String,
        by: Option<String>,
        keys: &'a [String],
        roles: Option<&'a [String]>,
    },
    Denial {
        session: String,
        service: u32,
        text: &'a str,
    },
    Close {
        session: String,
        by: Option<String>,
        reason: String,
    },
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

enum Order {
    Write(Vec<u8>),
    Reopen,
    /// Tells when all that came before is written.
    Tell(SyncSender<()>),
}

impl Audit {
    /// Begins to write to the end of a file; without one all events are dropped silently.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub(crate) fn start(path: Option<&Path>) -> io::Result<Self> {
        let results = Arc::default();
        let Some(path) = path else { return Ok(Self { queue: None, results }) };
        let (queue, orders) = sync_channel(MOST_QUEUED);
        let mut writer = Writer {
            file: open(path)?,
            path: path.to_owned(),
            results: Arc::clone(&results),
            is_torn: false,
            is_failing: false,
        };
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.obey(&orders))?;
        Ok(Self { queue: Some(queue), results })
    }

    /// Whether anybody wants to know.
    pub(crate) fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Writes an event down soon. Costs nothing if there is no audit log.
    pub(crate) fn write<'a>(&self, event: impl FnOnce() -> Event<'a>) {
        let Some(queue) = &self.queue else { return };
        let line = Line { time: clock::readable(clock::wall_time()), event: &event() };
        let Ok(mut line) = serde_json::to_vec(&line) else { return };
        line.push(b'\n');
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            queue.try_send(Order::Write(line))
        {
            self.results.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Writes down what the broker noted in a call that was made for a session, or for none.
    pub(crate) fn take(&self, notes: &mut Vec<Note>, by: Option<SessionId>) {
        for note in notes.drain(..) {
            self.write(|| event(&note, by));
        }
    }

    /// Goes on in a new file of the same name, because the present one was renamed.
    pub(crate) fn reopen(&self) {
        if let Some(queue) = &self.queue {
            // If it is full the order would come too late for whoever waits for it anyway.
            let _ = queue.try_send(Order::Reopen);
        }
    }

    /// Waits until all is written, but not long.
    pub(crate) fn settle(&self) {
        let Some(queue) = &self.queue else { return };
        let (told, done) = sync_channel(1);
        let (mut order, mut patience) = (Order::Tell(told), MOST_PATIENCE);
        while let Err(TrySendError::Full(again)) = queue.try_send(order) {
            if patience.is_zero() {
                return;
            }
            order = again;
            thread::sleep(A_MOMENT);
            patience = patience.saturating_sub(A_MOMENT);
        }
        // At once if the thread is gone.
        let _ = done.recv_timeout(patience);
    }

    pub(crate) fn counts(&self) -> Counts {
        let Results { written, dropped, failed } = &*self.results;
        Counts {
            written: written.load(Relaxed),
            dropped: dropped.load(Relaxed),
            failed: failed.load(Relaxed),
        }
    }
}

struct Writer {
    file: File,
    path: PathBuf,
    results: Arc<Results>,
    /// The last line of the file is not whole.
    is_torn: bool,
    is_failing: bool,
}

impl Writer {
    /// Writes what there is at once, until nobody can order anything any more.
    fn obey(&mut self, orders: &Receiver<Order>) {
        let (mut lines, mut count) = (Vec::new(), 0);
        loop {
            let order = match orders.try_recv() {
                Ok(order) => Some(order),
                Err(TryRecvError::Empty) if count == 0 => match orders.recv() {
                    Ok(order) => Some(order),
                    Err(_) => return,
                },
                Err(TryRecvError::Disconnected) if count == 0 => return,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
            };
            match order {
                Some(Order::Write(line)) if lines.len() < MOST_AT_ONCE => {
                    lines.extend_from_slice(&line);
                    count += 1;
                    continue;
                }
                _ => self.write(&mem::take(&mut lines), mem::take(&mut count)),
            }
            match order {
                Some(Order::Write(line)) => (lines, count) = (line, 1),
                Some(Order::Reopen) => self.reopen(),
                Some(Order::Tell(told)) => drop(told.try_send(())),
                None => {}
            }
        }
    }

    fn write(&mut self, lines: &[u8], count: u64) {
        if count == 0 {
            return;
        }
        let torn: &[u8] = if self.is_torn { b"\n" } else { b"" };
        match self.file.write_all(&[torn, lines].concat()) {
            Ok(()) => {
                self.results.written.fetch_add(count, Relaxed);
                self.is_torn = false;
                if mem::take(&mut self.is_failing) {
                    info!(path = %self.path.display(), "the audit log is written again");
                }
            }
            Err(problem) => {
                self.results.failed.fetch_add(count, Relaxed);
                // Some of it may be there.
                self.is_torn = true;
                self.complain(&problem);
            }
        }
    }

    fn reopen(&mut self) {
        match open(&self.path) {
            Ok(file) => {
                self.file = file;
                self.is_torn = false;
                info!(path = %self.path.display(), "audit log reopened");
            }
            Err(problem) => self.complain(&problem),
        }
    }

    /// Once, until it works again.
    fn complain(&mut self, problem: &io::Error) {
        if !mem::replace(&mut self.is_failing, true) {
            let path = self.path.display();
            error!(%path, %problem, "the audit log cannot be written; events are lost until it can");
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Who talks to whom is nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn event(note: &Note, by: Option<SessionId>) -> Event<'_> {
    let by = by.map(|by| by.to_string());
    match note {
        Note::Registered { session, path } => {
            Event::Registration { session: session.to_string(), path }
        }
        Note::Deregistered { session, path } => {
            Event::Deregistration { session: session.to_string(), path }
        }
        Note::Changed { session, keys, roles } => {
            Event::Change { session: session.to_string(), by, keys, roles: roles.as_deref() }
        }
        Note::Denied { session, service, text } => {
            Event::Denial { session: session.to_string(), service: *service, text }
        }
        Note::Closed { session, reason } => {
            Event::Close { session: session.to_string(), by, reason: snake(reason) }
        }
    }
}

/// A principal as far as it is shown: who is not let in can write what he likes.
pub(crate) fn shown(principal: &str) -> &str {
    let end = principal.char_indices().nth(MOST_SHOWN).map_or(principal.len(), |(end, _)| end);
    &principal[..end]
}

/// In characters.
const MOST_SHOWN: usize = 200;

/// Some seconds of a fleet that comes back at once; a few MiB at most.
const MOST_QUEUED: usize = 16_384;

/// In bytes.
const MOST_AT_ONCE: usize = 64 << 10;

/// For the last lines when the server stops.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks whether a full queue has room.
const A_MOMENT: Duration = Duration::from_millis(10);
