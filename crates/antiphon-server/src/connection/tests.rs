//! One connection of one session, from the inside.

use antiphon_wire::ids::NodeId;
use antiphon_wire::websocket::put_masked_message;
use antiphon_wire::websocket::put_message;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::Config;
use crate::auth::Admitted;
use crate::auth::Answer;
use crate::auth::Authenticators;
use crate::flush::Session;
use crate::handshake::handshake;
use crate::listener::Arrival;
use crate::operations::audit::Audit;
use crate::tls::Acceptors;

fn shared() -> Shared {
    let config = Config { dev: true, ..Config::default() };
    Shared::new(config, NodeId(1), (Acceptors::default(), Audit::start(None).unwrap())).unwrap()
}

/// A session that its client has asked for and nothing else.
async fn open() -> (Arc<Shared>, TcpStream, Connection) {
    let shared = Arc::new(shared());
    let (client, connection) = open_with(&shared, "v=29").await;
    assert_eq!(shared.broker.stats().sessions, 1);
    (shared, client, connection)
}

async fn open_with(shared: &Arc<Shared>, query: &str) -> (TcpStream, Connection) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let request = format!(
        "GET /diffusion?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let admission = shared.door.admit(address.ip(), shared.clock.now()).ok().unwrap();
    let arrival = Arrival { stream, client: address, tls: None };
    let connection = handshake(Arc::clone(shared), arrival, admission).await.unwrap();
    (client, connection)
}

#[tokio::test]
async fn a_connection_whose_task_is_dropped_ends_its_session() {
    let (shared, _client, connection) = open().await;
    drop(connection);
    assert_eq!(shared.broker.stats().sessions, 0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let (shared, _client, connection) = open().await;
    let more_than_a_socket_takes = |out: &mut Vec<u8>| {
        put_message(out, 64 << 20, |out| out.resize(out.len() + (64 << 20), 0));
    };
    let session = &connection.dialogue.place.session;
    session.put_frame(more_than_a_socket_takes, &mut flush::delivery());
    assert!(session.driver().is_blocked());
    tokio::time::pause();
    timeout(STALL * 2, connection.run()).await.expect("ended after STALL");
    assert_eq!(shared.broker.stats().sessions, 0);
}

/// An authenticator that lets everybody in, `slow` when the test says so.
struct Slow {
    asked: Arc<Notify>,
    answer: Arc<Notify>,
}

fn slow() -> (Arc<Shared>, Slow) {
    let mut shared = shared();
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = Slow { asked: Arc::clone(&asked), answer: Arc::clone(&answer) };
    shared.authenticators = Authenticators::stubbed(Box::new(move |applicant| {
        let (principal, asked, answer) =
            (applicant.principal.clone(), Arc::clone(&asked), Arc::clone(&answer));
        Box::pin(async move {
            if principal == "slow" {
                asked.notify_one();
                answer.notified().await;
            }
            Answer::Allow(Admitted { principal, ..Admitted::default() })
        })
    }));
    (Arc::new(shared), slow)
}

/// A session whose connection is served, and the client's end of it.
async fn served(shared: &Arc<Shared>, query: &str) -> (Arc<Session>, TcpStream, JoinHandle<()>) {
    let (mut client, connection) = open_with(shared, query).await;
    let session = Arc::clone(&connection.dialogue.place.session);
    let running = tokio::spawn(connection.run());
    expect_welcome(&mut client, 100).await;
    (session, client, running)
}

/// Reads the HTTP response and the connection response, of which it returns what follows the code.
async fn expect_welcome(client: &mut TcpStream, code: u8) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let mut start = [0; 5];
    client.read_exact(&mut start).await.unwrap();
    assert_eq!((start[0], start[2], start[4]), (0x82, b'#', code));
    let mut rest = vec![0; usize::from(start[1]) - 3];
    client.read_exact(&mut rest).await.unwrap();
    rest
}

async fn send(client: &mut TcpStream, messages: &[&[u8]]) {
    let mut bytes = Vec::new();
    for message in messages {
        put_masked_message(&mut bytes, *b"mask", message);
    }
    client.write_all(&bytes).await.unwrap();
}

async fn expect(client: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    timeout(LINGER * 10, client.read_exact(&mut got)).await.expect("an answer").unwrap();
    assert_eq!(got, bytes);
}

/// Service 5 in conversation 1: `slow`, without credentials.
const BECOME_SLOW: &[u8] = b"\x00\x05\x01\x04slow\x00\x00";
const BECAME: &[u8] = &[0x82, 3, 6, 1, 1];
const DID_NOT_BECOME: &[u8] = &[0x82, 3, 6, 1, 0];
/// Service 56 in conversation 7.
const PING: &[u8] = &[0, 56, 7];
const PONG: &[u8] = &[0x82, 2, 6, 7];

#[tokio::test]
async fn what_comes_behind_an_authentication_waits_for_it_and_others_do_not() {
    let (shared, slow) = slow();
    let (session, mut client, _running) = served(&shared, "v=29").await;
    let (_, mut other, _running) = served(&shared, "v=29").await;
    send(&mut client, &[PING, BECOME_SLOW, PING]).await;
    slow.asked.notified().await;
    expect(&mut client, PONG).await;
    send(&mut client, &[PING]).await;
    for _ in 0..10 {
        send(&mut other, &[PING]).await;
        expect(&mut other, PONG).await;
    }
    let nothing = client.try_read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(nothing, Err(std::io::ErrorKind::WouldBlock));
    slow.answer.notify_one();
    expect(&mut client, &[BECAME, PONG, PONG].concat()).await;
    drop(session);
}

#[tokio::test]
async fn a_session_that_is_closed_while_it_is_authenticated_is_over() {
    let (shared, slow) = slow();
    let (session, mut client, running) = served(&shared, "v=29").await;
    send(&mut client, &[BECOME_SLOW, PING]).await;
    slow.asked.notified().await;
    shared.broker.close(&session, CloseReason::ClosedByController, &mut flush::delivery());
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x82, 1, 0x1c, 0x88, 2, 0x03, 0xe8]);
    drop(client);
    running.await.unwrap();
    slow.answer.notify_one();
    assert_eq!(shared.broker.stats().sessions, 0);
}

#[tokio::test]
async fn a_session_that_is_taken_up_while_it_is_authenticated_is_refused() {
    let (shared, slow) = slow();
    let (mut client, connection) = open_with(&shared, "v=29&r=60000").await;
    let running = tokio::spawn(connection.run());
    let welcome = expect_welcome(&mut client, 100).await;
    let token = String::from_utf8(welcome[16..40].to_vec()).unwrap();
    send(&mut client, &[BECOME_SLOW, PING]).await;
    slow.asked.notified().await;

    let query = format!("v=29&r=60000&c={token}&cs=2&ss=0");
    let (mut back, connection) = open_with(&shared, &query).await;
    let _running = tokio::spawn(connection.run());
    running.await.unwrap();
    expect_welcome(&mut back, 105).await;
    expect(&mut back, DID_NOT_BECOME).await;
    send(&mut back, &[PING]).await;
    expect(&mut back, PONG).await;
}

/// A session whose socket has more to read than one turn takes, and the client's end.
async fn flooding(shared: &Arc<Shared>) -> (TcpStream, JoinHandle<()>) {
    let (_, client, running) = served(shared, "v=29").await;
    let mut pings = Vec::new();
    (0..1_000).for_each(|_| put_masked_message(&mut pings, *b"mask", PING));
    // Nobody else runs meanwhile.
    while client.try_write(&pings).is_ok_and(|written| written == pings.len()) {}
    (client, running)
}

#[tokio::test]
async fn who_has_little_to_say_waits_for_few_turns_of_those_who_flood() {
    const FLOODING: usize = 32;
    let shared = Arc::new(shared());
    let (_, mut client, _running) = served(&shared, "v=29").await;
    let mut flooding = Vec::new();
    for _ in 0..FLOODING {
        flooding.push(self::flooding(&shared).await);
    }
    let (mut answered, mut scratch) = (Vec::new(), vec![0; 1 << 20]);
    for _ in 0..20 {
        send(&mut client, &[PING]).await;
        expect(&mut client, PONG).await;
        let took = flooding.iter().map(|(client, _)| client.try_read(&mut scratch).unwrap_or(0));
        answered.push(took.sum::<usize>() / PONG.len());
    }
    // A round trip takes two or three rounds of the runtime, unless the system lets the bytes wait, as it does now and then.
    answered.sort_unstable();
    let one_read = READ / (PING.len() + 6);
    assert!(answered[10] <= FLOODING / 4 * one_read, "answered in one round trip: {answered:?}");
    assert!(answered.iter().sum::<usize>() > one_read, "nobody has flooded: {answered:?}");
}

#[tokio::test]
async fn a_message_that_takes_long_is_served_aside_and_only_its_session_waits() {
    let shared = Arc::new(shared());
    let (_, mut client, _running) = served(&shared, "v=29").await;
    let (_, mut other, _running) = served(&shared, "v=29").await;
    let somebody_elses = Arc::clone(&shared.aside).acquire_owned().await.unwrap();
    let filter = b"\x00\x66\x08\x01\x19$Principal matches 'a+b+'\x01p\x06binary\x01x";
    send(&mut client, &[filter, PING]).await;
    for _ in 0..10 {
        send(&mut other, &[PING]).await;
        expect(&mut other, PONG).await;
    }
    let nothing = client.try_read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(nothing, Err(std::io::ErrorKind::WouldBlock));
    drop(somebody_elses);
    let mut head = [0; 4];
    timeout(LINGER * 10, client.read_exact(&mut head)).await.unwrap().unwrap();
    // Its answer, an error of conversation 8 for want of a permission, and only then what was sent behind it.
    assert_eq!((head[0], &head[2..]), (0x82, &[7, 8][..]));
    client.read_exact(&mut vec![0; usize::from(head[1]) - 2]).await.unwrap();
    expect(&mut client, PONG).await;
}
