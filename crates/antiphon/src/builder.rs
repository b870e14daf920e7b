//! How a session is set up.

use std::sync::Arc;
use std::time::Duration;

use antiphon_wire::connect::ConnectionParameters;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::connect::Reconnection;

use crate::credentials::Credentials;
use crate::error::Error;
use crate::limits::Limits;
use crate::reconnect::ReconnectPolicy;
use crate::session::Session;
use crate::supervisor;
use crate::transport::Connector;
use crate::transport::TlsOptions;
use crate::transport::WebSocketConnector;

/// Settings of a session that is to be opened.
///
/// ```no_run
/// use std::time::Duration;
/// use antiphon::Session;
///
/// # async fn open() -> Result<(), antiphon::Error> {
/// let session = Session::builder("ws://127.0.0.1:8080")
///     .principal("control")
///     .password("password")
///     .property("Department", "Sales")
///     .request_timeout(Duration::from_secs(5))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct SessionBuilder {
    url: String,
    tls: Option<TlsOptions>,
    settings: Settings,
}

/// What a session keeps to connect again.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    principal: Option<String>,
    credentials: Credentials,
    properties: Vec<(String, String)>,
    pub(crate) reconnect: ReconnectPolicy,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) limits: Limits,
}

impl SessionBuilder {
    pub(crate) fn new(url: &str) -> Self {
        let settings = Settings {
            principal: None,
            credentials: Credentials::None,
            properties: vec![("$Environment".to_owned(), environment())],
            reconnect: ReconnectPolicy::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            limits: Limits::default(),
        };
        Self { url: url.to_owned(), tls: None, settings }
    }

    /// Who the session is. Default: nobody, an anonymous session.
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.settings.principal = Some(principal.into());
        self
    }

    /// What proves the principal: a password.
    pub fn password(self, password: impl Into<String>) -> Self {
        self.credentials(Credentials::Password(password.into()))
    }

    /// What proves the principal.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.settings.credentials = credentials;
        self
    }

    /// Proposes a session property. The server drops it unless it trusts clients with the key.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.properties.push((key.into(), value.into()));
        self
    }

    /// Certificates for a `wss` URL. Default: those that the system trusts.
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Whether and when to connect again after the connection was lost.
    pub fn reconnect(mut self, policy: ReconnectPolicy) -> Self {
        self.settings.reconnect = policy;
        self
    }

    /// How long one attempt to connect may take. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How long a call may take, with all waiting. Default 60 s. The server has a limit of its own for requests,
    /// 10 seconds unless configured otherwise, and says whether a request may have been executed; this one is a guard
    /// for when the server says nothing.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = timeout;
        self
    }

    /// Bounds of the session.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    #[cfg(test)]
    pub(crate) fn into_settings(self) -> Settings {
        self.settings
    }

    /// Opens the session: one attempt. Must be called on a tokio runtime, on which the session then lives.
    ///
    /// # Errors
    /// [`InvalidUrl`](crate::ErrorKind::InvalidUrl), [`Connect`](crate::ErrorKind::Connect),
    /// [`Tls`](crate::ErrorKind::Tls), [`AuthenticationFailed`](crate::ErrorKind::AuthenticationFailed),
    /// [`Refused`](crate::ErrorKind::Refused).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the attempt.
    pub async fn connect(self) -> Result<Session, Error> {
        let connector = WebSocketConnector::new(&self.url, self.tls.as_ref())?;
        self.settings.connect(Arc::new(connector)).await
    }
}

impl Settings {
    /// Opens a session over any transport.
    pub(crate) async fn connect(self, connector: Arc<dyn Connector>) -> Result<Session, Error> {
        let request_timeout = self.request_timeout;
        let shared = supervisor::start(self, connector).await?;
        Ok(Session::new(shared, request_timeout))
    }

    /// The parameters of a connection, for a new session or for the old one.
    pub(crate) fn query(&self, reconnection: Option<Reconnection>) -> String {
        ConnectionParameters {
            client_type: CLIENT_TYPE,
            version: VERSION,
            capabilities: UNIFIED,
            reconnect_timeout: self.reconnect.kept_for_millis(),
            reconnection,
            properties: &self.properties,
            principal: self.principal.as_deref(),
            credentials: self.credentials.as_wire(),
        }
        .to_query()
    }
}

/// What is shown as property `$Environment`, in the form of the SDKs.
fn environment() -> String {
    let (os, version) = (std::env::consts::OS, env!("CARGO_PKG_VERSION"));
    format!("RUST_{os}_{version}")
}

/// The protocol that is spoken.
pub(crate) const VERSION: ProtocolVersion = match ProtocolVersion::supported(29) {
    Some(version) => version,
    None => panic!("the wire crate speaks protocol 29"),
};

/// No client type is set aside for Rust. Servers show an unknown one as `OTHER`.
const CLIENT_TYPE: &str = "RS";

/// The capability that every client of this protocol has.
const UNIFIED: u32 = 8;
