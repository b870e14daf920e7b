//! Writing mailboxes: who reports that there is something, who writes it, and what a socket may do meanwhile.

use std::io;
use std::io::ErrorKind::BrokenPipe;
use std::io::ErrorKind::Interrupted;
use std::io::ErrorKind::WouldBlock;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::websocket::put_pong;

use crate::BrokerConfig;
use crate::Connection;
use crate::Flush;
use crate::Limits;
use crate::Next;
use crate::Outbox;
use crate::Spare;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::read_all;
use crate::tests::world::request;
use crate::tests::world::response;

/// The far end of a session: what it took, and in how many calls.
struct Socket {
    bytes: Vec<u8>,
    calls: usize,
}

impl Socket {
    fn new() -> Self {
        Self { bytes: Vec::new(), calls: 0 }
    }

    /// Takes at most so many bytes.
    fn take(&mut self, bytes: &[u8], most: usize) -> io::Result<usize> {
        self.calls += 1;
        let count = bytes.len().min(most);
        self.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// What has arrived since the last call.
    fn received(&mut self) -> Vec<Received> {
        read_all(&mut std::mem::take(&mut self.bytes))
    }
}

fn flush(client: &Client, mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> Flush {
    client.session.flush(&mut Spare::default(), |_, bytes| write(bytes))
}

fn blocked(_: &[u8]) -> io::Result<usize> {
    Err(WouldBlock.into())
}

fn ping(w: &mut World, client: &Client, conversation: u64) {
    w.ask(client, Service::UserPing, conversation, &Void);
}

fn answers(conversations: impl IntoIterator<Item = u64>) -> Vec<Received> {
    conversations.into_iter().map(|conversation| response(conversation, &Void)).collect()
}

#[test]
fn a_session_is_reported_once_until_it_is_flushed() {
    let mut w = World::new();
    let (client, other) = (w.open("alice"), w.open("bob"));
    assert_eq!(w.touched(), [client.id(), other.id()]);
    for conversation in 1..=3 {
        ping(&mut w, &client, conversation);
    }
    ping(&mut w, &other, 1);
    assert_eq!(w.touched(), [client.id(), other.id()]);
    ping(&mut w, &client, 4);
    assert_eq!(w.touched(), []);
    assert_eq!(client.received(), answers(1..=4));
    ping(&mut w, &client, 5);
    assert_eq!(w.touched(), [client.id()]);
}

#[test]
fn all_that_waits_is_written_in_one_call() {
    let mut w = World::new();
    let client = w.open("alice");
    for conversation in 1..=100 {
        ping(&mut w, &client, conversation);
    }
    let mut socket = Socket::new();
    assert_eq!(flush(&client, |bytes| socket.take(bytes, usize::MAX)), Flush::Done);
    assert_eq!(socket.calls, 1);
    assert_eq!(socket.received(), answers(1..=100));
    assert_eq!(flush(&client, |_| panic!("nothing is left")), Flush::Done);
}

#[test]
fn a_socket_that_takes_a_byte_at_a_time_gets_every_byte_once() {
    let mut w = World::new();
    let client = w.open("alice");
    for conversation in 1..=10 {
        ping(&mut w, &client, conversation);
    }
    let mut socket = Socket::new();
    let mut interrupt = false;
    let written = flush(&client, |bytes| {
        interrupt = !interrupt;
        if interrupt { Err(Interrupted.into()) } else { socket.take(bytes, 1) }
    });
    assert_eq!(written, Flush::Done);
    assert_eq!(socket.calls, socket.bytes.len());
    assert_eq!(socket.received(), answers(1..=10));
}

#[test]
fn a_blocked_session_writes_again_when_it_is_unblocked() {
    let mut w = World::new();
    let client = w.open("alice");
    w.touched();
    ping(&mut w, &client, 1);
    ping(&mut w, &client, 2);
    let mut socket = Socket::new();
    let mut room = 5;
    let written = flush(&client, |bytes| {
        if room == 0 {
            return blocked(bytes);
        }
        let count = socket.take(bytes, room)?;
        room -= count;
        Ok(count)
    });
    assert_eq!(written, Flush::Blocked);
    assert_eq!(socket.bytes.len(), 5);
    // Still reported, and still not written.
    w.touched();
    ping(&mut w, &client, 3);
    assert_eq!(w.touched(), [client.id()]);
    assert_eq!(flush(&client, |_| panic!("it is blocked")), Flush::Done);
    ping(&mut w, &client, 4);
    assert_eq!(w.touched(), [client.id()]);

    client.session.unblock(Connection::FIRST);
    assert_eq!(flush(&client, |bytes| socket.take(bytes, usize::MAX)), Flush::Done);
    assert_eq!(socket.received(), answers(1..=4));
}

#[test]
fn a_socket_that_blocks_again_and_again_gets_every_byte_once() {
    let mut w = World::new();
    let client = w.open("alice");
    let mut socket = Socket::new();
    for conversation in 1..=50 {
        ping(&mut w, &client, conversation);
        let mut first = true;
        let written = flush(&client, |bytes| {
            if std::mem::take(&mut first) { socket.take(bytes, 2) } else { blocked(bytes) }
        });
        assert_eq!(written, Flush::Blocked);
        client.session.unblock(Connection::FIRST);
    }
    assert_eq!(flush(&client, |bytes| socket.take(bytes, usize::MAX)), Flush::Done);
    assert_eq!(socket.received(), answers(1..=50));
}

#[test]
fn what_is_appended_during_a_write_is_left_to_whoever_it_is_reported_to() {
    let mut w = World::new();
    let client = w.open("alice");
    ping(&mut w, &client, 1);
    w.touched();
    let mut socket = Socket::new();
    let written = flush(&client, |bytes| {
        if socket.calls == 0 {
            ping(&mut w, &client, 2);
            ping(&mut w, &client, 3);
        }
        socket.take(bytes, usize::MAX)
    });
    assert_eq!(written, Flush::Done);
    assert_eq!(socket.received(), answers([1]));
    assert_eq!(w.touched(), [client.id()]);
    assert_eq!(flush(&client, |bytes| socket.take(bytes, usize::MAX)), Flush::Done);
    assert_eq!(socket.received(), answers([2, 3]));
}

#[test]
fn a_flush_during_a_write_leaves_its_bytes_to_the_writer() {
    let mut w = World::new();
    let client = w.open("alice");
    ping(&mut w, &client, 1);
    w.touched();
    let mut socket = Socket::new();
    let written = flush(&client, |bytes| {
        if socket.calls < 3 {
            ping(&mut w, &client, 2 + socket.calls as u64);
            assert_eq!(w.touched().len(), 1);
            assert_eq!(flush(&client, |_| panic!("somebody else is writing")), Flush::Done);
        }
        socket.take(bytes, usize::MAX)
    });
    assert_eq!(written, Flush::Done);
    assert_eq!(socket.calls, 4);
    assert_eq!(socket.received(), answers(1..=4));
    ping(&mut w, &client, 5);
    assert_eq!(w.touched(), [client.id()]);
    assert_eq!(client.received(), answers([5]));
}

#[test]
fn a_long_write_does_not_keep_what_it_has_written() {
    let mut w = World::new();
    let client = w.open("alice");
    ping(&mut w, &client, 1);
    let mut rounds = 0;
    flush(&client, |bytes| {
        if rounds < 1_000 {
            rounds += 1;
            ping(&mut w, &client, 2);
            flush(&client, |_| panic!("somebody else is writing"));
            assert!(client.session.buffered() < 500);
        }
        Ok(bytes.len())
    });
    assert_eq!(rounds, 1_000);
    assert_quiet(&[&client]);
}

#[test]
fn what_is_appended_during_a_write_that_blocks_comes_after_what_it_left() {
    let mut w = World::new();
    let client = w.open("alice");
    ping(&mut w, &client, 1);
    let mut socket = Socket::new();
    let written = flush(&client, |bytes| {
        ping(&mut w, &client, 2 + socket.calls as u64);
        if socket.calls == 0 { socket.take(bytes, 2) } else { blocked(bytes) }
    });
    assert_eq!(written, Flush::Blocked);
    client.session.unblock(Connection::FIRST);
    assert_eq!(flush(&client, |bytes| socket.take(bytes, usize::MAX)), Flush::Done);
    assert_eq!(socket.received(), answers(1..=3));
}

#[test]
fn a_session_that_ends_is_finished_when_its_last_byte_is_written() {
    let mut w = World::new();
    let client = w.open("alice");
    ping(&mut w, &client, 1);
    w.touched();
    w.close(&client, CloseReason::ClosedByController);
    assert_eq!(flush(&client, blocked), Flush::Blocked);
    client.session.unblock(Connection::FIRST);
    let mut socket = Socket::new();
    assert_eq!(flush(&client, |bytes| socket.take(bytes, usize::MAX)), Flush::Finished);
    let parting = [Received::Abort, Received::Close(Some(1000))];
    assert_eq!(socket.received(), [&answers([1])[..], &parting].concat());
    assert_eq!(w.touched(), []);
    assert_eq!(flush(&client, |_| panic!("nothing is left")), Flush::Finished);
}

#[test]
fn a_session_that_ends_during_a_write_is_finished_by_the_last_writer() {
    let mut w = World::new();
    let client = w.open("alice");
    ping(&mut w, &client, 1);
    w.touched();
    let mut socket = Socket::new();
    let written = flush(&client, |bytes| {
        w.close(&client, CloseReason::ConnectionLost);
        socket.take(bytes, usize::MAX)
    });
    assert_eq!(written, Flush::Done);
    assert_eq!(w.touched(), [client.id()]);
    assert_eq!(flush(&client, |bytes| socket.take(bytes, usize::MAX)), Flush::Finished);
    let parting = [Received::Abort, Received::Close(Some(1000))];
    assert_eq!(socket.received(), [&answers([1])[..], &parting].concat());
}

#[test]
fn a_socket_that_fails_or_takes_nothing_is_broken() {
    for failure in [|| Err(BrokenPipe.into()), || Ok(0)] {
        let mut w = World::new();
        let (client, sender) = (w.open("alice"), w.open("bob"));
        w.send_to_session(&sender, 5, client.id());
        let written = flush(&client, |_| {
            ping(&mut w, &client, 1);
            failure()
        });
        assert_eq!(written, Flush::Broken);
        assert_eq!(flush(&client, |_| panic!("half a frame is lost")), Flush::Done);
        // Its driver closes it, which answers the request, and tries to write once more.
        w.close(&client, CloseReason::IoException);
        assert!(matches!(sender.received()[..], [Received::Error { conversation: 5, .. }]));
        assert_eq!(flush(&client, |_| failure()), Flush::Broken);
        assert_eq!(flush(&client, |_| panic!("nothing is left")), Flush::Finished);
        assert_quiet(&[&sender]);
    }
}

#[test]
fn a_session_that_lets_answers_pile_up_to_twice_its_mailbox_is_ended() {
    let limits = Limits { mailbox: 1_000, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let (slow, watcher) = (w.open("alice"), w.open("bob"));
    let body = EventListener {
        cluster_aware: true,
        filter: Some("$Principal is 'alice'"),
        keys: None,
        after: None,
        conversation: ConversationId(9),
    };
    w.ask(&watcher, Service::SessionEventRegistration, 5, &body);
    watcher.received();
    ping(&mut w, &slow, 1);
    assert_eq!(flush(&slow, blocked), Flush::Blocked);
    let message = request(56, 1, &[]);
    let answered =
        1 + (0..10_000).take_while(|_| !matches!(w.send(&slow, &message), Next::Closed)).count();

    let bodies = watcher.bodies(Service::SessionPropertiesEvent);
    let [body] = &bodies[..] else { panic!("one event is expected") };
    let change = decoded::<SessionEvents<'_>>(body).events.remove(0).change;
    let reason = CloseReason::MessageQueueLimitReached;
    assert_eq!(change, SessionChange::Closed { reason, properties: vec![] });

    slow.session.unblock(Connection::FIRST);
    let mut socket = Socket::new();
    assert_eq!(flush(&slow, |bytes| socket.take(bytes, usize::MAX)), Flush::Finished);
    assert!((1_900..=2_010).contains(&socket.bytes.len()), "{} bytes", socket.bytes.len());
    let received = socket.received();
    assert_eq!(received[..answered], answers(std::iter::repeat_n(1, answered)));
    assert_eq!(received[answered..], [Received::Abort, Received::Close(Some(1008))]);
}

#[test]
fn a_pong_is_written_in_its_place_and_not_after_the_end() {
    let mut w = World::new();
    let client = w.open("alice");
    w.touched();
    ping(&mut w, &client, 1);
    let mut outbox = Outbox::default();
    client.session.put_frame(|out| put_pong(out, b"here"), &mut outbox);
    assert!(outbox.touched.is_empty());
    let mut socket = Socket::new();
    flush(&client, |bytes| socket.take(bytes, usize::MAX));
    assert!(socket.bytes.ends_with(b"\x8a\x04here"));
    client.session.put_frame(|out| put_pong(out, b"here"), &mut outbox);
    assert_eq!(outbox.touched.len(), 1);
    w.close(&client, CloseReason::ClosedByClient);
    client.session.put_frame(|_| panic!("nothing follows the close"), &mut outbox);
}

#[test]
fn an_idle_session_holds_no_buffer() {
    let mut w = World::new();
    let (client, sender) = (w.open("alice"), w.open("bob"));
    let mut room = 0;
    for count in [10, 1] {
        (0..count).for_each(|_| w.send_to_session(&sender, 5, client.id()));
        // What is appended next goes into a buffer that was used before.
        assert!(client.session.buffered() > 0 && client.session.buffered() >= room);
        room = client.session.buffered();
        let written = client.session.flush(&mut w.outbox.spare, |_, bytes| Ok(bytes.len()));
        assert_eq!((written, client.session.buffered()), (Flush::Done, 0));
    }
    // Nor does it keep the buffer that it wrote while more was appended.
    ping(&mut w, &client, 1);
    flush(&client, |bytes| {
        ping(&mut w, &client, 2);
        Ok(bytes.len())
    });
    assert_eq!(client.received(), answers([2]));
    assert_eq!(client.session.buffered(), 0);
}

#[test]
fn a_reader_that_keeps_up_is_never_ended() {
    let limits = Limits { mailbox: 100, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let client = w.open("alice");
    for conversation in 1..=1_000 {
        ping(&mut w, &client, conversation);
        assert_eq!(client.received(), answers([conversation]));
    }
}
