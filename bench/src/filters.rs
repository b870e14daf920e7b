//! Requests to a filter, one after the other, among many sessions: when the sender knows how many match, and when the last of
//! them has answered.

use std::io;
use std::time::Duration;
use std::time::Instant;

use antiphon_wire::codec::Decode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;
use tokio::runtime::Builder;

use crate::frames::invalid;
use crate::link::Link;
use crate::load::BUFFER;
use crate::meter::histogram;
use crate::meter::quantile;
use crate::meter::record;
use crate::row::FilterRow;
use crate::target::Any;
use crate::target::Target;
use crate::wire::Antiphon;

/// Asks `requests` times and says how long it took.
pub(crate) fn run(
    target: &Target,
    filter: &str,
    requests: usize,
    sessions: usize,
) -> io::Result<FilterRow> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let row = runtime.block_on(async {
        let mut sender = Sender::open(target).await?;
        let (mut count, mut all, mut matches) = (histogram(), histogram(), 0);
        for number in 0..=requests as u64 {
            let (matched, counted, ended) = sender.ask(number + 1, filter).await?;
            matches = matched;
            // The first one does not count: it may have to build something.
            if number > 0 {
                record(&mut count, counted);
                record(&mut all, ended);
            }
        }
        io::Result::Ok(FilterRow {
            filter: filter.to_owned(),
            sessions,
            matches,
            requests,
            count_p50: quantile(&count, 0.5),
            count_p99: quantile(&count, 0.99),
            all_p50: quantile(&all, 0.5),
            all_max: quantile(&all, 1.0),
        })
    });
    runtime.shutdown_background();
    row
}

struct Sender {
    link: Link<Any>,
    session: Antiphon,
}

const VALUE: Value<'static> = Value { type_name: "binary", bytes: b"are you there" };

impl Sender {
    async fn open(target: &Target) -> io::Result<Self> {
        let mut link = target.connect(0, BUFFER).await?;
        let session = Antiphon::log_in(&mut link, Antiphon::ADMINISTRATOR, 0).await?;
        Ok(Self { link, session })
    }

    /// Asks once. Returns how many matched, when that was known, and when all had answered.
    async fn ask(&mut self, number: u64, filter: &str) -> io::Result<(u32, Duration, Duration)> {
        let conversation = ConversationId(number);
        let body = SendToFilter { conversation, filter, path: "bench/filter", value: VALUE };
        let mut out = Vec::new();
        self.session.ask(&mut out, Service::MessagingFilterSend, number, &body);
        let begun = Instant::now();
        self.link.write(&out).await?;
        let (mut counted, mut outcomes) = (None, 0);
        loop {
            let message = Antiphon::next(&mut self.link).await?;
            match Message::decode(&message).map_err(strange)? {
                Message::Response { conversation: ConversationId(at), body } if at == number => {
                    match Sent::decode_all(body).map_err(strange)? {
                        Sent::To(count) => counted = Some((count, begun.elapsed())),
                        refused => return Err(invalid(format!("{filter}: {refused:?}"))),
                    }
                }
                Message::Request { service: OUTCOME, body, .. } => {
                    check(body, conversation)?;
                    outcomes += 1;
                }
                Message::Request { service: SYSTEM_PING, conversation, .. } => {
                    let mut out = Vec::new();
                    self.session.answer(conversation, &[], &mut out);
                    self.link.write(&out).await?;
                }
                other => return Err(invalid(format!("unexpected: {other:?}"))),
            }
            if let Some((count, at)) = counted
                && count == outcomes
            {
                return Ok((count, at, begun.elapsed()));
            }
        }
    }
}

/// The answer must be what was asked, in this conversation.
fn check(body: &[u8], expected: ConversationId) -> io::Result<()> {
    let response = FilterResponse::decode_all(body).map_err(strange)?;
    match response.outcome {
        Outcome::Response(VALUE) if response.conversation == expected => Ok(()),
        other => Err(invalid(format!("a wrong outcome: {other:?}"))),
    }
}

fn strange(error: impl std::fmt::Display) -> io::Error {
    invalid(error.to_string())
}

const OUTCOME: u32 = Service::FilterResponse.number();
const SYSTEM_PING: u32 = Service::SystemPing.number();
