//! Sessions that decide who is let in: services 119 to 121.
//!
//! The driver asks by name. The question is a request like any other: it is entered at the session that has to answer it,
//! and the answer, the deadline or the end of that session takes it out, once. Whether a session that fails to answer
//! lets anybody in is the driver's business.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::connect::Credentials;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::authenticator::AuthenticatorRequest;
use antiphon_wire::service::authenticator::Decision;
use antiphon_wire::service::authenticator::DeregisterAuthenticator;
use antiphon_wire::service::authenticator::RegisterAuthenticator;
use foldhash::HashMap;

use crate::access::GlobalPermission;
use crate::batch::Batch;
use crate::batch::Void;
use crate::broker::Broker;
use crate::error::ServiceError;
use crate::messaging::Outcome;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::pending::Ticket;
use crate::session::Session;
use crate::session::Undeliverable;
use crate::stats::Counts;
use crate::stats::End;
use crate::stats::Kind;
use crate::stats::Label;
use crate::time::Millis;

/// What an authenticator is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The session that wants to be authenticated again. It is not asked about itself: it would have to answer before it
    /// is answered.
    pub asker: Option<SessionId>,
    /// Who wants to be let in; empty for anonymous.
    pub principal: &'a str,
    /// What proves it.
    pub credentials: Credentials<'a>,
    /// The properties that the session has, or is going to have.
    pub properties: Properties<'a>,
    /// The properties that it proposes.
    pub proposed: Properties<'a>,
    /// How long the authenticator may take.
    pub timeout: Duration,
    /// The time.
    pub now: Millis,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion {
    /// Nobody is registered under that name.
    Unregistered,
    /// The next authenticator shall decide.
    Abstain,
    /// Nobody is let in.
    Deny,
    /// The session is let in. The properties are as they came: not checked, `$Principal` and `$Roles` perhaps among them.
    Allow(Vec<(String, String)>),
    /// There was no answer, or none that can be read: why.
    Failed(String),
}

/// Who is registered, and who waits for their answers.
pub(crate) struct Authenticators<X> {
    /// The first one of a name is asked; the others stand in when it is gone.
    registered: BTreeMap<String, Vec<Registration<X>>>,
    waiters: HashMap<Ticket, Waiter>,
    next_ticket: u64,
}

struct Registration<X> {
    session: Arc<Session<X>>,
    conversation: ConversationId,
}

type Waiter = Box<dyn FnOnce(Opinion) + Send>;

impl<X> Default for Authenticators<X> {
    fn default() -> Self {
        Self { registered: BTreeMap::new(), waiters: HashMap::default(), next_ticket: 0 }
    }
}

impl<X> fmt::Debug for Registration<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.session.id())
    }
}

impl<X> Authenticators<X> {
    /// Whom to ask: one that has a connection, if there is one.
    fn choose(
        &self,
        name: &str,
        asker: Option<SessionId>,
    ) -> Option<(Arc<Session<X>>, ConversationId)> {
        let registered = self.registered.get(name)?;
        let mut others = registered.iter().filter(|one| Some(one.session.id()) != asker);
        let connected = others.clone().find(|one| one.session.is_connected());
        let chosen = connected.or_else(|| others.next())?;
        Some((chosen.session.clone(), chosen.conversation))
    }

    fn wait(&mut self, waiter: Waiter) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiters.insert(ticket, waiter);
        ticket
    }

    /// Registers nobody twice. A session that has ended is not registered, because nobody would remove it.
    fn register(
        &mut self,
        name: &str,
        session: &Arc<Session<X>>,
        conversation: ConversationId,
    ) -> Result<(), ServiceError> {
        if session.has_ended() {
            return Err(ServiceError::new(Reason::SESSION_CLOSED, "the session has ended"));
        }
        let registered = self.registered.entry(name.to_owned()).or_default();
        if registered.iter().any(|one| one.session.id() == session.id()) {
            let text = format!("the session is already registered as authenticator {name:?}");
            return Err(ServiceError::new(Reason::HANDLER_CONFLICT, text));
        }
        registered.push(Registration { session: session.clone(), conversation });
        Ok(())
    }

    fn forget(&mut self, session: &Session<X>, of: impl Fn(&str) -> bool) {
        self.registered.retain(|name, registered| {
            if of(name) {
                registered.retain(|one| one.session.id() != session.id());
            }
            !registered.is_empty()
        });
    }
}

impl<X> Broker<X> {
    /// Asks the authenticator that is registered under `name`. `waiter` is told once what became of it, perhaps before this
    /// returns, and from any thread; locks may be held then, so it must not call the broker.
    pub fn ask_authenticator(
        &self,
        name: &str,
        question: Question<'_>,
        waiter: impl FnOnce(Opinion) + Send + 'static,
        outbox: &mut Outbox<X>,
    ) {
        let mut authenticators = self.authenticators.lock();
        let Some((session, registration)) = authenticators.choose(name, question.asker) else {
            drop(authenticators);
            return waiter(Opinion::Unregistered);
        };
        let ticket = authenticators.wait(Box::new(waiter));
        drop(authenticators);
        if let Err(why) = self.hand_question(&session, (registration, ticket), question, outbox) {
            let why = match why {
                Undeliverable::Ended => "has ended",
                Undeliverable::Overloaded(_) => "is overloaded",
            };
            self.opine(ticket, Opinion::Failed(format!("session {} {why}", session.id())));
        }
    }

    fn hand_question(
        &self,
        session: &Arc<Session<X>>,
        (registration, ticket): (ConversationId, Ticket),
        question: Question<'_>,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Undeliverable> {
        let Question { principal, credentials, properties, proposed, timeout, now, .. } = question;
        let body =
            AuthenticatorRequest { principal, credentials, properties, proposed, registration };
        let mut encoded = Vec::new();
        body.encode(&mut encoded);
        let page = self.totals.book.open_page();
        let in_flight = InFlight {
            // There may be no session yet that asks, so the question counts among what its recipient waits for.
            sender: session.clone(),
            reply: Reply::Opinion(ticket),
            // The driver is told, whatever becomes of the session.
            life: 0,
            deadline: now.after(timeout),
            timeout,
            sequence: 0,
            page,
            label: Label::AUTHENTICATOR,
        };
        let put = |out: &mut Vec<u8>, conversation| {
            message::put_request(out, Service::Authenticator, conversation);
            out.extend_from_slice(&encoded);
        };
        session.awaiting.fetch_add(1, Relaxed);
        let message = (encoded.len() + 16, put);
        let handed = session.hand_over((in_flight, None), &self.policy().limits, outbox, message);
        if handed.is_err() {
            session.awaiting.fetch_sub(1, Relaxed);
            return handed;
        }
        let mut counts = Counts::default();
        counts.ledger.accept(page, Kind::Authenticator, 1);
        self.totals.add(&counts);
        Ok(())
    }

    /// Tells whoever waits for an opinion. Each ticket is used once.
    pub(crate) fn opine(&self, ticket: Ticket, opinion: Opinion) {
        let waiter = self.authenticators.lock().waiters.remove(&ticket);
        if let Some(waiter) = waiter {
            waiter(opinion);
        }
    }

    /// The session has ended, or knows of no registration any more.
    pub(crate) fn forget_authenticators(&self, session: &Session<X>) {
        self.authenticators.lock().forget(session, |_| true);
    }
}

impl<X> Batch<'_, X> {
    pub(crate) fn register_authenticator(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let RegisterAuthenticator { receiver: _, group: _, name, conversation: registration } =
            Decode::decode_all(body)?;
        self.demand(GlobalPermission::Authenticate)?;
        self.demand(GlobalPermission::RegisterHandler)?;
        if !self.broker.config.authenticators.contains(name) {
            let shown: String = name.chars().take(MOST_SHOWN).collect();
            let text = format!("the server is not configured with an authenticator {shown:?}");
            return Err(ServiceError::new(Reason::UNHANDLED_MESSAGE, text));
        }
        self.broker.authenticators.lock().register(name, self.session, registration)?;
        self.respond(conversation, &Void, outbox);
        Ok(())
    }

    /// Succeeds even if there is no such registration, as with handlers.
    pub(crate) fn deregister_authenticator(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let DeregisterAuthenticator { receiver: _, group: _, name } = Decode::decode_all(body)?;
        self.broker.authenticators.lock().forget(self.session, |other| other == name);
        self.respond(conversation, &Void, outbox);
        Ok(())
    }

    /// What an authenticator has answered. The request of `ticket` is out of the pending ones already.
    pub(crate) fn decided(&mut self, request: &InFlight<X>, ticket: Ticket, body: &[u8]) {
        request.sender.awaiting.fetch_sub(1, Relaxed);
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let decision = Decision::decode_all(body);
        let end = if decision.is_ok() { End::Responded } else { End::Malformed };
        self.counts.ledger.end(request.page, end);
        let opinion = match decision {
            Ok(Decision::Deny) => Opinion::Deny,
            Ok(Decision::Abstain) => Opinion::Abstain,
            Ok(Decision::Allow(gives)) => Opinion::Allow(gives.into_iter().map(owned).collect()),
            Err(malformed) => Opinion::Failed(format!("it sent a malformed answer: {malformed}")),
        };
        self.broker.opine(ticket, opinion);
    }
}

impl From<&Outcome<'_>> for Opinion {
    /// The outcome of a question that was not answered as it should be.
    fn from(outcome: &Outcome<'_>) -> Self {
        Self::Failed(match outcome {
            Outcome::Error { text, .. } => (*text).to_owned(),
            Outcome::Response(_) => "it sent a value instead of a decision".to_owned(),
        })
    }
}

/// How many characters of a wrong name are repeated to its sender.
const MOST_SHOWN: usize = 100;
