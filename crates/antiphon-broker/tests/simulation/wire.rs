//! Messages as clients write and read them. Requests and answers carry the number of their record.

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::UpdateKind;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;

use crate::record::Ask;
use crate::record::Change;
use crate::record::FILTERS;
use crate::record::Kind;
use crate::record::Serial;
use crate::record::Stamp;
use crate::record::What;
use crate::record::conversation_of;

/// The message of a call, with a value of at least 4 bytes; `grant` is what a lock to be released was granted by.
pub(crate) fn call(serial: Serial, ask: &Ask, length: usize, grant: u64) -> Vec<u8> {
    let conversation = ConversationId(conversation_of(serial));
    let bytes = numbered(serial, length);
    let value = Value { type_name: "binary", bytes: &bytes };
    match *ask {
        Ask::Path(path) => {
            request(Service::MessagingSend, conversation, &SendRequest { path, value })
        }
        Ask::Session(session) => {
            let body = SendToSession { session, path: "p", value };
            request(Service::MessagingReceiverServer, conversation, &body)
        }
        Ask::Filter(filter) => {
            let body = SendToFilter { conversation, filter: FILTERS[filter].0, path: "p", value };
            request(Service::MessagingFilterSend, conversation, &body)
        }
        Ask::Register(path) => {
            let body =
                RegisterHandler { receiver: Receiver, group: "", path, keys: vec![], conversation };
            request(Service::MessagingReceiverControlRegistration, conversation, &body)
        }
        Ask::Deregister(path) => {
            let body = DeregisterHandler { receiver: Receiver, group: "", path, keys: vec![] };
            request(Service::MessagingReceiverControlDeregistration, conversation, &body)
        }
        Ask::Acquire(name, scope) => {
            let body = AcquireLock { name, request: serial as u64, scope };
            request(Service::AcquireSessionLock, conversation, &body)
        }
        Ask::Cancel(name, wait) => {
            let body = CancelAcquireLock { name, request: wait as u64 };
            request(Service::CancelAcquireSessionLock, conversation, &body)
        }
        Ask::Release(name, _) => {
            let body = HeldLock { name, sequence: grant, scope: LockScope::Session };
            request(Service::ReleaseSessionLock, conversation, &body)
        }
        Ask::Listen => {
            let filter = Some(FILTERS[0].0);
            let keys = Some(vec![]);
            let body =
                EventListener { cluster_aware: true, filter, keys, after: None, conversation };
            request(Service::SessionEventRegistration, conversation, &body)
        }
        Ask::Ping => request(Service::UserPing, conversation, &Nothing),
        Ask::Kick(session) => request(Service::CloseClient, conversation, &CloseClient { session }),
    }
}

struct Nothing;

impl Encode for Nothing {
    fn encode(&self, _out: &mut Vec<u8>) {}
}

fn request(service: Service, conversation: ConversationId, body: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_request(&mut bytes, service, conversation);
    body.encode(&mut bytes);
    bytes
}

pub(crate) fn answer(conversation: u64, stamp: Stamp, kind: Kind, length: usize) -> Vec<u8> {
    let (mut out, conversation) = (Vec::new(), ConversationId(conversation));
    let mut bytes = numbered(stamp, length);
    match kind {
        Kind::Error => {
            message::put_error(&mut out, conversation, ERROR, &format!("{ANSWER}{stamp}"));
        }
        Kind::Value | Kind::Malformed => {
            message::put_response(&mut out, conversation);
            // What is no CBOR is no JSON.
            let type_name = if kind == Kind::Value { "binary" } else { "json" };
            bytes.insert(4, 0xff);
            let start = usize::from(kind == Kind::Malformed) * 4;
            bytes.rotate_left(start);
            Value { type_name, bytes: &bytes }.encode(&mut out);
        }
    }
    out
}

/// The answer to what needs none.
pub(crate) fn acknowledgement(conversation: u64) -> Vec<u8> {
    let mut out = Vec::new();
    message::put_response(&mut out, ConversationId(conversation));
    out
}

fn numbered(number: usize, length: usize) -> Vec<u8> {
    let mut bytes = (number as u32).to_be_bytes().to_vec();
    bytes.resize(length.max(4), 0);
    bytes
}

fn number(bytes: &[u8]) -> Option<usize> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize)
}

/// The number of an answer, as the server reads it.
pub(crate) fn stamp(message: &Message<'_>) -> Option<Stamp> {
    match message {
        Message::Response { body, .. } => {
            let value = Value::decode_all(body).ok()?;
            if value.type_name == "binary" {
                return number(value.bytes);
            }
            number(&value.bytes[value.bytes.len().checked_sub(4)?..])
        }
        Message::Error { text, .. } => text.strip_prefix(ANSWER)?.parse().ok(),
        _ => None,
    }
}

/// The number of a request, as its addressee reads it.
pub(crate) fn serial(service: Service, body: &[u8]) -> Option<Serial> {
    let value = match service {
        Service::MessagingReceiverClient => HandlerRequest::decode_all(body).ok()?.value,
        _ => SendRequest::decode_all(body).ok()?.value,
    };
    number(value.bytes)
}

/// What a client reads in the answer to its call.
pub(crate) fn reply(ask: &Ask, body: &[u8]) -> Option<What> {
    Some(match ask {
        Ask::Path(_) | Ask::Session(_) => {
            What::Answer(number(Value::decode_all(body).ok()?.bytes)?)
        }
        Ask::Filter(_) => match Sent::decode_all(body).ok()? {
            Sent::To(count) => What::Count(count),
            Sent::Refused(_) | Sent::RefusedOnce(_) => return None,
        },
        Ask::Acquire(..) => What::Grant(HeldLock::decode_all(body).ok()?.sequence),
        Ask::Release(..) => What::Owned(bool::decode_all(body).ok()?),
        _ => What::Done,
    })
}

pub(crate) fn failure(reason: Reason, text: &str) -> What {
    What::Error(reason, text.to_owned())
}

pub(crate) fn outcome(outcome: &Outcome<'_>) -> Option<What> {
    Some(match outcome {
        Outcome::Response(value) => What::Answer(number(value.bytes)?),
        Outcome::Error { reason, text } => failure(*reason, text),
    })
}

/// The answer that an error was.
pub(crate) fn stamp_of_error(text: &str) -> Option<Stamp> {
    text.strip_prefix(ANSWER)?.parse().ok()
}

pub(crate) fn change(change: &SessionChange<'_>) -> Option<Change> {
    Some(match change {
        SessionChange::Opened(_) => Change::Opened,
        SessionChange::Closed { .. } => Change::Closed,
        SessionChange::Updated { kind: UpdateKind::Disconnected, .. } => Change::Disconnected,
        SessionChange::Updated { kind: UpdateKind::Reconnected, .. } => Change::Reconnected,
        SessionChange::Updated { .. } => return None,
    })
}

pub(crate) fn ping() -> Vec<u8> {
    request(Service::UserPing, ConversationId(1), &Nothing)
}

pub(crate) fn locks() -> Vec<u8> {
    request(Service::GetSessionLocks, ConversationId(1), &Nothing)
}

/// Who holds which lock, in the answer to [`locks`].
pub(crate) fn holders(answer: Vec<u8>) -> Vec<(String, SessionId)> {
    let mut holders = Vec::new();
    read(answer, |message| {
        if let Message::Response { body, .. } = message {
            let all = <Vec<(&str, LockDetails<'_>)>>::decode_all(body).unwrap();
            holders.extend(all.into_iter().map(|(name, lock)| (name.to_owned(), lock.holder)));
        }
    });
    holders
}

fn read(mut bytes: Vec<u8>, mut take: impl FnMut(Message<'_>)) {
    let (mut decoder, mut used) = (Decoder::new(1 << 20), 0);
    while let Some((length, event)) = decoder.next(&mut bytes[used..]).unwrap() {
        used += length;
        if let Event::Message(message) = event {
            take(Message::decode(message).unwrap());
        }
    }
}

/// How the error of a handler begins.
const ANSWER: &str = "answer ";
/// Its reason.
pub(crate) const ERROR: Reason = Reason(105);
