//! Handlers, requests and answers.

use std::time::Duration;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;

use super::Caller;
use super::Naive;
use super::Outcome;
use crate::End;
use crate::Kind;
use crate::access::GlobalPermission;
use crate::access::PathPermission;
use crate::filter::Filter;
use crate::messaging::report;
use crate::tests::model::got::Failure;
use crate::tests::model::got::Got;
use crate::tests::model::op;
use crate::tests::model::op::Keys;
use crate::tests::model::query::Query;
use crate::tests::world::encoded;

#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) path: String,
    pub(crate) owner: usize,
    conversation: u64,
    keys: Keys,
}

/// A request that has been delivered and not answered.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) sender: usize,
    pub(crate) recipient: usize,
    /// At the recipient.
    pub(crate) conversation: u64,
    /// At the sender.
    pub(super) reply: u64,
    pub(super) filter: bool,
    pub(super) deadline: u64,
    pub(super) timeout: Duration,
}

/// What is sent to whom, before it is known who takes it.
#[derive(Debug, Clone, Copy)]
struct Letter<'a> {
    caller: Caller,
    path: &'a str,
    filter: bool,
    timeout: Duration,
}

impl Naive {
    pub(super) fn register(&mut self, caller: Caller, path: &str, keys: Keys) -> Outcome {
        let Caller { me, conversation } = caller;
        let path = clean(path)?;
        self.people[me].demand(GlobalPermission::RegisterHandler)?;
        if !keys.is_empty() {
            self.people[me].demand(GlobalPermission::ViewSession)?;
        }
        let own: Vec<_> = self.paths_of(me);
        if own.iter().any(|own| own == path) {
            return Err((Reason::HANDLER_CONFLICT, path.to_owned()));
        }
        if own.len() >= HANDLERS {
            return Err(overloaded());
        }
        self.registrations.push(Registration { path: path.into(), owner: me, conversation, keys });
        self.turns.retain(|(ring, _)| ring != path);
        self.done(caller);
        Ok(())
    }

    pub(super) fn deregister(&mut self, caller: Caller, path: &str) -> Outcome {
        let path = clean(path)?;
        self.unregister(caller.me, path);
        self.done(caller);
        Ok(())
    }

    pub(super) fn unregister(&mut self, who: usize, path: &str) {
        let before = self.registrations.len();
        self.registrations.retain(|handler| handler.owner != who || handler.path != path);
        if self.registrations.len() < before {
            self.turns.retain(|(ring, _)| ring != path);
        }
    }

    pub(super) fn paths_of(&self, who: usize) -> Vec<String> {
        let own = self.registrations.iter().filter(|handler| handler.owner == who);
        own.map(|handler| handler.path.clone()).collect()
    }

    pub(super) fn ask_path(&mut self, caller: Caller, path: &str, value: op::Value) -> Outcome {
        let permission = PathPermission::SendToMessageHandler;
        let (clean, letter) = self.admit(caller, path, (permission, value))?;
        let mut branch = clean;
        let handlers = loop {
            let here = |handler: &&Registration| handler.path == branch;
            let handlers: Vec<_> = self.registrations.iter().filter(here).cloned().collect();
            if !handlers.is_empty() {
                break handlers;
            }
            let Some(end) = branch.rfind('/') else {
                return Err((Reason::UNHANDLED_MESSAGE, clean.to_owned()));
            };
            branch = &branch[..end];
        };
        if handlers.iter().all(|handler| self.is_full(handler.owner)) {
            self.turns.retain(|(ring, _)| ring != branch);
            return Err(overloaded());
        }
        let chosen = self.only_recipient();
        let owners: Vec<usize> = handlers.iter().map(|handler| handler.owner).collect();
        self.check_choice((caller.me, branch), &owners, chosen);
        let handler = handlers.iter().find(|handler| handler.owner == chosen).unwrap();
        self.hand_to_handler(handler, letter);
        self.counted.ledger.accept(Kind::Path, 1);
        Ok(())
    }

    fn hand_to_handler(&mut self, handler: &Registration, letter: Letter<'_>) {
        let told = if self.people[handler.owner].old {
            Vec::new()
        } else {
            self.people[letter.caller.me].select(handler.keys)
        };
        let serial = letter.caller.conversation.to_be_bytes();
        let body = HandlerRequest {
            registration: ConversationId(handler.conversation),
            sender: self.people[letter.caller.me].id,
            path: letter.path,
            properties: told.iter().map(|(key, value)| (&**key, &**value)).collect(),
            value: value(op::Value::Whole, &serial),
        };
        self.hand(handler.owner, letter, (Service::MessagingReceiverClient, encoded(&body)));
    }

    /// Whether the broker was free to choose as it did.
    fn check_choice(&mut self, route: (usize, &str), owners: &[usize], chosen: usize) {
        let (me, branch) = route;
        assert!(owners.contains(&chosen) && !self.is_full(chosen), "{chosen} of {owners:?}");
        let someone_is_full = owners.iter().any(|&owner| self.is_full(owner));
        let is_least = owners.iter().all(|&owner| self.load(chosen) <= self.load(owner));
        if branch.starts_with("ring") {
            let known = self.turns.iter().position(|(ring, _)| ring == branch);
            let known = known.unwrap_or_else(|| {
                self.turns.push((branch.to_owned(), Vec::new()));
                self.turns.len() - 1
            });
            let turns = &mut self.turns[known].1;
            if someone_is_full {
                return turns.clear();
            }
            let lately = turns.iter().rev().take(owners.len() - 1);
            assert!(!lately.copied().any(|turn| turn == chosen), "{chosen} after {turns:?}");
            turns.push(chosen);
        } else if branch.starts_with("home") {
            let key = (me, branch.to_owned());
            let known = self.homes.iter().find(|(home, _)| *home == key).map(|(_, owner)| *owner);
            match known.filter(|owner| owners.contains(owner)) {
                Some(home) => assert!(chosen == home || self.is_full(home), "home is {home}"),
                None => assert!(is_least, "{chosen} of {owners:?}"),
            }
            self.homes.retain(|(home, _)| *home != key);
            self.homes.push((key, chosen));
        } else {
            assert!(is_least, "{chosen} of {owners:?}");
        }
    }

    pub(super) fn ask_session(&mut self, caller: Caller, to: u8, path: &str) -> Outcome {
        let what = (PathPermission::SendToSession, op::Value::Whole);
        let (_, letter) = self.admit(caller, path, what)?;
        let to = self.person(to);
        if !self.people[to].open {
            return Err((Reason::NO_SUCH_SESSION, self.people[to].id.to_string()));
        }
        if self.is_full(to) {
            return Err(overloaded());
        }
        self.hand_to_session(to, letter);
        self.counted.ledger.accept(Kind::Session, 1);
        Ok(())
    }

    pub(super) fn ask_filter(&mut self, caller: Caller, filter: &Query, path: &str) -> Outcome {
        let what = (PathPermission::SendToSession, op::Value::Whole);
        let (_, letter) = self.admit(caller, path, what)?;
        if filter.is_broken() {
            self.counted.refuse(true, Reason::INVALID_DATA);
            self.refuse_filter(caller, &self.text(filter));
            return Ok(());
        }
        let matching = self.matching(filter);
        self.answered(caller, &Sent::To(matching.len() as u32));
        self.counted.ledger.accept(Kind::Filter, matching.len() as u64);
        for to in matching {
            if self.is_full(to) {
                let (conversation, from) = (caller.conversation, self.people[to].id);
                let outcome = Err(overloaded());
                self.note_end(caller.me, End::Undeliverable);
                self.want(caller.me, Got::Outcome { conversation, from, outcome });
            } else {
                self.hand_to_session(to, Letter { filter: true, ..letter });
            }
        }
        Ok(())
    }

    fn refuse_filter(&mut self, caller: Caller, text: &str) {
        let error = Filter::parse(text).unwrap_err();
        let report = report(&error);
        if self.people[caller.me].python {
            self.answered(caller, &Sent::RefusedOnce(report));
        } else {
            self.answered(caller, &Sent::Refused(vec![report]));
        }
    }

    fn hand_to_session(&mut self, to: usize, letter: Letter<'_>) {
        let serial = letter.caller.conversation.to_be_bytes();
        let body = SendRequest { path: letter.path, value: value(op::Value::Whole, &serial) };
        self.hand(to, letter, (Service::MessagingSend, encoded(&body)));
    }

    /// Whether a session may send such a request at all; then its path without slashes at the ends.
    fn admit<'p>(
        &self,
        caller: Caller,
        path: &'p str,
        what: (PathPermission, op::Value),
    ) -> Result<(&'p str, Letter<'p>), Failure> {
        let (permission, value) = what;
        let clean = clean(path)?;
        self.people[caller.me].demand_at(clean, permission)?;
        if value == op::Value::Broken {
            return Err((Reason::INVALID_DATA, "string".into()));
        }
        let awaited = self.requests.iter().filter(|asked| asked.sender == caller.me);
        if awaited.count() >= AWAITED {
            return Err(overloaded());
        }
        let timeout = Duration::from_secs(if clean.starts_with("ring") { 3 } else { 10 });
        Ok((clean, Letter { caller, path, filter: false, timeout }))
    }

    fn hand(&mut self, recipient: usize, letter: Letter<'_>, message: (Service, Vec<u8>)) {
        let Letter { caller, filter, timeout, .. } = letter;
        let (service, body) = message;
        let conversation = self.conversation_at(recipient);
        assert!(!self.used.contains(&(recipient, conversation)), "{conversation} comes twice");
        self.used.push((recipient, conversation));
        self.want(recipient, Got::Request { service, conversation, body });
        self.requests.push(Asked {
            sender: caller.me,
            recipient,
            conversation,
            reply: caller.conversation,
            filter,
            deadline: self.now + timeout.as_millis() as u64,
            timeout,
        });
    }

    /// The one session that was asked in this step.
    fn only_recipient(&self) -> usize {
        let asked: Vec<_> =
            (0..self.seen.len()).filter(|&who| !self.asked(who).is_empty()).collect();
        let [recipient] = asked[..] else { panic!("{asked:?} were asked") };
        recipient
    }

    fn conversation_at(&self, recipient: usize) -> u64 {
        let asked = self.asked(recipient);
        let [conversation] = asked[..] else { panic!("{recipient} was asked in {asked:?}") };
        conversation
    }

    fn asked(&self, who: usize) -> Vec<u64> {
        let conversation = |got: &Got| match got {
            Got::Request { conversation, .. } => Some(*conversation),
            _ => None,
        };
        self.seen[who].iter().filter_map(conversation).collect()
    }

    pub(crate) fn load(&self, who: usize) -> usize {
        self.requests.iter().filter(|asked| asked.recipient == who).count()
    }

    fn is_full(&self, who: usize) -> bool {
        self.load(who) >= TO_ANSWER
    }
}

/// A path without slashes at its ends.
pub(crate) fn clean(path: &str) -> Result<&str, Failure> {
    let clean = path.trim_matches('/');
    if clean.is_empty() || clean.contains("//") {
        return Err((Reason::INVALID_PATH, "segment".into()));
    }
    Ok(clean)
}

pub(crate) fn value(value: op::Value, serial: &[u8]) -> Value<'_> {
    match value {
        op::Value::Whole => Value { type_name: "binary", bytes: serial },
        op::Value::Broken => Value { type_name: "string", bytes: serial },
    }
}

pub(super) fn overloaded() -> Failure {
    (Reason::REJECTED_REQUEST, "overloaded".into())
}

pub(crate) const HANDLERS: usize = 3;
pub(crate) const TO_ANSWER: usize = 3;
pub(crate) const AWAITED: usize = 5;
