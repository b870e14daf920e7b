//! Which of several equal handlers gets a request.

use antiphon_wire::service::events::CloseReason;

use crate::BrokerConfig;
use crate::Choice;
use crate::Limits;
use crate::PathRule;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::response;
use crate::tests::world::world;

fn choosing(choice: Choice) -> World {
    World::with(BrokerConfig { choice, ..BrokerConfig::default() })
}

/// Opens that many handlers on the path `a`.
fn handlers(w: &mut World, count: usize) -> Vec<Client> {
    let open = |_| {
        let handler = w.open("bob");
        w.register(&handler, "a", &[]);
        handler
    };
    (0..count).map(open).collect()
}

/// Sends a request, which is not answered; tells which handler got it.
fn send(w: &mut World, sender: &Client, handlers: &[Client]) -> usize {
    w.send_to_path(sender, 5, "a/b");
    let got: Vec<_> = handlers.iter().map(|handler| handler.conversations().len()).collect();
    assert_eq!(got.iter().sum::<usize>(), 1, "{got:?}");
    got.iter().position(|&count| count == 1).unwrap()
}

/// Sends a request, which is answered; tells which handler got it.
fn ask(w: &mut World, sender: &Client, handlers: &[Client]) -> usize {
    w.send_to_path(sender, 5, "a/b");
    let answered = handlers.iter().enumerate().filter(|(_, handler)| {
        let held = handler.conversations();
        held.iter().for_each(|&conversation| w.respond(handler, conversation, &world()));
        !held.is_empty()
    });
    let answered: Vec<_> = answered.map(|(place, _)| place).collect();
    assert_eq!(sender.received(), [response(5, &world())]);
    assert_eq!(answered.len(), 1);
    answered[0]
}

#[test]
fn the_handler_with_the_fewest_requests_in_flight_gets_the_next() {
    let mut w = World::new();
    let (sender, handlers) = (w.open("alice"), handlers(&mut w, 3));
    // Requests to the session itself count too.
    for (handler, load) in handlers.iter().zip([3, 1, 2]) {
        for _ in 0..load {
            w.send_to_session(&sender, 1, handler.id());
        }
        assert_eq!(handler.conversations().len(), load);
    }
    assert_eq!(send(&mut w, &sender, &handlers), 1);
    let mut next = [(); 2].map(|()| send(&mut w, &sender, &handlers));
    next.sort_unstable();
    assert_eq!(next, [1, 2]);
    let mut next = [(); 3].map(|()| send(&mut w, &sender, &handlers));
    next.sort_unstable();
    assert_eq!(next, [0, 1, 2]);
}

#[test]
fn ties_go_round() {
    let mut w = World::new();
    let (sender, handlers) = (w.open("alice"), handlers(&mut w, 3));
    let turns: Vec<_> = (0..9).map(|_| ask(&mut w, &sender, &handlers)).collect();
    for turn in turns.windows(2) {
        assert_eq!(turn[1], (turn[0] + 1) % 3, "{turns:?}");
    }
    assert_quiet(&[&sender]);
}

#[test]
fn senders_that_ask_only_once_are_spread_over_equal_handlers() {
    for count in [4, 20] {
        let mut w = World::new();
        let handlers = handlers(&mut w, count);
        let mut asked = vec![0; count];
        for _ in 0..count * 25 {
            let sender = w.open("alice");
            asked[ask(&mut w, &sender, &handlers)] += 1;
            w.close(&sender, CloseReason::ClosedByClient);
        }
        assert!(asked.iter().all(|asked| (10..=40).contains(asked)), "{asked:?}");
    }
}

#[test]
fn many_handlers_are_loaded_nearly_evenly() {
    for count in [17, 100] {
        let mut w = World::new();
        let (sender, other, handlers) = (w.open("alice"), w.open("carol"), handlers(&mut w, count));
        for _ in 0..count * 10 {
            w.send_to_path(&sender, 5, "a");
            w.send_to_path(&other, 5, "a");
        }
        let loads: Vec<_> = handlers.iter().map(|handler| handler.session.in_flight()).collect();
        assert_eq!(loads.iter().sum::<u32>(), count as u32 * 20);
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        assert!(*least >= 15 && *most <= 23, "{least} to {most} of {count}");
    }
}

#[test]
fn a_full_handler_among_many_is_passed_over() {
    let limits = Limits { requests_per_handler: 1, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let (sender, handlers) = (w.open("alice"), handlers(&mut w, 20));
    let mut got: Vec<_> = (0..20).map(|_| send(&mut w, &sender, &handlers)).collect();
    got.sort_unstable();
    assert_eq!(got, (0..20).collect::<Vec<_>>());
    w.send_to_path(&sender, 5, "a");
    assert!(matches!(sender.received()[..], [Received::Error { .. }]));
}

#[test]
fn round_robin_takes_exact_turns_whoever_asks() {
    let mut w = choosing(Choice::RoundRobin);
    let senders = [w.open("alice"), w.open("carol")];
    let handlers = handlers(&mut w, 3);
    // One handler is busy, which round-robin does not look at.
    w.send_to_session(&senders[0], 1, handlers[1].id());
    handlers[1].conversations();
    let turns: Vec<_> = (0..9).map(|turn| send(&mut w, &senders[turn % 2], &handlers)).collect();
    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn round_robin_goes_on_where_it_was_when_handlers_come_and_go() {
    let mut w = choosing(Choice::RoundRobin);
    let (sender, mut handlers) = (w.open("alice"), handlers(&mut w, 2));
    assert_eq!([(); 3].map(|()| send(&mut w, &sender, &handlers)), [0, 1, 0]);
    let third = w.open("bob");
    w.register(&third, "a", &[]);
    handlers.push(third);
    assert_eq!([(); 4].map(|()| send(&mut w, &sender, &handlers)), [0, 1, 2, 0]);
    w.close(&handlers.remove(0), CloseReason::ConnectionLost);
    sender.received();
    assert_eq!([(); 3].map(|()| send(&mut w, &sender, &handlers)), [1, 0, 1]);
}

#[test]
fn a_sticky_sender_stays_with_its_handler_until_that_leaves() {
    let mut w = choosing(Choice::Sticky);
    let (sender, mut handlers) = (w.open("alice"), handlers(&mut w, 2));
    let first = send(&mut w, &sender, &handlers);
    // Others join, and the chosen one is the busiest of all.
    for _ in 0..3 {
        let another = w.open("bob");
        w.register(&another, "a", &[]);
        handlers.push(another);
        assert_eq!(send(&mut w, &sender, &handlers), first);
    }
    let gone = handlers.remove(first);
    w.close(&gone, CloseReason::ConnectionLost);
    assert_eq!(sender.received().len(), 4);
    let second = send(&mut w, &sender, &handlers);
    assert_eq!([(); 4].map(|()| send(&mut w, &sender, &handlers)), [second; 4]);
    // One that only deregisters has left as well.
    w.deregister(&handlers[second], 9, "a");
    handlers[second].received();
    let third = send(&mut w, &sender, &handlers);
    assert_ne!(third, second);
    assert_eq!(send(&mut w, &sender, &handlers), third);
}

#[test]
fn sticky_senders_are_spread_over_the_handlers() {
    let mut w = choosing(Choice::Sticky);
    let handlers = handlers(&mut w, 4);
    let mut senders = [0; 4];
    for _ in 0..40 {
        let sender = w.open("alice");
        let chosen = ask(&mut w, &sender, &handlers);
        assert_eq!(ask(&mut w, &sender, &handlers), chosen);
        senders[chosen] += 1;
    }
    assert_eq!(senders, [10; 4]);
}

#[test]
fn a_sender_has_a_bounded_number_of_handlers_in_mind() {
    let mut w = choosing(Choice::Sticky);
    let (sender, handlers, other) = (w.open("alice"), handlers(&mut w, 2), w.open("carol"));
    let chosen = send(&mut w, &sender, &handlers);
    for number in 0..1_024 {
        assert!(number % 100 > 0 || send(&mut w, &sender, &handlers) == chosen);
        let path = format!("path/{number}");
        w.register(&other, &path, &[]);
        w.send_to_path(&sender, 5, &path);
        other.conversations();
    }
    assert_ne!(send(&mut w, &sender, &handlers), chosen);
}

#[test]
fn the_most_specific_rule_that_sets_a_choice_counts() {
    let rule = |path: &str, choice| PathRule { path: path.to_owned(), timeout: None, choice };
    let paths = vec![
        rule("a", Some(Choice::RoundRobin)),
        rule("a/b", None),
        rule("a/b/c", Some(Choice::Sticky)),
    ];
    let mut w = World::with(BrokerConfig { paths, ..BrokerConfig::default() });
    let (sender, one, two) = (w.open("alice"), w.open("bob"), w.open("bob"));
    for (path, expected) in [("a/b", [2, 2]), ("a/b/c", [0, 4]), ("d", [1, 3])] {
        w.register(&one, path, &[]);
        w.register(&two, path, &[]);
        for _ in 0..2 {
            w.send_to_session(&sender, 5, one.id());
        }
        let busy = one.conversations();
        for _ in 0..4 {
            w.send_to_path(&sender, 5, path);
        }
        let held = [one.conversations(), two.conversations()];
        assert_eq!(held.each_ref().map(Vec::len), expected, "{path}");
        for conversation in busy.iter().chain(&held[0]) {
            w.respond(&one, *conversation, &world());
        }
        for conversation in &held[1] {
            w.respond(&two, *conversation, &world());
        }
        assert_eq!(sender.received().len(), 6);
        assert_quiet(&[&sender, &one, &two]);
    }
}

#[test]
fn a_change_of_the_rules_holds_for_handlers_that_are_there() {
    let mut w = World::new();
    let (sender, one, two) = (w.open("alice"), w.open("bob"), w.open("bob"));
    let handlers = [one, two];
    for handler in &handlers {
        w.register(handler, "a", &[]);
    }
    // The busier one would not be chosen.
    w.send_to_session(&sender, 5, handlers[0].id());
    handlers[0].request();
    let chosen: Vec<_> = (0..3).map(|_| ask(&mut w, &sender, &handlers)).collect();
    assert_eq!(chosen, [1, 1, 1]);

    let paths =
        vec![PathRule { path: "a".to_owned(), timeout: None, choice: Some(Choice::RoundRobin) }];
    w.broker.reconfigure(&BrokerConfig { paths, ..BrokerConfig::default() });
    let mut chosen: Vec<_> = (0..4).map(|_| ask(&mut w, &sender, &handlers)).collect();
    chosen.sort_unstable();
    assert_eq!(chosen, [0, 0, 1, 1]);

    w.broker.reconfigure(&BrokerConfig::default());
    let chosen: Vec<_> = (0..3).map(|_| ask(&mut w, &sender, &handlers)).collect();
    assert_eq!(chosen, [1, 1, 1]);
}
