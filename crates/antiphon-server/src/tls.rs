//! TLS: from an accepted socket to an encrypted one, and certificates that can be replaced while the server runs.
//!
//! | module | does |
//! |---|---|
//! | `files` | certificates and keys from files, with errors that name the file and the way out |
//! | `nodes` | whether nodes will accept each other's certificates |
//! | `channel` | an established session on the data path |
//!
//! TLS 1.2 and 1.3. No early data: it could be replayed. Sessions are resumed by tickets, whose keys are never stored and
//! change by themselves; but not where clients show certificates, so that each connection is verified anew.

mod channel;
mod files;
mod nodes;

use std::io;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use parking_lot::RwLock;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::config::ConfigError;
use crate::config::ListenerConfig;
use crate::notice;
use crate::socket;
pub(crate) use crate::tls::channel::Channel;
pub(crate) use crate::tls::nodes::Credentials;

/// The TLS side of one listener.
pub(crate) struct Acceptor(RwLock<Arc<ServerConfig>>);

impl Acceptor {
    /// Reads the files; `None` for a listener without TLS.
    pub(crate) fn load(listener: &ListenerConfig) -> Result<Option<Arc<Self>>, ConfigError> {
        let config = files::load(listener)?;
        Ok(config.map(|config| Arc::new(Self(RwLock::new(config)))))
    }

    /// Establishes a TLS session, or tells a client that speaks HTTP what it should speak instead.
    ///
    /// # Errors
    /// There is no TLS session. If there can be, the client was told why.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        if stream.peek(&mut first).await? > 0 && first[0].is_ascii_uppercase() {
            // No record of TLS begins like that, but every HTTP request.
            stream.writable().await?;
            let _ = stream.try_write(&notice::bytes(StatusCode::BAD_REQUEST, "", SPEAK_TLS));
            socket::shut_down(&stream, Shutdown::Write);
            return Err(io::Error::new(io::ErrorKind::InvalidData, "HTTP without TLS"));
        }
        let config = Arc::clone(&self.0.read());
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// The TLS sides of all listeners of a running server.
#[derive(Default)]
pub(crate) struct Acceptors(Vec<(SocketAddr, Arc<Acceptor>)>);

impl Acceptors {
    pub(crate) fn new(acceptors: Vec<(SocketAddr, Arc<Acceptor>)>) -> Self {
        Self(acceptors)
    }

    /// Reads the files of `listeners` for those that run on the same address. A listener that is not among them any more,
    /// or has no TLS, stays as it was until a restart.
    ///
    /// # Errors
    /// The first file that is of no use.
    pub(crate) fn load(&self, listeners: &[ListenerConfig]) -> Result<Loaded<'_>, ConfigError> {
        let mut loaded = Vec::new();
        for (address, acceptor) in &self.0 {
            let same = listeners.iter().find(|listener| listener.address == *address);
            if let Some(config) = same.map(files::load).transpose()?.flatten() {
                loaded.push((&**acceptor, config));
            }
        }
        Ok(Loaded(loaded))
    }
}

/// What was read for listeners that run.
pub(crate) struct Loaded<'a>(Vec<(&'a Acceptor, Arc<ServerConfig>)>);

impl Loaded<'_> {
    /// New connections see it from here on.
    pub(crate) fn take_effect(self) {
        for (acceptor, config) in self.0 {
            *acceptor.0.write() = config;
        }
    }
}

const SPEAK_TLS: &str =
    "This port speaks TLS alone: connect to wss://HOST:PORT/diffusion, not to ws://\n";

#[cfg(test)]
mod tests {
    use rcgen::BasicConstraints;
    use rcgen::CertificateParams;
    use rcgen::IsCa;
    use rcgen::Issuer;
    use rcgen::KeyPair;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::ClientConfig;
    use tokio_rustls::rustls::RootCertStore;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;
    use crate::config::ClientCertificates;

    #[tokio::test]
    async fn the_certificate_of_a_client_is_kept_with_its_connection() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&ca_key).unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&key, &Issuer::new(params, ca_key)).unwrap();
        let (certificate, key_file) = (write("c", own.pem()), write("k", key.serialize_pem()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = Acceptor::load(&ListenerConfig {
            client_ca: Some(write("ca", ca.pem())),
            client_certificates: ClientCertificates::Optional,
            ..ListenerConfig::tls(address, certificate, key_file)
        });
        let acceptor = acceptor.unwrap().unwrap();

        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let private_key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let shows = builder.clone().with_client_auth_cert(vec![own.der().clone()], private_key);
        for (client, expected) in
            [(shows.unwrap(), vec![own.der().clone()]), (builder.with_no_client_auth(), Vec::new())]
        {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = "localhost".try_into().unwrap();
            let connect = TlsConnector::from(Arc::new(client)).connect(name, stream);
            let (accepted, _) = listener.accept().await.unwrap();
            let (connected, accepted) = tokio::join!(connect, acceptor.accept(accepted));
            let _connected = connected.unwrap();
            let (_, session) = accepted.unwrap().into_inner();
            assert_eq!(Channel::new(session).client_certificates(), expected);
        }
    }
}
