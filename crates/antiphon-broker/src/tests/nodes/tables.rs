//! What nodes know of the handlers of others, while many come and go.

use antiphon_wire::codec::Decode;
use antiphon_wire::message::Message;
use antiphon_wire::node::Frames;
use antiphon_wire::node::Header;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::PathRequest;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::HandlerRequest;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::tests::model::cases;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::world::Client;
use crate::tests::world::decoded;

const KEYS: [&[&str]; 3] = [&[], &["$Principal"], &["$Principal", "$SessionId"]];

/// The properties that node 0 tells node 1 of a sender that asks for `a`.
fn told(f: &mut Fabric, sender: &Client) -> usize {
    f.nodes[0].send_to_path(sender, 5, "a");
    f.transmit();
    let mut told = None;
    for sent in &f.ways[&(0, 1)] {
        for message in Frames::new(Header::split(sent).unwrap().1) {
            if let Message::Request { service, body, .. } =
                Message::decode(message.unwrap()).unwrap()
                && service == NodeService::Path.number()
            {
                told = Some(PathRequest::decode_all(body).unwrap().properties.len());
            }
        }
    }
    told.unwrap()
}

#[test]
fn what_nobody_wants_to_know_any_more_is_not_told_for_ever() {
    let mut f = Fabric::new(2);
    let sender = f.nodes[0].open("alice");
    let stays = f.nodes[1].open("bob");
    f.nodes[1].register(&stays, "a", &[]);
    let curious: Vec<_> = (0..20).map(|_| f.nodes[1].open("bob")).collect();
    for handler in &curious {
        f.nodes[1].register(handler, "a", KEYS[1]);
    }
    f.run();
    assert_eq!(told(&mut f, &sender), 1);
    for handler in &curious {
        f.nodes[1].close(handler, CloseReason::ConnectionLost);
    }
    f.nodes[1].deregister(&stays, 2, "a");
    f.nodes[1].ask_to_register(&stays, "a", KEYS[0]);
    f.run();
    assert_eq!(told(&mut f, &sender), 0);
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn others_know_how_many_there_are_and_tell_each_what_it_wants(
        ops in vec((0_usize..9, 0_usize..3, any::<bool>()), 1..80),
    ) {
        let mut f = Fabric::new(2);
        let sender = f.nodes[0].open("alice");
        let sessions: Vec<_> = (0..9).map(|_| f.nodes[1].open("bob")).collect();
        let mut wants = [None; 9];
        for (who, keys, looks) in ops {
            if wants[who].take().is_some() {
                f.nodes[1].deregister(&sessions[who], 2, "a");
            } else {
                wants[who] = Some(keys);
                f.nodes[1].ask_to_register(&sessions[who], "a", KEYS[keys]);
            }
            sessions[who].received();
            if looks {
                f.run();
                let there = wants.iter().flatten().count();
                prop_assert_eq!(f.statuses(0)[0].handlers, there as u64);
                f.nodes[0].send_to_path(&sender, 5, "a");
                f.run();
                let mut asked = 0;
                for (handler, keys) in sessions.iter().zip(wants) {
                    for body in handler.bodies(Service::MessagingReceiverClient) {
                        let told = decoded::<HandlerRequest<'_>>(&body).properties.len();
                        prop_assert_eq!(Some(told), keys.map(|keys| KEYS[keys].len()));
                        asked += 1;
                    }
                }
                prop_assert_eq!(asked, there.min(1));
            }
        }
        f.assert_up();
    }
}
