//! The roles of a session that does not exist, and where each of them comes from.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_server::security::Contents;
use antiphon_server::security::access::Anonymous;

use crate::failure::Failure;
use crate::values::one_line;

/// Roles, and why the session would have them.
pub(super) struct Held(BTreeMap<Arc<str>, String>);

impl Held {
    /// The roles of a session of `principal`, which is empty for an anonymous one, with `more` of another authenticator.
    pub(super) fn by(
        contents: &Contents,
        principal: &str,
        more: &[String],
    ) -> Result<Self, Failure> {
        let mut held = Self(BTreeMap::new());
        let everybody = match principal {
            "" => "every anonymous session has it",
            _ => "every session with a principal has it",
        };
        held.add(contents.security.roles_for(principal), everybody);
        held.add(&more.iter().map(|role| role.as_str().into()).collect(), "given by --role");
        match contents.principals.get(principal) {
            Some(known) => held.add(known.roles(), &format!("held by {}", one_line(principal))),
            None if principal.is_empty() => held.add_anonymous(contents, more)?,
            None if more.is_empty() => return Err(unknown(principal)),
            None => {}
        }
        Ok(held)
    }

    pub(super) fn roles(&self) -> BTreeSet<Arc<str>> {
        self.0.keys().cloned().collect()
    }

    /// Why the session has a role.
    pub(super) fn why(&self, role: &str) -> &str {
        self.0.get(role).map_or("", String::as_str)
    }

    fn add_anonymous(&mut self, contents: &Contents, more: &[String]) -> Result<(), Failure> {
        match contents.principals.for_anonymous() {
            Anonymous::Allow(roles) => {
                self.add(roles, "every anonymous client gets it");
                Ok(())
            }
            _ if more.is_empty() => Err(Failure::usage(
                "the store does not let anonymous clients in; --role says what another authenticator \
                 gives them, `antiphon access anonymous allow` lets them in",
            )),
            Anonymous::Deny | Anonymous::Abstain => Ok(()),
        }
    }

    fn add(&mut self, roles: &BTreeSet<Arc<str>>, why: &str) {
        self.0.extend(roles.iter().map(|role| (Arc::clone(role), why.to_owned())));
    }
}

fn unknown(principal: &str) -> Failure {
    Failure::usage(format!(
        "there is no principal {principal:?} in the store; --role says which roles another authenticator gives it"
    ))
}
