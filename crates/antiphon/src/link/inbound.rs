//! Bytes from a connection, read by all sessions of a thread into one place; a session keeps only the frame that is
//! not whole yet.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use tokio::io::AsyncRead;
use tokio::io::ReadBuf;

use crate::transport::Io;

/// Reads once. `take` gets `rest` with the new bytes behind it, and says how many it used from the front; the others
/// are the new `rest`.
///
/// Ready with the number of bytes read; 0 is the end of the stream, and then `take` is not called.
pub(crate) fn poll_read(
    io: &mut Box<dyn Io>,
    cx: &mut Context<'_>,
    rest: &mut Vec<u8>,
    take: impl FnOnce(&mut [u8]) -> usize,
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
        let new = buffer.filled_mut();
        let read = new.len();
        if read == 0 {
            return Poll::Ready(Ok(0));
        }
        if rest.is_empty() {
            let used = take(new);
            rest.extend_from_slice(&new[used..]);
        } else {
            rest.extend_from_slice(new);
            let used = take(rest);
            *rest = rest.split_off(used);
        }
        Poll::Ready(Ok(read))
    })
}

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// One read takes so much at most.
const READ: usize = 64 << 10;
