//! `antiphon access` and `role default`: what holds for all sessions, as an operator changes it.

use insta::assert_snapshot;

use crate::process::Said;
use crate::store::Folder;

fn access(folder: &Folder, arguments: &[&str]) -> Said {
    folder.said(&[&["access"], arguments].concat())
}

#[test]
fn what_holds_for_everybody_is_changed_step_by_step() {
    let folder = Folder::stock();
    assert_snapshot!(access(&folder, &["isolate", "/payroll/", "a//b"]), @"
    exit 0
    stdout:
    isolated payroll
    isolated a/b

    stderr:
    a running server takes this over when it gets SIGHUP
    ");
    assert_snapshot!(access(&folder, &["unisolate", "a/b/"]), @"
    exit 0
    stdout:
    unisolated a/b

    stderr:
    a running server takes this over when it gets SIGHUP
    ");
    assert_snapshot!(access(&folder, &["anonymous", "allow", "--role", "CLIENT", "--role", "GUEST"]), @r#"
    exit 0
    stdout:
    anonymous	allow CLIENT GUEST

    stderr:
    a running server takes this over when it gets SIGHUP
    there is no role "GUEST" yet: it permits nothing, but session filters know it
    "#);
    assert_snapshot!(access(&folder, &["trust", "Department", "--value", "Sales", "--value", "Audit"]), @"
    exit 0
    stdout:
    trusted Department	Audit, Sales

    stderr:
    a running server takes this over when it gets SIGHUP
    ");
    assert_snapshot!(access(&folder, &["trust", "Till", "--value", "1"]), @"
    exit 0
    stdout:
    trusted Till	1

    stderr:
    a running server takes this over when it gets SIGHUP
    ");
    assert_snapshot!(access(&folder, &["trust", "Till", "--matching", "[0-9]{1,4}"]), @"
    exit 0
    stdout:
    trusted Till	matching [0-9]{1,4}

    stderr:
    a running server takes this over when it gets SIGHUP
    ");
    assert_snapshot!(folder.said(&["role", "default", "named", "--add", "STAFF", "--remove", "CLIENT"]), @r#"
    exit 0
    stdout:
    named	STAFF

    stderr:
    a running server takes this over when it gets SIGHUP
    there is no role "STAFF" yet: it permits nothing, but session filters know it
    "#);
    assert_snapshot!(folder.said(&["role", "default", "anonymous"]), @"
    exit 0
    stdout:
    anonymous	CLIENT
    ");
    all_of_it_is_shown_and_written(&folder);
}

fn all_of_it_is_shown_and_written(folder: &Folder) {
    assert_snapshot!(access(folder, &["show"]), @"
    exit 0
    stdout:
    anonymous	allow CLIENT GUEST
    all named sessions	STAFF
    all anonymous sessions	CLIENT
    isolated	payroll
    trusted Department	Audit, Sales
    trusted Till	matching [0-9]{1,4}
    ");
    assert_snapshot!(access(folder, &["show", "--json"]), @r#"
    exit 0
    stdout:
    {"anonymous":{"policy":"allow","roles":["CLIENT","GUEST"]},"isolated_paths":["payroll"],"sessions":{"anonymous":["CLIENT"],"named":["STAFF"]},"trusted_properties":{"Department":{"values":["Audit","Sales"]},"Till":{"matches":"[0-9]{1,4}"}}}
    "#);
    let store = std::fs::read_to_string(folder.file()).unwrap();
    let everybody: Vec<_> = store.split("\n[principals").next().unwrap().lines().skip(3).collect();
    assert_snapshot!(everybody.join("\n"), @r#"
    isolated_paths = ["payroll"]

    [anonymous]
    policy = "allow"
    roles = ["CLIENT", "GUEST"]

    [sessions]
    named = ["STAFF"]
    anonymous = ["CLIENT"]

    [trusted_properties.Department]
    values = ["Audit", "Sales"]

    [trusted_properties.Till]
    matches = "[0-9]{1,4}"
    "#);
}

#[test]
fn what_was_changed_is_taken_back() {
    let folder = Folder::stock();
    let before = folder.store().current();
    for arguments in [
        &["access", "isolate", "payroll"][..],
        &["access", "anonymous", "deny"],
        &["access", "trust", "Till", "--value", "1"],
        &["role", "default", "anonymous", "--add", "GUEST"],
    ] {
        assert_eq!(folder.said(arguments).code, Some(0), "{arguments:?}");
    }
    assert_ne!(folder.store().current(), before);
    assert_snapshot!(access(&folder, &["unisolate", "payroll", "--json"]), @r#"
    exit 0
    stdout:
    {"unisolated":["payroll"]}
    "#);
    assert_snapshot!(access(&folder, &["anonymous", "abstain", "--json"]), @r#"
    exit 0
    stdout:
    {"anonymous":{"policy":"abstain"}}
    "#);
    assert_snapshot!(access(&folder, &["distrust", "Till", "--json"]), @r#"
    exit 0
    stdout:
    {"distrusted":"Till"}
    "#);
    assert_snapshot!(folder.said(&["role", "default", "anonymous", "--remove", "GUEST", "--json"]), @r#"
    exit 0
    stdout:
    {"roles":["CLIENT"],"sessions":"anonymous"}
    "#);
    assert_eq!(folder.store().current(), before);
}

#[test]
fn the_commands_decide_what_explain_says() {
    let folder = Folder::stock();
    let code = |arguments: &[&str]| access(&folder, arguments).code;
    let asks = ["explain", "", "send-to-path", "payroll/may"];
    assert_eq!(code(&asks), Some(1), "nobody without a principal is let in");
    assert_eq!(code(&["anonymous", "allow"]), Some(0));
    assert_eq!(code(&asks), Some(0));
    assert_eq!(code(&["isolate", "payroll"]), Some(0));
    assert_eq!(code(&asks), Some(3));
    assert_eq!(code(&["unisolate", "payroll"]), Some(0));
    let taken = folder.said(&["role", "default", "anonymous", "--remove", "CLIENT"]);
    assert_eq!(taken.code, Some(0), "{taken}");
    assert_eq!(code(&asks), Some(3));
}

#[test]
fn mistakes_with_what_holds_for_everybody_are_explained() {
    let folder = Folder::stock();
    access(&folder, &["isolate", "payroll"]);
    let before = folder.store().current();
    let check = |arguments: &[&str], text: &str| {
        let said = folder.said(arguments);
        assert_eq!(said.code, Some(1), "{said}");
        assert_eq!(said.stderr, format!("error: {text}\n"));
    };
    check(&["access", "isolate", "new", "/payroll"], "the path \"payroll\" is isolated already");
    check(
        &["access", "unisolate", "payroll/may"],
        "the path \"payroll/may\" is not isolated itself; `antiphon access show` lists those that are",
    );
    check(
        &["access", "anonymous", "deny", "--role", "CLIENT"],
        "only clients that the store lets in get roles from it; leave out --role, or say `allow`",
    );
    check(
        &["access", "trust", "$Roles", "--value", "ADMINISTRATOR"],
        "\"$Roles\" is a property that the server sets; clients propose those without $",
    );
    check(
        &["access", "distrust", "Till"],
        "no value of \"Till\" is believed anyway; `antiphon access show` lists what is",
    );
    check(
        &["role", "default", "named", "--remove", "GUEST"],
        "not all named sessions get \"GUEST\"",
    );
    let said = access(&folder, &["trust", "Till", "--matching", "("]);
    assert!(said.code == Some(1) && said.stderr.contains("bad regular expression"), "{said}");
    for arguments in [
        &["trust", "Till"][..],
        &["trust", "Till", "--value", "1", "--matching", "1"],
        &["anonymous", "perhaps"],
        &["isolate"],
    ] {
        assert_eq!(access(&folder, arguments).code, Some(1), "{arguments:?}");
    }
    assert_eq!(folder.store().current(), before);
    let said = folder.said(&["role", "remove", "CLIENT"]);
    assert!(said.stderr.contains("all anonymous sessions still get it"), "{said}");
}
