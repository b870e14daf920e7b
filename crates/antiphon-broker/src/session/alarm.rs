//! When somebody has to look at a session next, whatever happens or not.
//!
//! The times of all sessions stand side by side, so that whoever looks for those that are due touches no others. A time may be
//! too early, and then it is found out that nothing is due yet; it is never later than what is due first. So whatever becomes
//! due earlier is told here, with the session locked, and only who has looked at the session, and locked it, makes it later.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::session::Session;
use crate::session::State;
use crate::time::Millis;

/// The times of all sessions by their place.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    rows: Vec<Arc<Row>>,
}

type Row = [AtomicU64; ROW];

/// Where the time of one session stands.
#[derive(Debug)]
pub(crate) struct Alarm {
    row: Arc<Row>,
    place: usize,
}

impl Alarms {
    /// The alarm of whoever has this place from here on. It goes off at once.
    pub(crate) fn set_up(&mut self, place: usize) -> Alarm {
        while self.rows.len() <= place / ROW {
            self.rows.push(Arc::new([const { AtomicU64::new(NEVER) }; ROW]));
        }
        let alarm = Alarm { row: self.rows[place / ROW].clone(), place: place % ROW };
        alarm.set(Millis(0));
        alarm
    }

    /// Nobody has this place any more.
    pub(crate) fn take_down(&self, place: usize) {
        if let Some(row) = self.rows.get(place / ROW) {
            row[place % ROW].store(NEVER, Relaxed);
        }
    }

    /// The places whose time has come.
    pub(crate) fn due(&self, now: Millis) -> impl Iterator<Item = usize> {
        let is_due = move |(_, time): &(usize, &AtomicU64)| time.load(Relaxed) <= now.0;
        self.rows.iter().enumerate().flat_map(move |(number, row)| {
            let due = row.iter().enumerate().filter(is_due);
            due.map(move |(place, _)| number * ROW + place)
        })
    }
}

impl Alarm {
    fn at(&self) -> Millis {
        Millis(self.row[self.place].load(Relaxed))
    }

    fn set(&self, at: Millis) {
        self.row[self.place].store(at.0, Relaxed);
    }
}

impl<X> Session<X> {
    /// Gets its alarm.
    pub(crate) fn set_up_alarm(&self, alarm: Alarm) {
        self.state.lock().alarm = Some(alarm);
    }

    /// Something is due at this time.
    pub(super) fn due_by(&self, at: Millis) {
        self.state.lock().due_by(at);
    }

    /// Somebody has looked at the session, and has to do so next at the time that `next` finds, if nothing happens.
    pub(crate) fn looked_at(&self, next: impl FnOnce() -> Millis) {
        let state = self.state.lock();
        // Whoever has its place after it is not to be disturbed.
        if let Some(alarm) = &state.alarm
            && !state.ended
        {
            alarm.set(next());
        }
    }

    /// When its alarm goes off.
    #[cfg(test)]
    pub(crate) fn alarm(&self) -> Option<Millis> {
        self.state.lock().alarm.as_ref().map(Alarm::at)
    }
}

impl<X> State<X> {
    /// Something is due at this time.
    #[inline]
    pub(super) fn due_by(&mut self, at: Millis) {
        if let Some(alarm) = &self.alarm
            && at < alarm.at()
            && !self.ended
        {
            alarm.set(at);
        }
    }
}

/// So many times stand in one piece of memory: enough that they are found fast, and few enough that a server with few
/// sessions has no more than it needs.
const ROW: usize = 64;

const NEVER: u64 = Millis::NEVER.0;
