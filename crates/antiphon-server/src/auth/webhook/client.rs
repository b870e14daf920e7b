//! An HTTP client for one address. Connections are used again; answers are bounded. Knows nothing of what is asked.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;
use http::Request;
use http::StatusCode;
use http::Uri;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tracing::warn;

use crate::config::ConfigError;
use crate::config::WebhookConfig;

/// Where to, and the connections that nobody uses at the moment.
pub(super) struct Client {
    /// For the socket.
    address: (String, u16),
    path: String,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Sender>>,
    most_idle: usize,
}

type Sender = SendRequest<Full<Bytes>>;

/// Why there is no answer. Says nothing of what was sent.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the connection failed: {0}")]
    Lost(#[from] hyper::Error),
    #[error("the answer has status {0}")]
    Status(StatusCode),
    #[error("the answer is longer than {LONGEST_ANSWER} bytes, or broken off")]
    Body,
    #[error("the question cannot be written: {0}")]
    Request(#[from] http::Error),
}

impl Client {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, ConfigError> {
        let wrong = || invalid("url", &format!("is {:?}", config.url));
        let uri: Uri = config.url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(wrong)?;
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => Some(connector(config, &name)?),
            Some("http") => {
                warn_of_clear_text(&name);
                None
            }
            _ => return Err(wrong()),
        };
        let port = authority.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        Ok(Self {
            address: (name, port),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?,
            authorization: config.secret.as_deref().map(bearer).transpose()?,
            tls,
            idle: Mutex::default(),
            most_idle: config.at_once,
        })
    }

    /// Sends `body` and returns the body of the answer. A connection that was idle may be closed at any moment, so what
    /// fails there is sent once more on a new one: who is asked twice only says twice who somebody is.
    pub(super) async fn post(&self, body: Bytes) -> Result<Bytes, Failure> {
        let idle = self.idle.lock().pop();
        if let Some(sender) = idle.filter(|sender| !sender.is_closed()) {
            match self.exchange(sender, body.clone()).await {
                Err(Failure::Lost(_)) => self.idle.lock().clear(),
                done => return done,
            }
        }
        self.exchange(self.connect().await?, body).await
    }

    async fn exchange(&self, mut sender: Sender, body: Bytes) -> Result<Bytes, Failure> {
        let mut request = Request::post(&self.path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        sender.ready().await?;
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        if response.status() != StatusCode::OK {
            return Err(Failure::Status(response.status()));
        }
        let answer = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        let answer = answer.map_err(|_| Failure::Body)?.to_bytes();
        let mut idle = self.idle.lock();
        if idle.len() < self.most_idle {
            idle.push(sender);
        }
        Ok(answer)
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let (name, port) = &self.address;
        let stream = TcpStream::connect((name.as_str(), *port)).await.map_err(Failure::Connect)?;
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => open(stream).await,
            Some((tls, name)) => {
                open(tls.connect(name.clone(), stream).await.map_err(Failure::Connect)?).await
            }
        }
    }
}

async fn open(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Sender, Failure> {
    let (sender, connection) =
        http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(TokioIo::new(stream)).await?;
    // It ends when the sender is dropped; what goes wrong is told there.
    tokio::spawn(connection);
    Ok(sender)
}

fn connector(
    config: &WebhookConfig,
    name: &str,
) -> Result<(TlsConnector, ServerName<'static>), ConfigError> {
    let defect = |problem: &dyn std::fmt::Display| invalid("url", &format!("needs TLS: {problem}"));
    let mut roots = RootCertStore::empty();
    match &config.ca {
        Some(path) => {
            let unusable = |problem: &dyn std::fmt::Display| {
                invalid("ca", &format!("names {}, which cannot be used: {problem}", path.display()))
            };
            let pem = fs::read(path).map_err(|error| unusable(&error))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| unusable(&error))?;
                roots.add(certificate).map_err(|error| unusable(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(invalid("ca", "is not set to certificates, and the system trusts none"));
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| defect(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).map_err(|error| defect(&error))?;
    Ok((TlsConnector::from(Arc::new(tls)), name))
}

fn bearer(path: &Path) -> Result<HeaderValue, ConfigError> {
    let unusable = |problem: &str| {
        invalid("secret", &format!("names {}, which cannot be used: {problem}", path.display()))
    };
    let secret = fs::read_to_string(path).map_err(|error| unusable(&error.to_string()))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.trim()))
        .map_err(|_| unusable("it has a character that no HTTP header may have"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn warn_of_clear_text(name: &str) {
    let is_loopback = name == "localhost"
        || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if !is_loopback {
        warn!("passwords travel to the webhook on {name} without encryption; use https");
    }
}

fn invalid(key: &str, problem: &str) -> ConfigError {
    ConfigError::Invalid {
        key: format!("security.webhook.{key}"),
        problem: problem.to_owned(),
        fix: "write a url such as \"https://login.example.com/antiphon\", and readable files"
            .to_owned(),
    }
}

/// Hundreds of roles and properties.
const LONGEST_ANSWER: usize = 64 << 10;
const LONGEST_HEAD: usize = 16 << 10;
