//! Sessions that outlive their connection, and those that do not.

use std::time::Duration;

use antiphon_server::Config;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::message::CLOSE_REQUEST_MESSAGE;
use antiphon_wire::message::Message;

use crate::client::ADMIN;
use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
use crate::client::USER_PING;
use crate::messages::answer;
use crate::messages::register;
use crate::messages::send;

/// Java: it shows what the server does when a client has no known defect.
pub(crate) const SOUND: &str = "WJ";
pub(crate) const JAVASCRIPT: &str = "WB";
const PYTHON: &str = "PY";

/// With what a session of this server comes back.
pub(crate) struct Ticket {
    pub(crate) server: TestServer,
    family: &'static str,
    /// Session id and token, as the connection response has them.
    identity: Vec<u8>,
}

impl Ticket {
    /// Opens a session that wants to be kept for a minute, and makes it the handler of `orders`: one message either way.
    async fn open(family: &'static str) -> (Client, Self) {
        Self::open_with(family, |_| {}).await
    }

    pub(crate) async fn open_with(
        family: &'static str,
        configure: impl FnOnce(&mut Config),
    ) -> (Client, Self) {
        let server = TestServer::with(configure);
        let query = format!("ty={family}&v=29&r=60000&{ADMIN}");
        let mut client = Client::upgrade(server.address, &query).await;
        let identity = client.expect_accepted(29).await[3..43].to_vec();
        register(&mut client, "orders").await;
        (client, Self { server, family, identity })
    }

    /// Asks for the session, having received `received` messages, and reads nothing yet.
    async fn present(&self, lowest: u64, received: u64) -> Client {
        // No byte has to be escaped, but every byte may be.
        let token: String = self.identity[16..].iter().map(|byte| format!("%{byte:02X}")).collect();
        let query =
            format!("ty={}&v=29&r=60000&c={token}&cs={lowest}&ss={received}&{ADMIN}", self.family);
        Client::upgrade(self.server.address, &query).await
    }

    /// Comes back without a loss; the server must expect message `next`.
    pub(crate) async fn resume(&self, received: u64, next: u32) -> Client {
        let mut client = self.present(u64::from(next), received).await;
        self.expect(&mut client, 105, next).await;
        client
    }

    async fn expect(&self, client: &mut Client, code: u8, last_word: u32) {
        let mut expected = vec![b'#', 29, code];
        expected.extend(&self.identity);
        expected.extend(30_000_u64.to_be_bytes());
        expected.extend(last_word.to_be_bytes());
        assert_eq!(expected.len(), 55);
        assert_eq!(client.expect_message().await, expected);
    }

    async fn expect_refused(&self, code: u8) {
        let mut client = self.present(0, 1).await;
        assert_eq!(client.frame().await, Frame::Message(vec![b'#', 29, code]));
        assert_eq!(client.frame().await, Frame::Close(1000));
        assert_eq!(client.frame().await, Frame::End);
    }

    pub(crate) async fn sender(&self) -> Client {
        Client::open(self.server.address).await
    }

    /// Insists that nobody handles `orders` any more.
    async fn expect_unhandled(&self) {
        let mut sender = self.sender().await;
        send(&mut sender, 9, "orders", b"x").await;
        expect_error(&mut sender, 9, 109).await;
    }
}

pub(crate) async fn expect_error(client: &mut Client, conversation: u8, reason: u8) {
    let error = client.expect_message().await;
    assert_eq!((error[..2].to_vec(), error.last()), (vec![0x07, conversation], Some(&reason)));
}

pub(crate) async fn expect_ping(client: &mut Client) -> ConversationId {
    let ping = client.expect_message().await;
    match Message::decode(&ping) {
        Ok(Message::Request { service: 55, conversation, .. }) => conversation,
        other => panic!("expected a ping, not {other:?}"),
    }
}

async fn answer_ping(client: &mut Client) {
    let conversation = expect_ping(client).await;
    let mut response = Vec::new();
    message::put_response(&mut response, conversation);
    client.message(&response).await;
}

#[tokio::test]
async fn a_lost_session_is_taken_up_again_and_handles_as_before() {
    for family in [SOUND, PYTHON] {
        let (client, ticket) = Ticket::open(family).await;
        drop(client);
        let mut client = ticket.resume(1, 2).await;
        client.expect_alive().await;
        let mut sender = ticket.sender().await;
        send(&mut sender, 9, "orders", b"two").await;
        answer(&mut client, b"two").await;
        assert_eq!(sender.expect_message().await, b"\x06\x09\x06binary\x03two");
    }
}

#[tokio::test]
async fn what_was_missed_is_sent_again_each_time() {
    let (client, ticket) = Ticket::open(SOUND).await;
    client.stream.set_zero_linger().unwrap();
    drop(client);
    let mut sender = ticket.sender().await;
    send(&mut sender, 9, "orders", b"one").await;
    send(&mut sender, 10, "orders", b"two").await;
    sender.expect_alive().await;

    let mut client = ticket.resume(1, 2).await;
    let missed = [client.expect_message().await, client.expect_message().await];
    drop(client);
    let mut client = ticket.resume(1, 2).await;
    assert_eq!([client.expect_message().await, client.expect_message().await], missed);
    drop(client);
    let mut client = ticket.resume(2, 2).await;
    answer(&mut client, b"two").await;
    assert_eq!(sender.expect_message().await, b"\x06\x0a\x06binary\x03two");
}

#[tokio::test]
async fn an_answer_finds_its_sender_behind_another_connection() {
    let (mut client, ticket) = Ticket::open(SOUND).await;
    let mut handler = ticket.sender().await;
    register(&mut handler, "reports").await;
    send(&mut client, 9, "reports", b"x").await;
    let request = handler.expect_message().await;
    drop(client);
    let mut client = ticket.resume(1, 3).await;
    let Ok(Message::Request { conversation, .. }) = Message::decode(&request) else {
        panic!("expected a request, not {request:02x?}");
    };
    let mut response = Vec::new();
    message::put_response(&mut response, conversation);
    response.extend(b"\x06binary\x03yes");
    handler.message(&response).await;
    assert_eq!(client.expect_message().await, b"\x06\x09\x06binary\x03yes");
}

#[tokio::test]
async fn a_new_connection_ends_the_old_one() {
    let (mut old, ticket) = Ticket::open(SOUND).await;
    let mut new = ticket.resume(1, 2).await;
    assert_eq!(old.frame().await, Frame::End);
    new.expect_alive().await;
    let mut newer = ticket.resume(2, 3).await;
    assert_eq!(new.frame().await, Frame::End);
    newer.expect_alive().await;
}

#[tokio::test]
async fn a_python_session_ends_with_its_websocket() {
    let (mut client, ticket) = Ticket::open(PYTHON).await;
    client.send(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await;
    assert_eq!(client.frame().await, Frame::Close(1000));
    assert_eq!(client.frame().await, Frame::End);
    ticket.expect_refused(117).await;
    ticket.expect_unhandled().await;
}

#[tokio::test]
async fn a_javascript_session_outlives_its_websocket() {
    let (mut client, ticket) = Ticket::open(JAVASCRIPT).await;
    client.send(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await;
    client.rest().await;
    let mut client = ticket.resume(1, 2).await;
    answer_ping(&mut client).await;
    client.expect_alive().await;
}

#[tokio::test]
async fn a_close_request_ends_every_session() {
    for family in [SOUND, JAVASCRIPT, PYTHON] {
        let (mut client, ticket) = Ticket::open(family).await;
        client.message(CLOSE_REQUEST_MESSAGE).await;
        client.rest().await;
        ticket.expect_refused(117).await;
        ticket.expect_unhandled().await;
    }
}

#[tokio::test]
async fn a_session_that_stays_away_too_long_ends() {
    let (mut client, ticket) = Ticket::open_with(SOUND, |config| {
        config.recovery.keep_for = Duration::from_millis(1);
    })
    .await;
    let mut sender = ticket.sender().await;
    send(&mut sender, 9, "orders", b"x").await;
    client.expect_message().await;
    drop(client);
    expect_error(&mut sender, 9, 107).await;
    ticket.expect_refused(117).await;
    ticket.expect_unhandled().await;
}

#[tokio::test]
async fn without_recovery_a_session_ends_with_its_connection() {
    let (mut client, ticket) = Ticket::open_with(SOUND, |config| {
        config.recovery = Config::parse("[recovery]\nkeep_for = \"0s\"").unwrap().recovery;
    })
    .await;
    ticket.expect_refused(117).await;
    let mut sender = ticket.sender().await;
    send(&mut sender, 9, "orders", b"x").await;
    client.expect_message().await;
    drop(client);
    expect_error(&mut sender, 9, 107).await;
}

/// A handler that has missed more messages than the server keeps, and their sender.
async fn with_lost_messages(family: &'static str) -> (Ticket, Client) {
    let (client, ticket) = Ticket::open_with(family, |config| config.recovery.messages = 1).await;
    drop(client);
    let mut sender = ticket.sender().await;
    send(&mut sender, 9, "orders", b"one").await;
    send(&mut sender, 10, "orders", b"two").await;
    sender.expect_alive().await;
    (ticket, sender)
}

/// All that was under way is over.
async fn expect_both_lost(mut sender: Client) {
    let mut errors = [sender.expect_message().await, sender.expect_message().await];
    errors.sort();
    for (error, conversation) in errors.iter().zip([9, 10]) {
        assert_eq!((&error[..2], error.last()), (&[0x07, conversation][..], Some(&107)));
    }
}

#[tokio::test]
async fn a_session_that_lost_messages_begins_anew() {
    for family in [SOUND, JAVASCRIPT] {
        let (ticket, sender) = with_lost_messages(family).await;
        let mut client = ticket.present(2, 1).await;
        ticket.expect(&mut client, 106, 1 << 20).await;
        expect_both_lost(sender).await;
        ticket.expect_unhandled().await;
        register(&mut client, "orders").await;
        drop(client);
        ticket.resume(1, 2).await;
    }
}

#[tokio::test]
async fn a_python_session_that_lost_messages_ends() {
    let (ticket, sender) = with_lost_messages(PYTHON).await;
    ticket.expect_refused(118).await;
    expect_both_lost(sender).await;
    ticket.expect_refused(117).await;
}

#[tokio::test]
async fn impossible_numbers_are_a_loss() {
    for (lowest, received) in [(0, 2), (0, u64::MAX), (3, 1), (u64::MAX, 1)] {
        let (_client, ticket) = Ticket::open(SOUND).await;
        let mut client = ticket.present(lowest, received).await;
        ticket.expect(&mut client, 106, 1 << 20).await;
        client.expect_alive().await;
    }
}

#[tokio::test]
async fn a_javascript_client_that_repeats_a_message_must_begin_anew() {
    let (client, ticket) = Ticket::open(JAVASCRIPT).await;
    drop(client);
    let mut client = ticket.resume(1, 2).await;
    expect_ping(&mut client).await;
    // Of four messages the SDK sends the first, the third, and the first twice again.
    client.expect_alive().await;
    client.message(&[0x00, 56, 8]).await;
    assert_eq!(client.expect_message().await, [0x06, 8]);
    client.message(USER_PING).await;
    assert_eq!(client.rest().await, b"", "a message that was repeated was answered");
    let mut client = ticket.present(2, 4).await;
    ticket.expect(&mut client, 106, 1 << 20).await;
    client.expect_alive().await;
    ticket.expect_unhandled().await;
}

#[tokio::test]
async fn a_javascript_client_that_has_answered_the_ping_may_repeat_itself() {
    let (client, ticket) = Ticket::open(JAVASCRIPT).await;
    drop(client);
    for lost in 0..3 {
        let mut client = ticket.resume(1 + 3 * lost, 2 + 3 * lost as u32).await;
        answer_ping(&mut client).await;
        client.expect_alive().await;
        client.expect_alive().await;
    }
}

#[tokio::test]
async fn a_javascript_handler_that_answers_what_it_missed_has_repeated_nothing() {
    let (client, ticket) = Ticket::open(JAVASCRIPT).await;
    drop(client);
    let mut sender = ticket.sender().await;
    for lost in 0..3 {
        send(&mut sender, 9, "orders", b"one").await;
        sender.expect_alive().await;
        // The request, the ping, and what they are answered.
        let mut client = ticket.resume(1 + 2 * lost, 2 + 2 * lost as u32).await;
        answer(&mut client, b"one").await;
        assert_eq!(sender.expect_message().await, b"\x06\x09\x06binary\x03one");
        answer_ping(&mut client).await;
        client.leave().await;
    }
}

#[tokio::test]
async fn a_javascript_handler_that_repeats_an_answer_must_begin_anew() {
    let (mut client, ticket) = Ticket::open(JAVASCRIPT).await;
    let mut sender = ticket.sender().await;
    send(&mut sender, 9, "orders", b"one").await;
    let request = client.expect_message().await;
    drop(client);
    // The answer that was lost comes again: one message is not counted by the client.
    let mut client = ticket.resume(2, 2).await;
    let Ok(Message::Request { conversation, .. }) = Message::decode(&request) else {
        panic!("expected a request, not {request:02x?}");
    };
    let mut response = Vec::new();
    message::put_response(&mut response, conversation);
    response.extend(b"\x06binary\x03one");
    client.message(&response).await;
    assert_eq!(sender.expect_message().await, b"\x06\x09\x06binary\x03one");
    answer_ping(&mut client).await;
    client.leave().await;
    let mut client = ticket.present(2, 3).await;
    ticket.expect(&mut client, 106, 1 << 20).await;
}
