//! Sizes and idle costs that only the inside shows.

use crate::tests::fake_server::FakeServer;
use crate::tests::fake_server::Keeps;
use crate::tests::open;
use crate::tests::within;

#[tokio::test(start_paused = true)]
async fn an_answered_request_is_not_kept_to_be_sent_again() {
    let server = FakeServer::new(Keeps::Everything);
    let session = open(&server).await;
    for _ in 0..100 {
        within(session.ping()).await.unwrap();
    }
    let lowest = session.shared().look(|core| core.reconnection().client_sequence);
    assert_eq!(lowest, 101);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_leaves_nothing_behind() {
    let server = FakeServer::new(Keeps::Everything);
    let session = open(&server).await;
    let messaging = session.messaging();
    let request = messaging.send_request_to_path::<String>("silent", "hello");
    tokio::select! {
        biased;
        _ = request => panic!("nobody answers"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(session.shared().look(|core| core.calls.len()), 0);
    let responses = within(messaging.request_filter::<String>("all", "x", "y")).await.unwrap();
    assert!(!session.shared().look(|core| core.filters.is_empty()));
    drop(responses);
    assert!(session.shared().look(|core| core.filters.is_empty()));
}
