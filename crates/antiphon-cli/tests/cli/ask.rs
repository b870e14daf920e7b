//! `antiphon ask`: the number first, then the outcomes, then how it went.

use insta::assert_snapshot;

use crate::process::Handler;
use crate::process::Server;

/// A session that answers when it is addressed.
fn till(server: &Server, country: &str, answer: &[&str]) -> Handler {
    let property = format!("Country={country}");
    let arguments = ["takings", "--addressed", "--property", &property];
    Handler::start(server, &[&arguments, answer].concat())
}

#[test]
fn everybody_answers() {
    let server = Server::dev();
    let _one = till(&server, "DE", &["--reply", "1042"]);
    let _two = till(&server, "FR", &["--reply", "two\twords"]);
    let said = server.said(&["ask", "has Country", "takings", "today"]).sorted();
    assert_snapshot!(said, @r"
    exit 0
    stdout:
    SESSION	1042
    SESSION	two\twords

    stderr:
    2 answered, 0 failed, 0 missing in SPAN
    asked 2 sessions
    ");
    let said = server.said(&["ask", "Country is 'DE'", "takings", "today", "--json"]);
    assert_snapshot!(said, @r#"
    exit 0
    stdout:
    {"expected":1}
    {"session":"SESSION","type":"int64","value":1042}
    {"summary":{"elapsed_us":N,"errors":0,"expected":1,"missing":0,"responses":1}}
    "#);
}

#[test]
fn some_answer() {
    let server = Server::dev();
    let _one = till(&server, "DE", &["--reply", "1042"]);
    let _two = till(&server, "DE", &["--fail", "closed today"]);
    let said = server.said(&["ask", "Country is 'DE'", "takings", "today"]).sorted();
    assert_snapshot!(said, @"
    exit 10
    stdout:
    SESSION	1042

    stderr:
    1 answered, 1 failed, 0 missing in SPAN
    SESSION	rejected: closed today
    asked 2 sessions
    ");
    let said = server.said(&["ask", "Country is 'DE'", "takings", "today", "--json"]).sorted();
    assert_snapshot!(said, @r#"
    exit 10
    stdout:
    {"error":{"code":9003,"kind":"rejected","may_have_executed":true,"text":"closed today"},"session":"SESSION"}
    {"expected":2}
    {"session":"SESSION","type":"int64","value":1042}
    {"summary":{"elapsed_us":N,"errors":1,"expected":2,"missing":0,"responses":1}}
    "#);
}

#[test]
fn somebody_does_not_answer_in_time() {
    let server = Server::dev();
    let _one = till(&server, "DE", &["--reply", "1042"]);
    let _two = till(&server, "DE", &["--reply", "0", "--delay", "1h"]);
    let arguments = ["ask", "Country is 'DE'", "takings", "today", "--timeout", "2s"];
    assert_snapshot!(server.said(&arguments).sorted(), @"
    exit 10
    stdout:
    SESSION	1042

    stderr:
    1 answered, 0 failed, 1 missing in SPAN
    SESSION	no answer came in time
    asked 2 sessions
    ");
}

#[test]
fn nobody_is_asked() {
    let server = Server::dev();
    assert_snapshot!(server.said(&["ask", "Country is 'DE'", "takings", "today"]), @"
    exit 11
    stderr:
    asked 0 sessions
    no session matches the filter; `antiphon sessions` lists those that there are
    ");
    assert_snapshot!(server.said(&["ask", "Country is 'DE'", "takings", "today", "--json"]), @r#"
    exit 11
    stdout:
    {"expected":0}
    {"summary":{"elapsed_us":N,"errors":0,"expected":0,"missing":0,"responses":0}}
    "#);
}

#[test]
fn the_filter_is_wrong() {
    let server = Server::dev();
    assert_snapshot!(server.said(&["ask", "Country is DE", "takings", "today"]), @"
    exit 8
    stderr:
    error: the session filter is not valid
      Country is DE
                 ^
      line 1, column 12: expected a quoted value, found DE
    ");
}
