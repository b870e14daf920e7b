//! The sessions of a run: those that answer, at a path that no other run uses, and those that ask.

use antiphon::ErrorKind;
use antiphon::Limits;
use antiphon::ReconnectPolicy;
use antiphon::RequestContext;
use antiphon::Session;
use bytes::Bytes;
use tokio::time::timeout;

use crate::arguments::connection::GOODBYE;
use crate::arguments::connection::Target;
use crate::failure::Failure;

/// All sessions of a run.
pub(super) struct Fleet {
    pub(super) path: String,
    pub(super) requesters: Vec<Session>,
    handlers: Vec<Session>,
}

impl Fleet {
    /// Opens the sessions and registers the handlers.
    pub(super) async fn open(
        target: &Target,
        requesters: usize,
        handlers: usize,
        outstanding: usize,
    ) -> Result<Self, Failure> {
        let default = Limits::default();
        let limits = Limits {
            requests_in_flight: default.requests_in_flight.max(outstanding),
            handler_queue: default.handler_queue.max(outstanding.saturating_mul(requesters)),
            ..default
        };
        let mut fleet = Self { path: String::new(), requesters: Vec::new(), handlers: Vec::new() };
        for _ in 0..handlers {
            let handler = open(target, &limits).await?;
            if fleet.path.is_empty() {
                fleet.path = format!("antiphon-bench/{}", handler.id());
            }
            register(&handler, &fleet.path).await?;
            fleet.handlers.push(handler);
        }
        for _ in 0..requesters {
            fleet.requesters.push(open(target, &limits).await?);
        }
        Ok(fleet)
    }

    /// Says goodbye for all of them, without waiting long for a server that is busy.
    pub(super) async fn close(self) {
        let all = async {
            for session in self.requesters.iter().chain(&self.handlers) {
                session.close().await;
            }
        };
        // What is left ends with the connections.
        let _ = timeout(GOODBYE, all).await;
    }
}

async fn open(target: &Target, limits: &Limits) -> Result<Session, Failure> {
    let builder = target.builder().reconnect(ReconnectPolicy::never()).limits(limits.clone());
    Ok(builder.connect().await?)
}

async fn register(session: &Session, path: &str) -> Result<(), Failure> {
    let echo = |request: Bytes, _: RequestContext| async move { Ok(request) };
    let registered = session.messaging().register_request_handler(path, echo, &[]).await;
    registered.map(antiphon::Registration::keep).map_err(|error| {
        Failure::from(error).hint(
            ErrorKind::AccessDenied,
            "log in as somebody with the permission REGISTER_HANDLER, by --principal and --password",
        )
    })
}
