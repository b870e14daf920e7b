//! Values of types of your own, by serde as JSON, and values of whichever type comes.
//!
//! Run `cargo run --release -- serve --dev` in one terminal and
//! `cargo run -p antiphon --example json_values` in another. The first argument, if there is one, is the server's URL.

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use antiphon::Error;
use antiphon::Json;
use antiphon::JsonValue;
use antiphon::RequestContext;
use antiphon::Session;
use antiphon::Value;
use serde::Deserialize;
use serde::Serialize;

#[derive(Serialize, Deserialize)]
struct Order {
    article: String,
    count: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Bill {
    total: f64,
    paid: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let session = connect().await?;
    let messaging = session.messaging();
    let bill = |Json(order): Json<Order>, _: RequestContext| async move {
        println!("{} times {}", order.count, order.article);
        Ok(Json(Bill { total: f64::from(order.count) * 1.5, paid: None }))
    };
    messaging.register_request_handler("orders", bill, &[]).await?.keep();
    let order = Order { article: "tea".to_owned(), count: 3 };
    let Json(bill) = messaging.send_request_to_path::<Json<Bill>>("orders", Json(order)).await?;
    println!("{bill:?}");
    // JSON of any shape, to and from the same handler.
    let order = Json(serde_json::json!({"article": "cake", "count": 1}));
    let Json(bill) = messaging.send_request_to_path::<JsonValue>("orders", order).await?;
    println!("{bill}");

    let show = |value: Value, _: RequestContext| async move { Ok(format!("{value:?}")) };
    messaging.register_request_handler("show", show, &[]).await?.keep();
    let values = [Value::Int64(7), Value::Double(0.5), Value::String("tea".to_owned())];
    for value in values {
        println!("{}", messaging.send_request_to_path::<String>("show", value).await?);
    }
    Ok(())
}

/// A session with the server of the command line, or of this host.
async fn connect() -> Result<Session, Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    Session::builder(&url).principal("admin").password("password").connect().await
}
