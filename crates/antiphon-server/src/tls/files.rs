//! Certificates and keys from PEM files. Every problem names the key of the configuration, the file and the way out.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tracing::warn;
use x509_parser::prelude::ASN1Time;
use x509_parser::prelude::FromDer;
use x509_parser::prelude::X509Certificate;

use crate::config::ClientCertificates;
use crate::config::ConfigError;
use crate::config::ListenerConfig;

/// What a listener speaks TLS with; `None` if it does not.
pub(super) fn load(listener: &ListenerConfig) -> Result<Option<Arc<ServerConfig>>, ConfigError> {
    let (Some(certificate), Some(key)) = (&listener.certificate, &listener.key) else {
        return Ok(None);
    };
    let (certificate, key) = (File("listener.certificate", certificate), File("listener.key", key));
    let provider = Arc::new(ring::default_provider());
    let own = identity(certificate, key, &provider)?;
    if let Some(problem) = own.cert.first().and_then(untimely) {
        warn!("the certificate {} {problem}", certificate.path().display());
    }
    let clients = clients(listener, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|problem| certificate.problem(problem, "this is a defect of the server"))?;
    let asks = clients.is_some();
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if asks {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = ring::Ticketer::new()
            .map_err(|problem| certificate.problem(problem, "see that the system has entropy"))?;
    }
    Ok(Some(Arc::new(config)))
}

/// A file, and the key of the configuration that names it.
#[derive(Clone, Copy)]
pub(super) struct File<'a>(pub(super) &'static str, pub(super) &'a PathBuf);

impl File<'_> {
    fn path(&self) -> &Path {
        self.1
    }

    pub(super) fn problem(&self, problem: impl Display, fix: impl Into<String>) -> ConfigError {
        ConfigError::Invalid {
            key: self.0.to_owned(),
            problem: format!("{:?}: {problem}", self.1),
            fix: fix.into(),
        }
    }

    fn unusable(&self, what: &str, error: &pem::Error) -> ConfigError {
        match error {
            pem::Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => self
                .problem(
                    "may not be read",
                    "let the user that runs the server read it, and no one else",
                ),
            pem::Error::Io(error) => self.problem(error, "name a file that can be read"),
            pem::Error::NoItemsFound => {
                self.problem(format_args!("holds no {what}"), self.holds_instead())
            }
            error => self.problem(format_args!("is not PEM: {error}"), PEM_FIX),
        }
    }

    /// What to do about a file that holds something else than it should.
    fn holds_instead(&self) -> &'static str {
        let text = std::fs::read(self.path()).unwrap_or_default();
        let has = |label: &[u8]| text.windows(label.len()).any(|window| window == label);
        if has(b"BEGIN ENCRYPTED PRIVATE KEY") {
            "take the passphrase away: openssl pkey -in FILE -out NEW_FILE"
        } else if has(b"PRIVATE KEY-----") {
            "it holds a private key: `certificate` and `key` seem to be exchanged"
        } else if has(b"BEGIN CERTIFICATE-----") {
            "it holds a certificate: `certificate` and `key` seem to be exchanged"
        } else {
            PEM_FIX
        }
    }
}

/// A key with its certificate and those between it and its root.
pub(super) fn identity(
    certificate: File<'_>,
    key: File<'_>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, ConfigError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key.path())
        .map_err(|error| key.unusable("private key", &error))?;
    warn_of_readers(key);
    let signing = provider.key_provider.load_private_key(private).map_err(|problem| {
        key.problem(problem, "use a key for ECDSA (P-256, P-384), Ed25519 or RSA")
    })?;
    let fits = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(&signing)).keys_match()
    };
    let mut verdicts = chain.iter().map(fits);
    match verdicts.next() {
        Some(Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown))) => {}
        Some(Err(rustls::Error::InconsistentKeys(_))) | None => {
            let fix = if verdicts.any(|verdict| verdict.is_ok()) {
                "the order is wrong: put the server's own certificate first, then the one that signed it, and so on"
                    .to_owned()
            } else {
                format!("name the certificate that was made for the key {:?}", key.path())
            };
            return Err(
                certificate.problem("its first certificate does not belong to the key", fix)
            );
        }
        Some(Err(problem)) => return Err(certificate.problem(problem, PEM_FIX)),
    }
    Ok(CertifiedKey::new(chain, signing))
}

fn clients(
    listener: &ListenerConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, ConfigError> {
    let Some(authorities) = &listener.client_ca else { return Ok(None) };
    let file = File("listener.client_ca", authorities);
    let roots = Arc::new(roots(file)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = match listener.client_certificates {
        ClientCertificates::None => return Ok(None),
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::Required => builder,
    };
    builder.build().map(Some).map_err(|problem| file.problem(problem, PEM_FIX))
}

/// The authorities that sign certificates.
pub(super) fn roots(file: File<'_>) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|problem| file.problem(problem, PEM_FIX))?;
    }
    Ok(roots)
}

fn certificates(file: File<'_>) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read = |error: pem::Error| file.unusable("certificate", &error);
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file.path())
        .map_err(read)?
        .collect::<Result<_, _>>()
        .map_err(read)?;
    if certificates.is_empty() {
        return Err(read(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// What is wrong with the time of a certificate. It serves all the same: a wrong clock must not keep a server from its
/// start.
fn untimely(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let (from, until) = (parsed.validity().not_before, parsed.validity().not_after);
    let now = ASN1Time::now();
    if now < from {
        return Some(format!("is valid only from {from} on: clients will refuse it"));
    }
    match (until - now).map_or(-1, |left| left.whole_days()) {
        SOON.. => None,
        days @ 0.. => Some(format!("ends in {days} days, on {until}: renew it")),
        _ => Some(format!("ended on {until}: clients will refuse it; renew it")),
    }
}

#[cfg(unix)]
fn warn_of_readers(key: File<'_>) {
    use std::os::unix::fs::MetadataExt;
    let path = key.path();
    if path.metadata().is_ok_and(|metadata| metadata.mode() & 0o007 != 0) {
        let path = path.display();
        warn!("the private key {path} is open to every user of this host: chmod o= {path}");
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: File<'_>) {}

const PEM_FIX: &str = "write PEM: text with -----BEGIN ... ----- lines";

/// In days. Certificates that renew themselves are renewed before.
const SOON: i64 = 14;

#[cfg(test)]
mod tests {
    use rcgen::CertificateParams;
    use rcgen::KeyPair;
    use rcgen::date_time_ymd;

    use super::*;

    #[test]
    fn a_certificate_out_of_its_time_is_told_apart() {
        for (from, until, expected) in [
            (2000, 2020, Some("ended on")),
            (2900, 2901, Some("is valid only from")),
            (2000, 2900, None),
        ] {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let problem = untimely(certificate.der());
            assert_eq!(problem.is_some(), expected.is_some(), "{problem:?}");
            assert!(problem.unwrap_or_default().starts_with(expected.unwrap_or_default()));
        }
    }
}
