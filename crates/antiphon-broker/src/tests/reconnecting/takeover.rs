//! A client that comes back before anybody has noticed that its old connection is lost.

use std::io;

use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::locks::LockScope;

use super::RUST;
use super::back;
use super::check_told;
use super::closed;
use super::intact;
use super::listen;
use super::lose_old;
use super::open;
use super::patient;
use super::ping;
use super::pong;
use super::present;
use super::reconnect;
use super::services::acquire;
use super::services::granted;
use crate::Connection;
use crate::Flush;
use crate::Spare;
use crate::tests::world::Client;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;

#[test]
fn messages_of_the_old_connection_are_not_served() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    assert_eq!(present(&w, &client), Connection::FIRST);
    let second = reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_ne!(second, Connection::FIRST);
    assert_eq!(present(&w, &client), second);
    let third = reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert!(third != second && third != Connection::FIRST);
    assert_eq!(present(&w, &client), third);
    assert_eq!(back(&client), intact(1, []));
}

#[test]
fn the_loss_of_the_old_connection_changes_nothing() {
    let mut w = patient();
    let (client, watcher) = (open(&mut w, RUST, "bob"), w.open("carol"));
    let second = reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_eq!(back(&client), intact(1, []));
    listen(&mut w, &watcher, &[]);
    lose_old(&mut w, &client, Connection::FIRST);
    assert_quiet(&[&watcher]);
    w.advance(60_000);
    ping(&mut w, &client, 1);
    assert_eq!(client.received(), [pong(1)]);
    lose_old(&mut w, &client, second);
    assert_eq!(watcher.received().len(), 1);
    // Another loss of an old one does not prolong its time.
    w.advance(59_999);
    lose_old(&mut w, &client, Connection::FIRST);
    lose_old(&mut w, &client, second);
    w.advance(1);
    check_told(&watcher, &client, [closed(CloseReason::ConnectionLost)]);
}

#[test]
fn a_lock_of_the_old_connection_is_passed_on() {
    let mut w = patient();
    let (client, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
    acquire(&mut w, &client, 1, "x", LockScope::Connection);
    acquire(&mut w, &client, 2, "y", LockScope::Session);
    acquire(&mut w, &other, 1, "x", LockScope::Session);
    acquire(&mut w, &other, 2, "y", LockScope::Session);
    client.received();
    reconnect(&mut w, RUST, "bob", (1, 2)).unwrap();
    assert_eq!(other.received(), [granted(1, "x", 2, LockScope::Session)]);
    assert_eq!(back(&client), intact(3, []));
}

/// Flushes; the first write to the old connection is when the client comes back, and then ends as told.
fn come_back_during_a_write(
    w: &mut World,
    client: &Client,
    written: fn(usize) -> io::Result<usize>,
) -> Flush {
    let session = client.session.clone();
    let mut writes = 0;
    session.flush(&mut Spare::default(), |connection, bytes| {
        writes += 1;
        assert_eq!(connection, Connection::FIRST);
        if writes == 1 {
            reconnect(w, RUST, "bob", (1, 0)).unwrap();
        }
        written(bytes.len())
    })
}

#[test]
fn what_was_on_its_way_to_the_old_connection_is_sent_on_the_new_one() {
    let ways: [fn(usize) -> io::Result<usize>; 4] = [
        Ok,
        |_| Err(io::ErrorKind::WouldBlock.into()),
        |_| Err(io::ErrorKind::BrokenPipe.into()),
        |length| Ok(length.div_ceil(2)),
    ];
    for way in ways {
        let mut w = patient();
        let client = open(&mut w, RUST, "bob");
        ping(&mut w, &client, 1);
        ping(&mut w, &client, 2);
        let outcome = come_back_during_a_write(&mut w, &client, way);
        assert_eq!(outcome, Flush::Done);
        ping(&mut w, &client, 3);
        assert_eq!(back(&client), intact(3, [pong(1), pong(2), pong(3)]));
        assert_quiet(&[&client]);
    }
}

#[test]
fn the_new_connection_is_written_while_a_thread_still_writes_to_the_old_one() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    ping(&mut w, &client, 1);
    let session = client.session.clone();
    let outcome = session.flush(&mut Spare::default(), |_, bytes| {
        reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
        assert_eq!(back(&client), intact(2, [pong(1)]));
        ping(&mut w, &client, 2);
        Ok(bytes.len())
    });
    assert_eq!(outcome, Flush::Done);
    assert_eq!(client.received(), [pong(2)]);
}

#[test]
fn only_the_present_connection_can_be_unblocked() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    let second = reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    let block = |_, _: &[u8]| Err(io::ErrorKind::WouldBlock.into());
    assert_eq!(client.session.flush(&mut Spare::default(), block), Flush::Blocked);
    client.session.unblock(Connection::FIRST);
    assert_quiet(&[&client]);
    client.session.unblock(second);
    assert_eq!(back(&client), intact(1, []));
}

#[test]
fn a_new_connection_is_not_blocked_by_the_old_one() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    ping(&mut w, &client, 1);
    let block = |_, _: &[u8]| Err(io::ErrorKind::WouldBlock.into());
    assert_eq!(client.session.flush(&mut Spare::default(), block), Flush::Blocked);
    reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_eq!(back(&client), intact(2, [pong(1)]));
}
