//! The attacks. Each goes on until the time is over, from an address of its own, begins anew when it is cut off, and counts
//! what it did.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::value::Value;
use antiphon_wire::websocket::put_masked_message;
use antiphon_wire::websocket::put_masked_ping;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio::time::timeout_at;

use crate::garbage::Garbage;
use crate::stranger::ADMIN;
use crate::stranger::Stranger;
use crate::stranger::request;
use crate::stranger::upgrade;

/// Sessions that a crowd opens.
pub(crate) const AT_ONCE: usize = 2_000;

/// A safety net: a crowd takes as long as it takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was done.
#[derive(Debug)]
pub(crate) struct Attacked {
    pub(crate) most_at_once: usize,
    /// By name, how often.
    pub(crate) rounds: Vec<(&'static str, usize)>,
}

/// All of them at once.
pub(crate) async fn all(plain: SocketAddr, tls: SocketAddr, time: Duration) -> Attacked {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    macro_rules! attack {
        ($($house:literal $name:ident($address:expr);)+) => {
            $(tasks.spawn(repeat(stringify!($name), end, move |round| $name($house, $address, round)));)+
        };
    }
    attack! {
        10 dribble_a_head(plain);
        11 dribble_a_head(tls);
        12 say_nothing(tls);
        13 knock(plain);
        14 send_large_heads(plain);
        15 send_large_frames(plain);
        16 send_garbage_instead_of_a_head(plain);
        17 send_garbage_instead_of_a_head(tls);
        18 send_garbage_frames(plain);
        19 send_garbage_messages(plain);
        20 never_read(plain);
        21 flood_with_pings(plain);
        22 guess_tokens(plain);
        23 send_costly_filters(plain);
        24 register_and_lock(plain);
    }
    let most_at_once = timeout(PATIENCE, crowd(plain)).await.unwrap_or(0);
    let mut rounds = tasks.join_all().await;
    rounds.sort_unstable();
    Attacked { most_at_once, rounds }
}

/// Does it again and again.
async fn repeat<F: Future<Output = io::Result<()>>>(
    name: &'static str,
    end: Instant,
    mut attack: impl FnMut(u64) -> F,
) -> (&'static str, usize) {
    let mut rounds = 0;
    while timeout_at(end, attack(rounds)).await.is_ok() {
        rounds += 1;
        // Who is turned away at once must not take all of this process's time.
        sleep(Duration::from_millis(1)).await;
    }
    (name, rounds as usize)
}

/// As many sessions as a town has, each of which asks and waits for the others; half of them are not heard of again.
async fn crowd(server: SocketAddr) -> usize {
    let mut sessions = Vec::new();
    while sessions.len() < AT_ONCE {
        let mut opening = JoinSet::new();
        for _ in 0..100 {
            let house = 100 + (sessions.len() / 100) as u8;
            opening.spawn(Stranger::session(house, server, "r=60000"));
        }
        sessions.extend(opening.join_all().await.into_iter().flatten());
    }
    let most = sessions.len();
    for session in &mut sessions {
        let _ = session.request(Service::MessagingSend, &good_request()).await;
    }
    for (number, mut session) in sessions.into_iter().enumerate() {
        if number % 2 == 0 {
            let _ = session.message(antiphon_wire::message::CLOSE_REQUEST_MESSAGE).await;
        }
    }
    most
}

/// One byte of a head now and then, on many connections.
async fn dribble_a_head(house: u8, server: SocketAddr, _: u64) -> io::Result<()> {
    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(Stranger::from(house, server).await?);
    }
    // The beginning of a TLS handshake is as far as it gets, or of an HTTP request.
    let head = [b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), upgrade("/").into_bytes()];
    for byte in &head[usize::from(house == 10)] {
        for stranger in &mut slow {
            stranger.send(&[*byte]).await?;
        }
        sleep(Duration::from_millis(50)).await;
    }
    slow[0].until_cut().await
}

/// Connections on which nothing comes.
async fn say_nothing(house: u8, server: SocketAddr, _: u64) -> io::Result<()> {
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Stranger::from(house, server).await?);
    }
    silent[0].until_cut().await
}

/// Connects and goes away, faster than one address may.
async fn knock(house: u8, server: SocketAddr, _: u64) -> io::Result<()> {
    Stranger::from(house, server).await.map(drop)
}

async fn send_large_heads(house: u8, server: SocketAddr, round: u64) -> io::Result<()> {
    let mut stranger = Stranger::from(house, server).await?;
    let head = match round % 3 {
        0 => upgrade(&format!("/{}", "long".repeat(20_000))),
        1 => {
            upgrade("/diffusion").replacen("\r\n", &format!("\r\nX: {}\r\n", "y".repeat(70_000)), 1)
        }
        _ => upgrade("/diffusion").replacen("\r\n", &"\r\nX: y".repeat(1_000), 1),
    };
    stranger.send(head.as_bytes()).await?;
    stranger.until_cut().await
}

/// Frames that declare more than may be, or are more.
async fn send_large_frames(house: u8, server: SocketAddr, round: u64) -> io::Result<()> {
    let mut stranger = Stranger::session(house, server, ADMIN).await?;
    match round % 3 {
        0 => stranger.send(&[0x82, 0xff, 0x3f, 255, 255, 255, 255, 255, 255, 255]).await?,
        1 => stranger.message(&vec![0; (1 << 20) + 1]).await?,
        _ => {
            // One that is within the limit, but never ends, in many pieces.
            let piece = [&[0x00, 0xfe, 0x40, 0x00, 1, 2, 3, 4][..], &[0; 1 << 14]].concat();
            stranger.send(&[0x02, 0x81, 1, 2, 3, 4, 0]).await?;
            while stranger.send(&piece).await.is_ok() {
                stranger.drain()?;
            }
        }
    }
    stranger.until_cut().await
}

async fn send_garbage_instead_of_a_head(
    house: u8,
    server: SocketAddr,
    round: u64,
) -> io::Result<()> {
    let mut stranger = Stranger::from(house, server).await?;
    let _ = stranger.send(&Garbage::new(round).bytes(2_000)).await;
    // Some stay until they are cut off.
    if round.is_multiple_of(10) { stranger.until_cut().await } else { Ok(()) }
}

async fn send_garbage_frames(house: u8, server: SocketAddr, round: u64) -> io::Result<()> {
    let mut stranger = Stranger::session(house, server, ADMIN).await?;
    let mut garbage = Garbage::new(round);
    while stranger.send(&garbage.bytes(200)).await.is_ok() {
        stranger.drain()?;
    }
    Ok(())
}

/// Messages of real clients with random damage, and values of every kind, as an administrator.
async fn send_garbage_messages(house: u8, server: SocketAddr, round: u64) -> io::Result<()> {
    let mut stranger = Stranger::session(house, server, ADMIN).await?;
    let mut garbage = Garbage::new(round);
    loop {
        let nested = vec![0x81; garbage.number(300)];
        let value = Value { type_name: "json", bytes: &nested };
        stranger.request(Service::MessagingSend, &SendRequest { path: "good", value }).await?;
        for _ in 0..50 {
            // Other sessions are not closed, nor anybody let in who should not be: that is no damage but a command.
            let message = garbage.message();
            if !matches!(message.get(..2), Some([0, 5 | 14 | 119 | 123 | 124 | 162 | 203])) {
                stranger.message(&message).await?;
            }
        }
        stranger.drain()?;
    }
}

/// Asks and asks, and takes no answer.
async fn never_read(house: u8, server: SocketAddr, round: u64) -> io::Result<()> {
    let mut stranger = Stranger::session(house, server, ADMIN).await?;
    let mut frames = Vec::new();
    let value = Value { type_name: "binary", bytes: &[0; 4_000] };
    let large = SendRequest { path: "nobody/there", value };
    for _ in 0..100 {
        match round % 2 {
            0 => put_masked_message(&mut frames, [0; 4], &[0, 56, 7]),
            _ => put_masked_message(&mut frames, [0; 4], &request(Service::MessagingSend, &large)),
        }
    }
    loop {
        stranger.send(&frames).await?;
    }
}

/// Pings of the WebSocket and of the protocol, as fast as they are answered.
async fn flood_with_pings(house: u8, server: SocketAddr, _: u64) -> io::Result<()> {
    let mut stranger = Stranger::session(house, server, "").await?;
    let mut pings = Vec::new();
    for _ in 0..100 {
        put_masked_ping(&mut pings, *b"mask", &[0; 125]);
        put_masked_message(&mut pings, *b"mask", &[0, 56, 7]);
    }
    loop {
        stranger.send(&pings).await?;
        stranger.drain()?;
    }
}

/// Wants to be a session that is somebody else's.
async fn guess_tokens(house: u8, server: SocketAddr, round: u64) -> io::Result<()> {
    let token = Garbage::new(round).token();
    let login = format!("r=60000&c={token}&cs=1&ss=1");
    Stranger::session(house, server, &login).await?.until_cut().await
}

/// Filters that are deep, long, or full of patterns that take long to compile or to match.
async fn send_costly_filters(house: u8, server: SocketAddr, round: u64) -> io::Result<()> {
    let mut stranger = Stranger::session(house, server, ADMIN).await?;
    let filter = match round % 5 {
        0 => format!("{}all{}", "(".repeat(5_000), ")".repeat(5_000)),
        1 => format!("{}all", "not ".repeat(3_000)),
        2 => vec!["$Principal matches '(a+)+(b+)+(.*x){20}$'"; 32].join(" or "),
        3 => "$Principal matches '((((.{1,100}){1,100}){1,100}){1,100}){1,100}'".to_owned(),
        _ => vec!["$Principal is 'somebody who is not there'"; 2_000].join(" or "),
    };
    let value = Value { type_name: "string", bytes: &[0x60] };
    let conversation = ConversationId(1);
    for _ in 0..20 {
        let body =
            SendToFilter { conversation, filter: &filter, path: "good", value: value.clone() };
        stranger.request(Service::MessagingFilterSend, &body).await?;
        let body = EventListener {
            cluster_aware: true,
            filter: Some(&filter),
            keys: None,
            after: None,
            conversation,
        };
        stranger.request(Service::SessionEventRegistration, &body).await?;
        stranger.drain()?;
    }
    Ok(())
}

/// As many handlers and locks as it is let have.
async fn register_and_lock(house: u8, server: SocketAddr, round: u64) -> io::Result<()> {
    let mut stranger = Stranger::session(house, server, ADMIN).await?;
    for number in 0..2_000 {
        let path = &*format!("flood/{round}/{number}");
        let body = RegisterHandler {
            receiver: Receiver,
            group: "",
            path,
            keys: vec![],
            conversation: ConversationId(number),
        };
        stranger.request(Service::MessagingReceiverControlRegistration, &body).await?;
        let body = AcquireLock { name: path, request: number, scope: LockScope::Session };
        stranger.request(Service::AcquireSessionLock, &body).await?;
        stranger.drain()?;
    }
    Ok(())
}

fn good_request() -> SendRequest<'static> {
    SendRequest { path: "good", value: Value { type_name: "string", bytes: b"\x62hi" } }
}
