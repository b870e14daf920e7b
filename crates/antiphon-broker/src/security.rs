//! Reading and changing who may do what while sessions are open: services 57 to 60, 143, 144 and 204.
//!
//! A script is read here and carried out by the driver, which hashes passwords and stores what comes of it, one update
//! after the other.

use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::security::AnonymousAction;
use antiphon_wire::service::security::ListPathPermissions;
use antiphon_wire::service::security::RevokeAuthentication;
use antiphon_wire::service::security::SecurityConfiguration;
use antiphon_wire::service::security::SecurityRole;
use antiphon_wire::service::security::SystemAuthentication;
use antiphon_wire::service::security::SystemPrincipal;
use antiphon_wire::service::security::TrustedValues;
use antiphon_wire::service::security::UpdateSecurity;
use foldhash::HashMap;

use crate::access::Access;
use crate::access::Anonymous;
use crate::access::GlobalPermission;
use crate::access::GlobalPermissions;
use crate::access::PathPermission;
use crate::access::PathPermissions;
use crate::access::Principal;
use crate::access::Principals;
use crate::access::Role;
use crate::access::Security;
use crate::access::script::PrincipalsScript;
use crate::access::script::RolesScript;
use crate::access::script::ScriptError;
use crate::batch::Batch;
use crate::batch::Next;
use crate::batch::Void;
use crate::batch::no_body;
use crate::broker::Broker;
use crate::error::ServiceError;
use crate::error::parse_path;
use crate::messaging::no_such_session;
use crate::outbox::Outbox;
use crate::profile::PRINCIPAL;
use crate::profile::Profile;
use crate::profile::Roles;
use crate::properties::Believed;

/// A change of principals or roles that a session asks for, and may ask for. It is answered by
/// [`Batch::security_updated`].
#[derive(Debug, Clone)]
pub struct SecurityUpdate {
    conversation: ConversationId,
    /// In which of its lives the session asked: one that began anew awaits no answer.
    life: u32,
    /// The principal of the session, to which principals and roles may be locked.
    pub by: String,
    /// What is to be done.
    pub script: Script,
}

/// A script for the principals or for the roles.
#[derive(Debug, Clone)]
pub enum Script {
    /// For the principals.
    Principals(PrincipalsScript),
    /// For the roles.
    Roles(RolesScript),
}

/// Who may do what at present.
pub(crate) struct SecurityPolicy {
    security: Arc<Security>,
    principals: Arc<Principals>,
    /// What each set of roles may do, made once.
    compiled: HashMap<Arc<Roles>, Arc<Access>>,
}

impl SecurityPolicy {
    pub(crate) fn new(security: Security, principals: Principals) -> Self {
        Self {
            security: Arc::new(security),
            principals: Arc::new(principals),
            compiled: HashMap::default(),
        }
    }

    fn access(&mut self, roles: &Roles) -> (Arc<Roles>, Arc<Access>) {
        if let Some((roles, access)) = self.compiled.get_key_value(roles) {
            return (roles.clone(), access.clone());
        }
        if self.compiled.len() >= MAX_COMPILED {
            self.compiled.clear();
        }
        let access = Arc::new(self.security.compile(roles));
        let roles = Arc::new(roles.clone());
        self.compiled.insert(roles.clone(), access.clone());
        (roles, access)
    }
}

/// The present state, and changing it. One update after the other: the caller sees to it.
impl<X> Broker<X> {
    /// The roles, as they are at this moment.
    #[must_use]
    pub fn security(&self) -> Arc<Security> {
        self.security.lock().security.clone()
    }

    /// The principals, as they are at this moment.
    #[must_use]
    pub fn principals(&self) -> Arc<Principals> {
        self.security.lock().principals.clone()
    }

    /// Replaces the principals. Open sessions stay who they are and keep their roles.
    pub fn set_principals(&self, principals: Principals) {
        self.security.lock().principals = Arc::new(principals);
    }

    /// Replaces the roles. Every open session may do from its next read on what its roles say now; what it has already,
    /// such as handlers and locks, it keeps. The roles for all named or anonymous sessions are given when a session opens
    /// or is authenticated again, so that open sessions keep theirs.
    pub fn set_security(&self, security: Security) {
        // Nobody opens or changes a session meanwhile.
        let _listeners = self.listeners.lock();
        {
            let mut policy = self.security.lock();
            if *policy.security == security {
                return;
            }
            policy.security = Arc::new(security);
            policy.compiled.clear();
        }
        let sessions: Vec<_> = self.registry.read().iter().cloned().collect();
        for session in sessions {
            let profile = session.profile();
            let (_, access) = self.access(&profile.roles);
            session.set_profile(Arc::new(Profile { access, ..(*profile).clone() }));
        }
    }

    /// What a set of roles may do, and the set itself, shared by all sessions that have it.
    pub(crate) fn access(&self, roles: &Roles) -> (Arc<Roles>, Arc<Access>) {
        self.security.lock().access(roles)
    }
}

/// What the caller may do itself.
impl<X> Batch<'_, X> {
    pub(crate) fn list_global_permissions(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        no_body(body)?;
        self.respond(conversation, &global_bytes(self.profile.access.globals()), outbox);
        Ok(())
    }

    pub(crate) fn list_path_permissions(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let ListPathPermissions { path } = Decode::decode_all(body)?;
        let path = parse_path(path)?;
        self.respond(conversation, &path_bytes(self.profile.access.at(path.as_str())), outbox);
        Ok(())
    }
}

/// What all may do.
impl<X> Batch<'_, X> {
    pub(crate) fn get_principals(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        no_body(body)?;
        self.demand(GlobalPermission::ViewSecurity)?;
        self.respond(conversation, &principals_told(&self.broker.principals()), outbox);
        Ok(())
    }

    pub(crate) fn get_security(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        no_body(body)?;
        self.demand(GlobalPermission::ViewSecurity)?;
        self.respond(conversation, &security_told(&self.broker.security()), outbox);
        Ok(())
    }

    pub(crate) fn update_principals(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<Next, ServiceError> {
        let UpdateSecurity { script } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ModifySecurity)?;
        let script = PrincipalsScript::parse(script).map(Script::Principals);
        Ok(self.update(conversation, script, outbox))
    }

    pub(crate) fn update_security(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<Next, ServiceError> {
        let UpdateSecurity { script } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ModifySecurity)?;
        let script = RolesScript::parse(script).map(Script::Roles);
        Ok(self.update(conversation, script, outbox))
    }

    fn update(
        &self,
        conversation: ConversationId,
        script: Result<Script, Vec<ScriptError>>,
        outbox: &mut Outbox<X>,
    ) -> Next {
        match script {
            Ok(script) => {
                let by = self.profile.properties.get(PRINCIPAL).unwrap_or_default().to_owned();
                let life = self.inbound.life;
                Next::UpdateSecurity(Box::new(SecurityUpdate { conversation, life, by, script }))
            }
            Err(errors) => {
                self.respond(conversation, &reports(&errors), outbox);
                Next::Continue
            }
        }
    }

    /// Answers [`Next::UpdateSecurity`] when [`Broker::set_security`] or [`Broker::set_principals`] was called, or with
    /// the reasons why nothing was changed. A session that began anew meanwhile does not know that it asked.
    pub fn security_updated(
        &mut self,
        update: &SecurityUpdate,
        outcome: &Result<(), Vec<ScriptError>>,
        outbox: &mut Outbox<X>,
    ) {
        self.refresh_profile();
        if update.life != self.inbound.life {
            return;
        }
        let errors = outcome.as_ref().err().map_or(&[][..], Vec::as_slice);
        self.respond(update.conversation, &reports(errors), outbox);
        self.broker.reap(outbox);
    }

    /// A session whose authentication is revoked ends: it was let in as somebody who it is not any more.
    pub(crate) fn revoke_authentication(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let RevokeAuthentication { session } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ModifySession)?;
        self.demand(GlobalPermission::Authenticate)?;
        if let Some(link) = self.elsewhere(session) {
            let (to, call) = ((&link, session), (conversation, body));
            return self.call_elsewhere(to, Service::RevokeAuthentication, call, outbox);
        }
        let session = self.broker.find(session).ok_or_else(|| no_such_session(session))?;
        self.respond(conversation, &Void, outbox);
        outbox.doomed.push((session, CloseReason::Revoked));
        Ok(())
    }
}

fn reports(errors: &[ScriptError]) -> Vec<ErrorReport<'_>> {
    errors.iter().map(report).collect()
}

fn report(error: &ScriptError) -> ErrorReport<'_> {
    ErrorReport { message: error.message(), line: error.line(), column: error.column() }
}

fn principals_told(principals: &Principals) -> SystemAuthentication<'_> {
    let (anonymous, anonymous_roles) = match principals.for_anonymous() {
        Anonymous::Allow(roles) => (AnonymousAction::Allow, names(roles)),
        Anonymous::Deny => (AnonymousAction::Deny, Vec::new()),
        Anonymous::Abstain => (AnonymousAction::Abstain, Vec::new()),
    };
    SystemAuthentication {
        principals: principals.iter().map(principal_told).collect(),
        anonymous,
        anonymous_roles,
        trusted: principals.trust().rules().iter().map(rule_told).collect(),
    }
}

fn principal_told<'a>((name, principal): (&'a str, &'a Principal)) -> SystemPrincipal<'a> {
    SystemPrincipal { name, roles: names(principal.roles()), locked_by: principal.locked_by() }
}

fn rule_told<'a>((key, believed): (&'a Arc<str>, &'a Believed)) -> (&'a str, TrustedValues<'a>) {
    let values = match believed {
        Believed::OneOf(values) => TrustedValues::OneOf(names(values)),
        Believed::Matches(pattern) => TrustedValues::Matches(pattern.as_str()),
    };
    (key, values)
}

fn security_told(security: &Security) -> SecurityConfiguration<'_> {
    SecurityConfiguration {
        anonymous_sessions: names(security.roles_for("")),
        named_sessions: names(security.roles_for("somebody")),
        roles: security.roles().map(role_told).collect(),
        isolated: security.isolated().iter().map(String::as_str).collect(),
    }
}

fn role_told<'a>((name, role): (&'a str, &'a Role)) -> SecurityRole<'a> {
    SecurityRole {
        name,
        globals: global_bytes(role.globals()),
        default_path: path_bytes(role.default_path()),
        paths: role.paths().iter().map(|(path, some)| (path.as_str(), path_bytes(*some))).collect(),
        includes: names(role.includes()),
        locked_by: role.locked_by(),
    }
}

fn names(names: &Roles) -> Vec<&str> {
    names.iter().map(AsRef::as_ref).collect()
}

fn global_bytes(permissions: GlobalPermissions) -> Vec<u8> {
    permissions.iter().map(GlobalPermission::number).collect()
}

fn path_bytes(permissions: PathPermissions) -> Vec<u8> {
    permissions.iter().map(PathPermission::number).collect()
}

/// Servers have a handful of sets of roles; beyond this the memory of them begins anew.
const MAX_COMPILED: usize = 1024;
