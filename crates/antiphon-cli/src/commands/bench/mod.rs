//! `antiphon bench`: how many requests a second, and how long each takes.
//!
//! | file | holds |
//! |---|---|
//! | `fleet` | the sessions that ask and answer |
//! | `load` | the requests, as many at once as allowed or at a steady rate |
//! | `tally` | what came of them |
//! | `progress` | the bar on the terminal |

mod fleet;
mod load;
mod progress;
mod tally;

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::arguments::connection::ConnectionFlags;
use crate::arguments::connection::Target;
use crate::commands::bench::fleet::Fleet;
use crate::commands::bench::load::Load;
use crate::commands::bench::load::Plan;
use crate::commands::bench::progress::Progress;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;

/// Measure requests per second and their latency
///
/// Opens sessions that handle a path of their own and sessions that send requests to it. Without --rate each of these
/// keeps --outstanding requests under way, and sends the next when an answer comes. With --rate requests are due at a
/// steady pace, whether or not answers come, and latency counts from when a request was due: a server that stalls
/// cannot hide it.
///
/// Registering needs the permission REGISTER_HANDLER, as `admin` has it on a development server.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Sessions that send requests
    #[arg(long, value_name = "R", default_value = "1")]
    requesters: NonZeroUsize,

    /// Sessions that answer them
    #[arg(long, value_name = "H", default_value = "1")]
    handlers: NonZeroUsize,

    /// Requests that each requester has under way at most
    #[arg(long, value_name = "K", default_value = "64")]
    outstanding: NonZeroUsize,

    /// Size of a request and of its response
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    payload: usize,

    /// How long to measure
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    seconds: Duration,

    /// How long to send requests before it counts
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    warmup: Duration,

    /// Requests per second of all requesters together, instead of as many as possible
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,

    #[command(flatten)]
    connection: ConnectionFlags,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon bench --principal admin --password password
  antiphon bench --requesters 4 --handlers 4 --outstanding 256 --payload 1024
  antiphon bench --rate 5000 --seconds 60 --json       latency under a steady load";

pub(crate) fn run(arguments: Arguments, output: Output) -> Result<Exit, Failure> {
    let target = arguments.connection.target()?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("the system gives no threads: {error}")))?;
    runtime.block_on(measure(&arguments, &target, output))
}

async fn measure(arguments: &Arguments, target: &Target, output: Output) -> Result<Exit, Failure> {
    let (requesters, handlers) = (arguments.requesters.get(), arguments.handlers.get());
    let outstanding = arguments.outstanding.get();
    let fleet = Fleet::open(target, requesters, handlers, outstanding).await?;
    let begin = Instant::now();
    let counted_from = begin + arguments.warmup;
    let end = counted_from + arguments.seconds;
    let plan = Plan { begin, counted_from, end, rate: arguments.rate };
    let load = Load::new(&fleet, plan, arguments.payload);
    let progress = Progress::start(output, load.completed(), begin, end);
    let tally = load.run(&fleet, outstanding).await;
    progress.clear();
    let elapsed = counted_from.elapsed();
    fleet.close().await;
    tally.print(arguments, elapsed, output)?;
    tally.exit()
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> =
        text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{text:?} is not a number of seconds from 0 to 86400"))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok().filter(|rate| (0.1..=10_000_000.0).contains(rate));
    rate.ok_or_else(|| format!("{text:?} is not a rate from 0.1 to 10000000 requests per second"))
}
