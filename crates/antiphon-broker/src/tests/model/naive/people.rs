//! Who the sessions are, and what they may do.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;

use crate::access::GlobalPermission;
use crate::access::PathPermission;
use crate::tests::model::got::Failure;
use crate::tests::model::op::Open;
use crate::tests::model::query::Asked;

#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: SessionId,
    pub(crate) open: bool,
    pub(super) python: bool,
    /// A Python client that can read no properties.
    pub(super) old: bool,
    pub(super) principal: String,
    pub(super) roles: BTreeSet<String>,
    /// User properties.
    pub(super) user: BTreeMap<String, String>,
    pub(crate) heard: u64,
    pub(super) next_ping: u64,
    /// When it was last asked because it owed an answer.
    pub(super) asked: u64,
}

impl Person {
    pub(crate) fn new(id: SessionId, open: &Open, now: u64) -> Self {
        let user = open.property.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self {
            id,
            open: true,
            python: open.query.contains("PY"),
            old: matches!(open.query, "ty=PY&v=19" | "ty=PY&v=24"),
            principal: open.principal.to_owned(),
            roles: with_default_role(&open.roles),
            user: user.into_iter().collect(),
            heard: now,
            next_ping: now + super::PING_PERIOD,
            asked: 0,
        }
    }

    /// The properties with these keys, `*U` for all that users defined; in key order.
    pub(super) fn select(&self, keys: &[&str]) -> Vec<(String, String)> {
        let mut wanted: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        if wanted.remove("*U") {
            wanted.extend(self.user.keys().cloned());
        }
        wanted.into_iter().filter_map(|key| self.value(&key).map(|value| (key, value))).collect()
    }

    pub(super) fn demand(&self, permission: GlobalPermission) -> Result<(), Failure> {
        use GlobalPermission as G;
        let granted: &[&str] = match permission {
            G::RegisterHandler => &["ADMINISTRATOR", "CLIENT_CONTROL", "AUTHENTICATION_HANDLER"],
            G::ViewSession => &["ADMINISTRATOR", "CLIENT_CONTROL", "OPERATOR"],
            G::ModifySession => &["ADMINISTRATOR", "CLIENT_CONTROL"],
            G::ViewServer => &["ADMINISTRATOR", "OPERATOR"],
            other => panic!("{other:?} is not asked for"),
        };
        if self.has_one_of(granted) {
            return Ok(());
        }
        Err((Reason::ACCESS_DENIED, permission.name().to_owned()))
    }

    /// `path` without slashes at its ends.
    pub(super) fn demand_at(&self, path: &str, permission: PathPermission) -> Result<(), Failure> {
        use PathPermission as P;
        let server = path == "Diffusion" || path.starts_with("Diffusion/");
        let granted: &[&str] = match (permission, server) {
            (P::SendToMessageHandler, true) => &["ADMINISTRATOR", "OPERATOR"],
            (P::SendToMessageHandler, false) => {
                &["ADMINISTRATOR", "OPERATOR", "CLIENT", "CLIENT_CONTROL", "AUTHENTICATION_HANDLER"]
            }
            (P::SendToSession | P::AcquireLock, true) => &["ADMINISTRATOR"],
            (P::SendToSession | P::AcquireLock, false) => &["ADMINISTRATOR", "CLIENT_CONTROL"],
            (other, _) => panic!("{other:?} is not asked for"),
        };
        if self.has_one_of(granted) {
            return Ok(());
        }
        Err((Reason::ACCESS_DENIED, format!("{} is needed at path {path}", permission.name())))
    }

    /// Whether it owed an answer, was asked, and has said nothing since.
    pub(super) fn is_suspect(&self) -> bool {
        self.asked > self.heard
    }

    pub(crate) fn may_view_server(&self) -> bool {
        self.demand(GlobalPermission::ViewServer).is_ok()
    }

    fn has_one_of(&self, roles: &[&str]) -> bool {
        roles.iter().any(|role| self.roles.contains(*role))
    }
}

/// Every session gets this one.
pub(super) fn with_default_role(roles: &[&str]) -> BTreeSet<String> {
    roles.iter().chain(&["CLIENT"]).map(|role| (*role).to_owned()).collect()
}

impl Asked for Person {
    fn id(&self) -> SessionId {
        self.id
    }

    fn value(&self, key: &str) -> Option<String> {
        match key {
            "$Principal" => Some(self.principal.clone()),
            "$SessionId" => Some(self.id.to_string()),
            "$Roles" => {
                let quoted: Vec<_> = self.roles.iter().map(|role| format!("\"{role}\"")).collect();
                Some(quoted.join(","))
            }
            _ => self.user.get(key).cloned(),
        }
    }

    fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }
}
