//! Mixed load with random faults for a given time, and then the account: each request must have ended exactly once, no
//! handler may have seen one twice, and none may have run of which its sender was told that it had not.
//!
//! ```text
//! cargo test --release -p antiphon-cli --test soak -- --seconds 1200
//! ```
//!
//! A server runs as a process of its own. Sessions in this process ask and answer through a network that cuts, stalls
//! and slows their connections; further handlers are processes that are killed and stopped. Without arguments, as in
//! `cargo test`, it takes some seconds.

#![allow(clippy::print_stdout, reason = "a program whose output is its report")]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod book;
mod chaos;
mod handlers;
mod network;
mod options;
mod random;
mod report;
mod senders;
mod server;
mod workers;

use std::process::ExitCode;
use std::sync::Arc;

use crate::book::Book;
use crate::chaos::Chaos;
use crate::handlers::Crew;
use crate::network::Network;
use crate::options::Options;
use crate::options::Role;
use crate::report::Report;
use crate::senders::Senders;
use crate::server::Server;
use crate::workers::Workers;

fn main() -> ExitCode {
    let role = options::read(std::env::args().skip(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match role {
        Role::None => ExitCode::SUCCESS,
        Role::Worker(url) => runtime.block_on(workers::work(&url)),
        Role::Soak(options) => runtime.block_on(soak(&options)),
    }
}

async fn soak(options: &Options) -> ExitCode {
    let server = Server::start();
    let book = Arc::new(Book::new(options.senders));
    let network = Network::to(server.address()).await;
    let workers = Workers::start(options.workers, &server.url(), &book);
    let crew = Crew::assemble(options, &network.url(), &book).await;
    let senders = Senders::start(options, &network.url(), &book, crew.targets()).await;
    let chaos = Chaos::start(options, network.clone(), workers.clone());
    let report = Report::watch(options, &server, &book).await;
    chaos.stop().await;
    senders.finish().await;
    workers.stop();
    drop(crew);
    let problems = [book.close(), server.complaints()].concat();
    report.print(&book, &problems);
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
