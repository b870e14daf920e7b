//! Links come up, break and begin anew; tables are the same everywhere in the end.

use antiphon_wire::node::Header;

use crate::Broken;
use crate::BrokerConfig;
use crate::LinkState;
use crate::Nodes;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::nodes::fabric::node_id;

#[test]
fn nodes_that_are_linked_know_each_other() {
    let nodes = Nodes { version: "1.2.3".to_owned(), ..Nodes::default() };
    let mut f = Fabric::with(3, &BrokerConfig { nodes, ..BrokerConfig::default() });
    f.assert_up();
    f.nodes[1].open("alice");
    f.advance(600);
    let statuses = f.statuses(0);
    let known: Vec<_> = statuses.iter().map(|status| (status.node, status.sessions)).collect();
    assert_eq!(known, [(node_id(1), 1), (node_id(2), 0)]);
    assert_eq!((&*statuses[0].version, &*statuses[0].name), ("1.2.3", "node 1"));
    assert_eq!((statuses[0].in_flight, statuses[0].queued_bytes), (0, 0));
}

#[test]
fn a_greeting_that_is_lost_is_sent_again() {
    let mut f = Fabric::new(1);
    f.nodes.push(crate::tests::world::World::with(BrokerConfig {
        node: node_id(1),
        ..BrokerConfig::default()
    }));
    f.join(0, 1);
    f.transmit();
    f.ways.clear();
    assert_eq!(f.statuses(0)[0].state, LinkState::Greeting);
    f.join(1, 0);
    f.transmit();
    f.ways.clear();
    f.advance(400);
    assert_eq!(f.statuses(0)[0].state, LinkState::Greeting);
    f.advance(200);
    f.assert_up();
}

#[test]
fn a_late_joiner_learns_all_handlers_and_those_that_come_later() {
    let mut f = Fabric::new(2);
    let handler = f.nodes[0].open("bob");
    for path in 0..10_000 {
        f.nodes[0].register(&handler, &format!("p/{path}"), &[]);
    }
    let late = f.add(&BrokerConfig::default());
    f.assert_up();
    assert_eq!(f.statuses(late)[0].handlers, 10_000);
    f.nodes[0].register(&handler, "q", &[]);
    let second = f.nodes[0].open("bob");
    f.nodes[0].register(&second, "q", &[]);
    f.run();
    assert_eq!([f.statuses(late)[0].handlers, f.statuses(1)[0].handlers], [10_002; 2]);
    f.nodes[0].close(&handler, antiphon_wire::service::events::CloseReason::ClosedByClient);
    f.run();
    assert_eq!([f.statuses(late)[0].handlers, f.statuses(1)[0].handlers], [1; 2]);
    f.assert_up();
}

#[test]
fn a_transmission_that_comes_twice_does_nothing_the_second_time() {
    let mut f = Fabric::new(2);
    let handler = f.nodes[0].open("bob");
    f.nodes[0].register(&handler, "q", &[]);
    f.transmit();
    let again = f.ways[&(0, 1)][0].clone();
    f.run();
    f.hand(0, 1, &again);
    assert_eq!(f.statuses(1)[0].handlers, 1);
    f.assert_up();
}

#[test]
fn a_missing_transmission_makes_both_ends_begin_anew() {
    let mut f = Fabric::new(2);
    let handler = f.nodes[0].open("bob");
    f.nodes[0].register(&handler, "q", &[]);
    f.transmit();
    f.ways.clear();
    f.nodes[0].register(&handler, "r", &[]);
    f.run();
    assert_eq!(std::mem::take(&mut f.broken), [Broken::Gap, Broken::BegunAnew]);
    assert_eq!(f.statuses(1)[0].handlers, 2);
    f.assert_up();
}

#[test]
fn transmissions_in_another_order_end_in_the_same_tables() {
    let mut f = Fabric::new(2);
    let handler = f.nodes[0].open("bob");
    for path in ["q", "r", "s"] {
        f.nodes[0].register(&handler, path, &[]);
        f.transmit();
    }
    f.ways.get_mut(&(0, 1)).unwrap().swap(0, 2);
    f.run();
    assert!(!std::mem::take(&mut f.broken).is_empty());
    assert_eq!(f.statuses(1)[0].handlers, 3);
    f.assert_up();
}

#[test]
fn a_node_that_is_started_again_begins_with_nothing() {
    let mut f = Fabric::new(2);
    let handler = f.nodes[0].open("bob");
    f.nodes[0].register(&handler, "q", &[]);
    f.run();
    // The other end has not noticed.
    f.part(0, 1);
    f.nodes[0].close(&handler, antiphon_wire::service::events::CloseReason::ClosedByClient);
    f.join(0, 1);
    f.run();
    assert_eq!(std::mem::take(&mut f.broken), [Broken::BegunAnew]);
    assert_eq!(f.statuses(1)[0].handlers, 0);
    f.assert_up();
}

#[test]
fn rubbish_is_refused_by_name_and_breaks_the_link_only() {
    let mut f = Fabric::new(2);
    f.hand(0, 1, &[]);
    f.hand(0, 1, &[2, 1, 0]);
    let broken = std::mem::take(&mut f.broken);
    assert!(matches!(broken[..], [Broken::Malformed(_), Broken::Version(2)]), "{broken:?}");
    let handler = f.nodes[0].open("bob");
    f.nodes[0].register(&handler, "q", &[]);
    f.transmit();
    // A message of no service that there is.
    let sent = f.ways.get_mut(&(0, 1)).unwrap().pop_front().unwrap();
    let (header, _) = Header::split(&sent).unwrap();
    f.hand(0, 1, &[&header.to_bytes()[..], &[0x82, 3, 0, 85, 1]].concat());
    f.run();
    let broken = std::mem::take(&mut f.broken);
    assert!(matches!(broken[..], [Broken::Malformed(_), Broken::BegunAnew]), "{broken:?}");
    assert_eq!(f.statuses(1)[0].handlers, 1);
    f.assert_up();
}

#[test]
fn a_transmission_that_could_not_be_sent_is_missed() {
    let mut f = Fabric::new(2);
    let handler = f.nodes[0].open("bob");
    f.nodes[0].register(&handler, "q", &[]);
    let failing = |_, _: &_, _: &[u8]| Err(std::io::ErrorKind::BrokenPipe.into());
    let written = f.link(0, 1).transmit(&mut crate::Spare::default(), failing);
    assert_eq!(written, crate::Flush::Broken);
    f.nodes[0].outbox.touched.clear();
    f.nodes[0].register(&handler, "r", &[]);
    f.run();
    assert_eq!(std::mem::take(&mut f.broken), [Broken::Gap, Broken::BegunAnew]);
    assert_eq!(f.statuses(1)[0].handlers, 2);
    f.assert_up();
}
