//! A broker, sessions whose sockets are buffers, and what they were written.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;

use antiphon_broker_interleaved as broker;
use antiphon_wire::codec::Encode;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::value::Value;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use broker::BrokerConfig;
use broker::Connection;
use broker::Flush;
use broker::Grant;
use broker::Millis;
use broker::Opening;
use broker::Outbox;
use broker::Spare;

pub(crate) type Broker = broker::Broker<Seat>;
pub(crate) type Session = Arc<broker::Session<Seat>>;

/// What each connection of a session was written, and which is the present one. Its lock is the standard library's, so
/// that nothing comes between there.
pub(crate) struct Seat(Mutex<Seated>);

struct Seated {
    present: Connection,
    written: Vec<Vec<u8>>,
    /// To which connection somebody is writing.
    writing: Option<Connection>,
}

impl Seat {
    pub(crate) fn replace(&self, connection: Connection) {
        let mut seated = self.0.lock().unwrap();
        seated.present = connection;
        seated.written.push(Vec::new());
    }

    /// What the last connection was written.
    pub(crate) fn last(&self) -> Vec<u8> {
        self.0.lock().unwrap().written.last().unwrap().clone()
    }
}

pub(crate) fn broker() -> Arc<Broker> {
    Arc::new(Broker::new(BrokerConfig::default()))
}

/// Opens a session that can come back, and writes its connection response.
pub(crate) fn open(broker: &Broker, principal: u8) -> Session {
    let request = ConnectionRequest::parse(&query(principal, ""), |_| None).unwrap();
    let roles = ["ADMINISTRATOR", "CLIENT_CONTROL"];
    let opening = Opening {
        request: &request,
        grant: Grant { roles: roles.map(Arc::from).into(), ..Grant::default() },
        client_address: String::new(),
        connector: "interleaved",
        start_time: 0,
        token: SessionToken([principal; 24]),
        now: NOW,
    };
    let seated = Seated { present: Connection::FIRST, written: vec![vec![]], writing: None };
    let mut outbox = Outbox::default();
    let session = broker.open(opening, Seat(Mutex::new(seated)), &mut outbox).unwrap();
    flush(&mut outbox);
    session
}

/// What a client connects with, and with `counts` comes back.
pub(crate) fn query(principal: u8, counts: &str) -> String {
    let token = String::from_utf8(vec![principal; 24]).unwrap();
    let back = if counts.is_empty() { String::new() } else { format!("&c={token}&{counts}") };
    format!("ty=RS&v=29&r=60000{back}")
}

/// Writes whatever was touched.
pub(crate) fn flush(outbox: &mut Outbox<Seat>) {
    outbox.touched.drain(..).for_each(|session| write(&session));
}

/// Writes a session a few bytes at a time; others may come between, and half of the time the socket is full.
pub(crate) fn write(session: &Session) {
    let seat = session.driver();
    let (mut room, mut last) = (7, Connection::FIRST);
    loop {
        let flushed = session.flush(&mut Spare::default(), |connection, bytes| {
            last = connection;
            if room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let Some(count) = begin(seat, connection, bytes, room) else { return Ok(bytes.len()) };
            room = room.saturating_sub(count);
            shuttle::thread::yield_now();
            end(seat, connection);
            Ok(count)
        });
        if flushed != Flush::Blocked {
            return;
        }
        shuttle::thread::yield_now();
        room = usize::MAX;
        session.unblock(last);
    }
}

/// How many bytes the socket takes; `None` if the connection was replaced.
fn begin(seat: &Seat, connection: Connection, bytes: &[u8], room: usize) -> Option<usize> {
    let mut seated = seat.0.lock().unwrap();
    if seated.present != connection {
        return None;
    }
    assert_ne!(seated.writing.replace(connection), Some(connection), "two write at once");
    let count = bytes.len().min(room);
    seated.written.last_mut().unwrap().extend_from_slice(&bytes[..count]);
    Some(count)
}

fn end(seat: &Seat, connection: Connection) {
    let mut seated = seat.0.lock().unwrap();
    if seated.writing == Some(connection) {
        seated.writing = None;
    }
}

/// Hands messages of a session to the broker, as one read, and writes what they cause.
pub(crate) fn send(broker: &Broker, session: &Session, messages: &[Vec<u8>]) {
    let mut outbox = Outbox::default();
    let mut batch = broker.batch(session, NOW);
    for message in messages {
        batch.message(message, &mut outbox);
    }
    drop(batch);
    flush(&mut outbox);
}

/// A request to a session.
pub(crate) fn ask(to: SessionId, number: u8) -> Vec<u8> {
    let value = Value { type_name: "binary", bytes: &[number] };
    let body = SendToSession { session: to, path: "p", value };
    request(Service::MessagingReceiverServer, number, &body)
}

pub(crate) fn request(service: Service, number: u8, body: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_request(&mut bytes, service, ConversationId(number.into()));
    body.encode(&mut bytes);
    bytes
}

/// The answer to a request.
pub(crate) fn answer(conversation: ConversationId) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_response(&mut bytes, conversation);
    Value { type_name: "binary", bytes: &[1] }.encode(&mut bytes);
    bytes
}

/// All messages that the last connection of a session was written; nothing may be left over, or left behind.
pub(crate) fn heard(session: &Session, mut hear: impl FnMut(Message<'_>)) {
    let mut late = 0;
    session.flush(&mut Spare::default(), |_, bytes| {
        late += bytes.len();
        Ok(bytes.len())
    });
    assert_eq!(late, 0, "bytes that nobody writes");
    let mut bytes = session.driver().last();
    let (mut decoder, mut used, mut is_first) = (Decoder::new(1 << 20), 0, true);
    while let Some((length, event)) = decoder.next(&mut bytes[used..]).unwrap() {
        used += length;
        let Event::Message(message) = event else { continue };
        assert_eq!(message[0] == b'#', std::mem::take(&mut is_first), "{message:?}");
        if message[0] != b'#' {
            hear(Message::decode(message).unwrap());
        }
    }
    assert_eq!(used, bytes.len(), "half a frame");
}

pub(crate) const NOW: Millis = Millis(1_000);
