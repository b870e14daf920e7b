//! A broker with its sessions in one place: what a session is sent can be read back as messages.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::codec::put_varint;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::value::Value;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;

use crate::Broker;
use crate::BrokerConfig;
use crate::Grant;
use crate::Millis;
use crate::Next;
use crate::Opening;
use crate::Outbox;
use crate::Session;
use crate::Spare;
use crate::properties;
use crate::properties::Trust;
use crate::properties::proposed;

/// One broker and the time.
pub(crate) struct World {
    pub(crate) broker: Arc<Broker<()>>,
    pub(crate) now: Millis,
    pub(crate) outbox: Outbox<()>,
    /// Of the next session.
    pub(crate) token: SessionToken,
}

/// One session, and what it has been sent so far.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) session: Arc<Session<()>>,
}

/// A message that a session was sent, without its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    /// The connection response.
    Welcome,
    Request {
        service: Service,
        conversation: ConversationId,
        body: Vec<u8>,
    },
    Response {
        conversation: u64,
        body: Vec<u8>,
    },
    Error {
        conversation: u64,
        reason: Reason,
        text: String,
    },
    Abort,
    /// A WebSocket close frame.
    Close(Option<u16>),
}

/// Roles that may do everything a test needs.
pub(crate) const EVERYTHING: &[&str] = &["ADMINISTRATOR", "CLIENT_CONTROL"];

impl World {
    pub(crate) fn new() -> Self {
        Self::with(BrokerConfig::default())
    }

    pub(crate) fn with(config: BrokerConfig) -> Self {
        let broker = Arc::new(Broker::new(config));
        let token = SessionToken(*b"ABCDEFGHIJKLMNOPQRSTUVWX");
        Self { broker, now: Millis(1_000), outbox: Outbox::default(), token }
    }

    /// Opens a JavaScript session that may do everything, and reads its connection response.
    pub(crate) fn open(&mut self, principal: &str) -> Client {
        self.open_with_roles(principal, EVERYTHING)
    }

    /// Opens a JavaScript session with these roles besides CLIENT, and reads its connection response.
    pub(crate) fn open_with_roles(&mut self, principal: &str, roles: &[&str]) -> Client {
        let client = self.open_as("ty=WB&v=29", principal, roles);
        assert_eq!(client.received(), [Received::Welcome]);
        client
    }

    /// Opens a session with these connection parameters.
    pub(crate) fn open_as(&mut self, query: &str, principal: &str, roles: &[&str]) -> Client {
        self.try_open(query, principal, roles).unwrap()
    }

    pub(crate) fn try_open(
        &mut self,
        query: &str,
        principal: &str,
        roles: &[&str],
    ) -> Result<Client, Refusal> {
        let request = ConnectionRequest::parse(query, |_| None).unwrap();
        let offered = request.properties.iter().map(|(key, value)| (&**key, &**value));
        let grant = Grant {
            principal: principal.to_owned(),
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            properties: proposed(offered, &Trust::all(), properties::Bounds::default()).0,
            expires: None,
        };
        let opening = Opening {
            request: &request,
            grant,
            client_address: "127.0.0.1".to_owned(),
            connector: "test",
            start_time: 1_700_000_000_000 + self.now.0,
            token: self.token,
            now: self.now,
        };
        let session = self.broker.open(opening, (), &mut self.outbox)?;
        Ok(Client { session })
    }

    /// Hands one message of a session to the broker.
    pub(crate) fn send(&mut self, client: &Client, bytes: &[u8]) -> Next {
        self.broker.batch(&client.session, self.now).message(bytes, &mut self.outbox)
    }

    /// Hands messages of a session to the broker as they come in one read.
    pub(crate) fn send_together(&mut self, client: &Client, messages: &[Vec<u8>]) {
        let mut batch = self.broker.batch(&client.session, self.now);
        for bytes in messages {
            batch.message(bytes, &mut self.outbox);
        }
    }

    /// Asks for a service under this conversation id.
    pub(crate) fn ask(
        &mut self,
        client: &Client,
        service: Service,
        conversation: u64,
        body: &impl Encode,
    ) {
        self.send(client, &request(service.number(), conversation, &encoded(body)));
    }

    /// Answers a request that the broker sent.
    pub(crate) fn respond(
        &mut self,
        client: &Client,
        conversation: ConversationId,
        body: &impl Encode,
    ) {
        let mut bytes = Vec::new();
        message::put_response(&mut bytes, conversation);
        body.encode(&mut bytes);
        self.send(client, &bytes);
    }

    /// Answers a request that the broker sent with an error.
    pub(crate) fn fail(
        &mut self,
        client: &Client,
        conversation: ConversationId,
        reason: Reason,
        text: &str,
    ) {
        let mut bytes = Vec::new();
        message::put_error(&mut bytes, conversation, reason, text);
        self.send(client, &bytes);
    }

    /// Registers a handler and reads the confirmation. The registration's conversation is 7.
    pub(crate) fn register(&mut self, client: &Client, path: &str, keys: &[&str]) {
        self.ask_to_register(client, path, keys);
        assert_eq!(client.received(), [Received::Response { conversation: 1, body: vec![] }]);
    }

    pub(crate) fn ask_to_register(&mut self, client: &Client, path: &str, keys: &[&str]) {
        let body = RegisterHandler {
            receiver: Receiver,
            group: "default",
            path,
            keys: keys.to_vec(),
            conversation: ConversationId(7),
        };
        self.ask(client, Service::MessagingReceiverControlRegistration, 1, &body);
    }

    pub(crate) fn deregister(&mut self, client: &Client, conversation: u64, path: &str) {
        let body = DeregisterHandler { receiver: Receiver, group: "default", path, keys: vec![] };
        let service = Service::MessagingReceiverControlDeregistration;
        self.ask(client, service, conversation, &body);
    }

    pub(crate) fn send_to_path(&mut self, client: &Client, conversation: u64, path: &str) {
        self.ask(
            client,
            Service::MessagingSend,
            conversation,
            &SendRequest { path, value: hello() },
        );
    }

    pub(crate) fn send_to_session(&mut self, client: &Client, conversation: u64, to: SessionId) {
        let body = SendToSession { session: to, path: "p", value: hello() };
        self.ask(client, Service::MessagingReceiverServer, conversation, &body);
    }

    /// Sends to a filter; the outcomes will quote conversation 99.
    pub(crate) fn send_to_filter(&mut self, client: &Client, conversation: u64, filter: &str) {
        let body =
            SendToFilter { conversation: ConversationId(99), filter, path: "p", value: hello() };
        self.ask(client, Service::MessagingFilterSend, conversation, &body);
    }

    pub(crate) fn close(&mut self, client: &Client, reason: CloseReason) {
        self.broker.close(&client.session, reason, &mut self.outbox);
    }

    /// Lets time pass and sweeps.
    pub(crate) fn advance(&mut self, millis: u64) {
        assert_eq!(self.broker.overlooked(), None);
        self.now.0 += millis;
        self.broker.sweep(self.now, &mut self.outbox);
    }

    pub(crate) fn shut_down(&mut self) {
        self.broker.shut_down(&mut self.outbox);
    }

    /// The sessions that have something to be written, each named once, and forgets them.
    pub(crate) fn touched(&mut self) -> Vec<SessionId> {
        self.outbox.touched.drain(..).map(|session| session.id()).collect()
    }
}

impl Client {
    pub(crate) fn id(&self) -> SessionId {
        self.session.id()
    }

    /// All that was sent since it was last read.
    pub(crate) fn received(&self) -> Vec<Received> {
        let mut bytes = Vec::new();
        self.session.flush(&mut Spare::default(), |_, some| {
            bytes.extend_from_slice(some);
            Ok(some.len())
        });
        read_all(&mut bytes)
    }

    /// The one request that was sent since the last read, decoded.
    pub(crate) fn request(&self) -> (Service, ConversationId, Vec<u8>) {
        match self.received().as_slice() {
            [Received::Request { service, conversation, body }] => {
                (*service, *conversation, body.clone())
            }
            other => panic!("expected one request, not {other:?}"),
        }
    }

    /// The conversations of all that was sent since the last read, which must be requests.
    pub(crate) fn conversations(&self) -> Vec<ConversationId> {
        self.requests().into_iter().map(|(_, conversation, _)| conversation).collect()
    }

    /// The bodies of all that was sent since the last read, which must be requests of this service.
    pub(crate) fn bodies(&self, expected: Service) -> Vec<Vec<u8>> {
        let body = |(service, _, body)| {
            assert_eq!(service, expected);
            body
        };
        self.requests().into_iter().map(body).collect()
    }

    fn requests(&self) -> Vec<(Service, ConversationId, Vec<u8>)> {
        let request = |message| match message {
            Received::Request { service, conversation, body } => (service, conversation, body),
            other => panic!("expected a request, not {other:?}"),
        };
        self.received().into_iter().map(request).collect()
    }
}

/// The ledger of requests balances, read while no call of the broker is running; an audit finds nothing either.
#[track_caller]
pub(crate) fn assert_balanced<X>(broker: &Broker<X>) {
    let stats = broker.stats();
    assert!(stats.ledger.balances() && stats.mismatched == 0, "{stats:?}");
    assert_eq!(broker.audit(), Ok(()));
}

/// Whatever a test was about, every request in it must be accounted for.
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Twice, so that both pages are looked at.
            assert_balanced(&self.broker);
            assert_balanced(&self.broker);
            assert_balanced(&self.broker);
        }
    }
}

/// Nothing is left over: no message, no request to answer, no answer to wait for.
#[track_caller]
pub(crate) fn assert_quiet(clients: &[&Client]) {
    for client in clients {
        let session = &client.session;
        assert_eq!(client.received(), [], "sent to {:?}", session.id());
        assert_eq!(session.awaiting.load(Relaxed), 0, "awaited by {:?}", session.id());
        assert_eq!(session.in_flight(), 0, "owed by {:?}", session.id());
    }
}

/// The messages that a session was sent in these bytes.
pub(crate) fn read_all(bytes: &mut [u8]) -> Vec<Received> {
    let (mut decoder, mut rest, mut received) = (Decoder::new(1 << 24), bytes, Vec::new());
    while let Some((used, event)) = decoder.next(rest).unwrap() {
        received.push(match event {
            Event::Message(message) => read(message),
            Event::Close(code) => Received::Close(code),
            other => panic!("the broker sent {other:?}"),
        });
        rest = &mut rest[used..];
    }
    assert!(rest.is_empty(), "half a frame: {rest:?}");
    received
}

fn read(bytes: &[u8]) -> Received {
    if bytes[0] == b'#' {
        return Received::Welcome;
    }
    match Message::decode(bytes).unwrap() {
        Message::Request { service, conversation, body } => Received::Request {
            service: Service::from_number(service).unwrap(),
            conversation,
            body: body.to_vec(),
        },
        Message::Response { conversation, body } => {
            Received::Response { conversation: conversation.0, body: body.to_vec() }
        }
        Message::Error { conversation, text, reason } => {
            Received::Error { conversation: conversation.0, reason, text: text.to_owned() }
        }
        Message::Abort => Received::Abort,
        Message::CloseRequest => panic!("a server does not send it"),
    }
}

/// A service request, known service or not.
pub(crate) fn request(service: u32, conversation: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    put_varint(&mut bytes, service.into());
    put_varint(&mut bytes, conversation);
    bytes.extend_from_slice(body);
    bytes
}

/// The response to what a session asked under this conversation id.
pub(crate) fn response(conversation: u64, body: &impl Encode) -> Received {
    Received::Response { conversation, body: encoded(body) }
}

/// The error in answer to what a session asked under this conversation id.
pub(crate) fn error(conversation: u64, reason: Reason, text: impl Into<String>) -> Received {
    Received::Error { conversation, reason, text: text.into() }
}

/// One outcome of what [`World::send_to_filter`] sent.
pub(crate) fn outcome(session: SessionId, outcome: Outcome<'_>) -> Vec<u8> {
    encoded(&FilterResponse { conversation: ConversationId(99), session, outcome })
}

/// The string `hello`.
pub(crate) fn hello() -> Value<'static> {
    Value { type_name: "string", bytes: b"\x65hello" }
}

/// The string `world`.
pub(crate) fn world() -> Value<'static> {
    Value { type_name: "string", bytes: b"\x65world" }
}

pub(crate) fn encoded(item: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    item.encode(&mut bytes);
    bytes
}

pub(crate) fn decoded<'a, T: Decode<'a>>(bytes: &'a [u8]) -> T {
    T::decode_all(bytes).unwrap()
}
