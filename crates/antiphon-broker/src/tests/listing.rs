//! Listing sessions: which ones, what of them, and how many.

use antiphon_wire::error::Reason;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::Fetched;
use antiphon_wire::service::control::FetchedSession;
use antiphon_wire::service::control::SessionFetch;

use crate::BrokerConfig;
use crate::Limits;
use crate::filter::Filter;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::response;

const EPOCH: u64 = 1_700_000_000_000;

/// Opens sessions of these principals, a second apart from 2 seconds after [`EPOCH`] on; the first asks.
fn open(w: &mut World, principals: &[&str]) -> Client {
    let open = |principal: &&str| {
        w.now.0 += 1_000;
        w.open(principal)
    };
    let clients: Vec<_> = principals.iter().map(open).collect();
    clients[0].clone()
}

fn fetch(filter: &str) -> SessionFetch<'_> {
    SessionFetch {
        filter,
        keys: Some(vec!["$Principal"]),
        from: None,
        to: None,
        limit: None,
        maximum_size: 1_000_000,
        with_start_time: false,
    }
}

fn sessions(principals: &[&'static str], total: u32) -> Received {
    let session = |principal: &&'static str| FetchedSession {
        start_time: None,
        properties: vec![("$Principal", *principal)],
    };
    response(5, &Fetched::Sessions { sessions: principals.iter().map(session).collect(), total })
}

/// Asks for a list, and checks that exactly these sessions come, of so many.
#[track_caller]
fn check(w: &mut World, asker: &Client, fetch: &SessionFetch<'_>, told: &[&'static str], of: u32) {
    w.ask(asker, Service::SessionFetch, 5, fetch);
    assert_eq!(asker.received(), [sessions(told, of)]);
}

#[test]
fn matching_sessions_are_listed_in_the_order_of_their_start() {
    let mut w = World::new();
    let asker = open(&mut w, &["d", "c", "b", "a"]);
    check(&mut w, &asker, &fetch("all"), &["d", "c", "b", "a"], 4);
    check(&mut w, &asker, &fetch("$Principal in 'a','c'"), &["c", "a"], 2);
    check(&mut w, &asker, &fetch("$Principal is 'nobody'"), &[], 0);
    assert_quiet(&[&asker]);
}

#[test]
fn only_what_was_asked_for_is_told_of_a_session() {
    let mut w = World::new();
    let asker = open(&mut w, &["a"]);
    let mut check = |keys: Option<&[&str]>, start_time, properties: &[_]| {
        let with_start_time = Option::is_some(&start_time);
        let keys = keys.map(<[_]>::to_vec);
        w.ask(
            &asker,
            Service::SessionFetch,
            5,
            &SessionFetch { keys, with_start_time, ..fetch("all") },
        );
        let sessions = vec![FetchedSession { start_time, properties: properties.to_vec() }];
        assert_eq!(asker.received(), [response(5, &Fetched::Sessions { sessions, total: 1 })]);
    };
    let started = Some(EPOCH + 2_000);
    check(None, None, &[]);
    check(Some(&[]), started, &[]);
    check(Some(&["none", "$Transport"]), None, &[("$Transport", "WEBSOCKET")]);
    let (connector, principal) = (("$Connector", "test"), ("$Principal", "a"));
    check(Some(&["$Principal", "$Connector", "*U"]), started, &[connector, principal]);
}

#[test]
fn start_times_are_bounds_that_belong_to_the_range() {
    let mut w = World::new();
    let asker = open(&mut w, &["a", "b", "c"]);
    let second = EPOCH + 3_000;
    for (from, to, told) in [
        (Some(second), None, &["b", "c"][..]),
        (Some(second + 1), None, &["c"]),
        (None, Some(second), &["a", "b"]),
        (None, Some(second - 1), &["a"]),
        (Some(second), Some(second), &["b"]),
        (Some(second + 1), Some(second), &[]),
        (Some(0), Some(u64::MAX), &["a", "b", "c"]),
    ] {
        let body = SessionFetch { from, to, ..fetch("all") };
        check(&mut w, &asker, &body, told, told.len() as u32);
    }
}

#[test]
fn beyond_the_limit_sessions_are_counted_and_not_told() {
    let mut w = World::new();
    let asker = open(&mut w, &["a", "b", "c"]);
    for (limit, told) in [(0, &[][..]), (1, &["a"]), (2, &["a", "b"]), (9, &["a", "b", "c"])] {
        check(&mut w, &asker, &SessionFetch { limit: Some(limit), ..fetch("all") }, told, 3);
    }
}

#[test]
fn the_list_ends_before_it_is_larger_than_asked_for() {
    let mut w = World::new();
    let asker = open(&mut w, &["a", "b", "c"]);
    let properties = vec![("$Principal", "a")];
    let one = encoded(&FetchedSession { start_time: None, properties }).len() as u32;
    for (maximum_size, told) in [
        (0, &[][..]),
        (one - 1, &[]),
        (one, &["a"]),
        (2 * one - 1, &["a"]),
        (2 * one, &["a", "b"]),
        (u32::MAX, &["a", "b", "c"]),
    ] {
        check(&mut w, &asker, &SessionFetch { maximum_size, ..fetch("all") }, told, 3);
    }
}

#[test]
fn the_list_ends_before_it_is_larger_than_any_message() {
    let limits = Limits { message: 1_000, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let asker = open(&mut w, &["someone"; 100]);
    w.ask(&asker, Service::SessionFetch, 5, &fetch("all"));
    let received = asker.received();
    let [Received::Response { body, .. }] = &received[..] else { panic!("{received:?}") };
    assert!((950..=1_000).contains(&body.len()), "{} bytes", body.len());
}

#[test]
fn a_filter_or_keys_that_cannot_be_used_are_refused() {
    let mut w = World::new();
    let asker = open(&mut w, &["a"]);
    let refused = Filter::parse("").unwrap_err();
    let (message, line, column) = (refused.message(), refused.line(), refused.column());
    let reports = vec![ErrorReport { message, line, column }];
    w.ask(&asker, Service::SessionFetch, 5, &fetch(""));
    assert_eq!(asker.received(), [response(5, &Fetched::Refused(reports))]);

    let keys: Vec<String> = (0..257).map(|number| format!("key{number}")).collect();
    let keys = Some(keys.iter().map(String::as_str).collect());
    w.ask(&asker, Service::SessionFetch, 5, &SessionFetch { keys, ..fetch("all") });
    let text = "more than 256 different property keys asked for";
    assert_eq!(asker.received(), [error(5, Reason::INVALID_DATA, text)]);
}
