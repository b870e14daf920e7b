//! What is noted for an audit log, and that nothing is unless somebody wants it.

use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::events::CloseReason;

use crate::BrokerConfig;
use crate::Note;
use crate::tests::world::World;

fn story(notes: bool) -> (World, Vec<Note>, [antiphon_wire::ids::SessionId; 2]) {
    let mut w = World::with(BrokerConfig { notes, ..BrokerConfig::default() });
    let (alice, bob) = (w.open("alice"), w.open_with_roles("bob", &[]));
    w.register(&alice, "a", &[]);
    w.ask_to_register(&bob, "b", &[]);
    w.deregister(&alice, 2, "a");
    w.deregister(&alice, 3, "a");
    let set = Some(vec![("till", "7")]);
    let change = SetSessionProperties { session: bob.id(), set, remove: None };
    w.ask(&alice, Service::SetSessionProperties, 4, &change);
    w.ask(&alice, Service::SetSessionProperties, 5, &change);
    let change = ChangeRoles { session: bob.id(), remove: vec![], add: vec!["OPERATOR"] };
    w.ask(&alice, Service::ChangeAuthorisationRoles, 6, &change);
    w.close(&alice, CloseReason::ClosedByClient);
    w.close(&alice, CloseReason::ClosedByClient);
    let notes = std::mem::take(&mut w.outbox.notes);
    (w, notes, [alice.id(), bob.id()])
}

#[test]
fn registrations_changes_denials_and_ends_are_noted_once() {
    let (_, notes, [alice, bob]) = story(true);
    let [registered, denied, deregistered, set, roles, closed] = &notes[..] else {
        panic!("{notes:?}");
    };
    assert_eq!(*registered, Note::Registered { session: alice, path: "a".to_owned() });
    let Note::Denied { session, service: 97, text } = denied else { panic!("{denied:?}") };
    assert!(*session == bob && text.contains("REGISTER_HANDLER"), "{text}");
    assert_eq!(*deregistered, Note::Deregistered { session: alice, path: "a".to_owned() });
    let keys = vec!["till".to_owned()];
    assert_eq!(*set, Note::Changed { session: bob, keys, roles: None });
    let Note::Changed { session, keys, roles: Some(roles) } = roles else { panic!("{roles:?}") };
    assert_eq!((*session, &keys[..]), (bob, &["$Roles".to_owned()][..]));
    assert!(roles.contains(&"OPERATOR".to_owned()), "{roles:?}");
    let reason = CloseReason::ClosedByClient;
    assert_eq!(*closed, Note::Closed { session: alice, reason });
}

#[test]
fn nothing_is_noted_unless_it_is_wanted() {
    assert_eq!(story(false).1, []);
}
