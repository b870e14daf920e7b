//! Sessions that outlive their connection: how long they are kept, and with what they come back.

mod keeping;
mod model;
mod replaying;
mod restarting;
mod resuming;
mod services;
mod takeover;

use std::time::Duration;

use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvent;
use antiphon_wire::service::events::SessionEvents;

use crate::BrokerConfig;
use crate::Connection;
use crate::Recovery;
use crate::Spare;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::read_all;
use crate::tests::world::response;

/// The Rust SDK, which does all that the protocol asks of a client.
pub(crate) const RUST: &str = "RS";
const JAVASCRIPT: &str = "WB";
const PYTHON: &str = "PY";

/// A world in which time ends nothing but sessions without a connection.
fn patient() -> World {
    patient_with(Recovery::default())
}

fn patient_with(recovery: Recovery) -> World {
    World::with(BrokerConfig {
        recovery,
        ping_period: Duration::ZERO,
        request_timeout: Duration::from_secs(1_000_000),
        ..BrokerConfig::default()
    })
}

/// Opens a session that wants to be kept for a minute, and reads its connection response.
fn open(w: &mut World, ty: &str, principal: &str) -> Client {
    open_for(w, (ty, 60_000), principal)
}

fn open_for(w: &mut World, (ty, millis): (&str, u64), principal: &str) -> Client {
    w.token = token(principal);
    let client = w.open_as(&format!("ty={ty}&v=29&r={millis}"), principal, EVERYTHING);
    assert_eq!(client.received(), [Received::Welcome]);
    client
}

/// What a principal's only session is taken up with.
fn token(principal: &str) -> SessionToken {
    let mut token = [b'x'; 24];
    token[..principal.len()].copy_from_slice(principal.as_bytes());
    SessionToken(token)
}

/// The present connection.
fn present(w: &World, client: &Client) -> Connection {
    w.broker.batch(&client.session, w.now).connection()
}

/// The present connection is lost.
pub(crate) fn lose(w: &mut World, client: &Client) {
    let connection = present(w, client);
    lose_old(w, client, connection);
}

fn lose_old(w: &mut World, client: &Client, connection: Connection) {
    w.broker.lose(&client.session, connection, w.now, &mut w.outbox);
}

/// Comes back: `cs`, the lowest message that the client can repeat, and `ss`, the last that it received.
fn reconnect(
    w: &mut World,
    ty: &str,
    principal: &str,
    counts: (u64, u64),
) -> Result<Connection, Refusal> {
    reconnect_with(w, ty, token(principal), counts)
}

/// The same with any token.
pub(crate) fn reconnect_with(
    w: &mut World,
    ty: &str,
    token: SessionToken,
    (cs, ss): (u64, u64),
) -> Result<Connection, Refusal> {
    let token = String::from_utf8(token.0.to_vec()).unwrap();
    let query = format!("ty={ty}&v=29&r=60000&c={token}&cs={cs}&ss={ss}");
    let request = ConnectionRequest::parse(&query, |_| None).unwrap();
    let mut attached = None;
    let attach = |(): &(), connection| attached = Some(connection);
    let (_, connection) = w.broker.reconnect(&request, w.now, attach, &mut w.outbox)?;
    assert_eq!(attached, Some(connection));
    Ok(connection)
}

/// Reads how it came back, and what it was sent after that.
#[track_caller]
pub(crate) fn back(client: &Client) -> (Resumed, Vec<Received>) {
    let mut bytes = written(client);
    let (head, rest) = bytes.split_at_mut(RESPONSE_FRAME);
    let version = ProtocolVersion::supported(29).unwrap();
    match ConnectionResponse::decode(&head[2..], version) {
        Ok(ConnectionResponse::Resumed { session, token, resumed, .. }) => {
            assert_eq!((session, Some(token)), (client.id(), client.session.token()));
            (resumed, read_all(rest))
        }
        other => panic!("{other:?}"),
    }
}

/// The bytes of all that was sent since it was last read.
fn written(client: &Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.session.flush(&mut Spare::default(), |_, some| {
        bytes.extend_from_slice(some);
        Ok(some.len())
    });
    bytes
}

/// It resumes: the next message that is expected of it, and all that it missed.
fn intact(next_client_sequence: u32, missed: impl Into<Vec<Received>>) -> (Resumed, Vec<Received>) {
    (Resumed::Intact { next_client_sequence }, missed.into())
}

/// Asks for a response of the broker, which is not read.
fn ping(w: &mut World, client: &Client, conversation: u64) {
    w.ask(client, Service::UserPing, conversation, &Void);
}

fn pong(conversation: u64) -> Received {
    response(conversation, &Void)
}

fn ended(conversation: u64, handler: &Client) -> Received {
    unanswered(conversation, handler, "ended")
}

fn restarted(conversation: u64, handler: &Client) -> Received {
    unanswered(conversation, handler, "began anew")
}

fn unanswered(conversation: u64, handler: &Client, has: &str) -> Received {
    let text = format!("session {} {has}; the request may have been executed", handler.id());
    error(conversation, Reason::NO_SUCH_SESSION, text)
}

fn unhandled(conversation: u64) -> Received {
    error(conversation, Reason::UNHANDLED_MESSAGE, "no handler for path a")
}

/// Registers a listener for all sessions, as 9, and skips what it is told of those that are there.
fn listen(w: &mut World, client: &Client, keys: &[&str]) {
    let body = EventListener {
        cluster_aware: true,
        filter: None,
        keys: Some(keys.to_vec()),
        after: Some(0),
        conversation: ConversationId(9),
    };
    w.ask(client, Service::SessionEventRegistration, 5, &body);
    assert_eq!(client.received().len(), 2);
}

/// Checks that listener 9 has been told exactly these changes of this session.
#[track_caller]
fn check_told<const N: usize>(listener: &Client, client: &Client, changes: [SessionChange<'_>; N]) {
    let bodies = changes.map(|change| event(client, change));
    assert_eq!(listener.bodies(Service::SessionPropertiesEvent), bodies);
}

fn event(client: &Client, change: SessionChange<'_>) -> Vec<u8> {
    let events = vec![SessionEvent { session: client.id(), change }];
    encoded(&SessionEvents { conversation: ConversationId(9), events })
}

fn closed(reason: CloseReason) -> SessionChange<'static> {
    SessionChange::Closed { reason, properties: vec![] }
}

/// How many sessions can be taken up.
fn tokens(w: &World) -> usize {
    w.broker.tokens.lock().len()
}

/// A frame with a connection response.
const RESPONSE_FRAME: usize = 57;
