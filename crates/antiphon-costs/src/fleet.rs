//! A broker with sessions that ask and answer, driven as a server drives it, but without sockets.

use std::sync::Arc;

use antiphon_broker::Broker;
use antiphon_broker::BrokerConfig;
use antiphon_broker::Grant;
use antiphon_broker::Millis;
use antiphon_broker::Opening;
use antiphon_broker::Outbox;
use antiphon_broker::Session;
use antiphon_broker::properties;
use antiphon_broker::properties::Trust;
use antiphon_wire::codec::Encode;
use antiphon_wire::codec::put_varint;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::NodeId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::node::Header;
use antiphon_wire::node::Kind;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::value::Value;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use antiphon_wire::websocket::put_masked_message;

/// One broker, and what a driver keeps for it.
pub(crate) struct Fleet {
    pub(crate) broker: Broker<()>,
    pub(crate) outbox: Outbox<()>,
    /// What the last flush wrote, and up to where to whom.
    written: Vec<u8>,
    ends: Vec<(Client, usize)>,
    now: Millis,
    opened: u64,
}

pub(crate) type Client = Arc<Session<()>>;

impl Fleet {
    pub(crate) fn new() -> Self {
        Self::with(BrokerConfig::default())
    }

    pub(crate) fn with(config: BrokerConfig) -> Self {
        Self {
            broker: Broker::new(config),
            outbox: Outbox::default(),
            written: Vec::new(),
            ends: Vec::new(),
            now: Millis(1_000),
            opened: 0,
        }
    }

    /// Opens a session that can come back, as sessions of the SDKs can, with these user properties.
    pub(crate) fn open(&mut self, properties: &[(&str, &str)]) -> Client {
        let request = ConnectionRequest::parse("ty=WB&v=29&r=60000", |_| None)
            .expect("these parameters are good");
        let bounds = properties::Bounds::default();
        let offered = properties.iter().copied();
        self.opened += 1;
        let mut token = [0; 24];
        token[..8].copy_from_slice(&self.opened.to_le_bytes());
        let opening = Opening {
            request: &request,
            grant: Grant {
                principal: "bench".to_owned(),
                roles: ["ADMINISTRATOR", "CLIENT_CONTROL"].map(Arc::from).into_iter().collect(),
                properties: properties::proposed(offered, &Trust::all(), bounds).0,
                expires: None,
            },
            client_address: "127.0.0.1".to_owned(),
            connector: "default",
            start_time: 1_700_000_000_000,
            token: SessionToken(token),
            now: self.now,
        };
        let opened = self.broker.open(opening, (), &mut self.outbox);
        let client = opened.expect("there is room for the session");
        self.flush();
        client
    }

    /// Links another node, which is told of every handler.
    pub(crate) fn join(&mut self) {
        const OWN_NUMBER: u64 = 1;
        let node = (NodeId(7), OWN_NUMBER);
        let link = self.broker.join(node, (), self.now, &mut self.outbox);
        let greeting = Header { kind: Kind::Greeting, from: 9, to: OWN_NUMBER, sequence: 0 };
        let greeted =
            self.broker.transmission(&link, &greeting.to_bytes(), self.now, &mut self.outbox);
        greeted.expect("the greeting is good");
        self.flush();
    }

    /// Hands frames of a session to the broker as they come in one read; they are unmasked in place.
    pub(crate) fn read(&mut self, client: &Client, bytes: &mut [u8]) {
        let mut decoder = Decoder::new(MAX_MESSAGE);
        let mut batch = self.broker.batch(client, self.now);
        let mut used = 0;
        while let Ok(Some((length, event))) = decoder.next(&mut bytes[used..]) {
            used += length;
            if let Event::Message(message) = event {
                batch.message(message, &mut self.outbox);
            }
        }
    }

    /// Lets the time of one sweep pass, and sweeps.
    pub(crate) fn sweep(&mut self) {
        self.now.0 += 100;
        self.broker.sweep(self.now, &mut self.outbox);
    }

    /// Writes every session that was touched, as a turn of the driver does.
    pub(crate) fn flush(&mut self) {
        let Self { outbox: Outbox { touched, spare, .. }, written, ends, .. } = self;
        written.clear();
        ends.clear();
        for session in touched.drain(..) {
            if session.is_link() {
                session.transmit(spare, |_, _, bytes| {
                    written.extend_from_slice(bytes);
                    Ok(())
                });
            } else {
                session.flush(spare, |_, bytes| {
                    written.extend_from_slice(bytes);
                    Ok(bytes.len())
                });
            }
            ends.push((session, written.len()));
        }
    }

    /// What the last flush wrote to each session.
    pub(crate) fn written(&self) -> Vec<(Client, Vec<u8>)> {
        let begins = [0].into_iter().chain(self.ends.iter().map(|(_, end)| *end));
        let parts = self.ends.iter().zip(begins);
        parts.map(|((to, end), begin)| (to.clone(), self.written[begin..*end].to_vec())).collect()
    }

    /// The frames with which the clients answer what the last flush wrote to them.
    pub(crate) fn answers(&self) -> Vec<(Client, Vec<u8>)> {
        let written = self.written().into_iter();
        let answered = written.map(|(to, mut bytes)| (to, answers(&mut bytes)));
        answered.filter(|(_, answers)| !answers.is_empty()).collect()
    }

    /// Registers a handler.
    pub(crate) fn register(&mut self, client: &Client, path: &str) {
        self.read(client, &mut frame(&registration(path)));
        self.flush();
    }
}

/// The messages in what a session was written.
fn messages(written: &mut [u8]) -> Vec<Vec<u8>> {
    let (mut decoder, mut used, mut messages) = (Decoder::new(MAX_MESSAGE), 0, Vec::new());
    while let Ok(Some((length, event))) = decoder.next(&mut written[used..]) {
        used += length;
        if let Event::Message(message) = event {
            messages.push(message.to_vec());
        }
    }
    messages
}

/// The frames with which a client answers every request of a handler in what it was written.
fn answers(written: &mut [u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    for request in messages(written) {
        let Ok(Message::Request { service, conversation, .. }) = Message::decode(&request) else {
            continue;
        };
        let mut answer = Vec::new();
        message::put_response(&mut answer, conversation);
        if service != Service::FilterResponse.number() && service != Service::SystemPing.number() {
            value().encode(&mut answer);
        }
        put_masked_message(&mut frames, KEY, &answer);
    }
    frames
}

/// Frames with one request each to a path, numbered from 1.
pub(crate) fn requests(path: &str, count: u64) -> Vec<u8> {
    (1..=count).flat_map(|number| frame(&request(path, number))).collect()
}

pub(crate) fn request(path: &str, number: u64) -> Vec<u8> {
    service(Service::MessagingSend, number, &SendRequest { path, value: value() })
}

pub(crate) fn filter_request(filter: &str) -> Vec<u8> {
    let conversation = ConversationId(7);
    let body = SendToFilter { conversation, filter, path: "orders/eu/create", value: value() };
    service(Service::MessagingFilterSend, 1, &body)
}

pub(crate) fn registration(path: &str) -> Vec<u8> {
    let body = RegisterHandler {
        receiver: Receiver,
        group: "default",
        path,
        keys: Vec::new(),
        conversation: ConversationId(7),
    };
    service(Service::MessagingReceiverControlRegistration, 1, &body)
}

fn service(service: Service, conversation: u64, body: &impl Encode) -> Vec<u8> {
    let mut bytes = vec![0];
    put_varint(&mut bytes, u64::from(service.number()));
    put_varint(&mut bytes, conversation);
    body.encode(&mut bytes);
    bytes
}

/// A message as a client sends it.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_masked_message(&mut frame, KEY, message);
    frame
}

/// A JSON text of 128 bytes.
pub(crate) fn value() -> Value<'static> {
    Value { type_name: "json", bytes: &TEXT }
}

const MAX_MESSAGE: usize = 1 << 20;

const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// CBOR: a text of 126 bytes behind its head.
const TEXT: [u8; 128] = {
    let mut text = [b'x'; 128];
    text[0] = 0x78;
    text[1] = 126;
    text
};
