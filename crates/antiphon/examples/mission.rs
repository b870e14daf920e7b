//! The messaging API of the document that this SDK mirrors, method by method.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example mission` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use antiphon::ALL_FIXED_PROPERTIES;
use antiphon::Addressing;
use antiphon::Error;
use antiphon::RequestContext;
use antiphon::Session;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (handling, sending) = (connect().await?, connect().await?);
    let messaging = sending.messaging();

    println!("register_request_handler, send_request_to_path:");
    let greet = |name: String, context: RequestContext| async move {
        Ok(format!("hello {name}, {} asks", context.property("$Principal").unwrap_or("nobody")))
    };
    let receiving = handling.messaging();
    let registration =
        receiving.register_request_handler("greetings", greet, &[ALL_FIXED_PROPERTIES]).await?;
    println!("  {}", messaging.send_request_to_path::<String>("greetings", "path").await?);

    println!("add_request_handler, send_request_to_session:");
    let length = |text: String, _: RequestContext| async move { Ok(text.len() as i64) };
    let _added = receiving.add_request_handler("length", length, Addressing::Addressed)?;
    let id = handling.id();
    println!("  {}", messaging.send_request_to_session::<i64>("length", id, "session").await?);

    println!("add_filter_response_handler, send_request_to_filter:");
    let filter = format!("$SessionId is '{id}'");
    let (told, mut outcomes) = mpsc::unbounded_channel();
    let failed = told.clone();
    let _callbacks = messaging.add_filter_response_handler(
        &filter,
        move |session, length: i64| drop(told.send(format!("{session}: {length}"))),
        move |_, error| drop(failed.send(error.to_string())),
    );
    for path in ["length", "nowhere"] {
        let count = messaging.send_request_to_filter(&filter, path, "filter").await?;
        println!("  {count} asked; {}", outcomes.recv().await.unwrap_or_default());
    }
    registration.close().await
}

/// A session with the server of the command line, or of this host.
async fn connect() -> Result<Session, Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    Session::builder(&url).principal("admin").password("password").connect().await
}
