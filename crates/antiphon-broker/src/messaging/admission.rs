//! Whether a session may send a request: how fast it asks, what it is permitted, what it already waits for.

use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::path::Path;
use antiphon_wire::value::Relayed;

use crate::access::PathPermission;
use crate::batch::Batch;
use crate::draining::too_late;
use crate::error::ServiceError;
use crate::error::parse_path;
use crate::messaging::NOT_DELIVERED;
use crate::messaging::Request;
use crate::pending::Reply;
use crate::stats::Limit;

impl<X> Batch<'_, X> {
    /// A request to sessions that this one may send, along the path that is `written`.
    pub(super) fn admit_to_session<'r>(
        &mut self,
        written: &'r str,
        value: Relayed<'r>,
        reply: Reply,
    ) -> Result<Request<'r>, ServiceError> {
        self.keep_pace()?;
        let path = parse_path(written)?;
        self.demand_at(path, PathPermission::SendToSession)?;
        self.admit(&value)?;
        let timeout = self.policy.rules.timeout(path);
        Ok(Request { path: written, value, reply, timeout })
    }

    /// Whether it may ask one more now.
    pub(super) fn keep_pace(&mut self) -> Result<(), ServiceError> {
        if self.inbound.pace.allows(self.policy.limits.rate, self.now) {
            Ok(())
        } else {
            Err(ServiceError::overloaded(Limit::Rate, "the session asks too fast"))
        }
    }

    pub(super) fn demand_at(
        &self,
        path: Path<'_>,
        permission: PathPermission,
    ) -> Result<(), ServiceError> {
        if self.profile.access.allows_at(path.as_str(), permission) {
            Ok(())
        } else {
            Err(ServiceError::lacks_at(permission.name(), path))
        }
    }

    /// Whether it may send this value now.
    pub(super) fn admit(&self, value: &Relayed<'_>) -> Result<(), ServiceError> {
        value.check()?;
        if self.session.awaiting.load(Relaxed) >= self.policy.limits.requests_per_sender {
            return Err(ServiceError::overloaded(
                Limit::Sender,
                "the session awaits too many responses",
            ));
        }
        if self.broker.asks_too_late(self.session) {
            return Err(too_late(NOT_DELIVERED));
        }
        Ok(())
    }
}
