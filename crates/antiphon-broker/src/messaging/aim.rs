//! What is found out once for requests of one batch that follow each other along the same path: whether they are permitted,
//! how long they may take, and which route they go to.
//!
//! A batch sees its session's permissions and the rules of paths as they were when it began, so both hold for all of it, until
//! the session itself changes something. A route may be replaced meanwhile. Whoever is asked by an old one has not gone, or
//! refuses, so nothing is lost: what the old route does not take is looked for anew.

use std::time::Duration;

use antiphon_wire::path::Path;

use crate::access::PathPermission;
use crate::batch::Batch;
use crate::error::ServiceError;
use crate::messaging::Request;
use crate::outbox::Outbox;
use crate::routes::Route;

/// What holds for requests along one path.
pub(crate) struct Aim<X> {
    timeout: Duration,
    /// Whether one was sent.
    is_used: bool,
    /// The most specific one, once a second request has asked for it: to keep a route costs more than to look for it once.
    route: Option<Route<X>>,
}

impl<X> Batch<'_, X> {
    /// How long a request along the path of the one before, or a new one, may take, if it is permitted.
    pub(super) fn take_aim(&mut self, path: Path<'_>) -> Result<Duration, ServiceError> {
        if let Some(aim) = &self.aim {
            return Ok(aim.timeout);
        }
        self.demand_at(path, PathPermission::SendToMessageHandler)?;
        let timeout = self.policy.rules.timeout(path);
        self.aim = Some(Aim { timeout, is_used: false, route: None });
        Ok(timeout)
    }

    /// Offers a request to the route that is known from the ones before; false if there is none, or if it does not take the
    /// request.
    pub(super) fn offer_aimed(
        &mut self,
        path: Path<'_>,
        request: &Request<'_>,
        outbox: &mut Outbox<X>,
    ) -> bool {
        let Some(aim) = &mut self.aim else { return false };
        if !std::mem::replace(&mut aim.is_used, true) {
            return false;
        }
        if aim.route.is_none() {
            aim.route = self.broker.routes.above(path, &self.guard).next().cloned();
        }
        let route = self.aim.as_ref().and_then(|aim| aim.route.as_ref());
        let is_taken = route.is_some_and(|route| self.offer(route, request, outbox).is_ok());
        if !is_taken && let Some(aim) = &mut self.aim {
            aim.route = None;
        }
        is_taken
    }
}
