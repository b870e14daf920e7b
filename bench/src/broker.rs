//! Two figures that cannot be seen from outside, because no machine has that many sockets: what it takes to find a handler among a
//! million, and when the sender of a filter request knows how many of 100,000 sessions match. The broker runs in this process,
//! without sockets; a time is that of the call, and of writing what it left to be written.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use antiphon_broker::Broker;
use antiphon_broker::BrokerConfig;
use antiphon_broker::Grant;
use antiphon_broker::Millis;
use antiphon_broker::Opening;
use antiphon_broker::Outbox;
use antiphon_broker::Session;
use antiphon_broker::Spare;
use antiphon_broker::properties;
use antiphon_broker::properties::Trust;
use antiphon_wire::codec::Encode;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::value::Value;

use crate::frames::invalid;
use crate::meter::histogram;
use crate::meter::quantile;
use crate::meter::record;
use crate::row::Inside;

/// A broker, and what a driver keeps for it.
struct Local {
    broker: Broker<()>,
    outbox: Outbox<()>,
    spare: Spare,
    written: usize,
    opened: u64,
}

const NOW: Millis = Millis(1_000);
const VALUE: Value<'static> = Value { type_name: "binary", bytes: &[7; 128] };
/// Requests that are timed. A sender may have so many under way.
const REQUESTS: usize = 10_000;
/// How many of them come in one read.
const READ: usize = 20;

/// A whole request, decoded, routed and appended, to one path after the other: in nanoseconds, the median of reads, because
/// a processor may be taken away in the middle of one.
pub(crate) fn lookup(handlers: usize) -> io::Result<Inside> {
    let mut local = Local::new();
    let each = handlers.div_ceil(10);
    for first in (0..handlers).step_by(each) {
        let session = local.open("")?;
        for path in (first..handlers).take(each) {
            let path = path_of(path);
            let body = RegisterHandler {
                receiver: Receiver,
                group: "",
                path: &path,
                keys: Vec::new(),
                conversation: ConversationId(1),
            };
            let service = Service::MessagingReceiverControlRegistration;
            local.say(&session, &[message_of(service, 1, &body)]);
        }
        local.flush();
    }
    let sender = local.open("")?;
    let requests: Vec<_> = (0..REQUESTS)
        .map(|number| {
            // All over the table, and never the same.
            let path = path_of(number * 7919 % handlers);
            let body = SendRequest { path: &path, value: VALUE };
            message_of(Service::MessagingSend, number as u64 + 1, &body)
        })
        .collect();
    let (mut times, mut written) = (histogram(), 0);
    for read in requests.chunks(READ) {
        let begun = Instant::now();
        local.say(&sender, read);
        record(&mut times, begun.elapsed());
        local.flush();
        written += local.written;
    }
    if written < REQUESTS * VALUE.bytes.len() {
        return Err(invalid("not every request has reached its handler"));
    }
    let nanoseconds = quantile(&times, 0.5) * 1000.0 / READ as f64;
    Ok(Inside { what: LOOKUP.to_owned(), among: handlers, nanoseconds })
}

/// A request to a filter that matches ten sessions, until what the sender is told is written: p99 in nanoseconds.
pub(crate) fn filter(sessions: usize) -> io::Result<Inside> {
    let mut local = Local::new();
    let groups = sessions / 10;
    for index in 0..sessions {
        local.open(&format!("group-{}", index % groups))?;
    }
    let sender = local.open("")?;
    let mut times = histogram();
    for number in 0..REQUESTS.min(groups) / 10 {
        let filter = format!("Group is 'group-{}'", number * 7919 % groups);
        let conversation = ConversationId(number as u64 + 1);
        let body = SendToFilter { conversation, filter: &filter, path: "a", value: VALUE };
        let message = message_of(Service::MessagingFilterSend, conversation.0, &body);
        let begun = Instant::now();
        local.say(&sender, &[message]);
        local.flush();
        record(&mut times, begun.elapsed());
        if local.written < 10 * VALUE.bytes.len() {
            return Err(invalid("not every session was asked"));
        }
    }
    Ok(Inside {
        what: FILTER.to_owned(),
        among: sessions,
        nanoseconds: quantile(&times, 0.99) * 1000.0,
    })
}

pub(crate) const LOOKUP: &str = "a whole request to one of so many handlers, median";
pub(crate) const FILTER: &str =
    "a filter that matches 10 of so many sessions, until the count is written, p99";

impl Local {
    fn new() -> Self {
        let broker = Broker::new(BrokerConfig::default());
        Self { broker, outbox: Outbox::default(), spare: Spare::default(), written: 0, opened: 0 }
    }

    fn open(&mut self, group: &str) -> io::Result<Arc<Session<()>>> {
        let request = ConnectionRequest::parse("ty=WB&v=29", |_| None)
            .map_err(|error| invalid(error.to_string()))?;
        self.opened += 1;
        let mut token = [0; 24];
        token[..8].copy_from_slice(&self.opened.to_le_bytes());
        let offered = (!group.is_empty()).then_some(("Group", group)).into_iter();
        let opening = Opening {
            request: &request,
            grant: Grant {
                principal: "bench".to_owned(),
                roles: ["ADMINISTRATOR", "CLIENT_CONTROL"].map(Arc::from).into_iter().collect(),
                properties: properties::proposed(
                    offered,
                    &Trust::all(),
                    properties::Bounds::default(),
                )
                .0,
                expires: None,
            },
            client_address: "127.0.0.1".to_owned(),
            connector: "default",
            start_time: 1_700_000_000_000,
            token: SessionToken(token),
            now: NOW,
        };
        let opened = self.broker.open(opening, (), &mut self.outbox);
        let session = opened.map_err(|refusal| invalid(format!("{refusal:?}")))?;
        self.flush();
        Ok(session)
    }

    /// Hands messages over as they come in one read.
    fn say(&mut self, session: &Arc<Session<()>>, messages: &[Vec<u8>]) {
        let mut batch = self.broker.batch(session, NOW);
        for message in messages {
            batch.message(message, &mut self.outbox);
        }
    }

    /// Writes every session that was touched to nowhere.
    fn flush(&mut self) {
        let Self { outbox, spare, written, .. } = self;
        *written = 0;
        for session in outbox.touched.drain(..) {
            session.flush(spare, |_, bytes| {
                *written += bytes.len();
                Ok(bytes.len())
            });
        }
    }
}

fn path_of(number: usize) -> String {
    format!("shops/{}/till-{number}", number % 1000)
}

fn message_of(service: Service, conversation: u64, body: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_request(&mut bytes, service, ConversationId(conversation));
    body.encode(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_reach_whom_they_are_for() {
        // They fail if they do not.
        assert!(lookup(1_000).unwrap().nanoseconds > 0.0);
        assert!(filter(100).unwrap().nanoseconds > 0.0);
    }
}
