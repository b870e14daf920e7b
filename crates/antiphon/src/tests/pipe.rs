//! The client's end of a pipe that breaks after a number of bytes in either direction.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::DuplexStream;
use tokio::io::ReadBuf;

/// How many bytes get through before a pipe breaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) to_server: usize,
    pub(crate) to_client: usize,
}

impl Cut {
    pub(crate) const NEVER: Self = Self { to_server: usize::MAX, to_client: usize::MAX };
}

/// A pipe that breaks.
pub(crate) struct Faulty {
    stream: DuplexStream,
    left: Cut,
}

impl Faulty {
    pub(crate) fn new(stream: DuplexStream, cut: Cut) -> Self {
        Self { stream, left: cut }
    }

    fn is_broken(&self) -> bool {
        self.left.to_server == 0 || self.left.to_client == 0
    }
}

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_broken() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut bytes = vec![0; buffer.remaining().min(self.left.to_client)];
        let mut part = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        buffer.put_slice(part.filled());
        self.left.to_client -= part.filled().len();
        read
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_broken() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let part = &bytes[..bytes.len().min(self.left.to_server)];
        let written = Pin::new(&mut self.stream).poll_write(cx, part);
        if let Poll::Ready(Ok(count)) = written {
            self.left.to_server -= count;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
