//! `antiphon ping`: how long the server takes to answer.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::sleep;

use crate::arguments::connection::ConnectionFlags;
use crate::commands::block_on;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use antiphon_server::config::Span;

/// Measure how long the server takes to answer
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// How often to ask
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,

    /// Time between two pings
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    interval: Span,

    #[command(flatten)]
    connection: ConnectionFlags,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon ping                                   is the server there?
  antiphon ping --count 100 --interval 10ms       how fast is it?";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let target = arguments.connection.target()?;
    block_on(async {
        let visit = target.visit().await?;
        let Span(interval) = arguments.interval;
        let mut round_trips = Vec::new();
        for sequence in 1..=arguments.count {
            if sequence > 1 {
                sleep(interval).await;
            }
            // Each has the whole time limit, because there may be many.
            let round_trip = visit.session.ping().await?;
            match output {
                Output::Json => output.json(
                    &json!({ "sequence": sequence, "round_trip_us": round_trip.as_micros() }),
                )?,
                _ => output.line(format_args!("{sequence}: {}", milliseconds(round_trip)))?,
            }
            round_trips.push(round_trip);
        }
        if round_trips.len() > 1 {
            summarize(&round_trips, output);
        }
        visit.end().await;
        Ok(Exit::Done)
    })
}

fn summarize(round_trips: &[Duration], output: Output) {
    let (least, most) = (round_trips.iter().min(), round_trips.iter().max());
    let (Some(least), Some(most)) = (least, most) else { return };
    let count = u32::try_from(round_trips.len()).unwrap_or(u32::MAX);
    let mean = round_trips.iter().sum::<Duration>() / count;
    let [least, mean, most] = [*least, mean, *most].map(milliseconds);
    output.note(format_args!("{count} pings: least {least}, mean {mean}, most {most}"));
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}
