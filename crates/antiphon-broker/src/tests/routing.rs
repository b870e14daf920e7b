//! Which handler gets a request to a path, and what registering and deregistering change about it.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::Sent;

use crate::Outbox;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::hello;
use crate::tests::world::outcome;
use crate::tests::world::request;
use crate::tests::world::response;
use crate::tests::world::world;

/// Sends to a path, checks that this handler and no other gets the request with the path as written, and answers.
#[track_caller]
fn check(w: &mut World, sender: &Client, path: &str, handler: &Client) {
    w.send_to_path(sender, 5, path);
    let (service, conversation, body) = handler.request();
    assert_eq!(service, Service::MessagingReceiverClient);
    assert_eq!(decoded::<HandlerRequest<'_>>(&body).path, path);
    w.respond(handler, conversation, &world());
    assert_eq!(sender.received(), [response(5, &world())]);
}

fn registration<'a>(path: &'a str, conversation: u64) -> RegisterHandler<'a> {
    RegisterHandler {
        receiver: Receiver,
        group: "",
        path,
        keys: vec![],
        conversation: ConversationId(conversation),
    }
}

#[test]
fn the_most_specific_branch_wins_by_whole_segments() {
    let mut w = World::new();
    let sender = w.open("alice");
    let (top, middle, deep) = (w.open("top"), w.open("middle"), w.open("deep"));
    w.register(&top, "a", &[]);
    w.register(&middle, "a/b", &[]);
    w.register(&deep, "a/b/c/d", &[]);
    for (path, handler) in [
        ("a", &top),
        ("a/bc", &top),
        ("a/c/b", &top),
        ("a/b", &middle),
        ("a/b/c", &middle),
        ("a/b/c/dd", &middle),
        ("a/b/c/d", &deep),
        ("a/b/c/d/e/f", &deep),
    ] {
        check(&mut w, &sender, path, handler);
    }
    assert_quiet(&[&sender, &top, &middle, &deep]);
}

#[test]
fn slashes_at_the_ends_do_not_matter_and_are_forwarded_as_written() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "/a/b//", &[]);
    for path in ["a/b", "/a/b", "a/b/", "//a/b//", "/a/b/c/"] {
        check(&mut w, &sender, path, &handler);
    }
    w.deregister(&handler, 2, "a/b");
    assert_eq!(handler.received(), [response(2, &Void)]);
    assert_eq!(w.broker.stats().routes, 0);
}

#[test]
fn a_session_can_ask_itself_by_path_by_id_and_by_filter() {
    let mut w = World::new();
    let client = w.open("alice");
    w.register(&client, "a", &[]);
    check(&mut w, &client, "a/b", &client);

    w.send_to_session(&client, 6, client.id());
    let (service, conversation, body) = client.request();
    assert_eq!(service, Service::MessagingSend);
    assert_eq!(decoded::<SendRequest<'_>>(&body), SendRequest { path: "p", value: hello() });
    w.respond(&client, conversation, &world());
    assert_eq!(client.received(), [response(6, &world())]);

    w.send_to_filter(&client, 7, "$Principal is 'alice'");
    let received = client.received();
    assert_eq!(received[0], response(7, &Sent::To(1)));
    let [_, Received::Request { conversation, .. }] = received[..] else {
        panic!("{received:?}");
    };
    w.respond(&client, conversation, &world());
    let outcome = outcome(client.id(), Outcome::Response(world()));
    assert_eq!(client.bodies(Service::FilterResponse), [outcome]);
    assert_quiet(&[&client]);
}

#[test]
fn nested_handlers_of_one_session_are_told_apart_by_their_registration() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    for (path, conversation) in [("a", 11), ("a/b", 12)] {
        let service = Service::MessagingReceiverControlRegistration;
        w.ask(&handler, service, 1, &registration(path, conversation));
        assert_eq!(handler.received(), [response(1, &Void)]);
    }
    for (path, registration) in [("a/c", 11), ("a/b/c", 12)] {
        w.send_to_path(&sender, 5, path);
        let (_, conversation, body) = handler.request();
        let request = decoded::<HandlerRequest<'_>>(&body);
        assert_eq!(request.registration, ConversationId(registration));
        w.respond(&handler, conversation, &world());
        assert_eq!(sender.received(), [response(5, &world())]);
    }
}

#[test]
fn a_registration_is_effective_for_the_next_message_of_the_same_read() {
    let mut w = World::new();
    let client = w.open("alice");
    let send = encoded(&SendRequest { path: "a/b", value: hello() });
    let messages = [
        request(85, 1, &send),
        request(97, 2, &encoded(&registration("a", 7))),
        request(85, 3, &send),
        request(98, 4, b"\x58\x00\x01a\x00"),
        request(85, 5, &send),
    ];
    w.send_together(&client, &messages);
    let received = client.received();
    let Received::Request { conversation, .. } = received[2] else {
        panic!("{received:?}");
    };
    let unhandled = |at| error(at, Reason::UNHANDLED_MESSAGE, "no handler for path a/b");
    assert_eq!(received[..2], [unhandled(1), response(2, &Void)]);
    assert_eq!(received[3..], [response(4, &Void), unhandled(5)]);
    // What was handed over before may still be answered.
    w.respond(&client, conversation, &world());
    assert_eq!(client.received(), [response(3, &world())]);
    assert_quiet(&[&client]);
}

#[test]
fn deregistering_succeeds_even_twice_or_for_nothing() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    for path in ["a", "a", "/a/", "never/registered"] {
        w.deregister(&handler, 2, path);
        assert_eq!(handler.received(), [response(2, &Void)]);
    }
    w.send_to_path(&sender, 5, "a");
    let unhandled = error(5, Reason::UNHANDLED_MESSAGE, "no handler for path a");
    assert_eq!(sender.received(), [unhandled]);
    w.register(&handler, "a", &[]);
    check(&mut w, &sender, "a", &handler);
}

#[test]
fn deregistering_or_ending_gives_the_branch_back_to_whoever_is_left() {
    let mut w = World::new();
    let sender = w.open("alice");
    let (above, equal, gone) = (w.open("above"), w.open("equal"), w.open("gone"));
    w.register(&above, "a", &[]);
    w.register(&gone, "a/b", &[]);
    w.register(&equal, "a/b", &[]);
    w.close(&gone, CloseReason::ConnectionLost);
    check(&mut w, &sender, "a/b", &equal);
    // Only its own registration: this session has none there.
    w.deregister(&above, 2, "a/b");
    assert_eq!(above.received(), [response(2, &Void)]);
    check(&mut w, &sender, "a/b", &equal);
    w.deregister(&equal, 2, "a/b");
    assert_eq!(equal.received(), [response(2, &Void)]);
    check(&mut w, &sender, "a/b", &above);
    w.close(&above, CloseReason::ClosedByClient);
    w.send_to_path(&sender, 5, "a/b");
    let unhandled = error(5, Reason::UNHANDLED_MESSAGE, "no handler for path a/b");
    assert_eq!(sender.received(), [unhandled]);
    assert_eq!(w.broker.stats().routes, 0);
}

#[test]
fn a_handler_that_is_just_ending_is_passed_over() {
    let mut w = World::new();
    let sender = w.open("alice");
    let (above, equal, ending) = (w.open("above"), w.open("equal"), w.open("ending"));
    w.register(&above, "a", &[]);
    w.register(&ending, "a/b", &[]);
    w.register(&equal, "a/b", &[]);
    // Marked as ended, but its handlers are still in the table: another thread is about to remove them.
    let remains = ending.session.end(CloseReason::ConnectionLost, &mut Outbox::default());
    for _ in 0..3 {
        check(&mut w, &sender, "a/b", &equal);
    }
    equal.session.end(CloseReason::ConnectionLost, &mut Outbox::default());
    check(&mut w, &sender, "a/b", &above);
    assert!(remains.is_some());
    assert_quiet(&[&sender, &above]);
}

fn asks(path: &str, conversation: u64) -> Vec<u8> {
    let body = SendRequest { path, value: hello() };
    request(Service::MessagingSend.number(), conversation, &encoded(&body))
}

#[test]
fn a_handler_that_registers_in_the_middle_of_a_read_is_asked_next() {
    let mut w = World::new();
    let (sender, top) = (w.open("alice"), w.open("top"));
    w.register(&top, "a", &[]);
    let service = Service::MessagingReceiverControlRegistration;
    let registers = request(service.number(), 9, &encoded(&registration("a/b", 7)));
    let mut messages: Vec<_> = (1..=3).map(|number| asks("a/b", number)).collect();
    messages.push(registers);
    messages.extend((4..=6).map(|number| asks("a/b", number)));
    w.send_together(&sender, &messages);
    assert_eq!(top.conversations().len(), 3);
    let own = sender.received();
    assert_eq!(own[0], response(9, &Void));
    let is_asked = |message: &Received| matches!(message, Received::Request { .. });
    assert_eq!((own.len(), own[1..].iter().all(is_asked)), (4, true));
}

#[test]
fn a_handler_that_goes_in_the_middle_of_a_read_is_not_asked_again() {
    let mut w = World::new();
    let (sender, handler, above) = (w.open("alice"), w.open("bob"), w.open("above"));
    w.register(&handler, "a/b", &[]);
    w.register(&above, "a", &[]);
    let (broker, now) = (w.broker.clone(), w.now);
    let mut batch = broker.batch(&sender.session, now);
    (1..=3).for_each(|number| drop(batch.message(&asks("a/b", number), &mut w.outbox)));
    w.deregister(&handler, 9, "/a/b");
    (4..=6).for_each(|number| drop(batch.message(&asks("a/b", number), &mut w.outbox)));
    drop(batch);
    assert_eq!(handler.received().len(), 4, "three requests, and a response");
    assert_eq!(above.conversations().len(), 3);
}

#[test]
fn a_session_that_loses_its_roles_in_the_middle_of_a_read_sends_no_more() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    let remove = vec!["ADMINISTRATOR", "CLIENT", "CLIENT_CONTROL"];
    let body = ChangeRoles { session: sender.id(), remove, add: vec![] };
    let change = request(Service::ChangeAuthorisationRoles.number(), 9, &encoded(&body));
    let [one, two, three, four] = [1, 2, 3, 4].map(|number| asks("a", number));
    w.send_together(&sender, &[one, two, three, change, four]);
    assert_eq!(handler.conversations().len(), 3);
    let denied = "access denied: SEND_TO_MESSAGE_HANDLER is needed at path a";
    assert_eq!(sender.received()[1..], [error(4, Reason::ACCESS_DENIED, denied)]);
}
