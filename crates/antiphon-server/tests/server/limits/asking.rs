//! Limits on requests.

use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::value::Value;

use crate::client::Client;
use crate::limits::stage::Stage;
use crate::limits::stage::expect_overloaded;
use crate::messages::answer;
use crate::messages::register;
use crate::messages::send;

pub(super) async fn requests_per_handler() {
    let mut stage = Stage::set("[limits]\nrequests_per_handler = 2").await;
    let (mut busy, mut sender) = (stage.open().await, stage.open().await);
    register(&mut busy, "busy").await;
    for conversation in 1..=3 {
        send(&mut sender, conversation, "busy", b"x").await;
        stage.go_on().await;
    }
    expect_overloaded(&mut sender, 3, "the recipient has too many requests to answer").await;
    stage.go_on().await;
    answer(&mut busy, b"x").await;
    assert!(sender.expect_message().await.ends_with(b"x"));
    send(&mut sender, 4, "busy", b"now").await;
    answer(&mut busy, b"x").await;
    answer(&mut busy, b"now").await;
    assert_eq!(stage.met("requests_per_handler").await, 1);
}

pub(super) async fn requests_per_sender() {
    let mut stage = Stage::set("[limits]\nrequests_per_sender = 2").await;
    let (mut busy, mut sender) = (stage.open().await, stage.open().await);
    register(&mut busy, "busy").await;
    for conversation in 1..=3 {
        send(&mut sender, conversation, "busy", b"x").await;
        stage.go_on().await;
    }
    expect_overloaded(&mut sender, 3, "the session awaits too many responses").await;
    stage.go_on().await;
    assert_eq!(stage.met("requests_per_sender").await, 1);
}

pub(super) async fn requests_per_second() {
    let mut stage = Stage::set("[limits]\nrequests_per_second = 1\nrequest_burst = 50").await;
    let mut fast = stage.open().await;
    let mut taken = 0;
    // Nobody handles the path, which is said only to those that are in time.
    while said_to_one_more(&mut fast).await.ends_with(&[109]) {
        taken += 1;
        if taken % 10 == 0 {
            stage.go_on().await;
        }
    }
    assert!(taken >= 50, "{taken}");
    stage.go_on().await;
    send(&mut fast, 6, "nobody", b"x").await;
    fast.expect_message().await;
    // Nothing but requests is counted.
    fast.expect_alive().await;
    stage.go_on().await;
    assert!(stage.met("requests_per_second").await >= 1);
    // Without the limit the same session asks as fast as it likes.
    stage.reload(|limits| limits.requests_per_second = 0);
    for _ in 0..100 {
        assert!(said_to_one_more(&mut fast).await.ends_with(&[109]));
    }
}

async fn said_to_one_more(fast: &mut Client) -> Vec<u8> {
    send(fast, 5, "nobody", b"x").await;
    fast.expect_message().await
}

pub(super) async fn request_burst() {
    let mut stage = Stage::set("[limits]\nrequests_per_second = 1\nrequest_burst = 5").await;
    let mut fast = stage.open().await;
    let request = b"\x00\x55\x05\x06nobody\x06binary\x01x";
    let mut frame = Vec::new();
    antiphon_wire::websocket::put_masked_message(&mut frame, *b"mask", request);
    // So few bytes at once are read at once, at one time.
    fast.send(&frame.repeat(6)).await;
    stage.go_on().await;
    for _ in 0..5 {
        assert!(fast.expect_message().await.ends_with(&[109]));
    }
    expect_overloaded(&mut fast, 5, "the session asks too fast").await;
    stage.go_on().await;
    assert_eq!(stage.met("requests_per_second").await, 1);
}

pub(super) async fn filter_length() {
    let mut stage = Stage::set("[limits]\nfilter_length = 40").await;
    let longest = format!("a is '{}'", "x".repeat(33));
    let (fits, too_long) = (longest.as_str(), format!("{longest} "));
    refuse_filter(&mut stage, (fits, &too_long), "has 41 bytes, at most 40").await;
    assert_eq!(stage.met("filter_length").await, 1);
}

pub(super) async fn filter_depth() {
    let mut stage = Stage::set("[limits]\nfilter_depth = 2").await;
    refuse_filter(&mut stage, ("((a is 'x'))", "(((a is 'x')))"), "at most 2 levels").await;
    assert_eq!(stage.met("filter_depth").await, 1);
}

/// Sends a request to a filter that is within a limit, and one to a filter that is not, which is refused with these words.
async fn refuse_filter(stage: &mut Stage, (fits, too_much): (&str, &str), words: &str) {
    let mut sender = stage.open().await;
    let ask = |filter| SendToFilter {
        conversation: ConversationId(77),
        filter,
        path: "p",
        value: Value { type_name: "binary", bytes: b"x" },
    };
    sender.request(Service::MessagingFilterSend, 8, &ask(too_much)).await;
    stage.go_on().await;
    let told = sender.expect_message().await;
    assert_eq!(told[..2], [0x06, 8]);
    let text = String::from_utf8_lossy(&told);
    assert!(text.contains(words), "{text}");
    sender.request(Service::MessagingFilterSend, 9, &ask(fits)).await;
    let told = sender.expect_message().await;
    assert_eq!(told[..3], [0x06, 9, 0], "{told:02x?}");
    stage.go_on().await;
}
