//! `antiphon bench`: that it counts what happens, not how fast that is.

use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::Value;

use crate::process::Said;
use crate::process::Server;

const SHORT: [&str; 5] = ["bench", "--seconds", "0.4", "--warmup", "0.1"];

fn measured(server: &Server, arguments: &[&str]) -> Value {
    let said = server.said(&[&SHORT, arguments, &["--json"]].concat());
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&said.stdout).unwrap()
}

#[test]
fn a_closed_loop_sends_as_much_as_it_can() {
    let server = Server::dev();
    let result = measured(&server, &["--requesters", "2", "--handlers", "2", "--outstanding", "8"]);
    assert!(result["requests"].as_u64().unwrap() > 0, "{result}");
    assert!(result["requests_per_second"].as_f64().unwrap() > 0.0, "{result}");
    assert_eq!(result["errors"], 0);
    assert_eq!(result["not_sent"], 0);
    let percentiles = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"];
    let values = percentiles.map(|name| result[name].as_f64().unwrap());
    assert!(values.is_sorted() && values[0] > 0.0, "{result}");
    assert_eq!(result["requesters"], 2);
    assert_eq!(result["rate"], Value::Null);
}

#[test]
fn an_open_loop_sends_what_is_due() {
    let server = Server::dev();
    let result = measured(&server, &["--rate", "100", "--payload", "0"]);
    // 49 are due before the end, 39 or 40 of them after the warm-up.
    let due = result["requests"].as_u64().unwrap() + result["not_sent"].as_u64().unwrap();
    assert!((39..=49).contains(&due), "{result}");
    assert_eq!(result["errors"], 0);
}

#[test]
fn runs_do_not_meet() {
    let server = Server::dev();
    let mut one = server.admin(&SHORT);
    let one = one.stdout(Stdio::piped()).spawn().unwrap();
    measured(&server, &[]);
    assert!(one.wait_with_output().unwrap().status.success());
}

#[test]
fn it_reads_well() {
    let server = Server::dev();
    let said = server.said(&SHORT);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains(" requests per second\n"), "{said}");
    assert!(said.stdout.contains("  p99 "), "{said}");
    assert!(said.stdout.ends_with("\n0 errors\n"), "{said}");
}

#[test]
fn handlers_need_a_permission() {
    let server = Server::dev();
    assert_snapshot!(Said::by(server.client(&["bench"])), @"
    exit 3
    stderr:
    error: access denied: REGISTER_HANDLER is needed at path antiphon-bench/SESSION
      log in as somebody with the permission REGISTER_HANDLER, by --principal and --password
    ");
    assert_snapshot!(server.said(&["bench", "--outstanding", "0"]), @"
    exit 1
    stderr:
    error: invalid value '0' for '--outstanding <K>': number would be zero for non-zero type

    For more information, try '--help'.
    ");
    assert_snapshot!(server.said(&["bench", "--rate", "0"]), @r#"
    exit 1
    stderr:
    error: invalid value '0' for '--rate <N>': "0" is not a rate from 0.1 to 10000000 requests per second

    For more information, try '--help'.
    "#);
}
