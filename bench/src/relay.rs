//! The yardstick: what hands frames from requesters to handlers and back, and does nothing else. No accounts, no paths, no
//! time limits, no bounds, and numbers of connections that are used again: an answer that is late may reach another one, so
//! each run has a relay of its own.
//!
//! One task for each connection, on a runtime of tokio with two workers. Who reads a frame appends it to the buffer of the
//! connection that it is for; that connection's task writes the buffer one turn of the scheduler later, when others have
//! appended theirs.

use std::cell::RefCell;
use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use parking_lot::Mutex;
use parking_lot::RwLock;
use slab::Slab;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tungstenite::handshake::derive_accept_key;

use crate::frames::BINARY;
use crate::frames::Frame;
use crate::frames::invalid;
use crate::frames::put_header;
use crate::wire::relay::HEAD;
use crate::wire::relay::kind;
use crate::wire::relay::parts;
use crate::wire::relay::put_head;

/// What others append to, and whom they wake.
#[derive(Default)]
struct Outbound {
    bytes: Mutex<Vec<u8>>,
    dirty: AtomicBool,
    waker: OnceLock<Waker>,
}

#[derive(Default)]
struct Table {
    connections: Slab<Arc<Outbound>>,
    handlers: Vec<(usize, Arc<Outbound>)>,
}

/// One connection, as its task has it.
struct Connection {
    stream: TcpStream,
    table: Arc<RwLock<Table>>,
    key: usize,
    outbound: Arc<Outbound>,
    upgraded: bool,
    /// Read, but not a whole frame yet.
    rest: Vec<u8>,
    /// Taken from `outbound`, and written up to here.
    writing: Vec<u8>,
    written: usize,
    /// Others are let go first, once.
    deferred: bool,
    /// Which handler is next.
    turn: usize,
    touched: Vec<Arc<Outbound>>,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 << 10]);
}

/// Bytes that are read at once.
const READ: usize = 64 << 10;
/// Reads before others have their turn.
const READS: usize = 4;

/// Serves for ever.
pub(crate) fn serve(address: SocketAddr) -> io::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        // In a task, since the thread that waits for it is no worker.
        tokio::spawn(accept(listener)).await?
    })
}

/// Serves whoever connects.
pub(crate) async fn accept(listener: TcpListener) -> io::Result<()> {
    let table = Arc::new(RwLock::new(Table::default()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let outbound = Arc::new(Outbound::default());
        let key = table.write().connections.insert(Arc::clone(&outbound));
        let mut connection = Connection {
            stream,
            table: Arc::clone(&table),
            key,
            outbound,
            upgraded: false,
            rest: Vec::new(),
            writing: Vec::new(),
            written: 0,
            deferred: false,
            turn: key,
            touched: Vec::new(),
        };
        tokio::spawn(async move {
            // However it ends, it is over.
            let _ = poll_fn(|context| connection.poll(context)).await;
            let mut table = connection.table.write();
            table.connections.remove(connection.key);
            table.handlers.retain(|(key, _)| *key != connection.key);
        });
    }
}

impl Connection {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The waker of a task is always the same.
        self.outbound.waker.get_or_init(|| context.waker().clone());
        self.write_in_time(context)?;
        for _ in 0..READS {
            if self.read(context)?.is_pending() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what others have appended, but only in the turn after it was noticed.
    fn write_in_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.written == self.writing.len() {
            if !self.outbound.dirty.load(Ordering::Acquire) {
                return Ok(());
            }
            if !self.deferred {
                self.deferred = true;
                // Wakes this task when all that are ready have had their turn.
                let _ = pin!(yield_now()).poll(context);
                return Ok(());
            }
        }
        self.deferred = false;
        self.write(context)
    }

    /// Writes until nothing is left or the socket is full.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        loop {
            if self.written == self.writing.len() {
                self.writing.clear();
                self.written = 0;
                self.outbound.dirty.store(false, Ordering::Release);
                std::mem::swap(&mut self.writing, &mut self.outbound.bytes.lock());
                if self.writing.is_empty() {
                    return Ok(());
                }
            }
            let written =
                Pin::new(&mut self.stream).poll_write(context, &self.writing[self.written..])?;
            match written {
                Poll::Ready(count) => self.written += count,
                Poll::Pending => return Ok(()),
            }
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let kept = self.rest.len();
            if scratch.len() < kept + READ {
                scratch.resize(kept + READ, 0);
            }
            scratch[..kept].copy_from_slice(&self.rest);
            let mut buffer = ReadBuf::new(&mut scratch[kept..kept + READ]);
            if Pin::new(&mut self.stream).poll_read(context, &mut buffer)?.is_pending() {
                return Ok(Poll::Pending);
            }
            let count = buffer.filled().len();
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let used = self.frames(&mut scratch[..kept + count])?;
            self.rest.clear();
            self.rest.extend_from_slice(&scratch[used..kept + count]);
            Ok(Poll::Ready(()))
        })
    }

    /// Hands on all whole frames, and returns how many bytes they have.
    fn frames(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut at = if self.upgraded { 0 } else { self.upgrade(bytes)? };
        let table = Arc::clone(&self.table);
        let mut guard = table.read();
        while self.upgraded
            && let Some(frame) = Frame::first(&bytes[at..])?
        {
            let (kind, number, body) = parts(frame.payload(&mut bytes[at..]))?;
            if kind == kind::HANDLE {
                drop(guard);
                table.write().handlers.push((self.key, Arc::clone(&self.outbound)));
                guard = table.read();
            }
            self.hand_on(&guard, kind, number, body)?;
            at += frame.end;
        }
        drop(guard);
        for outbound in self.touched.drain(..) {
            if let Some(waker) = outbound.waker.get() {
                waker.wake_by_ref();
            }
        }
        Ok(at)
    }

    #[inline]
    fn hand_on(&mut self, table: &Table, kind: u8, number: u64, body: &[u8]) -> io::Result<()> {
        let (to, number) = match kind {
            kind::HANDLE => (&self.outbound, number),
            kind::REQUEST => {
                self.turn = if self.turn + 1 < table.handlers.len() { self.turn + 1 } else { 0 };
                let handler = table.handlers.get(self.turn).ok_or_else(|| invalid("no handler"))?;
                (&handler.1, (self.key as u64) << 32 | number)
            }
            kind::RESPONSE => match table.connections.get((number >> 32) as usize) {
                Some(requester) => (requester, number & 0xffff_ffff),
                None => return Ok(()),
            },
            other => return Err(invalid(format!("a message of kind {other}"))),
        };
        let mut out = to.bytes.lock();
        put_header(&mut out, BINARY, HEAD + body.len(), None);
        put_head(&mut out, kind, number);
        out.extend_from_slice(body);
        drop(out);
        if !to.dirty.swap(true, Ordering::AcqRel) {
            self.touched.push(Arc::clone(to));
        }
        Ok(())
    }

    /// Answers the request for a WebSocket, if it is whole, and returns how long it is.
    fn upgrade(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(0) };
        let head = String::from_utf8_lossy(&bytes[..end]);
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let key = derive_accept_key(key.ok_or_else(|| invalid("no key"))?.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {key}\r\n\r\n"
        );
        self.outbound.bytes.lock().extend_from_slice(answer.as_bytes());
        self.outbound.dirty.store(true, Ordering::Release);
        self.touched.push(Arc::clone(&self.outbound));
        self.upgraded = true;
        Ok(end + 4)
    }
}
