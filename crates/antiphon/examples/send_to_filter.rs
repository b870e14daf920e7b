//! A request to every session that matches a filter, and the outcomes as a stream.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example send_to_filter` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use std::time::Duration;

use antiphon::Addressing;
use antiphon::Error;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use tokio::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (one, other) = (connect("till").await?, connect("till").await?);
    let takings = |_: String, _: RequestContext| async { Ok(125_i64) };
    let closed = |_: String, _: RequestContext| async { Err::<i64, _>(Rejection::new("closed")) };
    let _one = one.messaging().add_request_handler("takings", takings, Addressing::Addressed)?;
    let _other = other.messaging().add_request_handler("takings", closed, Addressing::Addressed)?;

    let office = connect("office").await?;
    let messaging = office.messaging();
    let mut responses =
        messaging.request_filter::<i64>("Role is 'till'", "takings", "today").await?;
    println!("{} tills are asked", responses.expected());
    while let Some(response) = responses.next().await {
        match (response.session, response.outcome) {
            (Some(session), Ok(pounds)) => println!("{session} took {pounds} pounds"),
            (Some(session), Err(error)) => println!("{session} fails: {error}"),
            // Only when this session loses its connection, or its time is over.
            (None, outcome) => println!("nobody knows who: {outcome:?}"),
        }
    }

    // All that come within a second, and who is missing.
    let responses = messaging.request_filter::<i64>("Role is 'till'", "takings", "today").await?;
    let collected = responses.until(Instant::now() + Duration::from_secs(1)).await;
    let sum: i64 = collected.responses().map(|response| response.1).sum();
    println!("{sum} pounds in all; {} of {} missing", collected.missing(), collected.expected);
    Ok(())
}

/// A session with the server of the command line, or of this host.
async fn connect(role: &str) -> Result<Session, Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    let builder = Session::builder(&url).principal("admin").password("password");
    builder.property("Role", role).connect().await
}
