//! Who is looked at by a sweep, and when next. That nobody is overlooked every test asserts that lets time pass.

use antiphon_wire::service::events::CloseReason;

use crate::Millis;
use crate::tests::world::World;
use crate::tests::world::world;

const PING: u64 = 30_000;

#[test]
fn an_idle_session_is_looked_at_when_it_is_to_be_pinged() {
    let mut w = World::new();
    let client = w.open("alice");
    let opened = w.now.0;
    assert_eq!(client.session.alarm(), Some(Millis(0)), "nobody has looked at it yet");
    w.advance(100);
    assert_eq!(client.session.alarm(), Some(Millis(opened + PING)));
    w.advance(PING - 101);
    assert_eq!(client.received(), []);
    w.advance(1);
    assert_eq!(client.conversations().len(), 1);
    assert_eq!(client.session.alarm(), Some(Millis(opened + 2 * PING)));
}

#[test]
fn a_session_that_owes_an_answer_is_looked_at_when_it_has_been_silent() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    let heard = w.now.0;
    w.advance(100);
    let asked = w.now.0;
    w.send_to_path(&sender, 5, "a");
    assert_eq!(handler.session.alarm(), Some(Millis(0)));
    w.advance(100);
    assert_eq!(handler.session.alarm(), Some(Millis(heard + 5_000)), "a third of its patience");
    let (_, conversation, _) = handler.request();
    w.respond(&handler, conversation, &world());
    w.advance(5_000);
    let deadline = asked + 10_000;
    assert_eq!(handler.session.alarm(), Some(Millis(deadline)), "of the request that is answered");
    w.advance(5_000);
    assert_eq!(handler.received(), []);
    assert_eq!(handler.session.alarm(), Some(Millis(heard + PING)));
}

#[test]
fn who_takes_the_place_of_another_is_not_disturbed_by_it() {
    let mut w = World::new();
    let (one, sender) = (w.open("one"), w.open("alice"));
    w.register(&one, "a", &[]);
    w.send_to_path(&sender, 5, "a");
    w.close(&one, CloseReason::ClosedByClient);
    let other = w.open("other");
    let opened = w.now.0;
    w.advance(100);
    one.session.set_expires(Millis(0));
    one.session.looked_at(|| Millis::NEVER);
    assert_eq!(other.session.alarm(), Some(Millis(opened + PING)));
}
