//! How bytes get to a server: TCP, perhaps TLS, and the upgrade to WebSocket. What the bytes say is not known here.

mod tls;
mod upgrade;
mod url;

use std::future::Future;
use std::pin::Pin;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

pub use crate::transport::tls::TlsOptions;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::transport::tls::TlsClient;
use crate::transport::upgrade::upgrade;
use crate::transport::url::Endpoint;

/// A connection, whatever it runs over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection on which both sides speak WebSocket, and what was read from it already.
pub(crate) type Connected = (Box<dyn Io>, Vec<u8>);

/// Makes connections to one server.
pub(crate) trait Connector: Send + Sync {
    /// Connects, with these parameters in the query string of the upgrade request.
    fn connect<'a>(
        &'a self,
        query: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, Error>> + Send + 'a>>;
}

/// Connects over TCP or TLS.
pub(crate) struct WebSocketConnector {
    endpoint: Endpoint,
    tls: Option<TlsClient>,
}

impl WebSocketConnector {
    pub(crate) fn new(url: &str, tls: Option<&TlsOptions>) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(url)?;
        let tls = match (endpoint.secure, tls) {
            (true, options) => Some(TlsClient::new(&endpoint.host, options)?),
            (false, None) => None,
            (false, Some(_)) => {
                let text = format!("TLS options are given, but {url} is not encrypted; use wss://");
                return Err(Error::new(ErrorKind::Tls, text));
            }
        };
        Ok(Self { endpoint, tls })
    }

    async fn open(&self, query: &str) -> Result<Connected, Error> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| {
            let text = format!("no connection to {}: {error}", self.endpoint.authority());
            Error::caused(ErrorKind::Connect, text, error)
        })?;
        // Refused only by a socket that is gone already.
        let _ = stream.set_nodelay(true);
        let io: Box<dyn Io> = match &self.tls {
            Some(tls) => Box::new(tls.connect(stream).await?),
            None => Box::new(stream),
        };
        upgrade(io, &self.endpoint, query).await
    }
}

impl Connector for WebSocketConnector {
    fn connect<'a>(
        &'a self,
        query: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, Error>> + Send + 'a>> {
        Box::pin(self.open(query))
    }
}
