//! The task of a connection: reads what comes into the core, writes what the core wants sent, keeps the time.
//!
//! When several calls are under way, what they send is written together: the task gives others that are ready their
//! turn first. A call that is alone is written at once.

use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep_until;
use tokio::time::timeout;

use crate::core::Core;
use crate::core::Effects;
use crate::core::Received;
use crate::events::CloseReason;
use crate::link::Link;
use crate::link::inbound;
use crate::shared::Shared;
use crate::transport::Io;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was lost, for this reason.
    Lost(String),
    /// The session is over.
    Closed(CloseReason),
}

/// Moves the bytes of one connection.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    io: Box<dyn Io>,
    decoder: Decoder,
    /// Bytes of a frame that is not whole yet.
    rest: Vec<u8>,
    /// Frames that are being written, and how much of them is.
    writing: Vec<u8>,
    written: usize,
    unflushed: bool,
    /// How often others had their turn while this task had something to write, and how much that was the last time.
    deferred: (u32, usize),
    /// After so long without a byte from the server it is gone; `None`: it does not ping.
    patience: Option<Duration>,
    last_read: Instant,
    /// When the server must have closed the connection that the user closes.
    linger: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, link: Link) -> Self {
        let Link { io, decoder, rest, ping_period } = link;
        let now = Instant::now();
        let patience = (!ping_period.is_zero()).then(|| ping_period * PATIENCE);
        Self {
            shared,
            io,
            decoder,
            rest,
            writing: Vec::new(),
            written: 0,
            unflushed: false,
            deferred: (0, 0),
            patience,
            last_read: now,
            linger: None,
            timer: Box::pin(sleep_until(now + FAR)),
        }
    }

    /// Moves bytes until the connection ends.
    pub(crate) async fn run(mut self) -> Ended {
        let ended = match self.take_rest() {
            Some(ended) => ended,
            None => poll_fn(|cx| self.poll(cx)).await,
        };
        // The peer may be gone, so this may fail, and must not take long.
        let _ = timeout(FAREWELL, self.farewell()).await;
        ended
    }

    /// Tells the server that the WebSocket is over.
    async fn farewell(&mut self) -> io::Result<()> {
        let mut last = self.writing.split_off(self.written);
        self.shared.look(|core| {
            core.outbound.close();
            let mut waiting = Vec::new();
            core.outbound.take(&mut waiting);
            last.append(&mut waiting);
        });
        self.io.write_all(&last).await?;
        self.io.shutdown().await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let closing = self.shared.look(|core| {
            if core.driver.is_none() {
                core.driver = Some(cx.waker().clone());
            }
            core.is_closing()
        });
        if closing && self.linger.is_none() {
            self.linger = Some(Instant::now() + LINGER);
        }
        for _ in 0..TURNS_PER_POLL {
            let held_back = self.is_full();
            let read = if held_back { Poll::Pending } else { self.poll_read(cx) };
            if let Poll::Ready(Err(ended)) = read {
                return Poll::Ready(ended);
            }
            if let Err(error) = self.write(cx) {
                return Poll::Ready(self.lost(&error));
            }
            // What was held back while too much waited to be written is read now that it does not.
            if read.is_pending() && (!held_back || self.is_full()) {
                return self.poll_timer(cx);
            }
        }
        // Others have their turn; this one comes again.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether so much waits to be written that nothing is read.
    fn is_full(&self) -> bool {
        let unwritten = self.writing.len() - self.written;
        let waiting = self.shared.look(|core| core.outbound.waiting());
        waiting + unwritten >= self.shared.outbound_limit()
    }

    /// Reads once.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let mut end = None;
        let Self { shared, io, decoder, rest, .. } = self;
        let read = inbound::poll_read(io, cx, rest, |bytes| take(shared, decoder, bytes, &mut end));
        let Poll::Ready(read) = read else { return Poll::Pending };
        self.last_read = Instant::now();
        match (read, end) {
            (_, Some(end)) => Poll::Ready(Err(self.ended(end))),
            (Ok(0), None) => Poll::Ready(Err(self.lost(&"the server closed the connection"))),
            (Ok(_), None) => Poll::Ready(Ok(())),
            (Err(error), None) => Poll::Ready(Err(self.lost(&error))),
        }
    }

    /// Takes what was read before the driver began.
    fn take_rest(&mut self) -> Option<Ended> {
        let mut end = None;
        let used = take(&self.shared, &mut self.decoder, &mut self.rest, &mut end);
        self.rest = self.rest.split_off(used);
        end.map(|end| self.ended(end))
    }

    /// Writes what waits, as far as the connection takes it and unless others should have their turn first.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if self.written == self.writing.len() && !self.next_frames(cx) {
                return self.flush(cx);
            }
            let rest = &self.writing[self.written..];
            match Pin::new(&mut self.io).poll_write(cx, rest) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Err(error),
            }
            self.unflushed = true;
        }
    }

    /// Takes the frames that wait. False if there are none, or if others have their turn first.
    fn next_frames(&mut self, cx: &mut Context<'_>) -> bool {
        self.writing.clear();
        self.written = 0;
        let (waiting, alone) = self.shared.look(|core| (core.outbound.waiting(), is_alone(core)));
        if waiting == 0 {
            return false;
        }
        let (turns, before) = self.deferred;
        if !alone && turns < MOST_DEFERRALS && waiting > before {
            self.deferred = (turns + 1, waiting);
            let mut others = pin!(tokio::task::yield_now());
            // Polled once, it has this task woken when the others had their turn.
            if others.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
        self.deferred = (0, 0);
        self.shared.look(|core| core.outbound.take(&mut self.writing));
        if waiting >= self.shared.outbound_limit() {
            self.shared.announce();
        }
        true
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.unflushed {
            match Pin::new(&mut self.io).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(flushed) => {
                    flushed?;
                    self.unflushed = false;
                }
            }
        }
        Ok(())
    }

    /// Sees to what is due, and has the task woken for what is due next.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            let deadline = self.shared.look(|core| {
                if core.is_idle() {
                    core.shrink();
                }
                core.next_deadline()
            });
            if self.writing.is_empty() && deadline.is_none() {
                self.writing = Vec::new();
            }
            let silence = self.patience.map(|patience| self.last_read + patience);
            let due = [deadline, silence, self.linger].into_iter().flatten().min();
            let due = due.unwrap_or_else(|| self.last_read + FAR);
            // A timer that is early is looked at again when it rings; setting it anew costs more.
            if due < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if silence.is_some_and(|silence| silence <= now) {
                return Poll::Ready(self.lost(&"nothing was heard of the server for too long"));
            }
            if self.linger.is_some_and(|linger| linger <= now) {
                return Poll::Ready(Ended::Closed(CloseReason::ClosedByClient));
            }
            self.shared.change(|core, effects| core.expire(now, effects));
        }
    }

    fn lost(&self, why: &dyn std::fmt::Display) -> Ended {
        self.ended(End::Lost(why.to_string()))
    }

    /// What is meant by the end of a connection: a session that the user closes ends with it in any case.
    fn ended(&self, end: End) -> Ended {
        match end {
            _ if self.shared.look(|core| core.is_closing()) => {
                Ended::Closed(CloseReason::ClosedByClient)
            }
            End::Lost(why) => Ended::Lost(why),
            End::Closed => Ended::Closed(CloseReason::ClosedByServer),
        }
    }
}

/// What the peer did to end the connection.
enum End {
    Lost(String),
    Closed,
}

/// Takes every whole frame at the front of `bytes` into the core, under one lock, and returns how many bytes they had.
fn take(
    shared: &Arc<Shared>,
    decoder: &mut Decoder,
    bytes: &mut [u8],
    end: &mut Option<End>,
) -> usize {
    let now = Instant::now();
    shared.change(|core, effects| {
        let mut used = 0;
        while end.is_none() {
            match decoder.next(&mut bytes[used..]) {
                Ok(None) => break,
                Ok(Some((length, event))) => {
                    used += length;
                    *end = take_event(core, event, now, effects);
                }
                Err(violation) => *end = Some(End::Lost(violation.to_string())),
            }
        }
        used
    })
}

fn take_event(
    core: &mut Core,
    event: Event<'_>,
    now: Instant,
    effects: &mut Effects,
) -> Option<End> {
    match event {
        Event::Message(message) => match core.receive(message, now, effects) {
            Ok(Received::Continue) => None,
            Ok(Received::Closed) => Some(End::Closed),
            Err(malformed) => Some(End::Lost(malformed.to_string())),
        },
        Event::Fragment | Event::Pong => None,
        Event::Ping(payload) => {
            core.outbound.pong(payload);
            None
        }
        Event::Close(_) => Some(End::Lost("the server closed the WebSocket".to_owned())),
    }
}

/// Whether what waits to be written is all that will come soon.
fn is_alone(core: &Core) -> bool {
    core.calls.len() + core.handlers.running() <= 1
}

/// A server pings once a period, so two periods of silence and some grace mean that it is gone.
const PATIENCE: u32 = 3;

/// How long the server may take to close a connection after the session was closed here.
const LINGER: Duration = Duration::from_secs(2);

/// How long the last bytes of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What waits is written when a turn of the others has added nothing to it, or after so many turns. A turn costs less
/// than a write.
const MOST_DEFERRALS: u32 = 4;

/// A connection with more to read than this waits until others had their turn.
const TURNS_PER_POLL: usize = 8;

/// Longer than anybody waits.
const FAR: Duration = Duration::from_secs(24 * 3600);
