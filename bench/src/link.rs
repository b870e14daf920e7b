//! A connection of the client, and what was read from it but not yet used. What the bytes say is not known here.

use std::io;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tungstenite::handshake::derive_accept_key;

use crate::frames::invalid;

/// What a client speaks over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// A connection.
pub(crate) struct Link<S> {
    stream: S,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<S: Stream> Link<S> {
    /// `size` bytes can be read at once, more as soon as a message is longer.
    pub(crate) fn new(stream: S, size: usize) -> Self {
        Self { stream, buffer: vec![0; size], start: 0, end: 0 }
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Reads at least one byte more.
    pub(crate) async fn read(&mut self) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.end < self.buffer.len() / 4 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end > self.buffer.len() / 2 {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        match self.stream.read(&mut self.buffer[self.end..]).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up")),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }

    /// What was read and not used.
    pub(crate) fn unused(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    pub(crate) fn used(&mut self, count: usize) {
        self.start += count;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads what ends with `mark`, which is found where somebody waits for it: not on a hot path.
    pub(crate) async fn read_until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let found = self.unused().windows(mark.len()).position(|bytes| bytes == mark);
            if let Some(at) = found {
                let taken = self.unused()[..at + mark.len()].to_vec();
                self.used(taken.len());
                return Ok(taken);
            }
            self.read().await?;
        }
    }

    /// Asks for a WebSocket.
    pub(crate) async fn upgrade(&mut self, target: &str) -> io::Result<()> {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        self.write(request.as_bytes()).await?;
        let head = self.read_until(b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&head);
        if head.starts_with("HTTP/1.1 101 ") && head.contains(&derive_accept_key(key.as_bytes())) {
            return Ok(());
        }
        Err(invalid(format!("no WebSocket: {head}")))
    }
}
