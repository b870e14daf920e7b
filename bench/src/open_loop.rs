//! An open loop: requests are due at a fixed rate, whether or not those before are answered, and a latency begins when the
//! request was due. So a server that stalls is not asked less while it does, and pays for all that waited.
//!
//! Timers of tokio go by the millisecond, which is more than what is measured. So one thread sends what is due; answers are read
//! by tasks on the two threads of the handlers, which are those of the closed loop.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::runtime::Builder;

use crate::frames::invalid;
use crate::link::Link;
use crate::load;
use crate::meter::Meter;
use crate::meter::Tally;
use crate::meter::quantile;
use crate::meter::record;
use crate::row::Row;
use crate::row::Series;
use crate::settings::Setting;
use crate::settings::Times;
use crate::target::Peer;
use crate::target::Target;
use crate::wire::Antiphon;
use crate::wire::Nats;
use crate::wire::Outcome;
use crate::wire::Relay;
use crate::wire::Role;
use crate::wire::Wire;

/// Asks at `rate` requests a second and says how it went.
pub(crate) fn run(target: &Target, setting: Setting, times: Times, rate: f64) -> io::Result<Row> {
    match target.peer {
        Peer::Antiphon => measure::<Antiphon>(target, setting, times, rate),
        Peer::Ws => measure::<Relay>(target, setting, times, rate),
        Peer::Nats => measure::<Nats>(target, setting, times, rate),
    }
}

fn measure<W: Wire>(target: &Target, setting: Setting, times: Times, rate: f64) -> io::Result<Row> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let meter = Arc::new(Meter::default());
    let requesters = runtime.block_on(async {
        load::start_handlers::<W>(target, setting, &meter).await?;
        let mut requesters = Vec::new();
        for index in 0..setting.requesters {
            requesters.push(Requester::<W>::start(target, setting, index, &meter).await?);
        }
        io::Result::Ok(requesters)
    })?;
    let row = pace(requesters, times, rate, &meter);
    runtime.shutdown_background();
    let (peer, setting) = (target.name.clone(), setting.name.to_owned());
    row.map(|row| Row { peer, series: Series::Open, setting, due: Some(rate), ..row })
}

/// A connection that asks.
struct Requester<W> {
    writer: OwnedWriteHalf,
    asked: Arc<Mutex<Asked<W>>>,
    /// What is written now, and how much of it is; its memory is kept.
    writing: Vec<u8>,
    written: usize,
}

/// What writer and reader of a connection share.
struct Asked<W> {
    wire: W,
    out: Vec<u8>,
    /// When each request was due, by its number less 1; those that are not under way have none.
    due: Vec<Option<Instant>>,
    free: VecDeque<u32>,
    tally: Tally,
}

/// No more requests of one connection are under way; who is due then waits. As many as the server takes of one session.
const UNDER_WAY: u32 = 16_000;
/// What a reader reads at once.
const BUFFER: usize = 256 << 10;

impl<W: Wire> Requester<W> {
    async fn start(
        target: &Target,
        setting: Setting,
        index: usize,
        meter: &Arc<Meter>,
    ) -> io::Result<Self> {
        let mut link = Link::new(target.connect_tcp(index).await?, BUFFER);
        let wire = W::open(&mut link, Role::Requester(setting.payload), index).await?;
        let unused = link.unused().to_vec();
        let (reader, writer) = link.into_stream().into_split();
        let (due, free) = (vec![None; UNDER_WAY as usize], (1..=UNDER_WAY).collect());
        let asked = Asked { wire, out: Vec::new(), due, free, tally: meter.tally() };
        let asked = Arc::new(Mutex::new(asked));
        let (shared, meter) = (Arc::clone(&asked), Arc::clone(meter));
        tokio::spawn(async move {
            if let Err(error) = read((reader, unused), &shared, &meter).await {
                meter.fail(|| error.to_string());
            }
        });
        Ok(Self { writer, asked, writing: Vec::new(), written: 0 })
    }

    /// Sends what is due, all in one write, unless the socket is full.
    fn send(&mut self, due: &mut VecDeque<Instant>) -> io::Result<()> {
        if self.written == self.writing.len() {
            self.writing.clear();
            self.written = 0;
            self.collect(due);
        }
        while self.written < self.writing.len() {
            match self.writer.try_write(&self.writing[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn collect(&mut self, due: &mut VecDeque<Instant>) {
        let mut asked = self.asked.lock();
        let asked = &mut *asked;
        while let Some(instant) = due.front().copied()
            && let Some(number) = asked.free.pop_front()
        {
            due.pop_front();
            asked.due[number as usize - 1] = Some(instant);
            asked.wire.request(number, &mut asked.out);
        }
        std::mem::swap(&mut asked.out, &mut self.writing);
    }
}

async fn read<W: Wire>(
    (mut reader, mut buffer): (OwnedReadHalf, Vec<u8>),
    asked: &Mutex<Asked<W>>,
    meter: &Meter,
) -> io::Result<()> {
    let (mut end, mut outcomes) = (buffer.len(), Vec::new());
    buffer.resize(BUFFER, 0);
    while !meter.over() {
        match reader.read(&mut buffer[end..]).await? {
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up")),
            count => end += count,
        }
        let now = Instant::now();
        let mut asked = asked.lock();
        let asked = &mut *asked;
        let used = asked.wire.take(&mut buffer[..end], &mut asked.out, &mut outcomes)?;
        buffer.copy_within(used..end, 0);
        end -= used;
        let mut tally = asked.tally.lock();
        for outcome in outcomes.drain(..) {
            let (Outcome::Answer(number) | Outcome::Failure(number)) = outcome;
            let due = number.checked_sub(1).and_then(|at| asked.due.get_mut(at as usize)?.take());
            let due = due.ok_or_else(|| invalid(format!("an answer to nothing: {number}")))?;
            asked.free.push_back(number);
            if outcome != Outcome::Answer(number) {
                meter.fail(|| "a wrong answer, or an error".to_owned());
            } else if meter.measuring() {
                record(&mut tally, now - due);
            }
        }
    }
    Ok(())
}

/// Sends until the time is over.
fn pace<W: Wire>(
    mut requesters: Vec<Requester<W>>,
    times: Times,
    rate: f64,
    meter: &Meter,
) -> io::Result<Row> {
    let begun = Instant::now();
    let (measured_from, end) = (begun + times.warm_up, begun + times.warm_up + times.measured);
    let mut due = vec![VecDeque::new(); requesters.len()];
    let mut sent = 0u64;
    loop {
        let now = Instant::now();
        if now >= measured_from && !meter.measuring() {
            meter.measure();
        }
        if now >= end {
            break;
        }
        let until = (now - begun).as_secs_f64() * rate;
        while (sent as f64) < until {
            let instant = begun + Duration::from_secs_f64(sent as f64 / rate);
            due[sent as usize % requesters.len()].push_back(instant);
            sent += 1;
        }
        for (requester, due) in requesters.iter_mut().zip(&mut due) {
            requester.send(due)?;
        }
        thread::sleep(
            (begun + Duration::from_secs_f64(sent as f64 / rate))
                .saturating_duration_since(Instant::now()),
        );
    }
    finish(&requesters, &due, times, meter)
}

fn finish<W>(
    requesters: &[Requester<W>],
    due: &[VecDeque<Instant>],
    times: Times,
    meter: &Meter,
) -> io::Result<Row> {
    let mut latencies = meter.stop();
    let now = Instant::now();
    let requests = latencies.len();
    // Who still waits has waited for at least so long. Without them a server that answers nothing more would look fast.
    for (requester, waiting) in requesters.iter().zip(due) {
        for due in requester.asked.lock().due.iter().flatten().chain(waiting) {
            record(&mut latencies, now.saturating_duration_since(*due));
        }
    }
    let (failures, first_failure) = meter.failures();
    let seconds = times.measured.as_secs_f64();
    Ok(Row {
        seconds,
        requests,
        failures,
        first_failure,
        rate: requests as f64 / seconds,
        p50: quantile(&latencies, 0.5),
        p99: quantile(&latencies, 0.99),
        p999: quantile(&latencies, 0.999),
        ..Row::default()
    })
}
