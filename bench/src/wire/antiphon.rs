//! Antiphon as its clients speak it: the upgrade with parameters in the query, then requests to a path in masked frames.

use std::fmt::Display;
use std::io;

use antiphon_wire::codec::Encode;
use antiphon_wire::codec::Reader;
use antiphon_wire::codec::put_bytes;
use antiphon_wire::error::Fault;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;

use crate::frames::BINARY;
use crate::frames::CLOSE;
use crate::frames::Frame;
use crate::frames::Masker;
use crate::frames::PING;
use crate::frames::PONG;
use crate::frames::invalid;
use crate::link::Link;
use crate::link::Stream;
use crate::wire::Outcome;
use crate::wire::Role;
use crate::wire::Wire;
use crate::wire::payload;

/// Where requests go.
const PATH: &str = "bench/echo/any";

/// A session.
pub(crate) struct Antiphon {
    masker: Masker,
    /// What a request says behind its conversation.
    request: Vec<u8>,
    /// Where in it the value begins, which is also the whole of a right answer.
    value: usize,
}

/// As whom a session logs in, and with which properties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credentials<'a> {
    pub(crate) principal: &'a str,
    /// Percent-encoded JSON, or nothing.
    pub(crate) properties: &'a str,
}

/// The password of all stock principals of a development server, as a parameter.
const PASSWORD: &str = "AQhwYXNzd29yZA%3D%3D";

impl Wire for Antiphon {
    async fn open<S: Stream>(link: &mut Link<S>, role: Role, index: usize) -> io::Result<Self> {
        let properties = properties(index);
        let credentials = match role {
            Role::Requester(_) => Credentials { principal: "client", properties: "" },
            Role::Handler => Self::REGISTRAR,
            Role::Idle => Credentials { principal: "client", properties: &properties },
        };
        let mut session = Self::log_in(link, credentials, index).await?;
        match role {
            Role::Requester(length) => session.prepare(&payload(length)),
            Role::Handler => session.register(link, &[PATH]).await?,
            Role::Idle => {}
        }
        Ok(session)
    }

    #[inline]
    fn request(&mut self, number: u32, out: &mut Vec<u8>) {
        let conversation = ConversationId(u64::from(number));
        let head = 2 + varint_length(conversation.0);
        self.masker.put(out, BINARY, head + self.request.len(), |out| {
            message::put_request(out, Service::MessagingSend, conversation);
            out.extend_from_slice(&self.request);
        });
    }

    #[inline]
    fn take(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<usize> {
        let mut at = 0;
        while let Some(frame) = Frame::first(&bytes[at..])? {
            let payload = frame.payload(&mut bytes[at..]);
            match frame.opcode {
                BINARY => self.message(payload, out, outcomes)?,
                PING => {
                    self.masker.put(out, PONG, payload.len(), |out| out.extend_from_slice(payload));
                }
                PONG => {}
                CLOSE => return Err(invalid("the server closed")),
                _ => return Err(invalid("an unknown frame")),
            }
            at += frame.end;
        }
        Ok(at)
    }
}

impl Antiphon {
    /// Who may register handlers.
    pub(crate) const REGISTRAR: Credentials<'static> =
        Credentials { principal: "control", properties: "" };
    /// Who may ask filters.
    pub(crate) const ADMINISTRATOR: Credentials<'static> =
        Credentials { principal: "admin", properties: "" };

    /// A session of `credentials`, which neither asks nor answers.
    pub(crate) async fn log_in<S: Stream>(
        link: &mut Link<S>,
        credentials: Credentials<'_>,
        index: usize,
    ) -> io::Result<Self> {
        let Credentials { principal, properties } = credentials;
        let sp = if properties.is_empty() { "" } else { "&sp=" };
        let target = format!(
            "/diffusion?ty=WB&v=29&username={principal}&password={PASSWORD}{sp}{properties}"
        );
        link.upgrade(&target).await?;
        let response = Self::next(link).await?;
        if response.len() != 55 || response[..3] != [b'#', 29, 100] {
            return Err(invalid(format!("the server refused the session: {response:02x?}")));
        }
        Ok(Self { masker: Masker::new(index), request: Vec::new(), value: 0 })
    }

    /// Registers for these paths, all at once.
    pub(crate) async fn register<S: Stream>(
        &mut self,
        link: &mut Link<S>,
        paths: &[impl AsRef<str>],
    ) -> io::Result<()> {
        let mut out = Vec::new();
        for (conversation, path) in (1..).zip(paths) {
            self.ask(
                &mut out,
                Service::MessagingReceiverControlRegistration,
                conversation,
                &RegisterHandler {
                    receiver: Receiver,
                    group: "default",
                    path: path.as_ref(),
                    keys: Vec::new(),
                    conversation: ConversationId(conversation),
                },
            );
        }
        link.write(&out).await?;
        for expected in (1..).take(paths.len()) {
            let answer = Self::next(link).await?;
            match Message::decode(&answer).map_err(strange)? {
                Message::Response { conversation: ConversationId(at), body: [] }
                    if at == expected => {}
                other => return Err(invalid(format!("not registered: {other:?}"))),
            }
        }
        Ok(())
    }

    /// Appends a call of a service.
    pub(crate) fn ask(
        &mut self,
        out: &mut Vec<u8>,
        service: Service,
        conversation: u64,
        body: &impl Encode,
    ) {
        let mut bytes = Vec::new();
        message::put_request(&mut bytes, service, ConversationId(conversation));
        body.encode(&mut bytes);
        self.masker.put(out, BINARY, bytes.len(), |out| out.extend_from_slice(&bytes));
    }

    /// The next message of a connection on which nothing but answers is expected.
    pub(crate) async fn next<S: Stream>(link: &mut Link<S>) -> io::Result<Vec<u8>> {
        loop {
            if let Some(frame) = Frame::first(link.unused())? {
                let payload = frame.payload(link.unused()).to_vec();
                link.used(frame.end);
                match frame.opcode {
                    BINARY => return Ok(payload),
                    CLOSE => return Err(invalid("the server closed")),
                    _ => continue,
                }
            }
            link.read().await?;
        }
    }

    fn prepare(&mut self, payload: &[u8]) {
        PATH.encode(&mut self.request);
        self.value = self.request.len();
        "binary".encode(&mut self.request);
        put_bytes(&mut self.request, payload);
    }

    #[inline]
    fn message(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<()> {
        match Message::decode(bytes).map_err(strange)? {
            Message::Response { conversation, body } => {
                let right = !body.is_empty() && *body == self.request[self.value..];
                let number = conversation.0 as u32;
                outcomes.push(if right {
                    Outcome::Answer(number)
                } else {
                    Outcome::Failure(number)
                });
            }
            Message::Error { conversation, .. } => {
                outcomes.push(Outcome::Failure(conversation.0 as u32));
            }
            Message::Request { service: FORWARDED, conversation, body } => {
                let value = value_of(body).map_err(strange)?;
                self.answer(conversation, value, out);
            }
            Message::Request { service: ADDRESSED, conversation, body } => {
                let mut reader = Reader::new(body);
                reader.bytes().map_err(strange)?;
                self.answer(conversation, reader.rest(), out);
            }
            Message::Request { service: SYSTEM_PING, conversation, .. } => {
                self.answer(conversation, &[], out);
            }
            other => return Err(invalid(format!("unexpected: {other:?}"))),
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn answer(&mut self, conversation: ConversationId, body: &[u8], out: &mut Vec<u8>) {
        let length = 1 + varint_length(conversation.0) + body.len();
        self.masker.put(out, BINARY, length, |out| {
            message::put_response(out, conversation);
            out.extend_from_slice(body);
        });
    }
}

const FORWARDED: u32 = Service::MessagingReceiverClient.number();
const ADDRESSED: u32 = Service::MessagingSend.number();
const SYSTEM_PING: u32 = Service::SystemPing.number();

/// What a handler is asked: the rest behind registration, sender, path and properties.
#[inline]
fn value_of(body: &[u8]) -> Result<&[u8], Fault> {
    let mut reader = Reader::new(body);
    for _registration_and_sender in 0..3 {
        reader.varint64()?;
    }
    reader.bytes()?;
    for _property in 0..reader.count()? {
        reader.bytes()?;
        reader.bytes()?;
    }
    Ok(reader.rest())
}

#[inline]
const fn varint_length(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// `{"Kind":"till","Place":"shop-7","Group":"group-7","Part":"part-7"}`, percent-encoded. A place has one session, a group
/// every thousandth, a part every tenth.
fn properties(index: usize) -> String {
    let (group, part) = (index % 1000, index % 10);
    format!(
        "%7B%22Kind%22%3A%22till%22%2C%22Place%22%3A%22shop-{index}%22%2C\
         %22Group%22%3A%22group-{group}%22%2C%22Part%22%3A%22part-{part}%22%7D"
    )
}

fn strange(error: impl Display) -> io::Error {
    invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use antiphon_wire::codec::Decode;
    use antiphon_wire::ids::SessionId;
    use antiphon_wire::service::messaging::HandlerRequest;
    use antiphon_wire::service::messaging::SendRequest;
    use antiphon_wire::value::Value;

    use super::*;

    fn session() -> Antiphon {
        Antiphon { masker: Masker::new(3), request: Vec::new(), value: 0 }
    }

    fn frame_of(bytes: &mut [u8]) -> &[u8] {
        Frame::first(bytes).unwrap().unwrap().payload(bytes)
    }

    #[test]
    fn a_request_is_one_of_the_wire() {
        let mut requester = session();
        requester.prepare(b"abc");
        for number in [1, 127, 128, 70_000] {
            let mut out = Vec::new();
            requester.request(number, &mut out);
            let message = Message::decode(frame_of(&mut out)).unwrap();
            let Message::Request { service: 85, conversation, body } = message else {
                panic!("{message:?}");
            };
            assert_eq!(conversation, ConversationId(u64::from(number)));
            let value = Value { type_name: "binary", bytes: b"abc" };
            assert_eq!(SendRequest::decode_all(body), Ok(SendRequest { path: PATH, value }));
        }
    }

    #[test]
    fn a_handler_answers_with_what_it_was_asked() {
        let mut bytes = Vec::new();
        message::put_request(&mut bytes, Service::MessagingReceiverClient, ConversationId(300));
        HandlerRequest {
            registration: ConversationId(1),
            sender: SessionId { server: 1 << 40, client: 2 },
            path: PATH,
            properties: vec![("a", "b")],
            value: Value { type_name: "binary", bytes: b"abc" },
        }
        .encode(&mut bytes);
        let mut out = Vec::new();
        session().message(&bytes, &mut out, &mut Vec::new()).unwrap();
        let answer = frame_of(&mut out);
        for (asked, outcome) in [(b"abc", Outcome::Answer(300)), (b"abd", Outcome::Failure(300))] {
            let (mut requester, mut outcomes) = (session(), Vec::new());
            requester.prepare(asked);
            requester.message(answer, &mut Vec::new(), &mut outcomes).unwrap();
            assert_eq!(outcomes, [outcome]);
        }
    }
}
