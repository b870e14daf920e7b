//! A request to a path: the server finds a session that handles it.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example send_to_path` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::RequestContext;
use antiphon::Session;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (shop, customer) = (connect().await?, connect().await?);

    let price = |article: String, context: RequestContext| async move {
        println!("the shop is asked for {article} at {}", context.path());
        Ok(article.len() as i64 * 10)
    };
    let _registration = shop.messaging().register_request_handler("shop/price", price, &[]).await?;

    let pence: i64 = customer.messaging().send_request_to_path("shop/price", "tea").await?;
    println!("tea costs {pence}p");

    // The handler answers for the whole branch below its path.
    let pence: i64 = customer.messaging().send_request_to_path("shop/price/eu", "coffee").await?;
    println!("coffee costs {pence}p");

    match customer.messaging().send_request_to_path::<i64>("shop/stock", "tea").await {
        Err(error) if error.kind() == ErrorKind::UnhandledMessage => println!("{error}"),
        other => println!("somebody else on this server says {other:?}"),
    }
    Ok(())
}

/// A session with the server of the command line, or of this host.
async fn connect() -> Result<Session, Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    Session::builder(&url).principal("admin").password("password").connect().await
}
