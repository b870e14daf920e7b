//! What happens to a session: its events, from the first connection to the end.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example events` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use antiphon::Error;
use antiphon::ReconnectPolicy;
use antiphon::Session;
use antiphon::SessionBuilder;
use antiphon::SessionEvent;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // A service comes back even if an operator closes its session.
    let policy = ReconnectPolicy::default().after_server_close(true);
    let service = builder().reconnect(policy).connect().await?;
    let operator = builder().connect().await?;

    let mut events = service.events();
    while let Some(event) = events.next().await {
        match event {
            SessionEvent::Connected(session) => {
                println!("connected as {session}; the operator closes it");
                operator.clients().close(session).await?;
            }
            SessionEvent::Recovering => println!("the connection is lost"),
            SessionEvent::Reconnected { session, resumed } => {
                println!("connected again as {session}, as the same session: {resumed}");
                let took = service.ping().await?;
                println!("the server is there: {}", took.as_nanos() > 0);
                service.close().await;
            }
            SessionEvent::HandlerLost { path, error } => println!("{path} is lost: {error}"),
            SessionEvent::Closed(reason) => println!("over: {reason}"),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}

/// A session with the server of the command line, or of this host.
fn builder() -> SessionBuilder {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    Session::builder(&url).principal("admin").password("password")
}
