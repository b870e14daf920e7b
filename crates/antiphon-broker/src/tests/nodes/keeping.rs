//! Senders that stay with their handler, which is one of another node.

use crate::BrokerConfig;
use crate::Choice;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::world::Client;
use crate::tests::world::response;
use crate::tests::world::world;

fn sticky(nodes: usize) -> Fabric {
    Fabric::with(nodes, &BrokerConfig { choice: Choice::Sticky, ..BrokerConfig::default() })
}

fn handlers(f: &mut Fabric, node: usize, count: usize) -> Vec<(usize, Client)> {
    let open = |_| {
        let handler = f.nodes[node].open("bob");
        f.nodes[node].register(&handler, "a", &[]);
        (node, handler)
    };
    let handlers = (0..count).map(open).collect();
    f.run();
    handlers
}

/// A sender of node 0 asks so often at once, and gets its answers; tells how many each handler got.
fn ask(f: &mut Fabric, sender: &Client, times: usize, handlers: &[(usize, Client)]) -> Vec<usize> {
    (0..times).for_each(|_| f.nodes[0].send_to_path(sender, 5, "a/b"));
    f.run();
    let mut got = Vec::new();
    for (node, handler) in handlers {
        let asked = handler.conversations();
        got.push(asked.len());
        asked.iter().for_each(|asked| f.nodes[*node].respond(handler, *asked, &world()));
    }
    f.run();
    assert_eq!(sender.received(), vec![response(5, &world()); times]);
    got
}

/// The one handler that got all of it.
#[track_caller]
fn only(got: &[usize]) -> usize {
    let who: Vec<_> = (0..got.len()).filter(|place| got[*place] > 0).collect();
    let [one] = who[..] else { panic!("not one handler: {got:?}") };
    one
}

#[test]
fn each_sender_stays_with_one_handler_of_another_node_and_not_all_with_the_same() {
    let mut f = sticky(2);
    let far = handlers(&mut f, 1, 4);
    let mut senders = [0; 4];
    for _ in 0..40 {
        let sender = f.nodes[0].open("alice");
        // Nothing is known yet when the second one is sent.
        let first = only(&ask(&mut f, &sender, 3, &far));
        assert_eq!(only(&ask(&mut f, &sender, 3, &far)), first);
        senders[first] += 1;
    }
    assert!(senders.iter().all(|count| (4..=16).contains(count)), "{senders:?}");
}

#[test]
fn others_that_come_on_either_node_do_not_change_it() {
    let mut f = sticky(3);
    let mut all = handlers(&mut f, 1, 2);
    let sender = f.nodes[0].open("alice");
    let first = only(&ask(&mut f, &sender, 1, &all));
    for node in [1, 0, 2, 0, 1] {
        all.extend(handlers(&mut f, node, 2));
        assert_eq!(only(&ask(&mut f, &sender, 2, &all)), first);
    }
    // Others begin at home.
    let other = f.nodes[0].open("alice");
    assert_eq!(all[only(&ask(&mut f, &other, 1, &all))].0, 0);
    let (node, gone) = all[first].clone();
    f.nodes[node].deregister(&gone, 9, "a");
    f.run();
    gone.received();
    let second = only(&ask(&mut f, &sender, 2, &all));
    assert_ne!(second, first);
    all.extend(handlers(&mut f, 0, 2));
    assert_eq!(only(&ask(&mut f, &sender, 2, &all)), second);
}

#[test]
fn a_node_that_was_out_of_reach_is_gone_back_to_as_if_nothing_had_been() {
    let mut f = sticky(2);
    let mut far = handlers(&mut f, 1, 8);
    let sender = f.nodes[0].open("alice");
    let first = only(&ask(&mut f, &sender, 1, &far));
    f.cut(0, 1);
    far.extend(handlers(&mut f, 1, 3));
    f.heal(0, 1);
    f.assert_up();
    assert_eq!(only(&ask(&mut f, &sender, 2, &far)), first);
    // Nor does it matter that the link begins anew.
    f.nodes[0].advance(600);
    f.transmit();
    f.ways.clear();
    f.nodes[0].advance(600);
    f.run();
    assert_eq!(std::mem::take(&mut f.broken).len(), 2);
    assert_eq!(only(&ask(&mut f, &sender, 2, &far)), first);
}

#[test]
fn a_sender_leaves_a_node_that_is_about_to_stop() {
    let mut f = sticky(3);
    let mut all = handlers(&mut f, 1, 1);
    let sender = f.nodes[0].open("alice");
    let first = only(&ask(&mut f, &sender, 1, &all));
    assert_eq!(all[first].0, 1);
    all.extend(handlers(&mut f, 2, 1));
    let node = &mut f.nodes[1];
    node.broker.drain(0, &mut node.outbox);
    f.run();
    assert_eq!(only(&ask(&mut f, &sender, 2, &all)), 1);
}
