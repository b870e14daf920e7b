//! A request to every session that matches a filter, with callbacks for the outcomes.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example filter_callbacks` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use antiphon::Addressing;
use antiphon::Error;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (one, other) = (connect("sensor").await?, connect("sensor").await?);
    let warm = |_: String, _: RequestContext| async { Ok(21.5_f64) };
    let broken = |_: String, _: RequestContext| async { Err::<f64, _>(Rejection::new("broken")) };
    let _one = one.messaging().add_request_handler("read", warm, Addressing::Addressed)?;
    let _other = other.messaging().add_request_handler("read", broken, Addressing::Addressed)?;

    let station = connect("station").await?;
    let (told, mut outcomes) = mpsc::channel(16);
    let failed = told.clone();
    let _handler = station.messaging().add_filter_response_handler(
        "Role is 'sensor'",
        move |session, degrees: f64| {
            // Callbacks should not block; a channel takes the outcomes to where there is time.
            let _ = told.try_send(format!("{session}: {degrees} degrees"));
        },
        move |session, error| {
            let session = session.map_or("somebody".to_owned(), |session| session.to_string());
            let _ = failed.try_send(format!("{session}: {error}"));
        },
    );

    let messaging = station.messaging();
    let count = messaging.send_request_to_filter("Role is 'sensor'", "read", "celsius").await?;
    println!("{count} sensors are asked");
    for _ in 0..count {
        let outcome = outcomes.recv().await.unwrap_or_default();
        println!("{outcome}");
    }
    Ok(())
}

/// A session with the server of the command line, or of this host.
async fn connect(role: &str) -> Result<Session, Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    let builder = Session::builder(&url).principal("admin").password("password");
    builder.property("Role", role).connect().await
}
