//! Clients that do not read, in each of their roles: they fill their own mailbox and nobody else's, and two others go on
//! asking and answering as if nothing was.

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::SetSessionPropertiesFilter;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::value::Value;
use tokio::net::TcpSocket;

use crate::client::ADMIN;
use crate::client::Client;
use crate::client::TestServer;
use crate::client::within;
use crate::messages::answer;
use crate::messages::register;
use crate::messages::send;

/// A server, a session that handles `well` and one that asks it, and one that hears how sessions end.
struct Stage {
    server: TestServer,
    handler: Client,
    sender: Client,
    watcher: Client,
}

impl Stage {
    async fn set() -> Self {
        let server = TestServer::with(|config| {
            config.limits.maximum_message = 64 << 10;
            config.limits.mailbox = 64 << 10;
            // Nothing but a full mailbox ends a session.
            config.ping_period = std::time::Duration::ZERO;
        });
        let mut handler = Client::open(server.address).await;
        register(&mut handler, "well").await;
        let sender = Client::open(server.address).await;
        let mut watcher = Client::open(server.address).await;
        listen(&mut watcher, None).await;
        Self { server, handler, sender, watcher }
    }

    /// A session of `principal` that reads nothing from here on, and its id.
    async fn slow(&mut self, principal: &str) -> (Client, SessionId) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = Client::over(within(socket.connect(self.server.address)).await.unwrap());
        let login = ADMIN.replacen("admin", principal, 1);
        client.ask_for_upgrade(&format!("/diffusion?ty=WB&v=29&{login}"), "").await;
        client.head().await;
        let response = client.expect_accepted(29).await;
        (client, SessionId::decode_all(&varints(&response[3..19])).unwrap())
    }

    /// The two others ask and answer, and nobody else's trouble is theirs.
    async fn go_on(&mut self) {
        send(&mut self.sender, 5, "well", b"how are you").await;
        answer(&mut self.handler, b"how are you").await;
        assert!(self.sender.expect_message().await.ends_with(b"how are you"));
    }
}

/// Why an event says that this session was closed.
fn closed(event: &[u8], slow: SessionId) -> Option<CloseReason> {
    let Ok(Message::Request { body, .. }) = Message::decode(event) else { return None };
    let SessionEvents { events, .. } = SessionEvents::decode_all(body).unwrap();
    events.into_iter().find_map(|event| match event.change {
        SessionChange::Closed { reason, .. } if event.session == slow => Some(reason),
        _ => None,
    })
}

/// A session id as services write it, from the way that a connection response does.
fn varints(fixed: &[u8]) -> Vec<u8> {
    let half = |half: &[u8]| u64::from_be_bytes(half.try_into().unwrap());
    let mut bytes = Vec::new();
    SessionId { server: half(&fixed[..8]), client: half(&fixed[8..]) }.encode(&mut bytes);
    bytes
}

/// Listens to all sessions, or to those of one principal, with all that users set of them.
async fn listen(client: &mut Client, principal: Option<&str>) {
    let filter = principal.map(|principal| format!("$Principal is '{principal}'"));
    let keys = principal.map(|_| vec!["*U"]).unwrap_or_default();
    let body = EventListener {
        cluster_aware: true,
        filter: filter.as_deref(),
        keys: Some(keys),
        after: Some(0),
        conversation: ConversationId(9),
    };
    client.request(Service::SessionEventRegistration, 5, &body).await;
}

#[tokio::test]
async fn a_sender_that_does_not_read_its_answers_is_ended() {
    let mut stage = Stage::set().await;
    let (mut slow, id) = stage.slow("admin").await;
    let mut busy = Client::open(stage.server.address).await;
    register(&mut busy, "busy").await;
    let watched = Client::open(stage.server.address).await;
    let mut ended = tokio::spawn(reason(std::mem::replace(&mut stage.watcher, watched), id));
    let reason = loop {
        // Once it is ended nobody takes its bytes.
        if !ended.is_finished() {
            send(&mut slow, 1, "busy", &LARGE).await;
        }
        tokio::select! {
            reason = &mut ended => break reason.unwrap(),
            () = answer(&mut busy, &LARGE) => stage.go_on().await,
        }
    };
    assert_eq!(reason, CloseReason::MessageQueueLimitReached);
    stage.go_on().await;
}

/// Why this session is closed, when it is.
async fn reason(mut watcher: Client, slow: SessionId) -> CloseReason {
    loop {
        if let Some(reason) = closed(&watcher.expect_message().await, slow) {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_handler_that_does_not_read_is_refused_more_and_an_equal_one_is_asked_instead() {
    let mut stage = Stage::set().await;
    let (mut slow, _) = stage.slow("admin").await;
    register(&mut slow, "slow").await;
    let mut sender = Client::open(stage.server.address).await;
    let mut asked = 0;
    let refusal = loop {
        // Whoever is overloaded says so at once; a request that was taken is not answered.
        send(&mut sender, 9, "slow", &LARGE).await;
        asked += 1;
        sender.message(crate::client::USER_PING).await;
        let told = sender.expect_message().await;
        if told != crate::client::USER_PONG {
            assert_eq!(sender.expect_message().await, crate::client::USER_PONG);
            break told;
        }
        stage.go_on().await;
    };
    let refusal = String::from_utf8_lossy(&refusal).into_owned();
    assert!(refusal.contains("overloaded") && asked > 1, "{refusal} after {asked}");
    let mut equal = Client::open(stage.server.address).await;
    register(&mut equal, "slow").await;
    for _ in 0..10 {
        send(&mut sender, 9, "slow", b"now").await;
        answer(&mut equal, b"now").await;
        assert!(sender.expect_message().await.ends_with(b"now"));
        stage.go_on().await;
    }
}

#[tokio::test]
async fn a_listener_that_does_not_read_its_events_is_ended() {
    let mut stage = Stage::set().await;
    let (mut slow, id) = stage.slow("admin").await;
    listen(&mut slow, Some("control")).await;
    let (_told_of, _) = stage.slow("control").await;
    let mut changer = Client::open(stage.server.address).await;
    // As long as they may be; an event says what they were and what they are.
    let values = ["a", "b"].map(|letter| letter.repeat(4096));
    let mut ended = None;
    for turn in 0.. {
        let body = SetSessionPropertiesFilter {
            filter: "$Principal is 'control'",
            set: Some(["one", "two"].map(|key| (key, &*values[turn % 2])).to_vec()),
            remove: None,
        };
        changer.request(Service::SetSessionPropertiesFilter, 1, &body).await;
        assert_eq!(changer.expect_message().await[..2], [0x06, 1]);
        stage.go_on().await;
        // Everything that the watcher is told so far comes before the answer to its own question.
        stage.watcher.message(crate::client::USER_PING).await;
        loop {
            let told = stage.watcher.expect_message().await;
            if told == crate::client::USER_PONG {
                break;
            }
            ended = ended.or(closed(&told, id));
        }
        if let Some(reason) = ended {
            assert_eq!(reason, CloseReason::MessageQueueLimitReached);
            break;
        }
    }
    stage.go_on().await;
}

#[tokio::test]
async fn a_recipient_of_filter_requests_that_does_not_read_keeps_nobody_from_the_other_outcomes() {
    let mut stage = Stage::set().await;
    let (_slow, _) = stage.slow("control").await;
    let login = ADMIN.replacen("admin", "control", 1);
    let mut well = Client::upgrade(stage.server.address, &format!("ty=WB&v=29&{login}")).await;
    well.expect_accepted(29).await;
    let mut sender = Client::open(stage.server.address).await;
    loop {
        let body = SendToFilter {
            conversation: ConversationId(77),
            filter: "$Principal is 'control'",
            path: "p",
            value: Value { type_name: "binary", bytes: &LARGE },
        };
        sender.request(Service::MessagingFilterSend, 9, &body).await;
        assert_eq!(sender.expect_message().await, [0x06, 9, 0, 2]);
        answer(&mut well, &LARGE).await;
        let first = sender.expect_message().await;
        stage.go_on().await;
        if first.ends_with(&LARGE) {
            continue;
        }
        // The slow one is full, which is said at once; the other one answers as before.
        assert!(String::from_utf8_lossy(&first).contains("overloaded"), "{first:02x?}");
        assert!(sender.expect_message().await.ends_with(&LARGE));
        break;
    }
}

/// So long that few of them fill all buffers on the way.
static LARGE: [u8; 16 << 10] = [b'x'; 16 << 10];
