//! A connection that sends what it likes. Whatever the server does to it is fine, so every error is only the end of it.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::websocket::put_masked_message;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection, from an address of its own.
pub(crate) struct Stranger {
    pub(crate) stream: TcpStream,
}

impl Stranger {
    /// Connects from 127.0.`house`.2; the good client is at 127.0.0.1.
    pub(crate) async fn from(house: u8, server: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, house, 2)), 0))?;
        let stream = timeout(PATIENCE, socket.connect(server)).await??;
        Ok(Self { stream })
    }

    /// Connects and asks for a session as `login` says.
    pub(crate) async fn session(house: u8, server: SocketAddr, login: &str) -> io::Result<Self> {
        let mut stranger = Self::from(house, server).await?;
        stranger.send(upgrade(&format!("/diffusion?ty=WB&v=29&{login}")).as_bytes()).await?;
        // The head of the answer, and the connection response if it is one.
        let mut answer = Vec::new();
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            if timeout(PATIENCE, stranger.stream.read_buf(&mut answer)).await?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(stranger)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await?
    }

    /// Sends one message as a frame.
    pub(crate) async fn message(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut frame = Vec::new();
        put_masked_message(&mut frame, *b"mask", payload);
        self.send(&frame).await
    }

    pub(crate) async fn request(&mut self, service: Service, body: &impl Encode) -> io::Result<()> {
        let mut frame = Vec::new();
        put_masked_message(&mut frame, *b"mask", &request(service, body));
        self.send(&frame).await
    }

    /// Takes what is there, and throws it away.
    pub(crate) fn drain(&self) -> io::Result<()> {
        let mut scratch = [0; 16 << 10];
        loop {
            match self.stream.try_read(&mut scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until the server has had enough of it.
    pub(crate) async fn until_cut(&mut self) -> io::Result<()> {
        let mut scratch = [0; 4 << 10];
        while timeout(PATIENCE, self.stream.read(&mut scratch)).await?? > 0 {}
        Ok(())
    }
}

/// A request for a service, as a message.
pub(crate) fn request(service: Service, body: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_request(&mut bytes, service, ConversationId(1));
    body.encode(&mut bytes);
    bytes
}

/// The head of a request for a WebSocket.
pub(crate) fn upgrade(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Credentials as parameters: the password is `01 08 "password"` in Base64.
pub(crate) const ADMIN: &str = "username=admin&password=AQhwYXNzd29yZA%3D%3D";

/// After which a stranger gives up.
const PATIENCE: Duration = Duration::from_secs(5);
