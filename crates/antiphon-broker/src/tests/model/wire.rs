//! A broker whose sessions write into memory, for threads: checks what every writer may count on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;

use antiphon_wire::codec::Encode;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use parking_lot::Mutex;

use crate::Broker;
use crate::Connection;
use crate::Flush;
use crate::Grant;
use crate::Millis;
use crate::Opening;
use crate::Outbox;
use crate::Session;
use crate::Spare;
use crate::tests::world::EVERYTHING;

/// Lets the other threads end when this one does, even by a panic.
pub(super) struct AtWork<'a>(pub(super) &'a AtomicU32);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

/// Where the bytes of one session go.
#[derive(Debug, Default)]
pub(super) struct Wire {
    writing: AtomicBool,
    bytes: Mutex<Vec<u8>>,
    writes: AtomicU32,
}

pub(super) type Wired = Arc<Session<Wire>>;

impl Wire {
    /// Now takes all, now takes a part, now takes no more for the moment.
    fn write(&self, some: &[u8]) -> io::Result<usize> {
        assert!(!self.writing.swap(true, AcqRel), "two threads write one session");
        let taken = match self.writes.fetch_add(1, Relaxed) % 11 {
            3 => some.len().div_ceil(2),
            7 => 0,
            _ => some.len(),
        };
        self.bytes.lock().extend_from_slice(&some[..taken]);
        self.writing.store(false, Release);
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }
}

/// What one thread that drives sessions has: its own list of what is to be written.
#[derive(Default)]
pub(super) struct Worker {
    pub(super) outbox: Outbox<Wire>,
    blocked: Vec<Wired>,
    spare: Spare,
}

impl Worker {
    pub(super) fn open(&mut self, broker: &Broker<Wire>, now: Millis) -> Wired {
        let request = ConnectionRequest::parse("ty=WB&v=29", |_| None).unwrap();
        let roles = EVERYTHING.iter().map(|role| Arc::from(*role)).collect();
        let opening = Opening {
            request: &request,
            grant: Grant { principal: "ann".to_owned(), roles, ..Grant::default() },
            client_address: "127.0.0.1".to_owned(),
            connector: "test",
            start_time: 0,
            token: SessionToken([b'a'; 24]),
            now,
        };
        broker.open(opening, Wire::default(), &mut self.outbox).unwrap()
    }

    /// Writes what this worker is to write, once each; those that take no more are tried the next time.
    pub(super) fn flush(&mut self) {
        let again = std::mem::take(&mut self.blocked);
        for session in &again {
            session.unblock(Connection::FIRST);
        }
        for session in again.into_iter().chain(self.outbox.touched.drain(..)) {
            let outcome = session.flush(&mut self.spare, |_, some| session.driver().write(some));
            match outcome {
                Flush::Blocked => self.blocked.push(session),
                Flush::Broken => panic!("{} broke", session.id()),
                Flush::Done | Flush::Finished => {}
            }
        }
    }

    /// Flushes until nothing is left for this worker to do.
    pub(super) fn finish(&mut self) {
        while !self.outbox.touched.is_empty() || !self.blocked.is_empty() {
            self.flush();
        }
    }
}

/// Whether the session has bytes that no worker was told to write.
pub(super) fn is_forgotten(session: &Wired) -> bool {
    let mut forgotten = false;
    session.flush(&mut Spare::default(), |_, some| {
        forgotten = true;
        Ok(some.len())
    });
    forgotten
}

/// Reads what a session was sent, in order, as often as it is asked.
pub(super) struct Inbox {
    pub(super) session: Wired,
    rest: Vec<u8>,
}

impl Inbox {
    pub(super) fn new(session: Wired) -> Self {
        Self { session, rest: Vec::new() }
    }

    /// The whole messages that have come since the last time.
    pub(super) fn read(&mut self, mut each: impl FnMut(&[u8])) {
        self.rest.append(&mut self.session.driver().bytes.lock());
        let (mut decoder, mut used) = (Decoder::new(1 << 20), 0);
        while let Some((length, event)) = decoder.next(&mut self.rest[used..]).unwrap() {
            used += length;
            match event {
                Event::Message(message) => each(message),
                Event::Close(_) => {}
                other => panic!("{other:?}"),
            }
        }
        self.rest.drain(..used);
    }
}

pub(super) fn request(service: Service, conversation: u64, body: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_request(&mut bytes, service, ConversationId(conversation));
    body.encode(&mut bytes);
    bytes
}
