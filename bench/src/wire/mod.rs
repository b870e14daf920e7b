//! What the client speaks: one shape, three protocols. All of them are driven by the same loops, so what differs is what the
//! protocols themselves take. Requests of one connection have small numbers, and every answer is compared with what was asked.

mod antiphon;
mod nats;
pub(crate) mod relay;

use std::future::Future;
use std::io;

pub(crate) use self::antiphon::Antiphon;
pub(crate) use self::nats::Nats;
pub(crate) use self::relay::Relay;

use crate::link::Link;
use crate::link::Stream;

/// What a connection is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sends requests with this many bytes.
    Requester(usize),
    /// Answers them with what they hold.
    Handler,
    /// Is there, with a few properties if the protocol has them.
    Idle,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The right answer to the request of this number.
    Answer(u32),
    /// A wrong one, or an error.
    Failure(u32),
}

/// One connection's side of a protocol.
pub(crate) trait Wire: Send + Sized + 'static {
    /// Does all that comes before requests; a handler is registered when this ends. `index` is the connection's own.
    fn open<S: Stream>(
        link: &mut Link<S>,
        role: Role,
        index: usize,
    ) -> impl Future<Output = io::Result<Self>> + Send;

    /// Appends a request.
    fn request(&mut self, number: u32, out: &mut Vec<u8>);

    /// Takes all whole messages from the front of `bytes` and returns how many bytes they have. What a handler, or anybody,
    /// says to them is appended to `out`.
    fn take(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<usize>;
}

/// Text that no two requests of different sizes have in common.
fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| b'a' + (at % 23) as u8).collect()
}
