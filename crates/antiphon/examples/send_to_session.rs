//! A request to one session, by its id.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example send_to_session` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use antiphon::Addressing;
use antiphon::Error;
use antiphon::RequestContext;
use antiphon::Session;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (device, operator) = (connect().await?, connect().await?);
    println!("the device is session {}", device.id());

    // No registration with the server is needed for requests that name the session.
    let restart = |part: String, _: RequestContext| async move {
        println!("the device restarts its {part}");
        Ok(format!("{part} is up"))
    };
    let _handler =
        device.messaging().add_request_handler("restart", restart, Addressing::Addressed)?;

    let messaging = operator.messaging();
    let answer: String =
        messaging.send_request_to_session("restart", device.id(), "camera").await?;
    println!("the operator hears: {answer}");

    let gone = device.id();
    device.close().await;
    match messaging.send_request_to_session::<String>("restart", gone, "camera").await {
        Ok(answer) => println!("unexpected: {answer}"),
        Err(error) => println!("then: {error}; executed: {}", error.may_have_executed()),
    }
    Ok(())
}

/// A session with the server of the command line, or of this host.
async fn connect() -> Result<Session, Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    Session::builder(&url).principal("admin").password("password").connect().await
}
