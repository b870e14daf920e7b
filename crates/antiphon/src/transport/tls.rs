//! TLS: whom to trust, and what to show a server that asks.

use std::fmt;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::error::Error;
use crate::error::ErrorKind;

/// Certificates of a session over `wss`.
///
/// ```no_run
/// # fn options() -> Result<(), Box<dyn std::error::Error>> {
/// use antiphon::{Session, TlsOptions};
///
/// let tls = TlsOptions::new().root_certificates_pem(&std::fs::read("ca.pem")?)?;
/// let builder = Session::builder("wss://antiphon.example.com").tls(tls);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct TlsOptions {
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
}

#[derive(Clone)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl TlsOptions {
    /// No certificate of its own, and trust in what the system trusts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificates, one or more in PEM, in place of those that the system trusts.
    ///
    /// # Errors
    /// [`Tls`](ErrorKind::Tls) if there is none in the text.
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.roots.extend(certificates(pem)?);
        Ok(self)
    }

    /// Shows this certificate to servers that ask for one. Both in PEM: the certificate with those between it and its
    /// root, and its private key.
    ///
    /// # Errors
    /// [`Tls`](ErrorKind::Tls) if there is no certificate or no key in the texts.
    pub fn client_certificate_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| unusable("there is no private key in the PEM text", error))?;
        self.identity = Some(Identity { chain, key: Arc::new(key) });
        Ok(self)
    }
}

impl fmt::Debug for TlsOptions {
    /// Does not show the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("root_certificates", &self.roots.len())
            .field("client_certificate", &self.identity.is_some())
            .finish()
    }
}

/// Speaks TLS with one server.
pub(crate) struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsClient {
    pub(crate) fn new(host: &str, options: Option<&TlsOptions>) -> Result<Self, Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| unusable(&format!("{host:?} is no name for TLS"), error))?;
        let options = options.cloned().unwrap_or_default();
        let roots = if options.roots.is_empty() { system_roots()? } else { added(options.roots)? };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("TLS cannot be set up", error))?
            .with_root_certificates(roots);
        let config =
            match options.identity {
                None => config.with_no_client_auth(),
                Some(Identity { chain, key }) => config
                    .with_client_auth_cert(chain, key.clone_key())
                    .map_err(|error| unusable("the client certificate cannot be used", error))?,
            };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    pub(crate) async fn connect(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
        self.connector
            .connect(self.name.clone(), stream)
            .await
            .map_err(|error| unusable("no TLS connection", error))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found =
        found.map_err(|error| unusable("a certificate in the PEM text is broken", error))?;
    if found.is_empty() {
        return Err(Error::new(ErrorKind::Tls, "there is no certificate in the PEM text"));
    }
    Ok(found)
}

fn added(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| unusable("a root certificate cannot be used", error))?;
    }
    Ok(roots)
}

/// Single certificates of a system may be unusable; without any there is no TLS.
fn system_roots() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let text = "the system has no trusted certificates; set some with TlsOptions";
        return Err(Error::new(ErrorKind::Tls, text));
    }
    Ok(roots)
}

fn unusable(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::caused(ErrorKind::Tls, format!("{what}: {error}"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA"] {
            let error = TlsOptions::new().root_certificates_pem(pem.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls);
        }
        assert!(TlsOptions::new().client_certificate_pem(b"", b"").is_err());
    }
}
