//! What operators see of a cluster.

use serde_json::Value;

use crate::nodes::three;
use crate::process::unaware;
use crate::stage::echo;

#[tokio::test(flavor = "multi_thread")]
async fn the_status_names_all_nodes_and_what_they_have() {
    let [a, b, c] = three();
    let session = b.join().await;
    let (_kept, _told) = echo(&session, "orders").await;
    let status = |arguments: &[&str]| {
        let mut command = unaware(env!("CARGO_BIN_EXE_antiphon"));
        command.args(["cluster", "status", "--operations", &a.operations]).args(arguments);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    a.expect("antiphon_link_handlers", "", |handlers| handlers == 1);
    let (code, text) = status(&["--json"]);
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(rows[0]["node"], a.id.as_str());
    assert_eq!(rows[0]["state"], "ready");
    let mut others = [&b, &c].map(|node| node.id.clone());
    others.sort();
    assert_eq!([&rows[1]["node"], &rows[2]["node"]], [others[0].as_str(), others[1].as_str()]);
    let busy = rows[1..].iter().find(|row| row["node"] == b.id.as_str()).unwrap();
    assert_eq!((&busy["handlers"], &busy["link"]), (&Value::from(1), &Value::from("up")));
    assert_eq!(busy["version"], env!("CARGO_PKG_VERSION"));
    let (code, text) = status(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!([&a, &b, &c].iter().all(|node| text.contains(&node.id)), "{text}");
    assert!(text.starts_with("NODE ") && text.contains("this one, ready"), "{text}");
    c.signal("KILL");
    a.expect_nodes(1);
    assert_eq!(status(&[]).1.lines().count(), 3);
}
