//! `antiphon demo`: the first thing that people see.

use insta::assert_snapshot;
use serde_json::Value;

use crate::process::Said;
use crate::process::antiphon;

#[test]
fn it_tells_a_story() {
    let mut said = Said::by(antiphon(&["demo"]));
    // They answer at the same time.
    let answers = ["  till-3 answered: 865\n", "  till-2 answered: 730\n"];
    said.stdout = said.stdout.replace(&answers.concat(), &[answers[1], answers[0]].concat());
    assert_snapshot!(said, @r#"
    exit 0
    stdout:
    A server listens at ws://ADDRESS. Five sessions connect to it:
      office   SESSION  principal admin; asks
      prices   SESSION  principal control; answers "prices"
      till-1   SESSION  property Country=DE; answers when addressed
      till-2   SESSION  property Country=FR; answers when addressed
      till-3   SESSION  property Country=FR; answers when addressed

    A request to a path
    `prices` registered a handler for "prices". It answers for all paths below, too. The server finds it.
      office asks path "prices/tea" with JSON: {"cups":2}
      answered with a double after SPAN: 3.8

    A request to a session
    Each till added a handler for requests that name its session. The server need not know of it.
      office asks till-1, at path "takings", with a string: today
      till-1 answered with an int64 after SPAN: 1042

    A request to a filter
    It goes to every session whose properties match. First comes their number, then one outcome for each.
      office asks filter "Country is 'FR'", at path "takings"
      2 sessions are asked
      till-2 answered: 730
      till-3 answered: 865
      that is all of them, and makes 1595

    An error
    No request is left without an outcome. Nobody handles this one:
      office asks path "weather"
      failed: no handler for path weather
      code 109: it was certainly not executed, so it is safe to send it again

    Now try it yourself, each in a terminal of its own:
      antiphon serve --dev
      antiphon handle greetings --exec 'echo hello $ANTIPHON_REQUEST' --principal admin --password password
      antiphon request greetings world
    `antiphon --help` shows the rest.
    "#);
}

#[test]
fn it_tells_it_to_programs() {
    assert_snapshot!(Said::by(antiphon(&["demo", "--json"])), @r#"
    exit 0
    stdout:
    {"scene":"server","url":"ws://ADDRESS"}
    {"handler":"prices","scene":"sessions","sessions":5}
    {"path":"prices/tea","request":{"cups":2},"response":3.8,"scene":"path","type":"double"}
    {"path":"takings","request":"today","response":1042,"scene":"session","session":"SESSION","type":"int64"}
    {"expected":2,"filter":"Country is 'FR'","path":"takings","request":"today","scene":"filter","total":1595}
    {"error":{"code":109,"kind":"unhandled_message","may_have_executed":false,"text":"no handler for path weather"},"path":"weather","scene":"error"}
    "#);
}

#[test]
fn a_cluster_tells_its_story_and_complains_of_nothing() {
    let said = Said::by(antiphon(&["demo", "--cluster", "3", "--json"]));
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
    let scene = |line: &str| serde_json::from_str::<Value>(line).unwrap()["scene"].clone();
    let scenes: Vec<_> = said.stdout.lines().map(scene).collect();
    assert_eq!(scenes, ["nodes", "path", "session", "filter", "end"]);
}
