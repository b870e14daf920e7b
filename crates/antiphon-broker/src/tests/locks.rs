//! Session locks: who holds which, who is next, and what ends a hold or a wait.

use antiphon_wire::error::Reason;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;

use crate::BrokerConfig;
use crate::Limits;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::response;

/// Asks for a lock. The wait has the number of the conversation.
fn acquire(w: &mut World, client: &Client, conversation: u64, name: &str) {
    acquire_scoped(w, client, conversation, (name, LockScope::Session));
}

fn acquire_scoped(w: &mut World, client: &Client, conversation: u64, lock: (&str, LockScope)) {
    let (name, scope) = lock;
    let body = AcquireLock { name, request: conversation, scope };
    w.ask(client, Service::AcquireSessionLock, conversation, &body);
}

fn cancel(w: &mut World, client: &Client, conversation: u64, wait: (&str, u64)) {
    let (name, request) = wait;
    let body = CancelAcquireLock { name, request };
    w.ask(client, Service::CancelAcquireSessionLock, conversation, &body);
}

/// Releases a lock, and reads whether it was held.
#[track_caller]
fn release(w: &mut World, client: &Client, name: &str, sequence: u64) -> bool {
    let body = HeldLock { name, sequence, scope: LockScope::Session };
    w.ask(client, Service::ReleaseSessionLock, 90, &body);
    let mut received = client.received();
    let answer = received.remove(0);
    assert_eq!(received, []);
    let released = answer == response(90, &true);
    assert!(released || answer == response(90, &false), "{answer:?}");
    released
}

fn granted(conversation: u64, name: &str, sequence: u64) -> Received {
    granted_scoped(conversation, name, sequence, LockScope::Session)
}

fn granted_scoped(conversation: u64, name: &str, sequence: u64, scope: LockScope) -> Received {
    response(conversation, &HeldLock { name, sequence, scope })
}

#[test]
fn a_lock_goes_to_those_who_wait_in_the_order_in_which_they_came() {
    let mut w = World::new();
    let clients = [w.open("a"), w.open("b"), w.open("c")];
    for client in &clients {
        acquire(&mut w, client, 5, "x/y");
    }
    assert_eq!(clients[0].received(), [granted(5, "x/y", 0)]);
    assert_quiet(&[&clients[1], &clients[2]]);
    assert!(release(&mut w, &clients[0], "x/y", 0));
    assert_eq!(clients[1].received(), [granted(5, "x/y", 1)]);
    // Whoever has just released it comes last.
    acquire(&mut w, &clients[0], 6, "x/y");
    assert!(release(&mut w, &clients[1], "x/y", 1));
    assert_eq!(clients[2].received(), [granted(5, "x/y", 2)]);
    assert!(release(&mut w, &clients[2], "x/y", 2));
    assert_eq!(clients[0].received(), [granted(6, "x/y", 3)]);
    assert!(release(&mut w, &clients[0], "x/y", 3));
    acquire(&mut w, &clients[1], 7, "x/y");
    assert_eq!(clients[1].received(), [granted(7, "x/y", 4)]);
    assert_quiet(&[&clients[0], &clients[1], &clients[2]]);
}

#[test]
fn locks_of_other_names_are_other_locks_with_one_sequence() {
    let mut w = World::new();
    let (one, two) = (w.open("a"), w.open("b"));
    acquire(&mut w, &one, 1, "x");
    acquire(&mut w, &two, 1, "x/y");
    acquire(&mut w, &one, 2, "z");
    assert_eq!(one.received(), [granted(1, "x", 0), granted(2, "z", 2)]);
    assert_eq!(two.received(), [granted(1, "x/y", 1)]);
}

#[test]
fn the_holder_gets_the_same_lock_again_and_releases_it_once() {
    let mut w = World::new();
    let (holder, other) = (w.open("a"), w.open("b"));
    acquire(&mut w, &holder, 1, "x");
    acquire(&mut w, &other, 1, "x");
    acquire(&mut w, &holder, 2, "x");
    assert_eq!(holder.received(), [granted(1, "x", 0), granted(2, "x", 0)]);
    assert!(release(&mut w, &holder, "x", 0));
    assert_eq!(other.received(), [granted(1, "x", 1)]);
    assert!(!release(&mut w, &holder, "x", 0));
    assert_quiet(&[&holder, &other]);
}

#[test]
fn whoever_waits_several_times_is_granted_the_same_lock_for_all() {
    let mut w = World::new();
    let (holder, twice, other) = (w.open("a"), w.open("b"), w.open("c"));
    acquire(&mut w, &holder, 1, "x");
    acquire(&mut w, &twice, 1, "x");
    acquire(&mut w, &other, 1, "x");
    acquire_scoped(&mut w, &twice, 2, ("x", LockScope::Connection));
    assert!(holder.received() == [granted(1, "x", 0)] && release(&mut w, &holder, "x", 0));
    let weaker = LockScope::Connection;
    let both = [granted_scoped(1, "x", 1, weaker), granted_scoped(2, "x", 1, weaker)];
    assert_eq!(twice.received(), both);
    assert_quiet(&[&other]);
    assert!(release(&mut w, &twice, "x", 1));
    assert_eq!(other.received(), [granted(1, "x", 2)]);
    assert_quiet(&[&holder, &twice, &other]);
}

#[test]
fn only_the_holder_releases_and_only_what_it_was_granted() {
    let mut w = World::new();
    let (holder, other) = (w.open("a"), w.open("b"));
    acquire(&mut w, &holder, 1, "x");
    acquire(&mut w, &other, 1, "x");
    holder.received();
    assert!(!release(&mut w, &other, "x", 0));
    assert!(!release(&mut w, &holder, "x", 1));
    assert!(!release(&mut w, &holder, "y", 0));
    assert_quiet(&[&holder, &other]);
    assert!(release(&mut w, &holder, "x", 0));
    assert_eq!(other.received(), [granted(1, "x", 1)]);
    // A release that was under way while the lock passed on frees nothing.
    assert!(!release(&mut w, &other, "x", 0));
    assert!(release(&mut w, &other, "x", 1));
}

#[test]
fn a_wait_that_is_cancelled_ends_and_the_others_move_up() {
    let mut w = World::new();
    let (holder, gives_up, other) = (w.open("a"), w.open("b"), w.open("c"));
    acquire(&mut w, &holder, 1, "x");
    acquire(&mut w, &gives_up, 11, "x");
    acquire(&mut w, &other, 11, "x");
    cancel(&mut w, &gives_up, 5, ("x", 11));
    let text = "the session gave up waiting for the lock";
    let ended = error(11, Reason::REJECTED_REQUEST, text);
    assert_eq!(gives_up.received(), [ended, response(5, &Void)]);
    // Nothing is there to be cancelled: a wait of another number, lock or session, a hold, or nothing at all.
    for wait in [("x", 11), ("x", 12), ("y", 11), ("x", 0)] {
        cancel(&mut w, &gives_up, 6, wait);
        assert_eq!(gives_up.received(), [response(6, &Void)]);
    }
    cancel(&mut w, &holder, 7, ("x", 1));
    assert_eq!(holder.received(), [granted(1, "x", 0), response(7, &Void)]);
    assert!(release(&mut w, &holder, "x", 0));
    assert_eq!(other.received(), [granted(11, "x", 1)]);
    assert_quiet(&[&holder, &gives_up, &other]);
}

#[test]
fn one_of_several_waits_is_cancelled_by_its_number() {
    let mut w = World::new();
    let (holder, client) = (w.open("a"), w.open("b"));
    acquire(&mut w, &holder, 1, "x");
    for conversation in 11..=13 {
        acquire(&mut w, &client, conversation, "x");
    }
    for request in [10, 12, 12] {
        cancel(&mut w, &client, 5, ("x", request));
    }
    let text = "the session gave up waiting for the lock";
    let ended = error(12, Reason::REJECTED_REQUEST, text);
    let nothing = response(5, &Void);
    assert_eq!(client.received(), [nothing.clone(), ended, nothing.clone(), nothing]);
    assert_eq!(holder.received(), [granted(1, "x", 0)]);
    assert!(release(&mut w, &holder, "x", 0));
    assert_eq!(client.received(), [granted(11, "x", 1), granted(13, "x", 1)]);
    assert_quiet(&[&holder, &client]);
}

#[test]
fn of_two_scopes_the_weaker_one_counts() {
    use LockScope::Connection;
    use LockScope::Session;

    for (first, second, then) in [
        (Session, Session, Session),
        (Session, Connection, Connection),
        (Connection, Session, Connection),
        (Connection, Connection, Connection),
    ] {
        let mut w = World::new();
        let (holder, next) = (w.open("a"), w.open("b"));
        acquire_scoped(&mut w, &holder, 1, ("x", first));
        acquire_scoped(&mut w, &holder, 2, ("x", second));
        let again = granted_scoped(2, "x", 0, then);
        assert_eq!(holder.received(), [granted_scoped(1, "x", 0, first), again]);
        // The next holder has the scope that it asked for itself.
        acquire_scoped(&mut w, &next, 1, ("x", Session));
        assert!(release(&mut w, &holder, "x", 0));
        assert_eq!(next.received(), [granted(1, "x", 1)]);
    }
}

#[test]
fn a_session_that_ends_passes_on_what_it_holds_and_waits_no_more() {
    let mut w = World::new();
    let (ending, one, two) = (w.open("a"), w.open("b"), w.open("c"));
    for name in ["x", "y", "free"] {
        acquire(&mut w, &ending, 1, name);
    }
    acquire(&mut w, &two, 1, "z");
    for name in ["x", "z"] {
        acquire(&mut w, &ending, 2, name);
        acquire(&mut w, &one, 2, name);
    }
    acquire(&mut w, &two, 2, "y");
    let first = [granted(1, "x", 0), granted(1, "y", 1), granted(1, "free", 2)];
    assert_eq!(ending.received(), [&first[..], &[granted(2, "x", 0)]].concat());
    assert_eq!(two.received(), [granted(1, "z", 3)]);

    w.close(&ending, CloseReason::ClosedByClient);
    assert_eq!(ending.received(), [Received::Close(Some(1000))]);
    assert_eq!(one.received(), [granted(2, "x", 4)]);
    assert_eq!(two.received(), [granted(2, "y", 5)]);
    assert!(release(&mut w, &two, "z", 3));
    assert_eq!(one.received(), [granted(2, "z", 6)]);
    acquire(&mut w, &two, 3, "free");
    assert_eq!(two.received(), [granted(3, "free", 7)]);
    assert_quiet(&[&ending, &one, &two]);
}

#[test]
fn everybody_ending_in_turn_leaves_no_lock() {
    let mut w = World::new();
    let clients: Vec<_> = (0..20).map(|_| w.open("a")).collect();
    for client in &clients {
        for name in ["x", "y"] {
            acquire(&mut w, client, 1, name);
            acquire(&mut w, client, 2, name);
        }
    }
    for client in &clients {
        assert_eq!(client.received().len(), 4);
        w.close(client, CloseReason::ConnectionLost);
    }
    let last = w.open("b");
    w.ask(&last, Service::GetSessionLocks, 5, &Void);
    assert_eq!(last.received(), [response(5, &Vec::<(&str, LockDetails<'_>)>::new())]);
}

#[test]
fn a_session_holds_and_awaits_no_more_locks_than_the_limit() {
    let limits = Limits { locks_per_session: 2, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let (client, other) = (w.open("a"), w.open("b"));
    acquire(&mut w, &other, 1, "taken");
    acquire(&mut w, &client, 1, "x");
    acquire(&mut w, &client, 2, "taken");
    acquire(&mut w, &client, 3, "y");
    let text = "overloaded: the session has too many locks";
    let refused = |conversation| error(conversation, Reason::REJECTED_REQUEST, text);
    assert_eq!(client.received(), [granted(1, "x", 1), refused(3)]);
    // To wait once more is one more; to have again what it holds is not.
    acquire(&mut w, &client, 4, "taken");
    acquire(&mut w, &client, 5, "x");
    assert_eq!(client.received(), [refused(4), granted(5, "x", 1)]);
    cancel(&mut w, &client, 6, ("taken", 2));
    acquire(&mut w, &client, 7, "y");
    assert_eq!(client.received()[2..], [granted(7, "y", 2)]);
    assert!(release(&mut w, &client, "x", 1));
    acquire(&mut w, &client, 8, "z");
    assert_eq!(client.received(), [granted(8, "z", 3)]);
    assert_eq!(other.received(), [granted(1, "taken", 0)]);
}

#[test]
fn whoever_may_view_the_server_sees_who_holds_what() {
    let mut w = World::new();
    let (holder, other) = (w.open("a"), w.open("b"));
    acquire(&mut w, &holder, 1, "y");
    acquire(&mut w, &other, 1, "x");
    acquire(&mut w, &holder, 2, "x");
    holder.received();
    other.received();
    let details = |client: &Client, sequence| {
        let (server, holder) = ("antiphon", client.id());
        LockDetails { server, holder, sequence }
    };
    w.ask(&other, Service::GetSessionLocks, 5, &Void);
    let all = vec![("x", details(&other, 1)), ("y", details(&holder, 0))];
    assert_eq!(other.received(), [response(5, &all)]);
    w.ask(&holder, Service::GetSessionLock, 6, &GetSessionLock { name: "x" });
    assert_eq!(holder.received(), [response(6, &Some(details(&other, 1)))]);
    w.ask(&holder, Service::GetSessionLock, 7, &GetSessionLock { name: "z" });
    assert_eq!(holder.received(), [Received::Response { conversation: 7, body: vec![0] }]);

    let viewer = w.open_with_roles("operator", &["OPERATOR"]);
    w.ask(&viewer, Service::GetSessionLock, 8, &GetSessionLock { name: "y" });
    assert_eq!(viewer.received(), [response(8, &Some(details(&holder, 0)))]);
}

#[test]
fn a_lock_is_named_like_a_path_and_guarded_by_it() {
    let mut w = World::new();
    let client = w.open_with_roles("a", &["TOPIC_CONTROL"]);
    acquire(&mut w, &client, 1, "a//b");
    let text = r#"invalid path "a//b": a path has no empty segment"#;
    assert_eq!(client.received(), [error(1, Reason::INVALID_PATH, text)]);
    acquire(&mut w, &client, 2, "Diffusion/x");
    let text = "access denied: ACQUIRE_LOCK is needed at path Diffusion/x";
    assert_eq!(client.received(), [error(2, Reason::ACCESS_DENIED, text)]);
    acquire(&mut w, &client, 3, "a/b");
    assert_eq!(client.received(), [granted(3, "a/b", 0)]);
}
