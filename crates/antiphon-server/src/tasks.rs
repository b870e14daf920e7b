//! The tasks of a running server, and the beat at which everything is done that nobody asks for.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_broker::Millis;
use tokio::task::JoinError;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::timeout;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::connection::Connection;
use crate::connection::LINGER;
use crate::drain::Draining;
use crate::flush;
use crate::handshake::handshake;
use crate::keepalive::keep_alive;
use crate::listener::Arrival;
use crate::shared::Shared;

/// Every task of a running server. Dropping it ends them.
pub(crate) struct Tasks {
    shared: Arc<Shared>,
    handshakes: JoinSet<Option<Connection>>,
    connections: JoinSet<()>,
    ticks: Interval,
    last_tick: Millis,
    next_sweep: Millis,
    /// New connections wait.
    is_full: bool,
    draining: Option<Draining>,
    /// Handlers of sessions that have ended are being taken out.
    clearing: Option<JoinHandle<()>>,
    /// Links have their times too.
    has_nodes: bool,
    /// Ticks since the last audit of the requests.
    unaudited: u32,
}

impl Tasks {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let has_nodes = shared.config.load().cluster.is_on();
        Self {
            shared,
            has_nodes,
            handshakes: JoinSet::new(),
            connections: JoinSet::new(),
            ticks,
            last_tick: Millis(0),
            next_sweep: Millis(0),
            is_full: false,
            draining: None,
            clearing: None,
            unaudited: 0,
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Whether one more connection may come; how many there may be in all is the door's to say.
    pub(crate) fn has_room(&mut self) -> bool {
        let is_full = self.handshakes.len() >= self.shared.config.load().limits.handshakes;
        if is_full && !self.is_full {
            self.shared.door.must_wait();
        }
        self.is_full = is_full;
        !is_full
    }

    pub(crate) fn receive(&mut self, arrival: Arrival) {
        let (door, now) = (&self.shared.door, self.shared.clock.now());
        let client = arrival.client.ip();
        keep_alive(&arrival.stream, &self.shared.config.load().liveness);
        match door.admit(client, now) {
            Ok(admission) => {
                let shared = Arc::clone(&self.shared);
                shared.figures.connections.fetch_add(1, Relaxed);
                let turns = Arc::clone(&shared.handshake_turns);
                self.handshakes.spawn(turns.pace(handshake(shared, arrival, admission)));
            }
            Err(why) => {
                door.turn_away(&arrival.stream, arrival.tls.is_none(), why);
                door.refused(client, now, why);
            }
        }
    }

    /// Waits for a task to end or a tick, and does what follows from it. May be dropped and called again at any time.
    pub(crate) async fn advance(&mut self) {
        tokio::select! {
            Some(ended) = self.handshakes.join_next() => self.serve(ended),
            Some(ended) = self.connections.join_next() => report_panic(&ended),
            _ = self.ticks.tick(), if self.must_tick() => self.tick(),
            else => pending().await,
        }
    }

    fn serve(&mut self, handshake: Result<Option<Connection>, JoinError>) {
        report_panic(&handshake);
        if let Ok(Some(connection)) = handshake {
            self.connections.spawn(connection.run());
        }
    }

    fn tick(&mut self) {
        flush::write_stranded();
        self.clear();
        let now = self.shared.clock.now();
        if now.0 - self.last_tick.0 > STANDSTILL {
            self.shared.broker.pardon(now);
        }
        self.last_tick = now;
        if now >= self.next_sweep {
            self.next_sweep = Millis(now.0 + SWEEP_PERIOD);
            let mut outbox = flush::delivery();
            self.shared.broker.sweep(now, &mut outbox);
            self.shared.audit.take(&mut outbox.notes, None);
            drop(outbox);
            if let Some(draining) = &mut self.draining {
                draining.step(&self.shared);
            }
        }
        // Ticks are counted, and no time is read: while the process is stopped time goes by, but no call comes to its end.
        self.unaudited += 1;
        if self.unaudited >= AUDIT_TICKS {
            self.unaudited = 0;
            if let Err(mismatch) = self.shared.broker.audit() {
                error!(%mismatch, "a request was lost or ended twice, by a defect of the server");
            }
        }
    }

    /// Handlers of ended sessions leave in turns, as everything that takes long.
    fn clear(&mut self) {
        if self.clearing.as_ref().is_some_and(|clearing| !clearing.is_finished())
            || !self.shared.broker.has_departed()
        {
            return;
        }
        let shared = Arc::clone(&self.shared);
        self.clearing = Some(tokio::spawn(async move {
            // There is no error as long as the runtime is there.
            while shared.turns.wait().await.is_ok() && shared.broker.clear(&mut flush::delivery()) {
            }
        }));
    }

    fn must_tick(&self) -> bool {
        !self.connections.is_empty()
            || self.draining.is_some()
            || self.has_nodes
            || self.shared.broker.has_departed()
    }

    pub(crate) fn begin_drain(&mut self) {
        let drain = self.shared.config.load().drain.clone();
        self.draining = Some(Draining::begin(&self.shared, &drain));
    }

    pub(crate) fn have_drained(&self) -> bool {
        self.draining.as_ref().is_some_and(|draining| draining.is_over(&self.shared))
    }

    /// Ends all sessions and gives their clients some time to hear it.
    pub(crate) async fn finish(mut self) {
        self.draining = None;
        while let Some(ended) = self.handshakes.try_join_next() {
            self.serve(ended);
        }
        let mut outbox = flush::delivery();
        self.shared.broker.shut_down(&mut outbox);
        self.shared.audit.take(&mut outbox.notes, None);
        drop(outbox);
        let told = timeout(LONGEST_FAREWELL, async {
            while !self.connections.is_empty() {
                self.advance().await;
            }
        });
        match told.await {
            Ok(()) => info!("stopped"),
            Err(_) => warn!("stopped before every client was told"),
        }
    }
}

fn report_panic<T>(ended: &Result<T, JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a connection ended by a defect of the server");
    }
}

/// How soon a list of written sessions is noticed to stand still: at most twice this.
const TICK: Duration = Duration::from_millis(10);

/// About 10 s between two audits. Every call of the broker is over within some milliseconds.
const AUDIT_TICKS: u32 = 1_000;

/// In milliseconds; the precision of timeouts.
pub(crate) const SWEEP_PERIOD: u64 = 100;

/// In milliseconds: a tick that comes so late means that nothing was read either.
const STANDSTILL: u64 = 1_000;

/// A little longer than each connection may linger.
const LONGEST_FAREWELL: Duration = Duration::from_secs(LINGER.as_secs() + 1);
