//! What one session sends in one read of its socket: each message goes to the service that it asks for.
//!
//! Dispatch only. A batch keeps what would be the same for every message of it: the time, who the session is, the
//! guard of the routes, what is allowed, and the counts.

use std::hash::BuildHasher;
use std::sync::Arc;

use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use arc_swap::Guard;
use memchr::memchr2_iter;
use papaya::LocalGuard;
use parking_lot::MutexGuard;

use crate::access::GlobalPermission;
use crate::authentication::Authentication;
use crate::broker::Broker;
use crate::broker::SMALL;
use crate::config::Policy;
use crate::error::ServiceError;
use crate::filter::Filter;
use crate::filter::FilterError;
use crate::messaging::Aim;
use crate::notes::Note;
use crate::outbox::Outbox;
use crate::profile::Profile;
use crate::security::SecurityUpdate;
use crate::session::Connection;
use crate::session::Inbound;
use crate::session::Session;
use crate::stats::Counts;
use crate::stats::Page;
use crate::time::Millis;

use antiphon_wire::error::Reason;

/// The messages of one read. Dropping it ends it.
pub struct Batch<'b, X> {
    pub(crate) broker: &'b Broker<X>,
    pub(crate) session: &'b Arc<Session<X>>,
    pub(crate) inbound: MutexGuard<'b, Inbound>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) guard: LocalGuard<'b>,
    pub(crate) policy: Guard<Arc<Policy>>,
    /// What holds for the path in `inbound`.
    pub(crate) aim: Option<Aim<X>>,
    pub(crate) now: Millis,
    /// Where requests are entered in the ledger.
    pub(crate) page: Page,
    pub(crate) counts: Counts,
}

/// What the driver does after a message.
#[derive(Debug)]
pub enum Next {
    /// Goes on.
    Continue,
    /// Asks an authenticator and then calls [`Batch::authenticated`], of this batch or a later one, before the next
    /// message of this session.
    Authenticate(Box<Authentication>),
    /// Carries out a change of principals or roles, all of it or nothing, and then calls [`Batch::security_updated`], of
    /// this batch or a later one, before the next message of this session.
    UpdateSecurity(Box<SecurityUpdate>),
    /// Reads no more: the session has ended.
    Closed,
    /// Drops the connection and tells [`Broker::lose`]: the client has lost messages without noticing. When it comes
    /// back it begins anew.
    Reconnect,
}

/// The body of a response that has none.
pub(crate) struct Void;

impl Encode for Void {
    fn encode(&self, _out: &mut Vec<u8>) {}
}

impl<'b, X> Batch<'b, X> {
    pub(crate) fn new(broker: &'b Broker<X>, session: &'b Arc<Session<X>>, now: Millis) -> Self {
        let inbound = session.inbound.lock();
        session.heard(now);
        Self {
            broker,
            session,
            inbound,
            profile: session.profile(),
            guard: broker.routes.guard(),
            policy: broker.policy(),
            aim: None,
            now,
            page: broker.totals.book.open_page(),
            counts: Counts::default(),
        }
    }

    /// The connection whose messages are served: the session's present one.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.inbound.connection
    }

    /// Handles one whole message. What cannot be read as a message ends the session; what a service cannot accept is
    /// answered by an error. A session that has ended is not served.
    pub fn message(&mut self, bytes: &[u8], outbox: &mut Outbox<X>) -> Next {
        if self.session.has_ended() {
            return Next::Closed;
        }
        if !self.inbound.count(bytes, |bytes| self.broker.hasher.hash_one(bytes)) {
            return Next::Reconnect;
        }
        let next = self.dispatch(bytes, outbox);
        self.broker.reap(outbox);
        if self.session.has_ended() { Next::Closed } else { next }
    }

    fn dispatch(&mut self, bytes: &[u8], outbox: &mut Outbox<X>) -> Next {
        match Message::decode(bytes) {
            Ok(Message::Request { service, conversation, body }) => {
                return self.request((service, conversation), body, outbox);
            }
            Ok(Message::Response { conversation, body }) => {
                self.inbound.answered(conversation);
                self.answer(conversation, body, outbox);
            }
            Ok(Message::Error { conversation, text, reason }) => {
                self.answer_error(conversation, reason, text, outbox);
            }
            Ok(Message::CloseRequest) => self.doom(CloseReason::ClosedByClient, outbox),
            Ok(Message::Abort) | Err(_) => self.doom(CloseReason::InvalidInboundMessage, outbox),
        }
        Next::Continue
    }

    pub(crate) fn request(
        &mut self,
        header: (u32, ConversationId),
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Next {
        let (number, conversation) = header;
        self.serve(number, conversation, body, outbox).unwrap_or_else(|error| {
            self.counts.refuse(is_request(number), error.reason);
            self.broker.totals.exceed_any(error.limit);
            if error.reason == Reason::ACCESS_DENIED {
                let (session, text) = (self.session.id(), &error.text);
                self.broker.note(outbox, || Note::Denied {
                    session,
                    service: number,
                    text: text.clone(),
                });
            }
            self.refuse(conversation, &error, outbox);
            Next::Continue
        })
    }

    fn serve(
        &mut self,
        number: u32,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<Next, ServiceError> {
        let unsupported =
            || ServiceError::new(Reason::UNSUPPORTED, format!("service {number} is not supported"));
        match Service::from_number(number).ok_or_else(unsupported)? {
            Service::MessagingSend => self.send_to_path(conversation, body, outbox),
            Service::MessagingReceiverServer => self.send_to_session(conversation, body, outbox),
            Service::MessagingFilterSend => self.send_to_filter(conversation, body, outbox),
            Service::MessagingReceiverControlRegistration => {
                self.register(conversation, body, outbox)
            }
            Service::MessagingReceiverControlDeregistration => {
                self.deregister(conversation, body, outbox)
            }
            Service::SystemPing | Service::UserPing => self.ping(conversation, body, outbox),
            Service::GetSystemAuthentication => self.get_principals(conversation, body, outbox),
            Service::UpdateSystemAuthentication => {
                return self.update_principals(conversation, body, outbox);
            }
            Service::GetSecurityConfiguration => self.get_security(conversation, body, outbox),
            Service::UpdateSecurityConfiguration => {
                return self.update_security(conversation, body, outbox);
            }
            Service::ListGlobalPermissions => {
                self.list_global_permissions(conversation, body, outbox)
            }
            Service::ListPathPermissions => self.list_path_permissions(conversation, body, outbox),
            Service::RevokeAuthentication => self.revoke_authentication(conversation, body, outbox),
            Service::ChangePrincipal => return self.change_principal(conversation, body),
            Service::ReAuthenticate => return self.reauthenticate(conversation, body),
            Service::CloseClient => self.close_client(conversation, body, outbox),
            Service::CloseClientFilter => self.close_clients(conversation, body, outbox),
            Service::GetSessionProperties => self.get_properties(conversation, body, outbox),
            Service::GetOwnSessionProperties => self.get_own_properties(conversation, body, outbox),
            Service::SetSessionProperties => self.set_properties(conversation, body, outbox),
            Service::SetSessionPropertiesFilter => {
                self.set_properties_filter(conversation, body, outbox)
            }
            Service::ChangeAuthorisationRoles => self.change_roles(conversation, body, outbox),
            Service::ChangeAuthorisationRolesFilter => {
                self.change_roles_filter(conversation, body, outbox)
            }
            Service::SessionFetch => self.fetch_sessions(conversation, body, outbox),
            Service::SessionPropertiesRegistration => {
                self.properties_listener(conversation, body, outbox)
            }
            Service::SessionEventRegistration => self.add_listener(conversation, body, outbox),
            Service::SessionEventDeregistration => self.remove_listener(conversation, body, outbox),
            Service::AcquireSessionLock => self.acquire_lock(conversation, body, outbox),
            Service::CancelAcquireSessionLock => self.cancel_lock(conversation, body, outbox),
            Service::ReleaseSessionLock => self.release_lock(conversation, body, outbox),
            Service::GetSessionLock => self.get_lock(conversation, body, outbox),
            Service::GetSessionLocks => self.get_locks(conversation, body, outbox),
            Service::AuthenticatorRegistration => {
                self.register_authenticator(conversation, body, outbox)
            }
            Service::AuthenticatorDeregistration => {
                self.deregister_authenticator(conversation, body, outbox)
            }
            Service::Authenticator
            | Service::SessionPropertiesEvent
            | Service::MessagingReceiverClient
            | Service::FilterResponse => Err(unsupported()),
        }?;
        Ok(Next::Continue)
    }

    fn ping(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        no_body(body)?;
        self.respond(conversation, &Void, outbox);
        Ok(())
    }

    /// After profiles were changed: that of this session may have been among them, and its next message goes by it.
    pub(crate) fn refresh_profile(&mut self) {
        self.profile = self.session.profile();
        self.aim = None;
    }

    /// Answers a request of this session.
    pub(crate) fn respond(
        &self,
        conversation: ConversationId,
        body: &impl Encode,
        outbox: &mut Outbox<X>,
    ) {
        let (expected, limits) = ((SMALL, self.inbound.life), &self.policy.limits);
        self.session.post_outcome(expected, limits, outbox, |out, _| {
            message::put_response(out, conversation);
            body.encode(out);
        });
    }

    /// Answers a request of this session with an error.
    pub(crate) fn refuse(
        &self,
        conversation: ConversationId,
        error: &ServiceError,
        outbox: &mut Outbox<X>,
    ) {
        let expected = (error.text.len() + 16, self.inbound.life);
        self.session.post_outcome(expected, &self.policy.limits, outbox, |out, _| {
            message::put_error(out, conversation, error.reason, &error.text);
        });
    }

    pub(crate) fn demand(&self, permission: GlobalPermission) -> Result<(), ServiceError> {
        if self.profile.access.allows(permission) {
            Ok(())
        } else {
            Err(ServiceError::lacks(permission))
        }
    }

    /// Reads a filter, which may have regular expressions, and counts it if it exceeds a bound.
    pub(crate) fn parse_filter(&self, text: &str) -> Result<Filter, FilterError> {
        Filter::parse_within(text, self.policy.limits.filter).inspect_err(|error| {
            self.broker.totals.exceed_any(error.limit());
        })
    }

    fn doom(&self, reason: CloseReason, outbox: &mut Outbox<X>) {
        outbox.doomed.push((self.session.clone(), reason));
    }
}

impl<X> Drop for Batch<'_, X> {
    fn drop(&mut self) {
        self.broker.totals.add(&self.counts);
    }
}

/// Whether the service of this number sends requests to other sessions.
pub(crate) fn is_request(service: u32) -> bool {
    matches!(
        Service::from_number(service),
        Some(
            Service::MessagingSend
                | Service::MessagingReceiverServer
                | Service::MessagingFilterSend
        )
    )
}

/// Whether serving this message may take as long as serving thousands of others: it is of a service that has a filter, and
/// seems to have a regular expression in it, which must be compiled.
#[must_use]
pub fn takes_long(message: &[u8]) -> bool {
    const FILTERS: [u8; 6] = [
        first_octet(Service::MessagingFilterSend),
        first_octet(Service::SetSessionPropertiesFilter),
        first_octet(Service::ChangeAuthorisationRolesFilter),
        first_octet(Service::CloseClientFilter),
        first_octet(Service::SessionFetch),
        first_octet(Service::SessionEventRegistration),
    ];
    let [0, service, body @ ..] = message else { return false };
    FILTERS.contains(service) && memchr2_iter(b'm', b'M', body).any(|at| is_matches(&body[at..]))
}

/// Filters may be written in capitals, too.
fn is_matches(text: &[u8]) -> bool {
    const MATCHES: &[u8] = b"matches";
    text.get(..MATCHES.len()).is_some_and(|word| word.eq_ignore_ascii_case(MATCHES))
}

/// The first octet of the service's number on the wire. Others may share it, which does no harm.
const fn first_octet(service: Service) -> u8 {
    let number = service.number();
    if number < 0x80 { number as u8 } else { number as u8 | 0x80 }
}

/// Refuses bytes where a service has no request body.
pub(crate) fn no_body(body: &[u8]) -> Result<(), ServiceError> {
    if body.is_empty() {
        Ok(())
    } else {
        Err(ServiceError::invalid("this service has no request body"))
    }
}
