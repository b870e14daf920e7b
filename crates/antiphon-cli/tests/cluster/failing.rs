//! Nodes that are killed, stopped, or restarted under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use antiphon::ErrorKind;
use antiphon::Registration;
use antiphon::Session;
use antiphon::SessionEvent;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use crate::nodes::Node;
use crate::nodes::ask_until_known;
use crate::nodes::expect_unhandled;
use crate::nodes::three;
use crate::nodes::three_with;
use crate::process::Handler;
use crate::stage::PATIENT;
use crate::stage::ask;
use crate::stage::ask_many;
use crate::stage::echo;
use crate::stage::expect_error;
use crate::stage::join;
use crate::stage::within;

const REQUESTS: i64 = 20;

/// A cluster with a handler of `bills` on its second node and one of `orders` on its third, and somebody on its first who has
/// asked both.
struct Halves {
    nodes: [Node; 3],
    sender: Session,
    handlers: [(Session, Registration); 2],
}

impl Halves {
    async fn with_lease(lease: &str) -> Self {
        let nodes = three_with(&[("CLUSTER_LEASE", lease), PATIENT[0], PATIENT[1]]);
        let [a, b, c] = &nodes;
        let sender = a.join().await;
        let (near, far) = (b.join().await, c.join().await);
        let (bills, _told) = echo(&near, "bills").await;
        let (orders, _told) = echo(&far, "orders").await;
        for path in ["bills", "orders"] {
            assert_eq!(ask_until_known(&sender, path, 1).await.unwrap(), 1);
        }
        Self { nodes, sender, handlers: [(near, bills), (far, orders)] }
    }
}

/// A handler at `orders` that never answers.
fn idler(node: &Node) -> Handler {
    Handler::start(node, &["orders", "--echo", "--delay", "1h"])
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_a_node_that_is_killed_end_and_its_handlers_are_gone() {
    let [a, b, c] = three_with(&PATIENT);
    let mut doomed = idler(&c);
    let sender = a.join().await;
    a.expect("antiphon_link_handlers", "", |handlers| handlers == 1);
    let flying = ask_many(&sender, "orders", 0..REQUESTS);
    for _ in 0..REQUESTS {
        doomed.event("request");
    }
    c.signal("KILL");
    for request in flying {
        expect_error(request.await.unwrap(), 107);
    }
    for node in [&a, &b] {
        node.expect_nodes(1);
        let nobody = ask(&node.join().await, "orders", 0).await.unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::UnhandledMessage, "{nobody}");
        node.settle();
    }
    let again = Node::start(&[&a]);
    again.expect_nodes(2);
    for node in [a, b, again] {
        node.end_well();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_holds_up_nobody_else_and_comes_back() {
    let Halves { nodes: [a, b, c], sender, handlers: _kept } = Halves::with_lease("1s").await;
    c.signal("STOP");
    let flying = ask_many(&sender, "orders", 0..REQUESTS);
    for number in 0..200 {
        assert_eq!(ask(&sender, "bills", number).await.unwrap(), number);
    }
    for request in flying {
        expect_error(request.await.unwrap(), 107);
    }
    expect_unhandled(&sender, "orders").await;
    c.signal("CONT");
    assert_eq!(ask_until_known(&sender, "orders", 2).await.unwrap(), 2);
    for node in [&a, &b, &c] {
        node.expect_nodes(2);
        node.settle();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_under_load_costs_nobody_else_a_second() {
    let Halves { nodes: [a, b, c], sender, handlers: _kept } = Halves::with_lease("5s").await;
    c.signal("STOP");
    // More than window, queue and sockets take, as long as the link lasts.
    let heavy = tokio::spawn({
        let sender = a.join().await;
        async move {
            let big = vec![0_u8; 500_000];
            let requests: Vec<_> = (0..60)
                .map(|_| {
                    let (sender, big) = (sender.clone(), big.clone());
                    tokio::spawn(async move {
                        sender.messaging().send_request_to_path::<i64>("orders", big).await
                    })
                })
                .collect();
            for request in requests {
                assert!(request.await.unwrap().is_err());
            }
        }
    });
    a.expect("antiphon_link_blocked", &c.id, |blocked| blocked == 1);
    let began = Instant::now();
    for number in 0..100 {
        assert_eq!(ask(&sender, "bills", number).await.unwrap(), number);
    }
    let took = began.elapsed();
    // All of them before the lease is over, and with it the reason to wait.
    assert!(took < Duration::from_secs(4), "{took:?}");
    heavy.await.unwrap();
    c.signal("CONT");
    assert_eq!(ask_until_known(&sender, "orders", 2).await.unwrap(), 2);
    for node in [&a, &b] {
        node.settle();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing_that_another_node_can_answer() {
    let [mut a, mut b, mut c] = three();
    let (steady, sender) = (b.join().await, a.join().await);
    let (_kept, _told) = echo(&steady, "orders").await;
    assert_eq!(ask_until_known(&sender, "orders", 1).await.unwrap(), 1);
    let load = |from: i64| ask_many(&sender, "orders", from..from + 200);
    let flying = load(0);
    c.signal("TERM");
    assert_eq!(c.end().0, Some(0));
    let more = load(1_000);
    c = Node::start(&[&a, &b]);
    c.expect_nodes(2);
    for request in flying.into_iter().chain(more) {
        request.await.unwrap().unwrap();
    }
    // Sessions of the next one move to the first; it leaves when they have.
    let other = c.join().await;
    let (_kept, _told) = echo(&other, "orders").await;
    a.expect("antiphon_link_up", "", |up| up == 2);
    let flying = load(2_000);
    b.signal("TERM");
    for (index, request) in flying.into_iter().enumerate() {
        assert_eq!(request.await.unwrap().unwrap(), 2_000 + index as i64);
    }
    assert_eq!(b.end().0, Some(0));
    for request in load(3_000) {
        request.await.unwrap().unwrap();
    }
    a.settle();
    a.signal("TERM");
    assert_eq!(a.end().0, Some(0));
}

/// Lets whoever connects through to a node, which may be another one the next time.
struct Balancer {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
}

impl Balancer {
    async fn to(node: &Node) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(node.socket_address()));
        let present = Arc::clone(&target);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let target = *present.lock().unwrap();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { address, target }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_node_is_gone_begins_anew_on_another_one() {
    let [a, b, c] = three();
    let balancer = Balancer::to(&a).await;
    let client = join(&balancer.address.to_string()).await;
    let (_kept, _told) = echo(&client, "orders").await;
    let mut events = client.events();
    *balancer.target.lock().unwrap() = b.socket_address();
    a.signal("KILL");
    let session = loop {
        match within(events.next()).await.unwrap() {
            // Its old session is unknown there: nothing of it was copied.
            SessionEvent::Reconnected { session, resumed } => {
                assert!(!resumed);
                break session.to_string();
            }
            SessionEvent::Connected(_) | SessionEvent::Recovering => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(session.starts_with(&b.id), "{session} is no session of {}", b.id);
    // Its handler is there again, for all.
    assert_eq!(ask_until_known(&c.join().await, "orders", 1).await.unwrap(), 1);
    assert!(b.figure("antiphon_handshakes_failed_total", "unknown_session") >= 1);
}
