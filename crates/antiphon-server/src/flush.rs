//! When mailboxes are written: the flush rule.
//!
//! A session that got bytes goes on the list of the thread that gave it to them. The thread writes each session of its
//! list once, when it has no ready task left and is about to park, after [`BATCHES_PER_TURN`] reads, or when those that take
//! long have had their turns. Nobody is woken for it, so under load one write carries the answers of many reads.
//!
//! A thread that never parks would strand its list, so a ticker writes lists that stood still. Threads of a runtime
//! that was not made by [`runtime`] have no list: there every read ends with the writes that it caused.

use std::cell::Cell;
use std::cell::OnceCell;
use std::io;
use std::mem;
use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::Weak;

use antiphon_broker::Flush;
use antiphon_broker::Spare;
use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tracing::warn;

use crate::cluster::outbound::Outbound;
use crate::line::Client;
use crate::line::Line;
use crate::socket::Signal;

pub(crate) type Session = antiphon_broker::Session<Line>;
pub(crate) type Outbox = antiphon_broker::Outbox<Line>;

/// A runtime with `threads` workers that write when they are about to park. A [`crate::Server`] runs on any runtime, but
/// only on such a one are writes put together.
///
/// # Errors
/// If the system gives no threads.
pub fn runtime(threads: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_name("antiphon")
        .enable_all()
        .on_thread_start(adopt_thread)
        .on_thread_park(write_own_list)
        .build()
}

/// An outbox that is delivered when it is dropped: its sessions are written soon if the thread has a list, else at once,
/// and connections that the broker has given up end.
///
/// Even a panic drops it. A session that got lost here would count as listed for ever, and never be written again.
pub(crate) struct Delivery(Outbox);

/// An empty outbox for one call of the broker or a few.
pub(crate) fn delivery() -> Delivery {
    // With the room of the one that this thread delivered last.
    let mut outbox = OUTBOX.take();
    outbox.urgent = Some(write);
    Delivery(outbox)
}

impl Deref for Delivery {
    type Target = Outbox;

    fn deref(&self) -> &Outbox {
        &self.0
    }
}

impl DerefMut for Delivery {
    fn deref_mut(&mut self) -> &mut Outbox {
        &mut self.0
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let mut outbox = mem::take(&mut self.0);
        for (session, connection) in outbox.lost.drain(..) {
            if let Some(socket) = session.driver().socket_of(connection) {
                socket.raise(Signal::GivenUp);
            }
        }
        for node in outbox.unheard.drain(..) {
            let node = format_args!("{:016x}", node.0);
            warn!(%node, "a node did not say in time which of its sessions match a filter");
        }
        let full = OWN_LIST.with(|own| {
            let Some(list) = own.get() else {
                let Outbox { touched, spare, .. } = &mut outbox;
                touched.drain(..).for_each(|session| write_with(spare, &session));
                return false;
            };
            let mut pending = list.0.lock();
            pending.sessions.append(&mut outbox.touched);
            pending.batches += 1;
            pending.batches >= BATCHES_PER_TURN
        });
        OUTBOX.set(outbox);
        if full {
            write_own_list();
        }
    }
}

/// Writes one session's mailbox as far as its socket takes it, or the link to its node.
pub(crate) fn write(session: &Session) {
    write_all([session]);
}

fn write_all<'s>(sessions: impl IntoIterator<Item = &'s Session>) {
    // Where a delivery is under way there are no buffers, and what is put here is given up when it ends.
    let mut outbox = OUTBOX.take();
    sessions.into_iter().for_each(|session| write_with(&mut outbox.spare, session));
    OUTBOX.set(outbox);
}

fn write_with(spare: &mut Spare, session: &Session) {
    match session.driver() {
        Line::Client(client) => write_to_client(spare, session, client),
        Line::Node(outbound) => write_to_node(spare, session, outbound),
    }
}

fn write_to_client(spare: &mut Spare, session: &Session, line: &Client) {
    let mut used = None;
    let flushed = session.flush(spare, |connection, bytes| {
        match used.get_or_insert_with(|| line.socket_of(connection)) {
            Some(socket) => socket.try_write(bytes),
            // The connection was replaced, and the bytes are sent anew on the other one.
            None => Ok(bytes.len()),
        }
    });
    if let Some(requests) = spare.take_requests() {
        line.waits().over(requests);
    }
    let socket = used.flatten().unwrap_or_else(|| line.socket());
    match flushed {
        Flush::Done => {}
        Flush::Blocked => socket.raise(Signal::Blocked),
        Flush::Finished => socket.raise(Signal::Finished),
        Flush::Broken => socket.raise(Signal::Broken),
    }
}

/// If the link is broken the node is gone, of which it is told besides.
fn write_to_node(spare: &mut Spare, session: &Session, outbound: &Outbound) {
    let mut at = None;
    loop {
        let flushed = session.transmit(spare, |connection, header, messages| {
            at = Some(connection);
            outbound.transmit(connection, header, messages)
        });
        if flushed != Flush::Blocked || outbound.is_waited_for() {
            return;
        }
        // There was room again before the session knew that there was none.
        at.into_iter().for_each(|connection| session.unblock(connection));
    }
}

/// The ticker's part: writes every list of the process that has stood still since the last call.
pub(crate) fn write_stranded() {
    let mut stranded = Vec::new();
    LISTS.lock().retain(|list| match list.upgrade() {
        Some(list) => {
            stranded.append(&mut list.0.lock().stranded());
            true
        }
        None => false,
    });
    write_all(stranded.iter().map(AsRef::as_ref));
}

/// The sessions that one thread touched. Others look at it rarely, so the lock is free.
#[derive(Default)]
struct List(Mutex<Pending>);

#[derive(Default)]
struct Pending {
    sessions: Vec<Arc<Session>>,
    batches: u32,
    /// The ticker has seen these sessions here before.
    seen: bool,
}

impl Pending {
    fn take(&mut self) -> Vec<Arc<Session>> {
        self.batches = 0;
        self.seen = false;
        mem::take(&mut self.sessions)
    }

    fn stranded(&mut self) -> Vec<Arc<Session>> {
        if self.seen {
            return self.take();
        }
        self.seen = !self.sessions.is_empty();
        Vec::new()
    }
}

fn adopt_thread() {
    OWN_LIST.with(|own| {
        let list = own.get_or_init(Arc::default);
        LISTS.lock().push(Arc::downgrade(list));
    });
}

/// Writes each session of this thread's list.
pub(crate) fn write_own_list() {
    OWN_LIST.with(|own| {
        let Some(list) = own.get() else { return };
        let mut sessions = list.0.lock().take();
        write_all(sessions.iter().map(AsRef::as_ref));
        sessions.clear();
        // Writing puts nothing on this list, so only the ticker's `take` can have come between.
        list.0.lock().sessions = sessions;
    });
}

thread_local! {
    static OWN_LIST: OnceCell<Arc<List>> = const { OnceCell::new() };
    static OUTBOX: Cell<Outbox> = Cell::default();
}

/// The lists of all threads that [`runtime`] started, in this process.
static LISTS: Mutex<Vec<Weak<List>>> = Mutex::new(Vec::new());

/// More would let the first reader wait long for its answer; fewer cuts turns short when many sockets are ready.
const BATCHES_PER_TURN: u32 = 256;
