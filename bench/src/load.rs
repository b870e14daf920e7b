//! A closed loop: as many requests as the setting says are always on their way, and each answer is followed by the next request.
//!
//! One task for each connection, on a runtime of tokio with two workers. All answers of one read lead to one write.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::counters::Counters;
use crate::counters::cpu_seconds;
use crate::frames::invalid;
use crate::link::Link;
use crate::link::Stream;
use crate::meter::Meter;
use crate::meter::Tally;
use crate::meter::quantile;
use crate::meter::record;
use crate::row::Row;
use crate::settings::Setting;
use crate::settings::Times;
use crate::target::Any;
use crate::target::Peer;
use crate::target::Target;
use crate::wire::Antiphon;
use crate::wire::Nats;
use crate::wire::Outcome;
use crate::wire::Relay;
use crate::wire::Role;
use crate::wire::Wire;

/// What a connection reads at once.
pub(crate) const BUFFER: usize = 256 << 10;

/// Runs a load and says how it went. With `count` the server's instructions and system calls are counted too, which costs it
/// some time.
pub(crate) fn run(target: &Target, setting: Setting, times: Times, count: bool) -> io::Result<Row> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let row = runtime.block_on(async {
        match target.peer {
            Peer::Antiphon => measure::<Antiphon>(target, setting, times, count).await,
            Peer::Ws => measure::<Relay>(target, setting, times, count).await,
            Peer::Nats => measure::<Nats>(target, setting, times, count).await,
        }
    });
    runtime.shutdown_background();
    row
}

async fn measure<W: Wire>(
    target: &Target,
    setting: Setting,
    times: Times,
    count: bool,
) -> io::Result<Row> {
    let meter = Arc::new(Meter::default());
    start::<W>(target, setting, &meter).await?;
    sleep(times.warm_up).await;
    let counters = match target.pid {
        Some(pid) if count => Counters::start(pid, times.measured),
        _ => None,
    };
    let (client, server) = (cpu_seconds(std::process::id()), target.pid.map_or(0.0, cpu_seconds));
    let begun = Instant::now();
    meter.measure();
    sleep(times.measured).await;
    let seconds = begun.elapsed().as_secs_f64();
    let client = cpu_seconds(std::process::id()) - client;
    let server = target.pid.map_or(0.0, cpu_seconds) - server;
    // They began a little later and have to see the load until their end.
    let counted = match counters {
        Some(counters) => Some(counters.wait().await?),
        None => None,
    };
    let elapsed = begun.elapsed().as_secs_f64();
    let latencies = meter.stop();
    let requests = latencies.len();
    let rate = requests as f64 / elapsed;
    let (failures, first_failure) = meter.failures();
    let each = |sum: f64| if rate > 0.0 { sum / (rate * seconds) } else { 0.0 };
    Ok(Row {
        peer: target.name.clone(),
        setting: setting.name.to_owned(),
        seconds: elapsed,
        requests,
        failures,
        first_failure,
        rate,
        p50: quantile(&latencies, 0.5),
        p99: quantile(&latencies, 0.99),
        p999: quantile(&latencies, 0.999),
        server_cpu: each(server * 1e6),
        client_cpu: each(client * 1e6),
        counted: counted.map(|sums| sums.map(each)),
        ..Row::default()
    })
}

async fn start<W: Wire>(target: &Target, setting: Setting, meter: &Arc<Meter>) -> io::Result<()> {
    start_handlers::<W>(target, setting, meter).await?;
    let mut requesters = Vec::new();
    for index in 0..setting.requesters {
        let role = Role::Requester(setting.payload);
        requesters.push(open::<W>(target, role, setting.handlers + index).await?);
    }
    for (index, (wire, link)) in requesters.into_iter().enumerate() {
        let asked = Asked::new(setting.share(index), meter.tally());
        let meter = Arc::clone(meter);
        tokio::spawn(async move { watch(&meter, serve(wire, link, asked, &meter).await) });
    }
    Ok(())
}

/// Starts those that answer.
pub(crate) async fn start_handlers<W: Wire>(
    target: &Target,
    setting: Setting,
    meter: &Arc<Meter>,
) -> io::Result<()> {
    for index in 0..setting.handlers {
        let (wire, link) = open::<W>(target, Role::Handler, index).await?;
        let meter = Arc::clone(meter);
        tokio::spawn(async move { watch(&meter, serve(wire, link, Asked::none(), &meter).await) });
    }
    Ok(())
}

async fn open<W: Wire>(target: &Target, role: Role, index: usize) -> io::Result<(W, Link<Any>)> {
    let mut link = target.connect(index, BUFFER).await?;
    let wire = W::open(&mut link, role, index).await?;
    Ok((wire, link))
}

/// No connection should end before its run.
fn watch(meter: &Meter, ended: io::Result<()>) {
    if let Err(error) = ended {
        meter.fail(|| error.to_string());
    }
}

/// One connection's requests that are on their way: each place has one.
pub(crate) struct Asked {
    places: Vec<(u32, Instant)>,
    tally: Option<Tally>,
}

impl Asked {
    fn none() -> Self {
        Self { places: Vec::new(), tally: None }
    }

    fn new(places: usize, tally: Tally) -> Self {
        let now = Instant::now();
        let places = (1..=places as u32).map(|number| (number, now)).collect();
        Self { places, tally: Some(tally) }
    }

    /// The request of this number has ended. Returns when it was sent, and the number of the next one of its place: one
    /// that was not used lately, so that what is answered twice, or late, is noticed.
    fn ended(&mut self, number: u32, now: Instant) -> io::Result<(Instant, u32)> {
        let count = self.places.len() as u32;
        let nothing = || invalid(format!("an answer to nothing: {number}"));
        let place = number.checked_sub(1).and_then(|number| number.checked_rem(count));
        let place = &mut self.places[place.ok_or_else(nothing)? as usize];
        if place.0 != number {
            return Err(nothing());
        }
        let next = (number - 1 + count) % (count * 8) + 1;
        let (_, sent) = std::mem::replace(place, (next, now));
        Ok((sent, next))
    }
}

/// Serves a connection until the run is over.
async fn serve<W: Wire, S: Stream>(
    mut wire: W,
    mut link: Link<S>,
    mut asked: Asked,
    meter: &Meter,
) -> io::Result<()> {
    let mut out = Vec::with_capacity(BUFFER / 4);
    let mut outcomes = Vec::with_capacity(asked.places.len());
    for (number, _) in &asked.places {
        wire.request(*number, &mut out);
    }
    while !meter.over() {
        if !out.is_empty() {
            link.write(&out).await?;
            out.clear();
        }
        link.read().await?;
        let used = wire.take(link.unused(), &mut out, &mut outcomes)?;
        link.used(used);
        if !outcomes.is_empty() {
            go_on(&mut wire, &mut out, &mut asked, (&outcomes, meter))?;
            outcomes.clear();
        }
    }
    Ok(())
}

/// Counts what has ended, and asks again.
fn go_on<W: Wire>(
    wire: &mut W,
    out: &mut Vec<u8>,
    asked: &mut Asked,
    (outcomes, meter): (&[Outcome], &Meter),
) -> io::Result<()> {
    let now = Instant::now();
    let tally = asked.tally.clone();
    let mut tally = tally.as_ref().filter(|_| meter.measuring()).map(|tally| tally.lock());
    for outcome in outcomes {
        let (Outcome::Answer(number) | Outcome::Failure(number)) = *outcome;
        let (sent, next) = asked.ended(number, now)?;
        match (outcome, &mut tally) {
            (Outcome::Answer(_), Some(tally)) => record(tally, now - sent),
            (Outcome::Answer(_), None) => {}
            (Outcome::Failure(_), _) => meter.fail(|| "a wrong answer, or an error".to_owned()),
        }
        wire.request(next, out);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_twice_is_noticed() {
        let mut asked = Asked::new(3, Meter::default().tally());
        let now = Instant::now();
        let mut number = 2;
        for _ in 0..20 {
            let (_, next) = asked.ended(number, now).unwrap();
            assert!(asked.ended(number, now).is_err());
            assert!((1..=24).contains(&next) && next % 3 == 2);
            number = next;
        }
        for nothing in [0, 4, 25, u32::MAX] {
            assert!(asked.ended(nothing, now).is_err());
        }
        assert!(Asked::none().ended(1, now).is_err());
    }
}
