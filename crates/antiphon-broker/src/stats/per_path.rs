//! How requests ended and how long their answers took, by the registered path that they went to.
//!
//! Never by the path of the request, because senders choose that one. The first [`MAX_PATHS`] paths that ever had a
//! handler have a row each, all others share one, so the figures are bounded whatever is registered.
//!
//! Time is what the driver hands in with each batch, in whole milliseconds: no clock is read for a request. An answer
//! that comes within the same or the next millisecond counts as one of up to a millisecond.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use foldhash::HashMap;
use parking_lot::Mutex;

use crate::stats::End;
use crate::stats::Kind;
use crate::stats::ledger::ENDS;

/// The figures of one registered path, or of the requests to sessions, to filters or to all other paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFigures {
    /// How the requests were addressed.
    pub kind: Kind,
    /// The registered path; `None` for those that share a row, and for other kinds.
    pub path: Option<Arc<str>>,
    /// How many handlers there are now.
    pub handlers: u64,
    ended: [u64; ENDS],
    /// The numbers of answers that took no longer than each of [`BOUNDS`], and not as short as the one before; last
    /// those that took longer.
    pub answers: [u64; BUCKETS],
    /// What all answers together took, in milliseconds.
    pub milliseconds: u64,
}

impl PathFigures {
    /// Requests that ended in one way.
    #[must_use]
    pub fn ended(&self, end: End) -> u64 {
        self.ended[end as usize]
    }
}

/// Which row a request is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Label(u8);

impl Label {
    pub(crate) const SESSION: Self = Self(0);
    pub(crate) const FILTER: Self = Self(1);
    pub(crate) const AUTHENTICATOR: Self = Self(2);
    pub(crate) const CALL: Self = Self(3);
    const OTHERS: Self = Self(4);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Equal ends that follow each other, not yet added.
#[derive(Debug, Default)]
pub(crate) struct Run {
    count: u32,
    label: Label,
    end: usize,
    bucket: Option<usize>,
    milliseconds: u64,
}

#[derive(Debug)]
pub(crate) struct PerPath {
    rows: Box<[Row]>,
    labels: Mutex<HashMap<Arc<str>, Label>>,
}

#[derive(Debug, Default)]
struct Row {
    ended: [AtomicU64; ENDS],
    answers: [AtomicU64; BUCKETS],
    milliseconds: AtomicU64,
}

impl Default for PerPath {
    fn default() -> Self {
        let rows = FIXED + MAX_PATHS;
        Self { rows: (0..rows).map(|_| Row::default()).collect(), labels: Mutex::default() }
    }
}

impl PerPath {
    /// The row of a path on which a handler is registered.
    pub(crate) fn label(&self, path: &str) -> Label {
        let mut labels = self.labels.lock();
        if let Some(label) = labels.get(path) {
            return *label;
        }
        if labels.len() == MAX_PATHS {
            return Label::OTHERS;
        }
        let label = Label((FIXED + labels.len()) as u8);
        labels.insert(path.into(), label);
        label
    }

    /// Counts the end of a request, whose answer took so many milliseconds if it is one.
    pub(crate) fn count(&self, run: &mut Run, label: Label, end: End, took: Option<u64>) {
        let (end, bucket) = (end as usize, took.map(bucket));
        if (run.label, run.end, run.bucket) != (label, end, bucket) {
            self.add(run);
            *run = Run { count: 0, label, end, bucket, milliseconds: 0 };
        }
        run.count += 1;
        run.milliseconds += took.unwrap_or(0);
    }

    pub(crate) fn add(&self, run: &Run) {
        if run.count == 0 {
            return;
        }
        let row = &self.rows[run.label.index()];
        row.ended[run.end].fetch_add(u64::from(run.count), Relaxed);
        if let Some(bucket) = run.bucket {
            row.answers[bucket].fetch_add(u64::from(run.count), Relaxed);
        }
        if run.milliseconds > 0 {
            row.milliseconds.fetch_add(run.milliseconds, Relaxed);
        }
    }

    /// All rows that stand for something; `handlers` are the present numbers by row.
    pub(crate) fn figures(&self, handlers: &[u64]) -> Vec<PathFigures> {
        let labels: Vec<_> =
            self.labels.lock().iter().map(|(path, label)| (path.clone(), *label)).collect();
        let mut paths = vec![None; FIXED + labels.len()];
        for (path, label) in labels {
            paths[label.index()] = Some(path);
        }
        let figures = |(index, path): (usize, Option<Arc<str>>)| {
            let row = &self.rows[index];
            PathFigures {
                kind: match index {
                    0 => Kind::Session,
                    1 => Kind::Filter,
                    2 => Kind::Authenticator,
                    3 => Kind::Call,
                    _ => Kind::Path,
                },
                path,
                handlers: handlers.get(index).copied().unwrap_or(0),
                ended: row.ended.each_ref().map(|count| count.load(Relaxed)),
                answers: row.answers.each_ref().map(|count| count.load(Relaxed)),
                milliseconds: row.milliseconds.load(Relaxed),
            }
        };
        paths.into_iter().enumerate().map(figures).collect()
    }
}

fn bucket(milliseconds: u64) -> usize {
    BOUNDS.partition_point(|bound| *bound < milliseconds)
}

/// Upper bounds of the times that answers are sorted by, in milliseconds.
pub const BOUNDS: [u64; 13] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

const BUCKETS: usize = BOUNDS.len() + 1;

/// The rows of requests to sessions, to filters, to authenticators and to nodes, and to paths without a row of their own.
const FIXED: usize = 5;

/// So many registered paths have figures of their own; an installation has a few dozen kinds of requests.
pub const MAX_PATHS: usize = 100;
