//! A session's handle: who it is, how it is, and what it can do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Malformed;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::principal::ChangePrincipal;
use tokio::time::Instant;

use crate::builder::SessionBuilder;
use crate::clients::Clients;
use crate::credentials::Credentials;
use crate::deadline::after;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::events::CloseReason;
use crate::events::Events;
use crate::events::SessionEvent;
use crate::events::SessionState;
use crate::messaging::Messaging;
use crate::shared::Shared;

/// A session with a server. A cheap clone names the same session, which is closed when the last handle is dropped;
/// [`Messaging`] and [registrations](crate::Registration) count as handles.
#[derive(Clone)]
pub struct Session(Arc<Parts>);

/// What a session hands out by reference, so that its futures need no temporary to live on.
struct Parts {
    handle: Handle,
    messaging: Messaging,
    clients: Clients,
}

/// Keeps a session open.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Owner>);

/// Closes the session when nobody holds it any more.
struct Owner {
    shared: Arc<Shared>,
    request_timeout: Duration,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Handle {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.0.request_timeout
    }

    pub(crate) fn deadline(&self) -> Instant {
        after(self.0.request_timeout)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, state) = self.shared().look(|core| (core.session, core.state));
        f.debug_struct("Session").field("id", &id).field("state", &state).finish()
    }
}

impl Session {
    /// Opens an anonymous session with all settings at their defaults; [`Session::builder`] takes others.
    ///
    /// # Errors
    /// As [`SessionBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder(url).connect().await
    }

    /// Begins to set up a session. The URL is `ws://HOST:PORT` or `wss://HOST:PORT`, perhaps with the path of a proxy
    /// behind it; `/diffusion` is added if it is not there.
    pub fn builder(url: &str) -> SessionBuilder {
        SessionBuilder::new(url)
    }

    pub(crate) fn new(shared: Arc<Shared>, request_timeout: Duration) -> Self {
        let handle = Handle(Arc::new(Owner { shared, request_timeout }));
        let messaging = Messaging::new(handle.clone());
        let clients = Clients::new(handle.clone());
        Self(Arc::new(Parts { handle, messaging, clients }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.0.handle.shared()
    }

    fn deadline(&self) -> Instant {
        self.0.handle.deadline()
    }

    /// Under which id others can address it. It changes when the session is lost and another takes its place.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.shared().look(|core| core.session)
    }

    /// Requests and handlers.
    #[must_use]
    pub fn messaging(&self) -> &Messaging {
        &self.0.messaging
    }

    /// Looking at other sessions, and closing them.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.0.clients
    }

    /// The session's own fixed properties, all but `$Roles`.
    ///
    /// # Errors
    /// What can befall every call; [`Unsupported`](ErrorKind::Unsupported) from servers older than protocol 29.
    pub async fn properties(&self) -> Result<BTreeMap<String, String>, Error> {
        let service = Service::GetOwnSessionProperties;
        let answer = self.shared().call(service, self.deadline(), |_| {}).await?;
        Ok(owned(&optional_properties(&answer)?.unwrap_or_default()))
    }

    /// Asks the server whether it is there, and returns how long its answer took.
    ///
    /// # Errors
    /// What can befall every call.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        self.shared().call(Service::UserPing, self.deadline(), |_| {}).await?;
        Ok(start.elapsed())
    }

    /// Becomes another principal, with its roles. A session that is lost later is opened again as the principal that
    /// it was built with.
    ///
    /// # Errors
    /// [`AuthenticationFailed`](ErrorKind::AuthenticationFailed) if the credentials are wrong; then nothing changes.
    pub async fn change_principal(
        &self,
        principal: &str,
        credentials: Credentials,
    ) -> Result<(), Error> {
        let body = |out: &mut Vec<u8>| {
            ChangePrincipal { principal, credentials: credentials.as_wire() }.encode(out);
        };
        let answer = self.shared().call(Service::ChangePrincipal, self.deadline(), body).await?;
        if bool::decode_all(&answer)? {
            return Ok(());
        }
        let text = format!("the server does not accept the credentials of {principal:?}");
        Err(Error::new(ErrorKind::AuthenticationFailed, text))
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.shared().look(|core| core.state)
    }

    /// What happens to the session from here on. The first event is [`SessionEvent::Connected`] if it is connected.
    #[must_use]
    pub fn events(&self) -> Events {
        let (subscriber, events) = Events::channel();
        self.shared().look(|core| {
            if core.state == SessionState::Connected {
                // A new channel has room for it.
                let _ = subscriber.try_send(SessionEvent::Connected(core.session));
            }
            core.subscribe(subscriber);
        });
        events
    }

    /// Closes the session for all its handles, tells the server and waits until the connection is closed. Requests
    /// that wait for answers fail.
    ///
    /// # Cancel safety
    /// Dropping the future does not keep the session from being closed.
    pub async fn close(&self) {
        self.shared().close();
        self.closed().await;
    }

    /// Waits until the session is over.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn closed(&self) -> CloseReason {
        self.shared().closed().await
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.handle, f)
    }
}

pub(crate) fn optional_properties(answer: &[u8]) -> Result<Option<Properties<'_>>, Malformed> {
    Option::decode_all(answer)
}

pub(crate) fn owned(properties: &Properties<'_>) -> BTreeMap<String, String> {
    properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
