//! Bytes from a socket, without a buffer for each connection: a thread reads for all of its connections into one place,
//! and a connection keeps only the frame that is not whole yet.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use tokio::io::AsyncRead;
use tokio::io::ReadBuf;
use tokio::net::tcp::OwnedReadHalf;

use crate::tls::Channel;

/// The reading half of a socket and what was read but not used.
pub(crate) struct Inbound {
    half: OwnedReadHalf,
    channel: Option<Arc<Channel>>,
    rest: Vec<u8>,
}

impl Inbound {
    /// `rest` was read from the socket before.
    pub(crate) fn new(half: OwnedReadHalf, channel: Option<Arc<Channel>>, rest: Vec<u8>) -> Self {
        Self { half, channel, rest }
    }

    /// Hands what was read before to `take`, as [`Inbound::poll_read`] does.
    pub(crate) fn take_rest(&mut self, take: impl FnOnce(&mut [u8]) -> usize) {
        let used = take(&mut self.rest);
        self.rest = self.rest.split_off(used);
    }

    /// Reads once. `take` gets all bytes that are not used yet and says how many it used from the front.
    ///
    /// Ready with the number of bytes read; 0 is the end of the stream, and then `take` is not called.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut [u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            // A short rest goes in front of the new bytes. A long one stays where it is and grows, or a message that
            // comes in many reads would be copied whole with each of them.
            let held = match self.rest.len() {
                short @ ..=MAXIMUM_HELD => short,
                _ => 0,
            };
            let mut buffer = ReadBuf::new(&mut scratch[held..held + READ]);
            ready!(match &self.channel {
                None => Pin::new(&mut self.half).poll_read(cx, &mut buffer),
                Some(channel) => channel.poll_read(self.half.as_ref(), cx, &mut buffer),
            })?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(0));
            }
            if held == self.rest.len() {
                scratch[..held].copy_from_slice(&self.rest);
                let used = take(&mut scratch[..held + read]);
                self.keep(&scratch[used..held + read]);
            } else {
                self.rest.extend_from_slice(&scratch[..read]);
                self.take_rest(take);
            }
            Poll::Ready(Ok(read))
        })
    }

    /// Throws away what comes. Ready at the end of the stream.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match ready!(self.poll_read(cx, |bytes| bytes.len())) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }

    fn keep(&mut self, unused: &[u8]) {
        if unused.is_empty() {
            self.rest = Vec::new();
        } else {
            self.rest.clear();
            self.rest.extend_from_slice(unused);
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAXIMUM_HELD + READ].into());
}

/// 64 KiB for one read: more does not raise throughput, less does lower it.
pub(crate) const READ: usize = 64 << 10;

const MAXIMUM_HELD: usize = READ;
