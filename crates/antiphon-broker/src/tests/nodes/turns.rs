//! Turns of the handlers of a node, where other nodes have some too.

use crate::BrokerConfig;
use crate::Choice;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::world::world;

/// How many of 60 requests, each answered before the next, each of two near and one far handler get.
fn shares(choice: Choice) -> Vec<usize> {
    let mut f = Fabric::with(2, &BrokerConfig { choice, ..BrokerConfig::default() });
    let sender = f.nodes[0].open("alice");
    let mut handlers = Vec::new();
    // The far one stands between the near ones.
    for node in [0, 1, 0] {
        let handler = f.nodes[node].open("bob");
        f.nodes[node].register(&handler, "a", &[]);
        f.run();
        handlers.push((node, handler));
    }
    let mut shares = vec![0; 3];
    for _ in 0..60 {
        f.nodes[0].send_to_path(&sender, 5, "a");
        f.run();
        for ((node, handler), share) in handlers.iter().zip(&mut shares) {
            for asked in handler.conversations() {
                *share += 1;
                f.nodes[*node].respond(handler, asked, &world());
            }
        }
        assert_eq!(sender.received().len(), 1);
    }
    shares
}

#[test]
fn near_handlers_get_the_same_share_wherever_a_far_one_stands_between_them() {
    assert_eq!(shares(Choice::RoundRobin), [30, 0, 30]);
    assert_eq!(shares(Choice::LeastInFlight), [30, 0, 30]);
}
