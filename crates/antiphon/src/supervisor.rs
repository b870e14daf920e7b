//! The life of a session over its connections: the first one, and those that follow when one is lost.

use std::sync::Arc;

use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;
use tracing::debug;
use tracing::info;

use crate::builder::Settings;
use crate::core::Effects;
use crate::core::Identity;
use crate::deadline::after;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::events::CloseReason;
use crate::events::SessionEvent;
use crate::link::Driver;
use crate::link::Ended;
use crate::link::Link;
use crate::link::refused;
use crate::messaging::register;
use crate::shared::Shared;
use crate::transport::Connector;

/// Opens a session and starts the task that keeps it.
pub(crate) async fn start(
    settings: Settings,
    connector: Arc<dyn Connector>,
) -> Result<Arc<Shared>, Error> {
    let query = settings.query(None);
    let (link, response) = open(&settings, &*connector, &query).await?;
    let identity = match response {
        ConnectionResponse::Accepted(accepted) => {
            Identity { session: accepted.session, token: accepted.token }
        }
        ConnectionResponse::Refused(refusal) => return Err(refused(refusal)),
        ConnectionResponse::Resumed { .. } => {
            let text = "the server took up a session that was never opened";
            return Err(Error::new(ErrorKind::Refused, text));
        }
    };
    let shared = Shared::new(identity, settings.reconnect.is_enabled(), &settings.limits);
    let supervisor = Supervisor { shared: Arc::clone(&shared), settings, connector };
    shared.runtime().spawn(supervisor.run(link));
    Ok(shared)
}

async fn open(
    settings: &Settings,
    connector: &dyn Connector,
    query: &str,
) -> Result<(Link, ConnectionResponse), Error> {
    let limit = settings.connect_timeout;
    match timeout(limit, Link::open(connector, query, settings.limits.message)).await {
        Ok(opened) => opened,
        Err(_) => {
            let text = format!("the server did not answer within {limit:?}");
            Err(Error::new(ErrorKind::Connect, text))
        }
    }
}

struct Supervisor {
    shared: Arc<Shared>,
    settings: Settings,
    connector: Arc<dyn Connector>,
}

/// What came of an attempt to connect again.
enum Attempt {
    Connected(Link),
    /// At once, but as a new session.
    AsNewSession,
    /// Later.
    Again,
    /// Never.
    Over(CloseReason),
}

impl Supervisor {
    async fn run(self, mut link: Link) {
        // Even if the runtime ends this task, nobody is left waiting.
        let mut over =
            Over { shared: Arc::clone(&self.shared), reason: CloseReason::ConnectionLost };
        over.reason = loop {
            let session = self.shared.look(|core| core.session);
            let ended = Driver::new(Arc::clone(&self.shared), link).run().await;
            debug!(%session, ?ended, "connection ended");
            let resumable = match ended {
                Ended::Lost(_) => true,
                Ended::Closed(CloseReason::ClosedByServer)
                    if self.settings.reconnect.comes_back_after_server_close() =>
                {
                    false
                }
                Ended::Closed(reason) => break reason,
            };
            // Rarely needed and large, so it is not part of every idle session's task.
            match Box::pin(self.recover(resumable)).await {
                Ok(next) => link = next,
                Err(reason) => break reason,
            }
        };
    }

    /// Connects again, in the old session if it is still there.
    async fn recover(&self, mut resumable: bool) -> Result<Link, CloseReason> {
        if !self.settings.reconnect.is_enabled() {
            return Err(CloseReason::ConnectionLost);
        }
        self.shared.look(|core| core.lose());
        let (lost, mut attempt) = (Instant::now(), 0);
        loop {
            let delay = self
                .settings
                .reconnect
                .delay(attempt, lost.elapsed(), random())
                .ok_or(CloseReason::ConnectionLost)?;
            let connected = tokio::select! {
                () = self.shared.closing() => return Err(CloseReason::ClosedByClient),
                connected = async { sleep(delay).await; self.attempt(&mut resumable).await } => connected,
            };
            match connected {
                Attempt::Connected(link) => return Ok(link),
                Attempt::Over(reason) => return Err(reason),
                Attempt::Again | Attempt::AsNewSession => attempt += 1,
            }
        }
    }

    /// One attempt, or two if the first shows that the old session is gone.
    async fn attempt(&self, resumable: &mut bool) -> Attempt {
        loop {
            match self.connect(*resumable).await {
                Attempt::AsNewSession if *resumable => *resumable = false,
                outcome => return outcome,
            }
        }
    }

    async fn connect(&self, resumable: bool) -> Attempt {
        let reconnection = resumable.then(|| self.shared.look(|core| core.reconnection()));
        let query = self.settings.query(reconnection);
        match open(&self.settings, &*self.connector, &query).await {
            Ok((link, response)) => self.take_up(link, response),
            Err(error) => {
                debug!(%error, "could not connect again");
                Attempt::Again
            }
        }
    }

    fn take_up(&self, link: Link, response: ConnectionResponse) -> Attempt {
        match response {
            ConnectionResponse::Accepted(accepted) => {
                let identity = Identity { session: accepted.session, token: accepted.token };
                self.shared.change(|core, effects| core.replace(identity, effects));
                self.register_again();
            }
            ConnectionResponse::Resumed { session, token, resumed, .. } => {
                let identity = Identity { session, token };
                if !self.resume(identity, resumed) {
                    return Attempt::AsNewSession;
                }
            }
            ConnectionResponse::Refused(refusal) => return after_refusal(refusal),
        }
        info!(session = %self.shared.look(|core| core.session), "connected again");
        self.shared.announce();
        Attempt::Connected(link)
    }

    fn resume(&self, identity: Identity, resumed: Resumed) -> bool {
        match resumed {
            Resumed::Intact { next_client_sequence } => {
                self.shared.look(|core| core.resume(identity, u64::from(next_client_sequence)))
            }
            Resumed::WithLoss => {
                self.shared.change(|core, effects| core.resume_with_loss(identity, effects));
                self.register_again();
                true
            }
        }
    }

    /// Registers every handler with a server that knows of none.
    fn register_again(&self) {
        let registrations = self.shared.look(|core| core.handlers.registrations());
        let deadline = after(self.settings.request_timeout);
        for (id, registered) in registrations {
            let shared = Arc::clone(&self.shared);
            self.shared.runtime().spawn(async move {
                let Err(error) = register(&shared, id, &registered, deadline).await else { return };
                // A connection that is lost in the meantime brings another turn.
                if error.is_closed() {
                    return;
                }
                let path = registered.path.to_string();
                shared.look(|core| {
                    core.handlers.deregister(id);
                    core.tell(&SessionEvent::HandlerLost { path, error });
                });
            });
        }
    }
}

/// Ends the session when it is dropped.
struct Over {
    shared: Arc<Shared>,
    reason: CloseReason,
}

impl Drop for Over {
    fn drop(&mut self) {
        let reason = self.reason;
        self.shared.change(|core, effects: &mut Effects| core.end(reason, effects));
        self.shared.announce();
    }
}

fn after_refusal(refusal: Refusal) -> Attempt {
    debug!(?refusal, "could not take the session up again");
    match refusal {
        Refusal::UnknownSession
        | Refusal::ReconnectionUnsupported
        | Refusal::ReconnectionFailedMessageLoss => Attempt::AsNewSession,
        Refusal::ServerInitialising | Refusal::LicenseExceeded => Attempt::Again,
        Refusal::AuthenticationFailed => Attempt::Over(CloseReason::AccessDenied),
        Refusal::ConnectionProtocolError | Refusal::Downgrade => {
            Attempt::Over(CloseReason::Refused)
        }
    }
}

/// From 0 to 1. Without the system's generator all sessions come back together, which is no reason not to come back.
fn random() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}
