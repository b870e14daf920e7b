//! Messages of three sessions to a broker: whatever they send, it answers in whole messages, and when all sessions have
//! ended nothing is left of them.

use std::sync::Arc;

use antiphon_broker::Broker;
use antiphon_broker::BrokerConfig;
use antiphon_broker::Grant;
use antiphon_broker::Limits;
use antiphon_broker::Millis;
use antiphon_broker::Opening;
use antiphon_broker::Outbox;
use antiphon_broker::Session;
use antiphon_broker::Spare;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message::Message;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;

/// Each message has two bytes before it: which session sends it and how many 100 ms later, then its length.
///
/// # Panics
/// If a session is sent something that is no message, or if something is left at the end.
pub fn run(bytes: &[u8]) {
    let broker = Broker::new(BrokerConfig {
        limits: Limits { mailbox: 16 << 10, message: 4 << 10, ..Limits::default() },
        ..BrokerConfig::default()
    });
    let mut stage = Stage { broker, outbox: Outbox::default(), now: Millis(1000) };
    let sessions = CLIENTS.map(|(query, roles)| stage.open(query, roles));
    let mut rest = bytes;
    while let [head, length, following @ ..] = rest {
        let (message, following) = following.split_at(following.len().min(usize::from(*length)));
        rest = following;
        stage.now = Millis(stage.now.0 + u64::from(head >> 2) * 100);
        stage.say(&sessions[usize::from(head & 3) % sessions.len()], message);
    }
    for session in &sessions {
        stage.broker.close(session, CloseReason::ClosedByClient, &mut stage.outbox);
    }
    stage.flush();
    let stats = stage.broker.stats();
    assert_eq!((stats.sessions, stats.routes), (0, 0));
}

/// A broker and the time.
struct Stage {
    broker: Broker<()>,
    outbox: Outbox<()>,
    now: Millis,
}

impl Stage {
    fn open(&mut self, query: &str, roles: &[&str]) -> Arc<Session<()>> {
        let request = ConnectionRequest::parse(query, |_| None).expect("legal parameters");
        let grant = Grant {
            principal: "p".to_owned(),
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            ..Grant::default()
        };
        let opening = Opening {
            request: &request,
            grant,
            client_address: "127.0.0.1".to_owned(),
            connector: "test",
            start_time: 0,
            token: SessionToken([b'A'; 24]),
            now: self.now,
        };
        self.broker.open(opening, (), &mut self.outbox).expect("there is room")
    }

    fn say(&mut self, session: &Arc<Session<()>>, message: &[u8]) {
        self.broker.batch(session, self.now).message(message, &mut self.outbox);
        self.broker.sweep(self.now, &mut self.outbox);
        self.flush();
    }

    fn flush(&mut self) {
        for session in self.outbox.touched.drain(..) {
            let mut written = Vec::new();
            session.flush(&mut Spare::default(), |_, bytes| {
                written.extend_from_slice(bytes);
                Ok(bytes.len())
            });
            check(&mut written);
        }
    }
}

/// Checks that these are whole frames of whole messages.
fn check(mut bytes: &mut [u8]) {
    let mut decoder = Decoder::new(usize::MAX);
    while !bytes.is_empty() {
        let (used, event) = decoder.next(bytes).expect("legal frames").expect("whole frames");
        if let Event::Message(message) = event {
            let is_welcome = message.first() == Some(&b'#');
            assert!(is_welcome || Message::decode(message).is_ok());
        }
        bytes = &mut bytes[used..];
    }
}

/// The connection parameters and the roles of each session.
const CLIENTS: [(&str, &[&str]); 3] = [
    ("ty=WB&v=29&r=60000", &["ADMINISTRATOR", "AUTHENTICATION_HANDLER"]),
    ("ty=PY&v=19", &["CLIENT_CONTROL"]),
    ("ty=PY&v=25&r=60000", &["CLIENT"]),
];
