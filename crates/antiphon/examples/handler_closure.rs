//! Closures as handlers: what they are told, how they reject, and how they end.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example handler_closure` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use antiphon::Error;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let session = connect().await?;
    let messaging = session.messaging();

    // What a closure shares with its futures, it clones for each of them.
    let visits = Arc::new(AtomicU64::new(0));
    let greet = move |name: String, context: RequestContext| {
        let visits = Arc::clone(&visits);
        async move {
            if name.is_empty() {
                return Err(Rejection::new("tell your name"));
            }
            let visit = visits.fetch_add(1, Ordering::Relaxed) + 1;
            let principal = context.property("$Principal").unwrap_or("nobody");
            Ok(format!("hello {name}, you are {principal} and visitor {visit}"))
        }
    };
    let greeter = messaging.register_request_handler("greetings", greet, &["$Principal"]).await?;

    // One that captures nothing can be an async closure, and `?` rejects with the error's text.
    let double = async |text: String, _| Ok(2 * text.parse::<i64>()?);
    messaging.register_request_handler("double", double, &[]).await?.keep();

    for name in ["world", ""] {
        let answer = messaging.send_request_to_path::<String>("greetings", name).await;
        println!("{name:?}: {}", answer.unwrap_or_else(|error| error.to_string()));
    }
    for text in ["21", "twenty"] {
        match messaging.send_request_to_path::<i64>("double", text).await {
            Ok(number) => println!("twice {text} is {number}"),
            Err(error) => println!("twice {text}: {error}"),
        }
    }
    greeter.close().await
}

/// A session with the server of the command line, or of this host.
async fn connect() -> Result<Session, Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    Session::builder(&url).principal("admin").password("password").connect().await
}
