//! `antiphon sessions`, `filter check`, `close` and `ping`.

use insta::assert_snapshot;

use crate::process::Handler;
use crate::process::Said;
use crate::process::Server;

/// A session with properties, that nobody else can be mistaken for.
fn till(server: &Server) -> Handler {
    let arguments = ["handle", "takings", "--addressed", "--echo", "--json"];
    let properties = ["--property", "Till=7", "--property", "Place=Köln\tDom"];
    Handler::run(server.client(&[&arguments[..], &properties].concat()))
}

#[test]
fn sessions_are_listed() {
    let server = Server::dev();
    let till = till(&server);
    let said = server.said(&["sessions", "Till is '7'", "--properties", "Till,Place"]);
    assert_snapshot!(said, @r"
    exit 0
    stdout:
    SESSION	TIME	7	Köln\tDom
    ");
    let said = server.said(&["sessions", "Till is '7'", "--properties", "*U,$Principal", "--json"]);
    assert_snapshot!(said, @r#"
    exit 0
    stdout:
    {"properties":{"$Principal":"","Place":"Köln\tDom","Till":"7"},"session":"SESSION","start_time":"TIME"}
    {"summary":{"listed":1,"total":1}}
    "#);
    let output = server.admin(&["sessions", "Till is '7'"]).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.starts_with(&till.session), "{listed}");
}

#[test]
fn no_more_are_listed_than_asked_for() {
    let server = Server::dev();
    let _till = till(&server);
    let said = server.said(&["sessions", "--limit", "1", "--properties", "Till"]);
    assert_snapshot!(said, @"
    exit 0
    stdout:
    SESSION	TIME	7

    stderr:
    1 of 2 sessions; --limit shows more
    ");
    let said = server.said(&["sessions", "--limit", "0", "--json"]);
    assert_snapshot!(said, @r#"
    exit 0
    stdout:
    {"summary":{"listed":0,"total":2}}
    "#);
}

#[test]
fn a_filter_is_checked() {
    let server = Server::dev();
    let _till = till(&server);
    assert_snapshot!(server.said(&["filter", "check", "Till is '7'"]), @"
    exit 0
    stdout:
    the filter is valid; 1 session matches
    ");
    assert_snapshot!(server.said(&["filter", "check", "Till is '7'", "--json"]), @r#"
    exit 0
    stdout:
    {"matches":1,"valid":true}
    "#);
}

#[test]
fn a_wrong_filter_is_marked_where_it_is_wrong() {
    let server = Server::dev();
    assert_snapshot!(server.said(&["filter", "check", "Till is 7"]), @"
    exit 8
    stderr:
    error: the session filter is not valid
      Till is 7
              ^
      line 1, column 9: expected a quoted value, found 7
    ");
    assert_snapshot!(server.said(&["filter", "check", "Straße is 'ü' and\n\tor x"]), @"
    exit 8
    stderr:
    error: the session filter is not valid
      	or x
      	^
      line 2, column 2: expected a key, all, has, hasRoles, not or (, found or
    ");
    assert_snapshot!(server.said(&["filter", "check", "Till is 7", "--json"]), @r#"
    exit 8
    stderr:
    {"error":{"filter_errors":[{"column":9,"line":1,"message":"expected a quoted value, found 7"}],"kind":"invalid_filter","may_have_executed":false,"text":"the session filter is not valid; line 1, column 9: expected a quoted value, found 7"}}
    "#);
    assert_eq!(server.said(&["sessions", "Till is 7"]).code, Some(8));
}

#[test]
fn a_session_is_closed_once() {
    let server = Server::dev();
    let mut till = till(&server);
    let session = till.session.clone();
    assert_snapshot!(server.said(&["close", &session]), @"
    exit 0
    stdout:
    closed SESSION
    ");
    // Handlers are services: they come back.
    assert_ne!(till.event("reconnected")["session"], session);
    assert_snapshot!(server.said(&["close", &session, "--json"]), @r#"
    exit 7
    stderr:
    {"error":{"code":107,"kind":"no_such_session","may_have_executed":false,"text":"no session SESSION"}}
    "#);
}

#[test]
fn the_server_answers_pings() {
    let server = Server::dev();
    assert_snapshot!(server.said(&["ping"]), @"
    exit 0
    stdout:
    1: SPAN
    ");
    assert_snapshot!(Said::by(server.client(&["ping", "--count", "2", "--interval", "0s"])), @"
    exit 0
    stdout:
    1: SPAN
    2: SPAN

    stderr:
    2 pings: least SPAN, mean SPAN, most SPAN
    ");
    assert_snapshot!(server.said(&["ping", "--json"]), @r#"
    exit 0
    stdout:
    {"round_trip_us":N,"sequence":1}
    "#);
}
