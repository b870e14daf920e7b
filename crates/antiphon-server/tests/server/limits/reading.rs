//! Limits on what is sent to a session and read from it.

use crate::client::Client;
use crate::client::Frame;
use crate::client::USER_PING;
use crate::client::USER_PONG;
use crate::limits::stage::Stage;
use crate::messages::register;
use crate::messages::send;
use crate::reconnecting::SOUND;

pub(super) async fn maximum_message() {
    let mut stage = Stage::set("[limits]\nmaximum_message = 2048").await;
    let mut client = stage.open().await;
    // Only declared: nobody waits for the rest of it.
    client.send(&[0x82, 0xfe, 0x08, 0x01, 0, 0, 0, 0]).await;
    stage.go_on().await;
    assert_eq!(client.expect_message().await, antiphon_wire::message::ABORT_MESSAGE);
    assert!(matches!(client.frame().await, Frame::Close(_)));
    stage.go_on().await;
    assert_eq!(stage.met("maximum_message").await, 1);
}

pub(super) async fn mailbox() {
    let limits = "[limits]\nmaximum_message = 65536\nmailbox = 65536";
    let mut stage = Stage::set(limits).await;
    fill(&mut stage).await;
    assert_eq!(stage.met("mailbox").await, 1);
}

pub(super) async fn mailbox_messages() {
    let mut stage = Stage::set("[limits]\nmailbox_messages = 10").await;
    fill(&mut stage).await;
    assert_eq!(stage.met("mailbox_messages").await, 1);
}

/// Sends requests to a handler that reads none, until it is overloaded.
async fn fill(stage: &mut Stage) {
    let mut slow = stage.open_slow().await;
    register(&mut slow, "slow").await;
    let mut sender = stage.open().await;
    loop {
        send(&mut sender, 9, "slow", &LARGE).await;
        sender.message(USER_PING).await;
        let told = sender.expect_message().await;
        stage.go_on().await;
        if told != USER_PONG {
            let text = String::from_utf8_lossy(&told);
            assert!(text.contains("overloaded: the recipient has too much to read"), "{text}");
            break;
        }
    }
}

pub(super) async fn recovery_messages() {
    forget("[recovery]\nmessages = 2").await;
}

pub(super) async fn recovery_bytes() {
    forget("[recovery]\nbytes = 40").await;
}

/// A session that is sent more than is kept while it is away begins anew.
async fn forget(file: &str) {
    let mut stage = Stage::set(file).await;
    let query = format!("ty={SOUND}&v=29&r=60000&{}", crate::client::ADMIN);
    let mut away = Client::upgrade(stage.server.address, &query).await;
    let token = away.expect_accepted(29).await[19..43].to_vec();
    register(&mut away, "away").await;
    drop(away);
    let mut sender = stage.open().await;
    for conversation in 1..=3 {
        send(&mut sender, conversation, "away", b"a request").await;
        sender.expect_alive().await;
        stage.go_on().await;
    }
    let token: String = token.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut back =
        Client::upgrade(stage.server.address, &format!("{query}&c={token}&cs=2&ss=1")).await;
    stage.go_on().await;
    assert_eq!(back.expect_message().await[..3], [b'#', 29, 106]);
    stage.go_on().await;
    assert_eq!(stage.met("recovery").await, 1);
}

/// So long that few of them fill all buffers on the way.
static LARGE: [u8; 16 << 10] = [b'x'; 16 << 10];
