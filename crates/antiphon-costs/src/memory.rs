//! What idle sessions and handlers take of the memory of the process, and how long a path is looked for among many.

use std::fs;
use std::time::Instant;

use antiphon_broker::BrokerConfig;

use crate::fleet::Client;
use crate::fleet::Fleet;
use crate::fleet::frame;
use crate::fleet::request;

/// Measures and prints.
pub(crate) fn measure() -> Result<(), String> {
    let mut config = BrokerConfig::default();
    config.limits.handlers_per_session = HANDLERS;
    let mut fleet = Fleet::with(config);
    // What every process has, such as buffers, is not to be counted.
    let warm = fleet.open(&PROPERTIES);
    fleet.register(&warm, "warm");

    let before = resident()?;
    let sessions: Vec<_> = (0..SESSIONS).map(|_| fleet.open(&PROPERTIES)).collect();
    let each = (resident()? - before) / SESSIONS;
    println!("an idle session with 3 user properties, without its socket: {each} bytes");

    let before = resident()?;
    for n in 0..HANDLERS {
        fleet.register(&sessions[0], &path(n));
    }
    let each = (resident()? - before) / HANDLERS;
    println!("a handler, of {HANDLERS} on paths of {} bytes: {each} bytes", path(0).len());

    for far in [0, 3] {
        println!(
            "a request that finds its handler {far} segments above among {HANDLERS}: {} ns; with one handler: {} ns",
            request_time(&mut fleet, &sessions[1], |n| below(&path(n * 7919 % HANDLERS), far)),
            request_time(&mut fleet, &sessions[1], |_| below("warm", far)),
        );
    }
    Ok(())
}

/// How long the broker takes for a request, in nanoseconds.
fn request_time(fleet: &mut Fleet, sender: &Client, path: impl Fn(usize) -> String) -> u128 {
    let reads: Vec<Vec<u8>> = (0..200)
        .map(|read| (0..16).flat_map(|n| frame(&request(&path(read * 16 + n), 1))).collect())
        .collect();
    let mut times: Vec<_> = reads
        .into_iter()
        .map(|mut frames| {
            let began = Instant::now();
            fleet.read(sender, &mut frames);
            let took = began.elapsed().as_nanos() / 16;
            fleet.flush();
            for (to, mut answers) in fleet.answers() {
                fleet.read(&to, &mut answers);
            }
            fleet.flush();
            took
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn path(n: usize) -> String {
    format!("orders/{:03}/{n:07}", n % 1_000)
}

fn below(path: &str, far: usize) -> String {
    format!("{path}{}", "/x".repeat(far))
}

/// The memory of this process that is really there, in bytes.
fn resident() -> Result<usize, String> {
    let text = fs::read_to_string("/proc/self/statm").map_err(|error| error.to_string())?;
    let pages: Option<usize> = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map(|pages| pages * 4_096).ok_or_else(|| "/proc/self/statm is not as expected".to_owned())
}

const SESSIONS: usize = 20_000;
const HANDLERS: usize = 1_000_000;
const PROPERTIES: [(&str, &str); 3] =
    [("Department", "Accounts"), ("Floor", "7"), ("Version", "6.12.2")];
