//! Requests that go from one node to another.

use antiphon::Addressing;
use antiphon::Rejection;
use antiphon::RequestContext;

use crate::nodes::Node;
use crate::nodes::ask_until_known;
use crate::nodes::expect_unhandled;
use crate::nodes::three;
use crate::stage::ask;
use crate::stage::ask_many;
use crate::stage::echo;
use crate::stage::within;

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_on_one_node_answers_requests_of_all() {
    let [a, b, c] = three();
    let handler = b.join().await;
    let (registration, _told) = echo(&handler, "orders").await;
    for node in [&a, &b, &c] {
        let sender = node.join().await;
        assert_eq!(ask_until_known(&sender, "orders/eu", 7).await.unwrap(), 7);
        for outcome in ask_many(&sender, "orders", 0..200) {
            outcome.await.unwrap().unwrap();
        }
    }
    within(registration.close()).await.unwrap();
    for node in [&a, &c] {
        expect_unhandled(&node.join().await, "orders").await;
    }
    for node in [a, b, c] {
        node.settle();
        node.end_well();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handler_of_the_own_node_is_preferred_and_the_most_specific_one_counts_everywhere() {
    let [a, b, _c] = three();
    let (near, far) = (a.join().await, b.join().await);
    let (_kept, mut told_far) = echo(&far, "orders").await;
    let sender = a.join().await;
    assert_eq!(ask_until_known(&sender, "orders", 1).await.unwrap(), 1);
    assert_eq!(told_far.recv().await, Some(1));
    let (_kept, mut told_near) = echo(&near, "orders").await;
    for number in 2..20 {
        assert_eq!(ask(&sender, "orders", number).await.unwrap(), number);
        assert_eq!(told_near.recv().await, Some(number));
    }
    let (_kept, mut told_specific) = echo(&far, "orders/eu").await;
    loop {
        assert_eq!(ask(&sender, "orders/eu", 30).await.unwrap(), 30);
        tokio::select! {
            biased;
            told = told_specific.recv() => break assert_eq!(told, Some(30)),
            told = told_near.recv() => assert_eq!(told, Some(30), "not known yet"),
        }
    }
    assert!(told_far.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_on_another_node_is_reached_by_its_id() {
    let [a, b, _c] = three();
    let addressed = b.join().await;
    let answer = |number: i64, _: RequestContext| async move { Ok::<_, Rejection>(number + 1) };
    let messaging = addressed.messaging();
    messaging.add_request_handler("orders", answer, Addressing::Addressed).unwrap().keep();
    let sender = a.join().await;
    let ask = |number: i64| {
        let (sender, id) = (sender.clone(), addressed.id());
        async move {
            let messaging = sender.messaging();
            within(messaging.send_request_to_session::<i64>("orders", id, number)).await
        }
    };
    for number in 0..50 {
        assert_eq!(ask(number).await.unwrap(), number + 1);
    }
    addressed.close().await;
    b.expect_sessions(0);
    let error = ask(0).await.unwrap_err();
    assert_eq!(error.code(), Some(107), "{error}");
    assert!(!error.may_have_executed(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_travel_between_nodes() {
    let [a, b, _c] = three();
    let handler = b.join().await;
    let answer = |value: Vec<u8>, _: RequestContext| async move { Ok::<_, Rejection>(value) };
    let registered = handler.messaging().register_request_handler("blobs", answer, &[]);
    within(registered).await.unwrap().keep();
    let sender = a.join().await;
    let _ = ask_until_known(&sender, "blobs", 0).await;
    let send = |length: usize| {
        let sender = sender.clone();
        tokio::spawn(async move {
            let value = vec![length as u8; length];
            let messaging = sender.messaging();
            let got = messaging.send_request_to_path::<Vec<u8>>("blobs", value.clone()).await;
            assert!(got.unwrap() == value, "{length} bytes came back as others");
        })
    };
    // Together several times what may be on its way.
    let sizes = [1, 60_000, 61_440, 65_535, 100_000, 500_000, 1_000_000, 900_000, 1_000_000];
    for sent in sizes.map(send) {
        within(sent).await.unwrap();
    }
    a.settle();
    b.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_late_knows_all_and_is_known_by_all() {
    let a = Node::start(&[]);
    let first = a.join().await;
    let (_kept, _told) = echo(&first, "orders").await;
    let b = Node::start(&[&a]);
    b.expect_nodes(1);
    let second = b.join().await;
    // It is ready only when it knows: nobody has to ask twice.
    assert_eq!(ask(&second, "orders", 1).await.unwrap(), 1);
    let c = Node::start(&[&b]);
    c.expect_nodes(2);
    let third = c.join().await;
    assert_eq!(ask(&third, "orders", 2).await.unwrap(), 2);
    let (_kept, _told) = echo(&third, "bills").await;
    for session in [&first, &second] {
        assert_eq!(ask_until_known(session, "bills", 3).await.unwrap(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_reaches_the_sessions_of_all_nodes() {
    let nodes = three();
    let mut sessions = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        for _ in 0..3 {
            let session = node.join().await;
            let answer =
                move |_: i64, _: RequestContext| async move { Ok::<_, Rejection>(index as i64) };
            let messaging = session.messaging();
            messaging.add_request_handler("orders", answer, Addressing::Addressed).unwrap().keep();
            sessions.push(session);
        }
    }
    let sender = nodes[0].join().await;
    for _ in 0..20 {
        let messaging = sender.messaging();
        let filter = messaging.request_filter::<i64>("$Principal is 'admin'", "orders", 1_i64);
        let mut responses = within(filter).await.unwrap();
        // The sender is one of them, and answers nothing.
        assert_eq!(responses.expected(), 10);
        let (mut answers, mut errors) = ([0; 3], 0);
        while let Some(response) = within(responses.next()).await {
            match response.outcome {
                Ok(index) => answers[index as usize] += 1,
                Err(_) => errors += 1,
            }
        }
        assert_eq!((answers, errors), ([3; 3], 1));
    }
    for node in &nodes {
        node.settle();
    }
}
