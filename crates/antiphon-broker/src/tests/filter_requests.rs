//! Requests to a filter: the count first, then exactly as many outcomes.

use std::cell::RefCell;

use antiphon_wire::codec::put_bytes;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::Sent;

use crate::BrokerConfig;
use crate::Limits;
use crate::Outbox;
use crate::Session;
use crate::Spare;
use crate::filter::Filter;
use crate::takes_long;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::hello;
use crate::tests::world::outcome;
use crate::tests::world::read_all;
use crate::tests::world::request;
use crate::tests::world::response;
use crate::tests::world::world;

#[test]
fn the_count_comes_first_and_then_one_outcome_for_each_match() {
    let mut w = World::new();
    let (sender, one, two, other) =
        (w.open("alice"), w.open("bob"), w.open("bob"), w.open("carol"));
    w.send_to_filter(&sender, 5, "$Principal is 'bob'");
    assert_eq!(sender.received(), [response(5, &Sent::To(2))]);
    let (service, conversation, body) = one.request();
    assert_eq!(service, Service::MessagingSend);
    assert_eq!(decoded::<SendRequest<'_>>(&body), SendRequest { path: "p", value: hello() });
    w.respond(&one, conversation, &world());
    w.close(&two, CloseReason::ConnectionLost);

    let text = format!("session {} ended; the request may have been executed", two.id());
    let ended = Outcome::Error { reason: Reason::NO_SUCH_SESSION, text: &text };
    let outcomes = [outcome(one.id(), Outcome::Response(world())), outcome(two.id(), ended)];
    assert_eq!(sender.bodies(Service::FilterResponse), outcomes);
    assert_quiet(&[&sender, &one, &other]);
}

#[test]
fn a_filter_that_nobody_matches_is_answered_with_zero() {
    let mut w = World::new();
    let (sender, other) = (w.open("alice"), w.open("bob"));
    w.send_to_filter(&sender, 5, "$Principal is 'nobody'");
    assert_eq!(sender.received(), [Received::Response { conversation: 5, body: vec![0, 0] }]);
    assert_quiet(&[&sender, &other]);
}

#[test]
fn the_sender_is_among_the_matches() {
    let mut w = World::new();
    let (sender, other) = (w.open("alice"), w.open("bob"));
    w.send_to_filter(&sender, 5, "all");
    let received = sender.received();
    let [count, Received::Request { service: Service::MessagingSend, conversation, .. }] =
        &received[..]
    else {
        panic!("{received:?}");
    };
    assert_eq!(*count, response(5, &Sent::To(2)));
    w.respond(&sender, *conversation, &world());
    let (_, conversation, _) = other.request();
    w.fail(&other, conversation, Reason::REJECTED_REQUEST, "no");
    let rejected = Outcome::Error { reason: Reason::REJECTED_REQUEST, text: "no" };
    let outcomes =
        [outcome(sender.id(), Outcome::Response(world())), outcome(other.id(), rejected)];
    assert_eq!(sender.bodies(Service::FilterResponse), outcomes);
    assert_quiet(&[&sender, &other]);
}

#[test]
fn each_outcome_quotes_the_conversation_of_its_filter_request() {
    let mut w = World::new();
    let (sender, recipient) = (w.open("alice"), w.open("bob"));
    for conversation in [301, 302] {
        let body = SendToFilter {
            conversation: ConversationId(conversation),
            filter: "$Principal eq 'bob'",
            path: "p",
            value: hello(),
        };
        w.ask(&sender, Service::MessagingFilterSend, conversation - 100, &body);
    }
    assert_eq!(sender.received(), [response(201, &Sent::To(1)), response(202, &Sent::To(1))]);
    let held = recipient.conversations();
    for (at, quoted) in [(1, 302), (0, 301)] {
        w.respond(&recipient, held[at], &world());
        let expected = FilterResponse {
            conversation: ConversationId(quoted),
            session: recipient.id(),
            outcome: Outcome::Response(world()),
        };
        assert_eq!(sender.bodies(Service::FilterResponse), [encoded(&expected)]);
    }
    assert_quiet(&[&sender, &recipient]);
}

#[test]
fn events_of_a_filter_request_have_conversations_of_their_own() {
    let mut w = World::new();
    let (sender, one, two) = (w.open("alice"), w.open("bob"), w.open("bob"));
    w.send_to_filter(&sender, 5, "$Principal is 'bob'");
    sender.received();
    for recipient in [&one, &two] {
        let (_, conversation, _) = recipient.request();
        w.respond(recipient, conversation, &world());
    }
    let events = sender.conversations();
    assert_eq!(events.len(), 2);
    assert!(events[0] != events[1] && !events.contains(&ConversationId(0)), "{events:?}");
    // The sender acknowledges them, which answers nothing.
    for event in events {
        w.send(&sender, &[&[6][..], &encoded(&event)].concat());
    }
    assert_eq!(w.broker.stats().stray_answers, 0);
    assert_quiet(&[&sender, &one, &two]);
}

#[test]
fn a_session_that_matches_in_several_ways_gets_one_request() {
    let mut w = World::new();
    let (sender, recipient) = (w.open("alice"), w.open_with_roles("bob", &["R"]));
    for _ in 0..5 {
        w.open("other");
    }
    w.send_to_filter(
        &sender,
        5,
        "hasRoles 'R' or $Principal in 'bob','bob' or $Principal is 'bob'",
    );
    assert_eq!(sender.received(), [response(5, &Sent::To(1))]);
    let (_, conversation, _) = recipient.request();
    w.respond(&recipient, conversation, &world());
    let only = outcome(recipient.id(), Outcome::Response(world()));
    assert_eq!(sender.bodies(Service::FilterResponse), [only]);
    assert_quiet(&[&sender, &recipient]);
}

#[test]
fn a_filter_that_cannot_be_parsed_is_refused_in_the_form_that_the_client_reads() {
    let filter = "$Principal is\n bob";
    let error = Filter::parse(filter).unwrap_err();
    let mut report = Vec::new();
    put_bytes(&mut report, error.message().as_bytes());
    report.extend_from_slice(&[2, 2]);
    let one = [&[1][..], &report].concat();
    let list = [&[1, 1][..], &report].concat();
    for (client, expected) in [
        ("ty=WB&v=29", &list),
        ("ty=WJ&v=25", &list),
        ("ty=XX&v=25", &list),
        ("ty=PY&v=19", &one),
        ("ty=PY&v=24", &one),
        ("ty=PY&v=25", &one),
    ] {
        let mut w = World::new();
        let (sender, other) = (w.open_as(client, "alice", EVERYTHING), w.open("bob"));
        sender.received();
        w.send_to_filter(&sender, 5, filter);
        let refusal = Received::Response { conversation: 5, body: expected.clone() };
        assert_eq!(sender.received(), [refusal], "{client}");
        assert_quiet(&[&sender, &other]);
    }
}

#[test]
fn a_match_that_cannot_be_handed_the_request_is_counted_and_told_of() {
    let limits = Limits { requests_per_handler: 1, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let sender = w.open("alice");
    let (free, busy, ending) = (w.open("bob"), w.open("bob"), w.open("bob"));
    w.send_to_session(&sender, 4, busy.id());
    let (_, earlier, _) = busy.request();
    // Marked as ended, but another thread is about to take it out of the registry.
    ending.session.end(CloseReason::ConnectionLost, &mut Outbox::default());

    w.send_to_filter(&sender, 5, "$Principal is 'bob'");
    let received = sender.received();
    assert_eq!(received[0], response(5, &Sent::To(3)));
    let text = "overloaded: the recipient has too many requests to answer";
    let overloaded = Outcome::Error { reason: Reason::REJECTED_REQUEST, text };
    let text = format!("no session {}", ending.id());
    let ended = Outcome::Error { reason: Reason::NO_SUCH_SESSION, text: &text };
    let bodies = received[1..].iter().map(|event| match event {
        Received::Request { service: Service::FilterResponse, body, .. } => body.clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        bodies.collect::<Vec<_>>(),
        [outcome(busy.id(), overloaded), outcome(ending.id(), ended)]
    );

    let (_, conversation, _) = free.request();
    w.respond(&free, conversation, &world());
    let last = outcome(free.id(), Outcome::Response(world()));
    assert_eq!(sender.bodies(Service::FilterResponse), [last]);
    w.respond(&busy, earlier, &world());
    assert_eq!(sender.received(), [response(4, &world())]);
    assert_quiet(&[&sender, &free, &busy]);
}

#[test]
fn a_match_that_does_not_answer_in_time_is_an_outcome_too() {
    let mut w = World::new();
    let (sender, silent, closing) = (w.open("alice"), w.open("bob"), w.open("bob"));
    w.send_to_filter(&sender, 5, "$Principal is 'bob'");
    assert_eq!(sender.received(), [response(5, &Sent::To(2))]);
    assert_eq!((silent.conversations().len(), closing.conversations().len()), (1, 1));
    w.advance(10_000);
    let text = "no response within 10s; the request may have been executed";
    let late = |id| outcome(id, Outcome::Error { reason: Reason::REQUEST_TIME_OUT, text });
    let outcomes = [late(silent.id()), late(closing.id())];
    assert_eq!(sender.bodies(Service::FilterResponse), outcomes);
    w.close(&closing, CloseReason::ConnectionLost);
    assert_quiet(&[&sender, &silent]);
}

#[test]
fn a_session_that_opens_later_is_not_among_the_matches() {
    let mut w = World::new();
    let (sender, early) = (w.open("alice"), w.open("bob"));
    w.send_to_filter(&sender, 5, "$Principal is 'bob'");
    let late = w.open("bob");
    assert_eq!(sender.received(), [response(5, &Sent::To(1))]);
    let (_, conversation, _) = early.request();
    w.respond(&early, conversation, &world());
    let only = outcome(early.id(), Outcome::Response(world()));
    assert_eq!(sender.bodies(Service::FilterResponse), [only]);
    assert_quiet(&[&sender, &early, &late]);
}

#[test]
fn a_filter_with_a_regular_expression_takes_long_and_others_do_not() {
    for (filter, expected) in [
        ("$Principal is 'x'", false),
        ("$Principal matches '('", true),
        ("$Principal MATCHes'('", true),
        ("$Principal is 'match'", false),
    ] {
        let value = hello();
        let body = SendToFilter { conversation: ConversationId(9), filter, path: "p", value };
        let send = request(Service::MessagingFilterSend.number(), 5, &encoded(&body));
        assert_eq!(takes_long(&send), expected, "{filter}");
        // The two octets of this one's number.
        assert_eq!(takes_long(&[&[0, 0xbd, 1], filter.as_bytes()].concat()), expected, "{filter}");
        assert!(!takes_long(&[&[0, 85, 1], filter.as_bytes()].concat()), "{filter}");
    }
}

thread_local! {
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn a_sender_that_asks_many_is_written_the_count_before_they_have_their_request() {
    let write = |session: &Session<()>| {
        session.flush(&mut Spare::default(), |_, some| {
            WRITTEN.with_borrow_mut(|written| written.extend_from_slice(some));
            Ok(some.len())
        });
    };
    let mut w = World::new();
    let sender = w.open("alice");
    let others: Vec<_> = (0..300).map(|_| w.open("bob")).collect();
    w.outbox.touched.clear();
    w.outbox.urgent = Some(write);
    w.send_to_filter(&sender, 5, "not $Principal is 'carol'");
    let mut written = WRITTEN.take();
    assert_eq!(read_all(&mut written), [response(5, &Sent::To(301))]);
    assert!(others.iter().all(|other| other.received().len() == 1));
    // The sender is one of them, and is listed to be written again.
    let last = w.outbox.touched.iter().rposition(|session| session.id() == sender.id());
    assert!(last > Some(0));
    assert_eq!(sender.received().len(), 1);

    let few = others[..200].iter().map(|other| format!("'{}'", other.id())).collect::<Vec<_>>();
    w.send_to_filter(&sender, 6, &format!("$SessionId in [{}]", few.join(",")));
    assert!(WRITTEN.take().is_empty(), "it is not worth a write");
    assert_eq!(sender.received(), [response(6, &Sent::To(200))]);
}
