//! What an operator may want to have written down. Nothing is noted unless [`BrokerConfig::notes`] says so.
//!
//! [`BrokerConfig::notes`]: crate::BrokerConfig::notes

use std::sync::Arc;

use antiphon_wire::ids::SessionId;
use antiphon_wire::service::events::CloseReason;

use crate::profile::Profile;

/// Something that happened in a call of the broker. Who caused it the driver knows: it made the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A handler was registered.
    Registered {
        /// By this session.
        session: SessionId,
        /// For this path.
        path: String,
    },
    /// A handler was deregistered by its session. Those of a session that ends are not noted one by one.
    Deregistered {
        /// By this session.
        session: SessionId,
        /// From this path.
        path: String,
    },
    /// A session is known by other properties, its principal and roles among them. Values are not noted: what users
    /// keep in them nobody knows.
    Changed {
        /// The session.
        session: SessionId,
        /// The keys of what is new, different or gone.
        keys: Vec<String>,
        /// Its roles, if they are others than before.
        roles: Option<Vec<String>>,
    },
    /// A service call was refused for want of a permission.
    Denied {
        /// The caller.
        session: SessionId,
        /// The number of the service.
        service: u32,
        /// What the caller was told.
        text: String,
    },
    /// A session ended.
    Closed {
        /// The session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
}

impl Note {
    /// What is different in the profile of a session; `None` if nothing is.
    pub(crate) fn changed(session: SessionId, before: &Profile, after: &Profile) -> Option<Self> {
        let keys = |of: &Profile, than: &Profile| -> Vec<String> {
            let is_other =
                |&(key, value): &(&Arc<str>, &Arc<str>)| than.properties.get(key) != Some(&**value);
            let all = of.properties.shared().filter(is_other);
            all.map(|(key, _)| key.to_string()).collect()
        };
        let mut changed = keys(after, before);
        changed.extend(keys(before, after));
        changed.sort();
        changed.dedup();
        let roles = (before.roles != after.roles)
            .then(|| after.roles.iter().map(ToString::to_string).collect());
        (!changed.is_empty() || roles.is_some()).then_some(Self::Changed {
            session,
            keys: changed,
            roles,
        })
    }
}
