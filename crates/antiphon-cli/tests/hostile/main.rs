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
//! production but for times, which are shorter. What is measured is printed: `cargo test -p antiphon-cli --test hostile --
//! --nocapture`.

#![allow(clippy::print_stdout, reason = "what is measured is shown")]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod attacks;
mod garbage;
mod good;
mod server;
mod stranger;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::runtime::Runtime;

use crate::good::Good;
use crate::server::Seen;
use crate::server::Server;

/// In the environment of the process that attacks.
const INSIDE: &str = "ANTIPHON_HOSTILE";
/// Open files of either process. Connections need one each, and 1,024 are allowed on many hosts.
const FILES: u64 = 8192;
/// How long the good client asks before anything happens.
const BEFORE: Duration = Duration::from_secs(1);
/// How long attacks go on; what they cannot do in that time on a slow machine they do not do.
const ATTACK: Duration = Duration::from_secs(8);
/// How long they go on before anything is measured.
const WARM_UP: Duration = Duration::from_secs(4);
/// A safety net: memory and files must be back after the last time limit of the server, which is 2 s.
const SETTLE: Duration = Duration::from_secs(60);
/// Files that looking at it may take, since the connection of one look may not be closed at the next.
const LOOKING: usize = 2;
/// More memory than 10 % that may be left. Half of it is what glibc keeps of each arena that a thread has used, 128 KiB
/// and the pages that live blocks share with dead ones; half are tables that have grown and do not shrink, which
/// are bounded by the limits: addresses, sessions, paths.
const ALLOWANCE: u64 = 8 << 20;

#[test]
fn strangers_leave_nothing_behind_and_a_good_client_is_served() {
    if std::env::var_os(INSIDE).is_none() {
        return run_with_more_files();
    }
    // Strangers share a thread, and do not take the time of the good client, which would be on another machine.
    let quiet = Runtime::new().unwrap();
    let hostile = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    hostile.block_on(hold_out(quiet.handle()));
}

/// The same test in a process that may open more files.
fn run_with_more_files() {
    let script = format!("ulimit -n {FILES} && exec \"$0\" --nocapture");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).env(INSIDE, "yes");
    let output = command.output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn hold_out(quiet: &Handle) {
    let server = Server::start();
    let good = quiet.spawn(Good::connect(server.plain)).await.unwrap();
    let ask_for = |time| quiet.spawn(Arc::clone(&good).ask_for(time));
    // What the first of everything takes is no leak: tables grow, and glibc keeps pages between blocks that live on.
    attacks::all(&server, WARM_UP).await;
    server.settled(SETTLE, |seen| seen.sessions == Good::SESSIONS).await;
    let calm = ask_for(BEFORE).await.unwrap();
    let before = server.look().await;

    let begin = Instant::now();
    let (attacked, busy) = tokio::join!(attacks::all(&server, ATTACK), ask_for(ATTACK));
    let over = begin.elapsed();
    let during = server.look().await;
    let back = |seen: &Seen| {
        seen.sessions == before.sessions
            && seen.files <= before.files + LOOKING
            && seen.memory <= before.memory + before.memory / 10 + ALLOWANCE
    };
    let after = server.settled(SETTLE, back).await;
    let again = ask_for(Duration::from_millis(500)).await.unwrap();
    let busy = busy.unwrap();

    println!("attacked for {over:?}, {} sessions at once", attacked.most_at_once);
    attacked.rounds.iter().for_each(|(attack, times)| println!("{times:>6} times {attack}"));
    println!("before  {before:?}\nduring  {during:?}\nafter   {after:?}");
    for (when, waits) in [("before", calm), ("during", busy), ("after", again)] {
        println!("{when}: {waits}");
    }
    assert!(back(&after), "it is not as before: {before:?}, then {during:?}, then {after:?}");
    assert!(attacked.most_at_once >= attacks::AT_ONCE, "only {} at once", attacked.most_at_once);
    assert_eq!((after.in_flight, after.mismatches), (0, 0), "the ledger does not balance");
    assert_eq!(server.complaints(), Vec::<String>::new());
}
