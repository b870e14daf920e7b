//! Where the server can be reached: an address, and how clients are spoken to there. Opens nothing; `tls` reads the
//! files.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::config::defaults;

/// One address to listen on: with TLS if it has a certificate. Table `[[listener]]` of the file. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Address and port; port 0 takes a free one. Default `127.0.0.1:8080`.
    pub address: SocketAddr,
    /// The server's certificate, and behind it those between it and its root. Default: no TLS.
    pub certificate: Option<PathBuf>,
    /// Its private key, without a passphrase.
    pub key: Option<PathBuf>,
    /// The authorities that sign the certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// Whether clients prove by a certificate who they are. Default `none`.
    pub client_certificates: ClientCertificates,
}

/// Whether clients prove by a certificate who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    None,
    /// They are asked, and may have none. A bad one is refused.
    Optional,
    /// Without one there is no connection.
    Required,
}

impl ListenerConfig {
    /// WebSocket without encryption, `ws://`.
    #[must_use]
    pub const fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: None,
            key: None,
            client_ca: None,
            client_certificates: ClientCertificates::None,
        }
    }

    /// WebSocket over TLS, `wss://`, for clients that need no certificate.
    #[must_use]
    pub fn tls(address: SocketAddr, certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate: Some(certificate), key: Some(key), ..Self::plain(address) }
    }

    /// Whether clients connect with `wss://`.
    pub(crate) const fn speaks_tls(&self) -> bool {
        self.certificate.is_some()
    }

    fn check(&self, index: usize) -> Result<(), ConfigError> {
        let asks = self.client_certificates != ClientCertificates::None;
        let (key, problem, fix) = match (&self.certificate, &self.key, &self.client_ca) {
            (Some(_), None, _) => ("key", "is missing", "name the file with the certificate's key"),
            (None, Some(_), _) => {
                ("certificate", "is missing", "name the file with the key's certificate")
            }
            (None, None, _) if asks => (
                "client_certificates",
                "needs TLS",
                "name files in `certificate` and `key`, or write \"none\"",
            ),
            (Some(_), Some(_), None) if asks => (
                "client_ca",
                "is missing",
                "name the file with the authorities that sign the certificates of clients",
            ),
            (_, _, Some(_)) if !asks => (
                "client_ca",
                "has no use, since clients are not asked for certificates",
                "write client_certificates = \"optional\" or \"required\", or leave it out",
            ),
            _ => return Ok(()),
        };
        Err(ConfigError::Invalid {
            key: format!("listener.{index}.{key}"),
            problem: problem.to_owned(),
            fix: fix.to_owned(),
        })
    }
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self::plain(defaults::LISTEN)
    }
}

/// Checks all listeners of a server.
pub(super) fn check(listeners: &[ListenerConfig]) -> Result<(), ConfigError> {
    if listeners.is_empty() {
        return Err(ConfigError::Invalid {
            key: "listener".to_owned(),
            problem: "has no address, so nobody can connect".to_owned(),
            fix: "write a [[listener]] table with address = \"127.0.0.1:8080\"".to_owned(),
        });
    }
    listeners.iter().enumerate().try_for_each(|(index, listener)| listener.check(index))
}
