//! `antiphon demo`: a server and a few sessions in one process, and what they say to each other.
//!
//! | file | holds |
//! |---|---|
//! | `cast` | the sessions and their handlers |
//! | `cluster` | the same with several servers |
//! | `scenes` | the requests, one way of sending after the other |
//! | `narrator` | what is printed |

mod cast;
mod cluster;
mod narrator;
mod scenes;

use std::net::Ipv4Addr;
use std::net::SocketAddr;

use antiphon_server::Config;
use antiphon_server::Server;
use clap::Args;
use tokio::sync::oneshot;

use crate::commands::demo::cast::Cast;
use crate::commands::demo::narrator::Narrator;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;

/// See what Antiphon does: a server and five sessions in this process ask each other things
///
/// Needs nothing and leaves nothing behind.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Show a cluster of so many servers instead, and the end of one of them
    #[arg(long, value_name = "NODES", value_parser = clap::value_parser!(u8).range(2..=9))]
    cluster: Option<u8>,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon demo
  antiphon demo --cluster 3
  antiphon demo --json";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let cannot = |problem: &dyn std::fmt::Display| {
        Failure::usage(format!("the demo has no server: {problem}"))
    };
    let runtime = antiphon_server::runtime(1).map_err(|error| cannot(&error))?;
    let narrator = Narrator(output);
    let played = match arguments.cluster {
        Some(nodes) => runtime.block_on(cluster::play(nodes.into(), narrator)),
        None => {
            let config = Config::dev(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            let server = Server::bind(config).map_err(|error| cannot(&error))?;
            runtime.block_on(play(server, narrator))
        }
    };
    runtime.shutdown_background();
    played.map(|()| Exit::Done)
}

async fn play(server: Server, narrator: Narrator) -> Result<(), Failure> {
    let url = format!("ws://{}", server.local_addrs()[0]);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(stopped));
    narrator.opening(&url)?;
    let cast = Cast::assemble(&url).await?;
    narrator.cast(&cast)?;
    scenes::path(&cast, narrator).await?;
    scenes::session(&cast, narrator).await?;
    scenes::filter(&cast, narrator).await?;
    scenes::error(&cast, narrator).await?;
    narrator.closing()?;
    cast.leave().await;
    // The server may have ended in this moment, and how it ends changes nothing any more.
    let _ = stop.send(());
    let _ = serving.await;
    Ok(())
}
