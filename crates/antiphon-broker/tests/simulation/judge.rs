//! Whether what happened is what must be. It is called when everything has come to rest.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;

use crate::model::Expect;
use crate::model::Model;
use crate::network::Micros;
use crate::plan::Plan;
use crate::plan::SHORT_TIMEOUT;
use crate::plan::TIMEOUT;
use crate::record::Answer;
use crate::record::Ask;
use crate::record::Call;
use crate::record::Kind;
use crate::record::Record;
use crate::record::Serial;
use crate::record::Stamp;
use crate::record::What;
use crate::server::SPECTATOR;
use crate::wire;
use crate::world::SWEEP;

pub(crate) struct Judge<'r> {
    record: &'r Record,
    model: &'r Model,
    plan: &'r Plan,
    /// Whether a session has a client that could hear everything.
    is_present: &'r dyn Fn(SessionId) -> bool,
    /// The places in which answers were served, by session and conversation.
    answers: BTreeMap<(SessionId, u64), BTreeMap<u64, Stamp>>,
    used: BTreeSet<Stamp>,
    faults: Vec<String>,
}

impl<'r> Judge<'r> {
    pub(crate) fn new(
        (record, model, plan): (&'r Record, &'r Model, &'r Plan),
        is_present: &'r dyn Fn(SessionId) -> bool,
    ) -> Self {
        let mut answers: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (stamp, answer) in record.answers.iter().enumerate() {
            if let Some((_, place)) = answer.arrived {
                let own = answers.entry((answer.by, answer.conversation)).or_default();
                own.insert(place, stamp);
            }
        }
        let (used, faults) = (BTreeSet::new(), Vec::new());
        Self { record, model, plan, is_present, answers, used, faults }
    }

    pub(crate) fn faults(mut self) -> Vec<String> {
        for (serial, call) in self.record.calls.iter().enumerate() {
            let before = self.faults.len();
            self.call(serial, call);
            if self.faults.len() > before {
                self.faults.push(format!("call {serial}: {call:?}"));
            }
        }
        self.order();
        self.grants();
        self.listeners();
        self.faults
    }

    fn fault(&mut self, serial: Serial, what: impl std::fmt::Display) {
        self.faults.push(format!("call {serial} {what}"));
    }

    fn call(&mut self, serial: Serial, call: &Call) {
        let is_due = call.closed.is_none() && (self.is_present)(call.session);
        let is_due = is_due || self.is_shut_down(call);
        let is_late = |at: &Micros| call.closed.is_some_and(|closed| *at > closed);
        let times = call.replies.iter().map(|(at, _)| at);
        if times.chain(call.events.iter().map(|(at, ..)| at)).any(is_late) {
            self.fault(serial, "has an outcome after its session was over");
        }
        let (Some(_), Some(expect)) = (call.arrived, &call.expect) else {
            if !call.replies.is_empty() || !call.events.is_empty() || !call.deliveries.is_empty() {
                self.fault(serial, "never arrived, but something came of it");
            }
            let repeats = self.plan.clients[call.who].0.repeats();
            let has_lost = self.plan.cuts > 0 || !self.silences(call.session).is_empty();
            if is_due && (repeats || !has_lost) {
                self.fault(serial, "is lost on the way, and nobody noticed");
            }
            return;
        };
        if call.replies.len() > 1 {
            self.fault(serial, "has two answers");
        }
        if is_due && call.replies.is_empty() && *expect != Expect::Wait {
            self.fault(serial, "has no answer");
        }
        if let Some((at, what)) = call.replies.first() {
            self.reply(serial, call, (*at, what));
        }
        self.deliveries(serial, call, expect);
        if let Expect::Matches(matches) = expect {
            self.events(serial, call, (matches, is_due));
        }
    }

    fn reply(&mut self, serial: Serial, call: &Call, (at, what): (Micros, &What)) {
        let Some(expect) = &call.expect else { return };
        if call.ask.is_request() && is_overload(what, SENDER_IS_BUSY) {
            return self.busy_sender(serial, call);
        }
        if let (What::Error(Reason::CLUSTER_ROUTING, text), Some(leaving)) = (what, &call.leaving) {
            return self.too_late(serial, call, (leaving, text));
        }
        let right = match expect {
            Expect::Done => *what == What::Done,
            Expect::Owned(_) | Expect::Wait if self.model.is_unsure_of_locks => true,
            Expect::Owned(owned) => *what == What::Owned(*owned),
            Expect::Refused(reason) => matches!(what, What::Error(why, _) if why == reason),
            Expect::Wait if self.model.cancelled.contains(&serial) => {
                matches!(what, What::Error(Reason::REJECTED_REQUEST, _))
            }
            Expect::Wait => {
                // While sessions end one after the other a lock passes through many hands.
                let is_ended = self.breaks(call.session).iter().any(|end| *end <= at);
                let is_granted = self.model.grants.iter().any(|grant| grant.0 == serial);
                matches!(what, What::Grant(_)) && (is_granted || is_ended)
            }
            Expect::Matches(matches) => *what == What::Count(matches.len() as u32),
            Expect::Handlers(handlers) if handlers.is_empty() && call.leaving.is_none() => {
                matches!(what, What::Error(Reason::UNHANDLED_MESSAGE, _))
            }
            Expect::Addressee(_, false) => says(what, Reason::NO_SUCH_SESSION, false),
            Expect::Handlers(handlers) => return self.outcome(serial, call, (handlers, at, what)),
            Expect::Addressee(to, true) => return self.outcome(serial, call, (&[*to], at, what)),
        };
        if !right {
            self.fault(serial, format!("expects {expect:?}, not {what:?}"));
        }
    }

    /// The server drains, and a request or a registration was refused: nothing came of it, so it can be tried again.
    fn too_late(&mut self, serial: Serial, call: &Call, (leaving, text): (&[SessionId], &str)) {
        let is_its_turn = leaving.contains(&call.session);
        let right = match &call.expect {
            Some(Expect::Refused(Reason::CLUSTER_ROUTING)) => true,
            Some(Expect::Handlers(handlers)) => {
                is_its_turn || handlers.iter().all(|handler| leaving.contains(handler))
            }
            Some(Expect::Addressee(..) | Expect::Matches(_)) => is_its_turn,
            _ => false,
        };
        if !right || !call.deliveries.is_empty() || !text.contains(NOTHING_WAS_DONE) {
            self.fault(serial, format!("is refused: {text}"));
        }
    }

    fn deliveries(&mut self, serial: Serial, call: &Call, expect: &Expect) {
        let addressee;
        let (recipients, most) = match expect {
            Expect::Handlers(handlers) => (&handlers[..], 1),
            Expect::Addressee(to, true) => {
                addressee = [*to];
                (&addressee[..], 1)
            }
            Expect::Matches(matches) => (&matches[..], usize::MAX),
            _ => (&[][..], 0),
        };
        if call.deliveries.len() > most {
            self.fault(serial, "was delivered to several");
        }
        let is_there = |to: &&SessionId| (self.is_present)(**to) && self.breaks(**to).is_empty();
        if call.who == SPECTATOR
            && call.deliveries.is_empty()
            && recipients.iter().any(|to| is_there(&to))
        {
            self.fault(serial, "was asked during a write, and is lost");
        }
        if call.deliveries.iter().any(|delivery| !recipients.contains(&delivery.to)) {
            self.fault(serial, "was delivered to somebody else");
        }
    }

    fn events(&mut self, serial: Serial, call: &Call, (matches, is_due): (&[SessionId], bool)) {
        let Some((_, What::Count(count))) = call.replies.first() else {
            return if !call.events.is_empty() {
                self.fault(serial, "has outcomes, but was refused");
            };
        };
        let mut from = BTreeSet::new();
        for (at, session, what) in &call.events {
            if !from.insert(*session) || !matches.contains(session) {
                self.fault(serial, format!("has an outcome too many, of {session}"));
            }
            self.outcome(serial, call, (&[*session], *at, what));
        }
        if is_due && from.len() != *count as usize {
            self.fault(serial, format!("has {} of {count} outcomes", from.len()));
        }
    }

    /// One outcome of a request that was sent to one of some recipients.
    fn outcome(&mut self, serial: Serial, call: &Call, fact: (&[SessionId], Micros, &What)) {
        let (recipients, at, what) = fact;
        let arrived = call.arrived.map_or(0, |arrived| arrived.0);
        let deadline = deadline(call);
        if self.plan.is_prompt() && at > deadline + SWEEP + PROMPT {
            self.fault(serial, "has an outcome after its deadline");
        }
        let delivered = |to: &SessionId| call.deliveries.iter().any(|other| other.to == *to);
        match what {
            What::Answer(stamp) => self.answered(serial, call, (recipients, *stamp, Kind::Value)),
            What::Error(wire::ERROR, text) if wire::stamp_of_error(text).is_some() => {
                let stamp = wire::stamp_of_error(text).unwrap_or_default();
                self.answered(serial, call, (recipients, stamp, Kind::Error));
            }
            What::Error(Reason::INVALID_DATA, _) => self.malformed(serial, call, recipients),
            What::Error(Reason::NO_SUCH_SESSION, text)
                if !text.contains(MAY_HAVE_BEEN_EXECUTED) && self.may_leave(call, recipients) =>
            {
                if recipients.iter().any(delivered) {
                    self.fault(serial, "was delivered, but is said not to be");
                }
            }
            What::Error(Reason::REJECTED_REQUEST, _)
                if [RECIPIENT_IS_BUSY, RECIPIENT_IS_FULL]
                    .iter()
                    .any(|text| is_overload(what, text)) =>
            {
                if !self.plan.tight || recipients.iter().any(delivered) {
                    self.fault(serial, "is refused as overload");
                }
            }
            What::Error(reason, text) if text.contains(MAY_HAVE_BEEN_EXECUTED) => {
                let since = |moment: &Micros| *moment >= arrived && *moment <= at;
                let ends: Vec<_> = recipients.iter().flat_map(|to| self.faults_of(*to)).collect();
                let why = match *reason {
                    Reason::REQUEST_TIME_OUT => {
                        (at / 1_000 >= deadline / 1_000).then_some(deadline)
                    }
                    Reason::NO_SUCH_SESSION => ends.iter().copied().filter(since).min(),
                    Reason::SESSION_CLOSED => self.model.is_shut_down.filter(since),
                    _ => None,
                };
                match why {
                    None => self.fault(serial, format!("failed without a reason: {what:?}")),
                    Some(end) => self.unanswered(serial, call, (recipients, end)),
                }
                let owner = match recipients {
                    [only] => Some(*only),
                    _ => call.deliveries.first().map(|delivery| delivery.to),
                };
                let in_time = |end: &Micros| *end >= arrived && *end < deadline;
                let ended = owner.is_some_and(|owner| self.ends(owner).iter().any(in_time));
                if *reason == Reason::REQUEST_TIME_OUT && ended {
                    self.fault(serial, "outlived its recipient");
                }
                if *reason == Reason::REQUEST_TIME_OUT
                    && owner.is_some_and(|owner| self.is_overlooked(owner, (arrived, deadline), at))
                {
                    self.fault(serial, "waited for somebody who was silent");
                }
                if *reason == Reason::NO_SUCH_SESSION
                    && owner.is_some_and(|owner| self.is_impatient(owner, call, at))
                {
                    self.fault(serial, "waited too short for somebody who may have been busy");
                }
                let is_there =
                    |to: &SessionId| (self.is_present)(*to) && self.breaks(*to).is_empty();
                if recipients.iter().all(is_there) && !recipients.iter().any(delivered) {
                    self.fault(serial, "was never delivered, but is said to be");
                }
            }
            What::Error(..) | What::Count(_) | What::Grant(_) | What::Done | What::Owned(_) => {
                self.fault(serial, format!("ended by {what:?}"));
            }
        }
    }

    /// Whether its session was there until it left, or the server was shut down: then all that it asked was answered
    /// before.
    fn is_shut_down(&self, call: &Call) -> bool {
        let parted = self.model.parted.get(&call.session).copied();
        let moment = parted.or(self.model.is_shut_down).unwrap_or_default();
        call.arrived.is_some_and(|arrived| arrived.0 < moment)
            && self.record.aborted.contains(&call.session)
            && self.breaks(call.session) == [moment]
    }

    /// The answer that counts: the first that was served after the call.
    fn first(&self, call: &Call, (by, conversation): (SessionId, u64)) -> Option<Stamp> {
        let (_, place) = call.arrived?;
        self.answers.get(&(by, conversation))?.range(place..).next().map(|(_, stamp)| *stamp)
    }

    fn breaks(&self, session: SessionId) -> Vec<Micros> {
        self.model.sessions.get(&session).map(|known| known.breaks.clone()).unwrap_or_default()
    }

    fn silences(&self, session: SessionId) -> &[(Micros, u64)] {
        self.model.sessions.get(&session).map_or(&[][..], |known| &known.silences)
    }

    /// When requests to a session ended because it did, began anew, or was silent.
    fn ends(&self, session: SessionId) -> Vec<Micros> {
        let mut ends = self.breaks(session);
        ends.extend(self.silences(session).iter().map(|(at, _)| *at));
        ends
    }

    /// As [`Self::ends`], but for the end with which a drain is through with it: then it has nothing to answer.
    fn faults_of(&self, session: SessionId) -> Vec<Micros> {
        let parted = self.model.parted.get(&session);
        let mut ends = self.breaks(session);
        ends.retain(|end| Some(end) != parted);
        ends.extend(self.silences(session).iter().map(|(at, _)| *at));
        ends
    }

    /// Whether all of these may have been about to leave when a request came.
    fn may_leave(&self, call: &Call, recipients: &[SessionId]) -> bool {
        let leaving = call.leaving.as_ref();
        leaving.is_some_and(|leaving| recipients.iter().all(|to| leaving.contains(to)))
    }

    /// Whether a session that had a request to answer all that time must have been found to be silent.
    fn is_overlooked(&self, session: SessionId, (from, to): (Micros, Micros), at: Micros) -> bool {
        let (Some(known), patience) = (self.model.sessions.get(&session), self.model.patience)
        else {
            return false;
        };
        let last =
            |times: &[Micros]| times[..times.partition_point(|time| *time <= at)].last().copied();
        let since = last(&known.heard).max(last(&self.model.pardons)).unwrap_or_default();
        let had_connection = last(&known.losses) < last(&known.heard);
        // It is asked at the sweep after it has been silent for a third of that, or after the request has come.
        let from = since.max(from) + 3 * SWEEP;
        let patience = patience.with_handlers.saturating_mul(1_000);
        !known.is_python && had_connection && from.saturating_add(patience) < to
    }

    /// Whether a client that may have been busy with a request was given up before the time that this was allowed.
    fn is_impatient(&self, session: SessionId, call: &Call, at: Micros) -> bool {
        let Some(known) = self.model.sessions.get(&session).filter(|known| known.is_python) else {
            return false;
        };
        let arrived = call.arrived.map_or(0, |arrived| arrived.0);
        let is_end = |end: &Micros| (arrived..=at).contains(end);
        let allowed = (deadline(call) - arrived / 1_000 * 1_000) / 1_000;
        let silences = known.silences.iter().filter(|(end, _)| is_end(end));
        let mut silences = silences.map(|(_, silent)| *silent).peekable();
        let began_anew = known.breaks.iter().filter(|end| is_end(end)).count();
        silences.peek().is_some()
            && began_anew == 0
            && silences.all(|silent| silent < self.model.patience.with_all + allowed)
    }

    /// The outcome is an answer: it must be the first, of the right session, to the right conversation.
    fn answered(&mut self, serial: Serial, call: &Call, fact: (&[SessionId], Stamp, Kind)) {
        let (recipients, stamp, kind) = fact;
        let Some(answer) = self.record.answers.get(stamp) else {
            return self.fault(serial, "is answered by nobody");
        };
        if !self.used.insert(stamp) {
            self.fault(serial, format!("has answer {stamp}, as another has"));
        }
        let is_first = self.first(call, (answer.by, answer.conversation)) == Some(stamp);
        let fits = recipients.contains(&answer.by) && is_to(call, answer);
        if !is_first || !fits || answer.kind != kind {
            self.fault(serial, format!("has answer {stamp}: {answer:?}"));
        }
    }

    fn malformed(&mut self, serial: Serial, call: &Call, recipients: &[SessionId]) {
        let is_it = |(stamp, answer): (Stamp, &Answer)| {
            answer.kind == Kind::Malformed
                && recipients.contains(&answer.by)
                && is_to(call, answer)
                && self.first(call, (answer.by, answer.conversation)) == Some(stamp)
        };
        if !self.record.answers.iter().enumerate().any(is_it) {
            self.fault(serial, "has a malformed answer that nobody gave");
        }
    }

    /// The outcome is not the answer, so none may have arrived before `end`.
    fn unanswered(
        &mut self,
        serial: Serial,
        call: &Call,
        (recipients, end): (&[SessionId], Micros),
    ) {
        for delivery in call.deliveries.iter().filter(|other| recipients.contains(&other.to)) {
            let first = self.first(call, (delivery.to, delivery.conversation));
            let arrived = first.and_then(|stamp| self.record.answers[stamp].arrived);
            if arrived.is_some_and(|arrived| arrived.0 / 1_000 < end / 1_000) {
                self.fault(serial, format!("was answered at {arrived:?}, but failed"));
            }
        }
    }

    /// The sender was told that it awaits too many.
    fn busy_sender(&mut self, serial: Serial, call: &Call) {
        let Some((now, place)) = call.arrived else { return };
        let open = |other: &Call| {
            let before = other.arrived.is_some_and(|arrived| arrived.1 < place);
            let told = other
                .replies
                .iter()
                .map(|(at, _)| at)
                .chain(other.events.iter().map(|(at, ..)| at));
            let ended = told.filter(|at| **at <= now).count();
            let most = match &other.expect {
                Some(Expect::Matches(matches)) => matches.len() + 1,
                Some(Expect::Handlers(_) | Expect::Addressee(..)) => 1,
                _ => 0,
            };
            if before && other.session == call.session { most.saturating_sub(ended) } else { 0 }
        };
        let awaited: usize = self.record.calls.iter().map(open).sum();
        if awaited < self.plan.config.limits.requests_per_sender as usize {
            self.fault(serial, format!("is refused while {awaited} are awaited"));
        }
    }

    /// Everybody is handed requests, and told answers, in the order in which the server got them.
    fn order(&mut self) {
        let calls = &self.record.calls;
        for (session, serials) in &self.record.delivered {
            let places = serials.iter().map(|serial| calls[*serial].arrived.map(|at| at.1));
            if !places.is_sorted_by(|before, after| before < after) {
                self.faults.push(format!("{session} has requests out of order: {serials:?}"));
            }
            if self.plan.tight {
                self.in_flight(*session, serials);
            }
        }
        for (session, stamps) in &self.record.told {
            let places = stamps.iter().map(|stamp| self.record.answers.get(*stamp)?.arrived);
            if !places.map(|at| at.map(|at| at.1)).is_sorted_by(|before, after| before < after) {
                self.faults.push(format!("{session} has answers out of order: {stamps:?}"));
            }
        }
    }

    /// No session has more to answer than it may.
    fn in_flight(&mut self, session: SessionId, serials: &[Serial]) {
        let breaks = self.ends(session);
        let most = self.plan.config.limits.requests_per_handler as usize;
        for (count, serial) in serials.iter().enumerate() {
            let Some((now, place)) = self.record.calls[*serial].arrived else { continue };
            let is_open = |other: &&Serial| {
                let call = &self.record.calls[**other];
                let conversation = call.deliveries.iter().find(|delivery| delivery.to == session);
                let first =
                    conversation.and_then(|it| self.first(call, (session, it.conversation)));
                let answered = first.and_then(|stamp| self.record.answers[stamp].arrived);
                let since = call.arrived.map_or(0, |arrived| arrived.0);
                let is_over = breaks.iter().any(|end| (since..=now).contains(end));
                answered.is_none_or(|at| at.1 > place) && now < deadline(call) && !is_over
            };
            if serials[..count].iter().filter(is_open).count() >= most {
                self.fault(*serial, format!("is one too many for {session}"));
            }
        }
    }

    /// A lock has one holder after the other, and each is told.
    fn grants(&mut self) {
        if self.model.is_unsure_of_locks {
            return;
        }
        let mut hands: BTreeMap<(&str, u64), u64> = BTreeMap::new();
        for &(serial, hand) in &self.model.grants {
            let call = &self.record.calls[serial];
            let Ask::Acquire(name, _) = call.ask else { continue };
            let Some((_, What::Grant(sequence))) = call.replies.first() else {
                if call.closed.is_none() && (self.is_present)(call.session) {
                    self.fault(serial, "was granted a lock, but not told");
                }
                continue;
            };
            if *hands.entry((name, hand)).or_insert(*sequence) != *sequence {
                self.fault(serial, "has another grant for the same hold");
            }
        }
        let grants: BTreeSet<_> = hands.values().collect();
        let held: Vec<_> = hands.iter().collect();
        let is_in_order = held.windows(2).all(|two| {
            let [(before, first), (after, second)] = two else { return true };
            before.0 != after.0 || first < second
        });
        if grants.len() < hands.len() || !is_in_order {
            self.faults.push(format!("locks were granted out of order: {hands:?}"));
        }
    }

    /// Listeners hear of each session all that there is, in order.
    fn listeners(&mut self) {
        for (serial, told) in &self.model.told {
            let call = &self.record.calls[*serial];
            let heard = self.record.heard.get(serial).map_or(&[][..], |heard| heard);
            let is_whole = call.closed.is_none() && (self.is_present)(call.session);
            for session in self.model.sessions.keys() {
                let of = |all: &[(SessionId, _)]| -> Vec<_> {
                    all.iter().filter(|(other, _)| other == session).map(|event| event.1).collect()
                };
                let (told, heard) = (of(told), of(heard));
                if !told.starts_with(&heard) || (is_whole && told != heard) {
                    self.fault(*serial, format!("hears {heard:?} of {session}, not {told:?}"));
                }
            }
        }
    }
}

/// Whether an answer is to what the addressee was handed, as far as that is known.
fn is_to(call: &Call, answer: &Answer) -> bool {
    let own = call.deliveries.iter().find(|delivery| delivery.to == answer.by);
    own.is_none_or(|delivery| delivery.conversation == answer.conversation)
}

fn deadline(call: &Call) -> Micros {
    let timeout = match call.ask {
        Ask::Path("a/b" | "a/b/c") => SHORT_TIMEOUT,
        _ => TIMEOUT,
    };
    call.arrived.map_or(0, |arrived| arrived.0) / 1_000 * 1_000 + timeout.as_micros() as Micros
}

fn is_overload(what: &What, text: &str) -> bool {
    matches!(what, What::Error(Reason::REJECTED_REQUEST, said) if said == text)
}

fn says(what: &What, reason: Reason, may_have: bool) -> bool {
    matches!(what, What::Error(why, text)
        if *why == reason && text.contains(MAY_HAVE_BEEN_EXECUTED) == may_have)
}

const MAY_HAVE_BEEN_EXECUTED: &str = "may have been executed";
const NOTHING_WAS_DONE: &str = "was not";
const SENDER_IS_BUSY: &str = "overloaded: the session awaits too many responses";
const RECIPIENT_IS_BUSY: &str = "overloaded: the recipient has too many requests to answer";
const RECIPIENT_IS_FULL: &str = "overloaded: the recipient has too much to read";

/// From the broker's word to the sender, where nothing is slow.
const PROMPT: Micros = 30_000;
