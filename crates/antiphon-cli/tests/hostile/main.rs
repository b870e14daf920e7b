//! Everything that a stranger can do to a server at once, while a good client keeps asking: none of its requests fails, and
//! when it is over the server has its memory and its files back, its ledger balances, and its log tells of no error.
//!
//! | file | holds |
//! |---|---|
//! | `attacks` | the attacks, each a task that goes on until the time is over |
//! | `garbage` | bytes that nobody wrote |
//! | `stranger` | a connection that sends what it likes |
//! | `good` | the good client, and how long it waits |
//! | `server` | the server as a process, and what can be seen of it from outside |
//!
//! The attacks come from addresses other than the good client's, as they would, and the server's limits are those of
//! production but for times, which are shorter. They come in waves: what the first ones leave is no leak, since tables and
//! buffers of threads grow, and glibc keeps pages that blocks which live on share with dead ones; but the later ones leave no
//! more. What is measured is printed; how much longer the good client waits must be in bounds only where the environment has
//! `ANTIPHON_MEASURE`, since it depends on the machine (`docs/testing.md`).

#![allow(clippy::print_stdout, reason = "what is measured is shown")]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod attacks;
mod garbage;
mod good;
mod server;
mod stranger;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use crate::good::Good;
use crate::server::Seen;
use crate::server::Server;

/// In the environment of the processes that this one starts: what they do.
const INSIDE: &str = "ANTIPHON_HOSTILE";
/// Looks after the server and the good client.
const WATCH: &str = "watch";
/// Open files of each process. Connections need one each, and 1,024 are allowed on many hosts.
const FILES: u64 = 8192;
/// How long the good client asks before anything happens.
const BEFORE: Duration = Duration::from_secs(1);
/// How long a wave of attacks goes on; what they cannot do in that time on a slow machine they do not do.
const WAVE: Duration = Duration::from_secs(4);
/// Waves before anything is measured.
const WARM_UP: usize = 3;
/// Waves that are measured.
const WAVES: usize = 2;
/// A safety net: memory and files must be back after the last time limit of the server, which is 2 s.
const SETTLE: Duration = Duration::from_secs(60);
/// Files that looking at it may take, since the connection of one look may not be closed at the next.
const LOOKING: usize = 2;
/// Of the memory that there was before, in percent.
const ALLOWED_MEMORY: u64 = 110;
/// How many times as long as before the good client's 99th percentile may be.
const ALLOWED_WAIT: u32 = 3;

#[test]
fn strangers_leave_nothing_behind_and_a_good_client_is_served() {
    match std::env::var(INSIDE) {
        Err(_) => run_with_more_files(),
        Ok(what) if what == WATCH => Runtime::new().unwrap().block_on(hold_out()),
        Ok(addresses) => attack(&addresses),
    }
}

/// The same test in a process that may open more files.
fn run_with_more_files() {
    let script = format!("ulimit -n {FILES} && exec \"$0\" --nocapture");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).env(INSIDE, WATCH);
    let output = command.output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Attacks the server at these addresses.
fn attack(addresses: &str) {
    let mut addresses = addresses.split(' ').map(|address| address.parse::<SocketAddr>().unwrap());
    let (plain, tls) = (addresses.next().unwrap(), addresses.next().unwrap());
    let hostile = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let attacked = hostile.block_on(attacks::all(plain, tls, WAVE));
    attacked.rounds.iter().for_each(|(attack, times)| println!("{times:>6} times {attack}"));
    println!("{}{AT_ONCE}", attacked.most_at_once);
}

/// A wave of attacks, in a process of their own. Where waits are measured it takes no time that others want, as if it were on
/// other machines. Tells how many sessions there were at once.
async fn attacked(server: &Server) -> usize {
    let addresses = format!("{} {}", server.plain, server.tls);
    let program = std::env::current_exe().unwrap();
    let mut command =
        Command::new(if is_measured() { "chrt".as_ref() } else { program.as_os_str() });
    if is_measured() {
        command.args(["--idle", "0"]).arg(&program);
    }
    command.arg("--nocapture").env(INSIDE, addresses);
    let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().filter(|line| line.contains(" times ")).for_each(|line| println!("{line}"));
    let at_once = said.lines().find_map(|line| line.strip_suffix(AT_ONCE));
    at_once.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no attack: {said}"))
}

const AT_ONCE: &str = " sessions at once";

/// Whether somebody wants to know how long the good client waits, on a machine that has nothing else to do.
fn is_measured() -> bool {
    std::env::var_os("ANTIPHON_MEASURE").is_some()
}

async fn hold_out() {
    let server = Server::start();
    let good = Good::connect(server.plain).await;
    let ask_for = |time| tokio::spawn(Arc::clone(&good).ask_for(time));
    let calm = ask_for(BEFORE).await.unwrap();
    println!("at first {:?}", server.look().await);
    for _ in 0..WARM_UP {
        attacked(&server).await;
        println!("warm-up  {:?}", server.look().await);
    }
    let before = server.settled(SETTLE, |seen| seen.sessions == Good::SESSIONS).await;
    println!("before   {before:?}\nbefore: {calm}");
    let back = |seen: &Seen| {
        seen.sessions == before.sessions
            && seen.files <= before.files + LOOKING
            && seen.memory <= before.memory / 100 * ALLOWED_MEMORY
    };
    for wave in 1..=WAVES {
        let (at_once, busy) = tokio::join!(attacked(&server), ask_for(WAVE));
        let during = server.look().await;
        let (busy, after) = (busy.unwrap(), server.settled(SETTLE, back).await);
        println!("wave {wave}   {during:?}\nafter    {after:?}\nduring: {busy}");
        assert!(back(&after), "it is not as before: {before:?}, then {during:?}, then {after:?}");
        assert!(at_once >= attacks::AT_ONCE, "only {at_once} at once");
        assert_eq!((after.in_flight, after.mismatches), (0, 0), "the ledger does not balance");
        let longer = busy.at(99).as_secs_f64() / calm.at(99).as_secs_f64();
        println!("the 99th percentile is {longer:.1} times that of before");
        assert!(!is_measured() || busy.at(99) <= calm.at(99) * ALLOWED_WAIT, "{longer:.1} times");
    }
    println!("after: {}", ask_for(BEFORE).await.unwrap());
    assert_eq!(server.complaints(), Vec::<String>::new());
}
