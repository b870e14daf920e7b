//! What the nodes of a cluster prove to each other who they are with. Zenoh reads the files by itself; here they are only looked at
//! beforehand, because a node that no other one accepts would just be alone.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::CertificateError;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::config::ClusterConfig;
use crate::config::ConfigError;
use crate::tls::files;
use crate::tls::files::File;

/// A node's certificate with its key, and the authority that nodes trust.
pub(crate) struct Credentials<'c> {
    file: File<'c>,
    own: CertifiedKey,
    authority: &'c Path,
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl<'c> Credentials<'c> {
    /// Reads the files; `None` for nodes without TLS.
    ///
    /// # Errors
    /// The first file that is of no use.
    pub(crate) fn load(cluster: &'c ClusterConfig) -> Result<Option<Self>, ConfigError> {
        let (Some(certificate), Some(key), Some(authority)) =
            (&cluster.certificate, &cluster.key, &cluster.ca)
        else {
            return Ok(None);
        };
        let provider = Arc::new(ring::default_provider());
        let file = File("cluster.certificate", certificate);
        let own = files::identity(file, File("cluster.key", key), &provider)?;
        let roots = files::roots(File("cluster.ca", authority))?;
        Ok(Some(Self { file, own, authority, roots, provider }))
    }

    /// Whether other nodes, which trust the same authority, accept the certificate from both ends of a connection, now.
    ///
    /// # Errors
    /// Why they do not.
    pub(crate) fn verify(&self) -> Result<(), ConfigError> {
        let Some((own, between)) = self.own.cert.split_first() else { return Ok(()) };
        let now = UnixTime::now();
        let as_server = self.as_server(own, between, now);
        as_server.and_then(|()| self.as_client(own, between, now)).map_err(|problem| {
            let (problem, fix) = self.explained(&problem);
            self.file.problem(format_args!("other nodes will refuse it: {problem}"), fix)
        })
    }

    /// As whoever connects sees it. Names are not compared.
    fn as_server(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let parsed = ParsedCertificate::try_from(own)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, between, now, algorithms)
    }

    /// As whoever listens sees it.
    fn as_client(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let (roots, provider) = (Arc::new(self.roots.clone()), Arc::clone(&self.provider));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(|problem| rustls::Error::General(problem.to_string()))?;
        verifier.verify_client_cert(own, between, now).map(|_| ())
    }

    /// What is wrong, and what is to be done about it.
    fn explained(&self, problem: &rustls::Error) -> (String, String) {
        let authority = self.authority.display();
        let rustls::Error::InvalidCertificate(problem) = problem else {
            return (
                problem.to_string(),
                "make a new one with openssl or your authority".to_owned(),
            );
        };
        match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("its time is over".to_owned(), "renew it".to_owned())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("its time has not come".to_owned(), "see that the clock is right".to_owned())
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => (
                format!("it is not signed by the authority {authority}, cluster.ca"),
                "name the authority that signed it; if others are in between, put their certificates behind it in the same file"
                    .to_owned(),
            ),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
                "it is not for both ends of a connection".to_owned(),
                "make it with the extended key usages serverAuth and clientAuth, or with none"
                    .to_owned(),
            ),
            other => (format!("{other:?}"), "make another one".to_owned()),
        }
    }
}
