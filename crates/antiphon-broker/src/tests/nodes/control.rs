//! Acting on sessions of other nodes: one by id, or all that match a filter.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::CountOrErrors;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::ChangeRolesFilter;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::control::CloseClientFilter;
use antiphon_wire::service::control::Fetched;
use antiphon_wire::service::control::FetchedSession;
use antiphon_wire::service::control::GetSessionProperties;
use antiphon_wire::service::control::PropertiesChanged;
use antiphon_wire::service::control::SessionFetch;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::control::SetSessionPropertiesFilter;
use antiphon_wire::service::security::RevokeAuthentication;

use crate::batch::Void;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::response;

const PARTING: [Received; 2] = [Received::Abort, Received::Close(Some(1000))];

/// Two nodes, with somebody on the first and bob on the second.
fn pair() -> (Fabric, Client, Client) {
    let mut f = Fabric::new(2);
    let (asker, bob) = (f.nodes[0].open("alice"), f.nodes[1].open("bob"));
    (f, asker, bob)
}

/// Asks, and returns the one answer.
fn ask(
    f: &mut Fabric,
    asker: &Client,
    service: Service,
    body: &impl antiphon_wire::codec::Encode,
) -> Received {
    f.nodes[0].ask(asker, service, 5, body);
    f.run();
    let mut received = asker.received();
    assert_eq!(received.len(), 1, "{received:?}");
    received.remove(0)
}

fn count(count: u32) -> Received {
    response(5, &CountOrErrors { count, errors: vec![] })
}

#[test]
fn a_session_of_another_node_is_closed() {
    let (mut f, asker, bob) = pair();
    let close = CloseClient { session: bob.id() };
    assert_eq!(ask(&mut f, &asker, Service::CloseClient, &close), response(5, &Void));
    assert_eq!(bob.received(), PARTING);
    let text = format!("no session {}", bob.id());
    let gone = error(5, Reason::NO_SUCH_SESSION, text);
    assert_eq!(ask(&mut f, &asker, Service::CloseClient, &close), gone);
    assert_quiet(&[&asker]);
}

#[test]
fn authentication_of_a_session_of_another_node_is_revoked() {
    let (mut f, _, bob) = pair();
    let asker = f.nodes[0].open_with_roles("carol", &["CLIENT_CONTROL", "AUTHENTICATION_HANDLER"]);
    let revoke = RevokeAuthentication { session: bob.id() };
    assert_eq!(ask(&mut f, &asker, Service::RevokeAuthentication, &revoke), response(5, &Void));
    assert_eq!(bob.received(), PARTING);
}

#[test]
fn properties_of_a_session_of_another_node_are_set_and_read() {
    let (mut f, asker, bob) = pair();
    let set =
        SetSessionProperties { session: bob.id(), set: Some(vec![("team", "blue")]), remove: None };
    let changed = PropertiesChanged { previous: None, created: Some(vec!["team"]) };
    let answer = ask(&mut f, &asker, Service::SetSessionProperties, &set);
    assert_eq!(answer, response(5, &changed));
    let get = |session| GetSessionProperties { session, keys: vec!["team", "$Principal"] };
    let known = Some(vec![("$Principal", "bob"), ("team", "blue")]);
    let answer = ask(&mut f, &asker, Service::GetSessionProperties, &get(bob.id()));
    assert_eq!(answer, response(5, &known));
    for server in [100, 101, 102] {
        let nobody = get(SessionId { server, client: 99 });
        let answer = ask(&mut f, &asker, Service::GetSessionProperties, &nobody);
        assert_eq!(answer, Received::Response { conversation: 5, body: vec![0] });
    }
    let invalid =
        SetSessionProperties { session: bob.id(), set: Some(vec![("a b", "blue")]), remove: None };
    let answer = ask(&mut f, &asker, Service::SetSessionProperties, &invalid);
    assert!(matches!(answer, Received::Error { reason: Reason::INVALID_DATA, .. }));
}

#[test]
fn roles_of_a_session_of_another_node_are_changed() {
    let (mut f, asker, bob) = pair();
    let change = ChangeRoles { session: bob.id(), remove: vec![], add: vec!["TESTER"] };
    let answer = ask(&mut f, &asker, Service::ChangeAuthorisationRoles, &change);
    assert_eq!(answer, response(5, &Void));
    assert!(bob.session.profile().roles.contains("TESTER"));
    let all = ChangeRolesFilter { filter: "all", remove: vec!["TESTER"], add: vec!["GUEST"] };
    let answer = ask(&mut f, &asker, Service::ChangeAuthorisationRolesFilter, &all);
    assert_eq!(answer, count(2));
    assert!(bob.session.profile().roles.contains("GUEST"));
    assert!(!bob.session.profile().roles.contains("TESTER"));
}

#[test]
fn whoever_lacks_the_permission_acts_on_no_node() {
    let (mut f, _, bob) = pair();
    let nobody = f.nodes[0].open_with_roles("carol", &[]);
    let close = CloseClient { session: bob.id() };
    let answer = ask(&mut f, &nobody, Service::CloseClient, &close);
    assert!(matches!(answer, Received::Error { reason: Reason::ACCESS_DENIED, .. }));
    let close = CloseClientFilter { filter: "all" };
    let answer = ask(&mut f, &nobody, Service::CloseClientFilter, &close);
    assert!(matches!(answer, Received::Error { reason: Reason::ACCESS_DENIED, .. }));
    assert_quiet(&[&bob]);
}

#[test]
fn what_is_done_to_all_that_match_is_done_on_all_nodes_and_counted_once() {
    let (mut f, asker, bob) = pair();
    let set = SetSessionPropertiesFilter {
        filter: "all",
        set: Some(vec![("team", "blue")]),
        remove: None,
    };
    let answer = ask(&mut f, &asker, Service::SetSessionPropertiesFilter, &set);
    assert_eq!(answer, count(2));
    let close = CloseClientFilter { filter: "team is 'blue'" };
    f.nodes[0].ask(&asker, Service::CloseClientFilter, 5, &close);
    f.run();
    // Whoever asks is among them, and is answered first.
    assert_eq!(asker.received(), [&[count(2)], &PARTING[..]].concat());
    assert_eq!(bob.received(), PARTING);
}

#[test]
fn sessions_of_all_nodes_are_listed_in_the_order_of_their_start() {
    let mut f = Fabric::new(2);
    let mut asker = None;
    for (node, principal) in [(0, "a"), (1, "b"), (0, "c"), (1, "d")] {
        f.nodes.iter_mut().for_each(|world| world.now.0 += 100);
        let client = f.nodes[node].open(principal);
        asker.get_or_insert(client);
    }
    let asker = asker.unwrap();
    let mut check = |limit, maximum_size, with_start_time, principals: &[&'static str]| {
        let fetch = SessionFetch {
            filter: "all",
            keys: Some(vec!["$Principal"]),
            from: None,
            to: None,
            limit,
            maximum_size,
            with_start_time,
        };
        let listed = |(at, principal): (usize, &&'static str)| FetchedSession {
            start_time: with_start_time.then_some(1_700_000_001_100 + 100 * at as u64),
            properties: vec![("$Principal", *principal)],
        };
        let sessions = principals.iter().enumerate().map(listed).collect();
        let expected = response(5, &Fetched::Sessions { sessions, total: 4 });
        assert_eq!(ask(&mut f, &asker, Service::SessionFetch, &fetch), expected);
    };
    check(None, 10_000, true, &["a", "b", "c", "d"]);
    check(None, 10_000, false, &["a", "b", "c", "d"]);
    check(Some(3), 10_000, false, &["a", "b", "c"]);
    check(Some(1), 10_000, true, &["a"]);
    check(None, 35, false, &["a", "b"]);
}

#[test]
fn a_call_to_a_node_that_is_lost_may_have_been_executed() {
    let (mut f, asker, bob) = pair();
    f.nodes[0].ask(&asker, Service::CloseClient, 5, &CloseClient { session: bob.id() });
    f.cut(0, 1);
    let text = "node 0000000000000065 is lost; the request may have been executed";
    assert_eq!(asker.received(), [error(5, Reason::NO_SUCH_SESSION, text)]);
    let all = CloseClientFilter { filter: "$Principal is 'bob'" };
    assert_eq!(ask(&mut f, &asker, Service::CloseClientFilter, &all), count(0));
    assert_quiet(&[&asker, &bob]);
}

#[test]
fn a_node_that_does_not_answer_is_not_counted() {
    let (mut f, asker, bob) = pair();
    let all = CloseClientFilter { filter: "$Principal is 'bob'" };
    f.nodes[0].ask(&asker, Service::CloseClientFilter, 5, &all);
    f.nodes[0].advance(1_000);
    assert_eq!(asker.received(), [count(0)]);
    assert_eq!(f.nodes[0].outbox.unheard.len(), 1);
    f.run();
    assert_eq!(bob.received(), PARTING);
    assert_quiet(&[&asker]);
}
