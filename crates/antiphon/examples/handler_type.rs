//! A type as a handler, with state that its requests share.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example handler_type` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use std::collections::BTreeMap;

use antiphon::Error;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::RequestHandler;
use antiphon::Session;
use tokio::sync::Mutex;

/// Counts what is left of each article.
struct Stock(Mutex<BTreeMap<String, i64>>);

impl RequestHandler for Stock {
    type Request = String;
    type Response = i64;

    async fn handle(&self, article: String, context: RequestContext) -> Result<i64, Rejection> {
        let mut stock = self.0.lock().await;
        match stock.get_mut(&article) {
            Some(left @ 1..) => {
                *left -= 1;
                println!("one {article} goes at {}, {left} left", context.path());
                Ok(*left)
            }
            Some(_) => Err(Rejection::new(format!("{article} is sold out"))),
            None => Err(Rejection::new(format!("{article} is not sold here"))),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let session = connect().await?;
    let stock = Stock(Mutex::new(BTreeMap::from([("tea".to_owned(), 2)])));
    let messaging = session.messaging();
    let registration = messaging.register_request_handler("shop/buy", stock, &[]).await?;
    for article in ["tea", "tea", "tea", "cake"] {
        match messaging.send_request_to_path::<i64>("shop/buy", article).await {
            Ok(left) => println!("bought {article}, {left} left"),
            Err(error) => println!("{error}"),
        }
    }
    registration.close().await
}

/// A session with the server of the command line, or of this host.
async fn connect() -> Result<Session, Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    Session::builder(&url).principal("admin").password("password").connect().await
}
