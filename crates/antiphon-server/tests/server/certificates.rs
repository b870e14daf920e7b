//! An authority that signs certificates, files that hold them, and a client that trusts it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use antiphon_server::ClientCertificates;
use antiphon_server::ListenerConfig;
use rcgen::BasicConstraints;
use rcgen::Certificate;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use tempfile::TempDir;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::client::any_port;

/// Signs certificates.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Signed {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

/// A directory for the files of a listener.
pub(crate) struct Files(TempDir);

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn sign(&self, name: &str) -> Signed {
        self.sign_with(name, |_| {})
    }

    pub(crate) fn sign_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        Signed { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    /// A client that trusts this authority alone, speaks one of these versions and may show a certificate.
    pub(crate) fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Signed>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some(Signed { certificate, key }) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        })
    }
}

impl Files {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A listener on a free port with this identity.
    pub(crate) fn listener(&self, identity: &Signed) -> ListenerConfig {
        let certificate = self.write("certificate.pem", &identity.certificate.pem());
        let key = self.write("key.pem", &identity.key.serialize_pem());
        ListenerConfig::tls(any_port(), certificate, key)
    }

    /// A listener that asks for the certificates that `clients` signs.
    pub(crate) fn asking_listener(
        &self,
        identity: &Signed,
        clients: &Authority,
        client_certificates: ClientCertificates,
    ) -> ListenerConfig {
        let client_ca = Some(self.write("clients.pem", &clients.certificate.pem()));
        ListenerConfig { client_ca, client_certificates, ..self.listener(identity) }
    }
}
