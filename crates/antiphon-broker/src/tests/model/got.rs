//! What a session is sent, in a form in which a wanted and a received message can be compared.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Outcome;

use crate::tests::world::Received;
use crate::tests::world::decoded;
use crate::tests::world::encoded;

/// One message, or one event of a message that carries several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Got {
    Welcome,
    /// A request that it has to answer.
    Request {
        service: Service,
        conversation: u64,
        body: Vec<u8>,
    },
    Response {
        conversation: u64,
        body: Vec<u8>,
    },
    Error {
        conversation: u64,
        error: Failure,
    },
    /// One outcome of a filter request.
    Outcome {
        conversation: u64,
        from: SessionId,
        outcome: Result<Vec<u8>, Failure>,
    },
    /// One event for a session listener.
    Event {
        listener: u64,
        event: String,
    },
    Ping,
    Abort,
    Close(Option<u16>),
}

/// A reason and its text; of a wanted one, a part of the text.
pub(super) type Failure = (Reason, String);

impl Got {
    pub(super) fn read(received: Received) -> Vec<Self> {
        vec![match received {
            Received::Welcome => Self::Welcome,
            Received::Request { service, conversation, body } => {
                return Self::request(service, conversation.0, body);
            }
            Received::Response { conversation, body } => Self::Response { conversation, body },
            Received::Error { conversation, reason, text } => {
                Self::Error { conversation, error: (reason, text) }
            }
            Received::Abort => Self::Abort,
            Received::Close(code) => Self::Close(code),
        }]
    }

    fn request(service: Service, conversation: u64, body: Vec<u8>) -> Vec<Self> {
        if matches!(service, Service::MessagingSend | Service::MessagingReceiverClient) {
            return vec![Self::Request { service, conversation, body }];
        }
        // Below the first generation: an acknowledgement of it answers no request.
        assert!((1..1 << 20).contains(&conversation), "{service:?} as {conversation}");
        match service {
            Service::SystemPing => vec![Self::Ping],
            Service::FilterResponse => {
                let FilterResponse { conversation, session, outcome } = decoded(&body);
                let outcome = match outcome {
                    Outcome::Response(value) => Ok(encoded(&value)),
                    Outcome::Error { reason, text } => Err((reason, text.to_owned())),
                };
                vec![Self::Outcome { conversation: conversation.0, from: session, outcome }]
            }
            Service::SessionPropertiesEvent => {
                let SessionEvents { conversation, events } = decoded(&body);
                let listener = conversation.0;
                let event = |event| Self::Event { listener, event: format!("{event:?}") };
                events.iter().map(event).collect()
            }
            other => panic!("{other:?} is not for a client"),
        }
    }

    /// Whether this wanted message is the received one.
    fn fits(&self, received: &Self) -> bool {
        let same = |(reason, part): &Failure, (other, text): &Failure| {
            reason == other && text.contains(part)
        };
        match (self, received) {
            (
                Self::Error { conversation, error },
                Self::Error { conversation: other_conversation, error: other },
            ) => conversation == other_conversation && same(error, other),
            (
                Self::Outcome { conversation, from, outcome: Err(error) },
                Self::Outcome {
                    conversation: other_conversation,
                    from: other_from,
                    outcome: Err(other),
                },
            ) => conversation == other_conversation && from == other_from && same(error, other),
            _ => self == received,
        }
    }
}

/// Compares as sets, but for the places of the first and the last messages and the order of events.
pub(super) fn compare(session: usize, wanted: Vec<Got>, received: &[Got]) {
    let is_event = |got: &&Got| matches!(got, Got::Event { .. });
    let events: Vec<_> = received.iter().filter(is_event).collect();
    assert_eq!(wanted.iter().filter(is_event).collect::<Vec<_>>(), events, "session {session}");
    let mut left = received.to_vec();
    for want in wanted {
        let Some(place) = left.iter().position(|got| want.fits(got)) else {
            panic!("session {session}: wanted {want:?}, received {received:?}");
        };
        left.remove(place);
    }
    assert_eq!(left, [], "session {session}: nobody wanted this, of {received:?}");
    for (place, got) in received.iter().enumerate() {
        let from_end = received.len() - place;
        match got {
            Got::Welcome => assert_eq!(place, 0, "session {session}: {received:?}"),
            Got::Close(_) => assert_eq!(from_end, 1, "session {session}: {received:?}"),
            Got::Abort => assert_eq!(from_end, 2, "session {session}: {received:?}"),
            _ => {}
        }
    }
}
