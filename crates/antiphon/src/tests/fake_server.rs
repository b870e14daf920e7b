//! A model of a server: it keeps sessions as it is told to, echoes requests to a path, and logs what it executed.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::connect::Accepted;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Reconnection;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use antiphon_wire::connect::put_accepted;
use antiphon_wire::connect::put_refused;
use antiphon_wire::connect::put_resumed;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::value::Value;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use antiphon_wire::websocket::put_message;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::DuplexStream;
use tokio::io::duplex;
use tokio::sync::mpsc;

use crate::builder::VERSION;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::tests::kept::Kept;
use crate::tests::pipe::Cut;
use crate::tests::pipe::Faulty;
use crate::transport::Connected;
use crate::transport::Connector;
use crate::value::DataType;

/// What the model does with sessions whose connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// It takes them up again where they were.
    Everything,
    /// It takes them up again, without their conversations.
    OnlyTheSession,
    /// It has forgotten them.
    Nothing,
}

/// A handle to the model.
#[derive(Clone)]
pub(crate) struct FakeServer(Arc<Mutex<Model>>);

/// What a handler answered.
pub(crate) type Answer = Result<String, (Reason, String)>;

struct Model {
    keeps: Keeps,
    ping_period: u64,
    /// Refuses to accept connections at all.
    down: bool,
    /// Answers every connection so.
    refusal: Option<Refusal>,
    /// How the next connections break; those after them never do.
    cuts: VecDeque<Cut>,
    sessions: BTreeMap<[u8; 24], Kept>,
    opened: u64,
    connections: usize,
    executed: Vec<String>,
    answers: Vec<(u64, Answer)>,
    /// Requests to this path are not answered.
    silent: &'static str,
}

impl FakeServer {
    pub(crate) fn new(keeps: Keeps) -> Self {
        Self(Arc::new(Mutex::new(Model {
            keeps,
            ping_period: 0,
            down: false,
            refusal: None,
            cuts: VecDeque::new(),
            sessions: BTreeMap::new(),
            opened: 0,
            connections: 0,
            executed: Vec::new(),
            answers: Vec::new(),
            silent: "silent",
        })))
    }

    pub(crate) fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(self.clone())
    }

    pub(crate) fn announce_pings(&self, period: u64) {
        self.0.lock().ping_period = period;
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.0.lock().down = down;
    }

    pub(crate) fn refuse_with(&self, refusal: Option<Refusal>) {
        self.0.lock().refusal = refusal;
    }

    /// The connections that come next break so, one after the other.
    pub(crate) fn cut(&self, cuts: impl IntoIterator<Item = Cut>) {
        self.0.lock().cuts.extend(cuts);
    }

    /// Loses every connection that there is.
    pub(crate) fn hang_up(&self) {
        self.0.lock().sessions.values_mut().for_each(|session| session.live = None);
    }

    /// Ends every session.
    pub(crate) fn abort(&self) {
        let mut model = self.0.lock();
        for session in model.sessions.values_mut() {
            if let Some(live) = session.live.take() {
                let _ = live.send(message::ABORT_MESSAGE.to_vec());
            }
        }
        model.sessions.clear();
    }

    pub(crate) fn connections(&self) -> usize {
        self.0.lock().connections
    }

    /// The requests that were executed, in their order.
    pub(crate) fn executed(&self) -> Vec<String> {
        self.0.lock().executed.clone()
    }

    /// The paths for which sessions are registered now.
    pub(crate) fn registered(&self) -> Vec<String> {
        let model = self.0.lock();
        let sessions = model.sessions.values();
        sessions.flat_map(|session| &session.registrations).map(|one| one.0.clone()).collect()
    }

    /// Sends a request to whoever is registered for the path.
    pub(crate) fn ask_handler(&self, path: &str, conversation: u64, request: &str) {
        let mut model = self.0.lock();
        let session = model
            .sessions
            .values_mut()
            .find(|session| session.registrations.iter().any(|one| one.0 == path))
            .expect("somebody is registered");
        let registration = session.registrations.iter().find(|one| one.0 == path).unwrap().1;
        let mut bytes = Vec::new();
        request.to_owned().encode(&mut bytes).unwrap();
        session.send(|out| {
            let conversation = ConversationId(conversation);
            message::put_request(out, Service::MessagingReceiverClient, conversation);
            HandlerRequest {
                registration,
                sender: SessionId { server: 1, client: 99 },
                path,
                properties: Vec::new(),
                value: Value { type_name: "string", bytes: &bytes },
            }
            .encode(out);
        });
    }

    /// What handlers have answered, in the order in which it came.
    pub(crate) fn answers(&self) -> Vec<(u64, Answer)> {
        self.0.lock().answers.clone()
    }

    async fn accept(&self, query: &str) -> Result<Connected, Error> {
        let request = ConnectionRequest::parse(query, |_| None).expect("parameters make sense");
        let cut = {
            let mut model = self.0.lock();
            if model.down {
                return Err(Error::new(ErrorKind::Connect, "the model is down"));
            }
            model.connections += 1;
            model.cuts.pop_front().unwrap_or(Cut::NEVER)
        };
        let (client, server) = duplex(64 << 10);
        tokio::spawn(self.clone().serve(server, request));
        Ok((Box::new(Faulty::new(client, cut)), Vec::new()))
    }

    async fn serve(self, mut io: DuplexStream, request: ConnectionRequest) {
        let (live, mut outbound) = mpsc::unbounded_channel();
        let Some((token, response)) = self.open(request.reconnection, live) else {
            let refusal = self.0.lock().refusal.unwrap_or(Refusal::UnknownSession);
            let mut frame = Vec::new();
            put_message(&mut frame, 3, |out| put_refused(out, VERSION.number(), refusal));
            let _ = io.write_all(&frame).await;
            return;
        };
        if io.write_all(&response).await.is_err() {
            return;
        }
        let (mut decoder, mut inbound) = (Decoder::new(usize::MAX), Vec::new());
        loop {
            tokio::select! {
                biased;
                message = outbound.recv() => {
                    let Some(message) = message else { return };
                    let mut frame = Vec::new();
                    put_message(&mut frame, message.len(), |out| out.extend_from_slice(&message));
                    if io.write_all(&frame).await.is_err() { return }
                }
                read = io.read_buf(&mut inbound) => {
                    if !matches!(read, Ok(1..)) { return }
                    while let Ok(Some((used, event))) = decoder.next(&mut inbound) {
                        if let Event::Message(message) = event {
                            self.receive(&token, message);
                        }
                        inbound.drain(..used);
                    }
                }
            }
        }
    }

    /// Opens a session or takes it up again. The token, and the bytes that go out first.
    fn open(
        &self,
        reconnection: Option<Reconnection>,
        live: mpsc::UnboundedSender<Vec<u8>>,
    ) -> Option<([u8; 24], Vec<u8>)> {
        let mut model = self.0.lock();
        if model.refusal.is_some() {
            return None;
        }
        let (keeps, ping_period) = (model.keeps, model.ping_period);
        let Some(reconnection) = reconnection else {
            return Some(model.open_new(live));
        };
        let token = reconnection.token.0;
        let session = model.sessions.get_mut(&token)?;
        let resumed = match keeps {
            Keeps::Nothing => {
                model.sessions.remove(&token);
                return None;
            }
            Keeps::Everything => {
                // Numbers are checked as a strict server would.
                assert!(reconnection.client_sequence <= session.received + 1, "a gap");
                let next_client_sequence = session.received as u32 + 1;
                Resumed::Intact { next_client_sequence }
            }
            Keeps::OnlyTheSession => {
                session.received = 0;
                session.sent.clear();
                session.registrations.clear();
                Resumed::WithLoss
            }
        };
        let missed = session.sent.iter().skip(match resumed {
            Resumed::Intact { .. } => reconnection.server_sequence as usize,
            Resumed::WithLoss => 0,
        });
        missed.for_each(|message| live.send(message.clone()).unwrap());
        session.live = Some(live);
        let accepted = accepted(session.id, reconnection.token, ping_period);
        let mut response = Vec::new();
        put_message(&mut response, 55, |out| put_resumed(out, VERSION, &accepted, resumed));
        Some((token, response))
    }

    fn receive(&self, token: &[u8; 24], message: &[u8]) {
        let mut model = self.0.lock();
        let model = &mut *model;
        let Some(session) = model.sessions.get_mut(token) else { return };
        session.received += 1;
        match Message::decode(message).expect("clients send whole messages") {
            Message::Request { service, conversation, body } => {
                let service = Service::from_number(service).expect("a known service");
                session.serve(service, conversation, body, (&mut model.executed, model.silent));
            }
            Message::Response { conversation, body } => {
                if let Ok(value) = Value::decode_all(body) {
                    let text = String::decode(value.type_name, value.bytes).unwrap();
                    model.answers.push((conversation.0, Ok(text)));
                }
            }
            Message::Error { conversation, text, reason } => {
                model.answers.push((conversation.0, Err((reason, text.to_owned()))));
            }
            Message::Abort => panic!("a client does not abort"),
            Message::CloseRequest => {
                model.sessions.remove(token);
            }
        }
    }
}

impl Model {
    fn open_new(&mut self, live: mpsc::UnboundedSender<Vec<u8>>) -> ([u8; 24], Vec<u8>) {
        self.opened += 1;
        let id = SessionId { server: 1, client: self.opened };
        let mut token = [b'T'; 24];
        token[..20].copy_from_slice(format!("{:020}", self.opened).as_bytes());
        let kept =
            Kept { id, received: 0, sent: Vec::new(), live: Some(live), registrations: Vec::new() };
        self.sessions.insert(token, kept);
        let accepted = accepted(id, SessionToken(token), self.ping_period);
        let mut response = Vec::new();
        put_message(&mut response, 55, |out| put_accepted(out, VERSION, &accepted));
        (token, response)
    }
}

impl Connector for FakeServer {
    fn connect<'a>(
        &'a self,
        query: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, Error>> + Send + 'a>> {
        Box::pin(self.accept(query))
    }
}

fn accepted(session: SessionId, token: SessionToken, ping_period: u64) -> Accepted {
    Accepted { session, token, ping_period, maximum_message: 1 << 20 }
}
