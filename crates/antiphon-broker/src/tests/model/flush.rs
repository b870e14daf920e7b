//! The flush protocol, step by step: what other threads might do while one writes is done from within its `write`.
//!
//! No lock is held while bytes are written, so one thread can play them all, in every order that a search comes up with.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;

use antiphon_wire::service::events::CloseReason;
use antiphon_wire::websocket::put_message;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::Connection;
use crate::Flush;
use crate::Outbox;
use crate::Spare;
use crate::tests::model::cases;
use crate::tests::world::Client;
use crate::tests::world::World;

#[derive(Debug, Clone, Copy)]
enum Op {
    /// Somebody appends so many bytes.
    Append(u8),
    /// Somebody writes the sessions that are on its list.
    Flush,
    /// The socket takes bytes again, if it did not.
    Unblock,
    /// The session ends.
    End,
}

/// What happens in one call of `write`: what others do meanwhile, and how many bytes the socket takes, if any.
type Write = (Vec<Op>, Taken);

#[derive(Debug, Clone, Copy)]
enum Taken {
    All,
    Some(u8),
    Interrupted,
    Blocked,
}

struct Socket {
    client: Client,
    world: RefCell<World>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    outbox: Outbox<()>,
    spare: Spare,
    writes: VecDeque<Write>,
    appended: Vec<u8>,
    written: Vec<u8>,
    is_writing: bool,
    is_blocked: bool,
    is_finished: bool,
    /// On somebody's list.
    is_listed: bool,
    /// How often it was listed since it was last flushed.
    listings: usize,
}

impl State {
    fn list(&mut self, times: usize) {
        self.listings += times;
        assert!(self.listings < 2, "listed twice");
        self.is_listed |= times > 0;
    }
}

impl Socket {
    fn new(writes: Vec<Write>) -> Self {
        let mut world = World::new();
        let client = world.open("ann");
        world.touched();
        let state = State { writes: writes.into(), ..State::default() };
        Self { client, world: RefCell::new(world), state: RefCell::new(state) }
    }

    fn act(&self, op: Op) {
        match op {
            Op::Append(count) => {
                let state = &mut *self.state.borrow_mut();
                let next = state.appended.len();
                let count = usize::from(count);
                let payload = (next..next + count).map(|n| n as u8);
                let mut bytes = Vec::new();
                put_message(&mut bytes, count, |out| out.extend(payload));
                let session = &self.client.session;
                session.put_frame(|out| out.extend(&bytes), &mut state.outbox);
                if !session.has_ended() {
                    state.appended.extend(bytes);
                }
                let listed = state.outbox.touched.drain(..).count();
                state.list(listed);
            }
            Op::Flush => {
                if std::mem::take(&mut self.state.borrow_mut().is_listed) {
                    self.flush();
                }
            }
            Op::End => {
                if !self.client.session.has_ended() {
                    self.world.borrow_mut().close(&self.client, CloseReason::ClosedByClient);
                    let listed = self.world.borrow_mut().touched().len();
                    let mut state = self.state.borrow_mut();
                    state.appended.extend(CLOSE_FRAME);
                    state.list(listed);
                }
            }
            Op::Unblock => {
                if std::mem::take(&mut self.state.borrow_mut().is_blocked) {
                    self.client.session.unblock(Connection::FIRST);
                    self.flush();
                }
            }
        }
    }

    fn flush(&self) {
        let mut spare = {
            let mut state = self.state.borrow_mut();
            state.listings = 0;
            std::mem::take(&mut state.spare)
        };
        let outcome = self.client.session.flush(&mut spare, |_, bytes| self.write(bytes));
        let mut state = self.state.borrow_mut();
        state.spare = spare;
        match outcome {
            Flush::Blocked => assert!(!std::mem::replace(&mut state.is_blocked, true)),
            Flush::Finished => {
                assert_eq!(state.written, state.appended);
                state.is_finished = true;
            }
            Flush::Done => {}
            Flush::Broken => panic!("it broke"),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let write = {
            let mut state = self.state.borrow_mut();
            assert!(!state.is_writing, "two write at once");
            assert!(!state.is_blocked, "nobody waits for the socket");
            state.is_writing = true;
            state.writes.pop_front()
        };
        let (meanwhile, taken) = write.unwrap_or((Vec::new(), Taken::All));
        meanwhile.into_iter().for_each(|op| self.act(op));
        let mut state = self.state.borrow_mut();
        state.is_writing = false;
        let taken = match taken {
            Taken::All => bytes.len(),
            Taken::Some(count) => usize::from(count).clamp(1, bytes.len()),
            Taken::Interrupted => return Err(io::ErrorKind::Interrupted.into()),
            Taken::Blocked => return Err(io::ErrorKind::WouldBlock.into()),
        };
        state.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// The session ends, everybody writes what is on a list, and nothing else is done: then all bytes have been
    /// written, in order, and somebody has been told that they are the last.
    fn settle(&self) {
        self.act(Op::End);
        self.act(Op::Flush);
        while self.state.borrow().is_blocked {
            self.act(Op::Unblock);
            self.act(Op::Flush);
        }
        let state = self.state.borrow();
        assert_eq!(state.written, state.appended);
        assert!(state.is_finished);
    }
}

const CLOSE_FRAME: [u8; 4] = [0x88, 2, 3, 0xe8];

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (1..40u8).prop_map(Op::Append),
        8 => Just(Op::Flush),
        5 => Just(Op::Unblock),
        1 => Just(Op::End),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let taken = prop_oneof![
        3 => Just(Taken::All),
        3 => (1..30u8).prop_map(Taken::Some),
        1 => Just(Taken::Interrupted),
        3 => Just(Taken::Blocked),
    ];
    (vec(op(), 0..4), taken)
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn every_byte_is_written_once_and_in_order(
        writes in vec(write(), 0..30),
        ops in vec(op(), 1..30),
    ) {
        let socket = Socket::new(writes);
        ops.into_iter().for_each(|op| socket.act(op));
        socket.settle();
    }
}
