//! Handlers that are replaced under load: register the new one, then drop the old.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use antiphon::RequestContext;
use antiphon::Session;
use antiphon_server::Config;
use antiphon_server::Server;

use crate::client::any_port;
use crate::client::within;

async fn admin(url: &str) -> Session {
    Session::builder(url).principal("admin").password("password").connect().await.unwrap()
}

/// Asks without a pause, and insists on every answer.
async fn ask(session: Session, stop: Arc<AtomicBool>) {
    let mut number = 0;
    while !stop.load(Relaxed) {
        let answer: i64 = session.messaging().send_request_to_path("orders", number).await.unwrap();
        assert_eq!(answer, number + 1);
        number += 1;
    }
}

#[test]
fn no_request_fails_when_one_session_takes_over_from_another() {
    let server = Server::bind(Config::dev(any_port())).unwrap();
    let url = format!("ws://{}", server.local_addrs()[0]);
    let workers = antiphon_server::runtime(2).unwrap();
    workers.spawn(server.run(std::future::pending::<()>()));
    let clients =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    clients.block_on(async {
        let stop = Arc::new(AtomicBool::new(false));
        let answer = |number: i64, _: RequestContext| async move { Ok(number + 1) };
        let handlers = [admin(&url).await, admin(&url).await];
        let mut old =
            handlers[0].messaging().register_request_handler("orders", answer, &[]).await.unwrap();
        let mut asking = Vec::new();
        for _ in 0..SENDERS {
            asking.push(tokio::spawn(ask(admin(&url).await, Arc::clone(&stop))));
        }
        for turn in 1..=TURNS {
            let next = handlers[turn % 2].messaging();
            let new = within(next.register_request_handler("orders", answer, &[])).await.unwrap();
            within(old.close()).await.unwrap();
            old = new;
        }
        stop.store(true, Relaxed);
        for asking in asking {
            within(asking).await.unwrap();
        }
    });
    workers.shutdown_background();
}

const SENDERS: usize = 8;
const TURNS: usize = 200;
