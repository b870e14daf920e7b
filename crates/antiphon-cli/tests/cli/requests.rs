//! `antiphon request`: types in, values out, in each form.

use std::io::Write;

use insta::assert_snapshot;

use crate::process::Handler;
use crate::process::Said;
use crate::process::Server;
use crate::process::fed;

/// A server, and a handler that answers each request with itself.
fn echo() -> (Server, Handler) {
    let server = Server::dev();
    let handler = Handler::start(&server, &["echo", "--echo"]);
    (server, handler)
}

#[test]
fn the_response_is_printed_as_it_is() {
    let (server, _echo) = echo();
    assert_snapshot!(server.said(&["request", "echo", "hello world"]), @"
    exit 0
    stdout:
    hello world
    ");
    assert_snapshot!(server.said(&["request", "echo/below", r#"{"b": 1, "a": [null, 2.50]}"#]), @r#"
    exit 0
    stdout:
    {"a":[null,2.5],"b":1}
    "#);
    assert_snapshot!(server.said(&["request", "echo", "-5"]), @"
    exit 0
    stdout:
    -5
    ");
    assert_snapshot!(server.said(&["request", "echo", "--double", "3"]), @"
    exit 0
    stdout:
    3.0
    ");
}

#[test]
fn as_json_it_comes_with_its_type() {
    let (server, mut echo) = echo();
    for (arguments, data_type, value) in [
        (&["hello"][..], "string", "\"hello\""),
        (&["42"], "int64", "42"),
        (&["--string", "42"], "string", "\"42\""),
        (&["--double", "42"], "double", "42.0"),
        (&["--double", "nan"], "double", "\"NaN\""),
        (&["--binary", "\u{1}2"], "binary", "\"ATI=\""),
        (&["[true]"], "json", "[true]"),
        (&["--as-json", "\"text\""], "json", "\"text\""),
        (&["@@here"], "string", "\"@here\""),
    ] {
        let said = server.said(&[&["request", "echo", "--json"], arguments].concat());
        let expected = format!("{{\"elapsed_us\":N,\"type\":\"{data_type}\",\"value\":{value}}}\n");
        assert_eq!((said.code, said.stdout), (Some(0), expected), "{}", said.stderr);
        // The handler shows it just so.
        let shown = echo.event("request");
        assert_eq!(shown["type"], data_type);
        assert_eq!(shown["value"].to_string(), value);
        assert!(shown["sender"].is_string());
    }
}

#[test]
fn bytes_go_in_and_come_out_unchanged() {
    let (server, _echo) = echo();
    let bytes = b"\x00\xff\n\x80 no text\n";
    let output = fed(server.admin(&["request", "echo", "--binary", "-"]), bytes);
    assert_eq!(output.stdout, bytes);
    // What is no text must be bytes.
    let output = fed(server.admin(&["request", "echo"]), bytes);
    assert_eq!(output.stdout, bytes);
}

#[test]
fn values_come_from_files_and_from_standard_input() {
    let (server, _echo) = echo();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"{\n  \"a\": 1\n}\n").unwrap();
    let named = format!("@{}", file.path().display());
    assert_snapshot!(server.said(&["request", "echo", "--json", &named]), @r#"
    exit 0
    stdout:
    {"elapsed_us":N,"type":"json","value":{"a":1}}
    "#);
    for arguments in [&["request", "echo", "--json", "-"][..], &["request", "echo", "--json"]] {
        let said = Said::of(fed(server.admin(arguments), b"7\n"));
        assert_eq!(said.stdout, "{\"elapsed_us\":N,\"type\":\"int64\",\"value\":7}\n");
    }
    let said = server.said(&["request", "echo", "@/no/such/file"]);
    assert_snapshot!(said, @"
    exit 1
    stderr:
    error: cannot read /no/such/file: No such file or directory (os error N); @@ stands for an @
    ");
}

#[test]
fn a_value_that_does_not_fit_its_type_is_never_sent() {
    let (server, _echo) = echo();
    assert_snapshot!(server.said(&["request", "echo", "--int64", "1.5"]), @r#"
    exit 1
    stderr:
    error: --int64: "1.5" is not a whole number from -9223372036854775808 to 9223372036854775807
    "#);
    assert_snapshot!(server.said(&["request", "echo", "--as-json", "{"]), @r#"
    exit 1
    stderr:
    error: --as-json: "{" is not JSON: EOF while parsing an object at line 1 column 1
    "#);
    assert_snapshot!(server.said(&["request", "echo", "--string", "--int64", "5"]), @"
    exit 1
    stderr:
    error: the argument '--string' cannot be used with '--int64'

    Usage: antiphon request --string --url <URL> --principal <NAME> <PATH> <VALUE>

    For more information, try '--help'.
    ");
}

#[test]
fn a_session_is_asked_by_its_id() {
    let server = Server::dev();
    let arguments = ["takings", "--addressed", "--reply", "1042"];
    let till = Handler::run(server.client(&[&["handle", "--json"], &arguments[..]].concat()));
    let said = server.said(&["request", "takings", "today", "--session", &till.session]);
    assert_snapshot!(said, @"
    exit 0
    stdout:
    1042
    ");
    // A path knows nothing of it.
    assert_eq!(server.said(&["request", "takings", "today"]).code, Some(4));
    // And the session knows nothing of another path.
    let said = server.said(&["request", "weather", "today", "--session", &till.session]);
    assert_snapshot!(said, @"
    exit 4
    stderr:
    error: no handler: session SESSION has no handler for path weather
      the session has no handler for requests that are addressed to it, as by `antiphon handle --addressed`
    ");
}
