//! `antiphon access explain`: the verdict in words, in JSON and as the exit code.

use insta::assert_snapshot;

use crate::store::Folder;

/// Who can do what by all the rules.
const STORE: &str = r#"
isolated_paths = ["secret"]

[anonymous]
policy = "allow"

[sessions]
named = ["CLIENT"]
anonymous = ["GUEST"]

[principals.till-7]
password = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
roles = ["CASHIER"]

[roles.CLIENT]
default_path_permissions = ["SEND_TO_MESSAGE_HANDLER"]

[roles.CASHIER]
includes = ["CLERK"]

[roles.CLERK]
permissions = ["REGISTER_HANDLER"]

[roles.CLERK.path_permissions]
"tills" = ["SEND_TO_SESSION"]
"tills/closed" = []

[roles.GUEST]
"#;

#[test]
fn the_rule_that_decides_is_named() {
    let folder = Folder::with(STORE);
    let explain = |rest: &[&str]| folder.said(&[&["access", "explain"], rest].concat());
    assert_snapshot!(explain(&["till-7", "send-to-path", "orders/eu"]), @"
    exit 0
    stdout:
    allowed
    SEND_TO_MESSAGE_HANDLER at orders/eu: decided by the default path permissions; nothing is assigned there or above
      CASHIER does not grant it (held by till-7)
      CLERK does not grant it (included by CASHIER, held by till-7)
      CLIENT grants it (every session with a principal has it)
    ");
    assert_snapshot!(explain(&["till-7", "send-to-session", "/tills/a/"]), @"
    exit 0
    stdout:
    allowed
    SEND_TO_SESSION at /tills/a/: decided by what is assigned at tills, which is nearest
      CLERK grants it (included by CASHIER, held by till-7)
    ");
    assert_snapshot!(explain(&["till-7", "send-to-filter", "tills/closed/now"]), @"
    exit 3
    stdout:
    denied
    SEND_TO_SESSION at tills/closed/now: decided by what is assigned at tills/closed, which is nearest
      CLERK does not grant it (included by CASHIER, held by till-7)
    ");
    assert_snapshot!(explain(&["till-7", "lock", "secret/plan"]), @"
    exit 3
    stdout:
    denied
    ACQUIRE_LOCK at secret/plan: secret is isolated, and nothing nearer is assigned
      no role has a say
    ");
    assert_snapshot!(explain(&["till-7", "register-with-properties"]), @"
    exit 3
    stdout:
    denied
    REGISTER_HANDLER: a global permission
      CASHIER does not grant it (held by till-7)
      CLERK grants it (included by CASHIER, held by till-7)
      CLIENT does not grant it (every session with a principal has it)
    VIEW_SESSION: a global permission
      CASHIER does not grant it (held by till-7)
      CLERK does not grant it (included by CASHIER, held by till-7)
      CLIENT does not grant it (every session with a principal has it)
    ");
    assert_snapshot!(explain(&["till-7", "answer"]), @"
    exit 0
    stdout:
    allowed
    no permission is needed
    ");
    assert_snapshot!(explain(&["", "send-to-path", "orders"]), @"
    exit 3
    stdout:
    denied
    SEND_TO_MESSAGE_HANDLER at orders: decided by the default path permissions; nothing is assigned there or above
      GUEST does not grant it (every anonymous session has it)
    ");
}

#[test]
fn a_verdict_as_json_has_the_same() {
    let folder = Folder::with(STORE);
    let arguments = ["access", "explain", "till-7", "send-to-session", "tills/a", "--json"];
    assert_snapshot!(folder.said(&arguments), @r#"
    exit 0
    stdout:
    {"allowed":true,"needs":[{"allowed":true,"at":"tills","decided":"path","path":"tills/a","permission":"SEND_TO_SESSION","roles":[{"grants":true,"role":"CLERK","through":["CASHIER"],"why":"held by till-7"}]}]}
    "#);
}

#[test]
fn roles_of_another_authenticator_can_be_given() {
    let folder = Folder::stock();
    let explain = ["access", "explain", "reports", "list-locks", "--role", "OPERATOR"];
    assert_snapshot!(folder.said(&explain), @"
    exit 0
    stdout:
    allowed
    VIEW_SERVER: a global permission
      CLIENT does not grant it (every session with a principal has it)
      OPERATOR grants it (given by --role)
    ");
    let explain = ["access", "explain", "", "send-to-path", "a", "--role", "GUEST"];
    assert_snapshot!(folder.said(&explain), @"
    exit 0
    stdout:
    allowed
    SEND_TO_MESSAGE_HANDLER at a: decided by the default path permissions; nothing is assigned there or above
      CLIENT grants it (every anonymous session has it)
    ");
}

#[test]
fn questions_that_make_no_sense_are_explained() {
    let folder = Folder::stock();
    let explain = |rest: &[&str]| folder.said(&[&["access", "explain"], rest].concat());
    assert_snapshot!(explain(&["reports", "register"]), @r#"
    exit 1
    stderr:
    error: there is no principal "reports" in the store; --role says which roles another authenticator gives it
    "#);
    assert_snapshot!(explain(&["", "register"]), @r#"
    exit 1
    stderr:
    error: the store does not let anonymous clients in; --role says what another authenticator gives them, `antiphon access anonymous allow` lets them in
    "#);
    assert_snapshot!(explain(&["admin", "lock"]), @"
    exit 1
    stderr:
    error: lock depends on the path; name one
    ");
    assert_snapshot!(explain(&["admin", "register", "a/b"]), @"
    exit 1
    stderr:
    error: register does not depend on a path
    ");
    let said = explain(&["admin", "fly", "a/b"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("send-to-path"), "{said}");
}

/// Each call, for each stock role: the table of the permissions.
#[test]
fn stock_roles_may_call() {
    let folder = Folder::stock();
    let all = [
        "CLIENT",
        "CLIENT_CONTROL",
        "TOPIC_CONTROL",
        "OPERATOR",
        "AUTHENTICATION_HANDLER",
        "ADMINISTRATOR",
    ];
    let may: [(&str, Option<&str>, &[&str]); 18] = [
        ("send-to-path", Some("a"), &all),
        ("send-to-path", Some("Diffusion"), &["OPERATOR", "ADMINISTRATOR"]),
        ("send-to-session", Some("a"), &["CLIENT_CONTROL", "ADMINISTRATOR"]),
        ("send-to-filter", Some("a"), &["CLIENT_CONTROL", "ADMINISTRATOR"]),
        ("answer", None, &all),
        ("register", None, &["CLIENT_CONTROL", "AUTHENTICATION_HANDLER", "ADMINISTRATOR"]),
        ("register-with-properties", None, &["CLIENT_CONTROL", "ADMINISTRATOR"]),
        ("get-properties", None, &["CLIENT_CONTROL", "OPERATOR", "ADMINISTRATOR"]),
        ("listen", None, &["CLIENT_CONTROL", "ADMINISTRATOR"]),
        ("set-properties", None, &["CLIENT_CONTROL", "ADMINISTRATOR"]),
        ("close", None, &["CLIENT_CONTROL", "ADMINISTRATOR"]),
        ("change-roles", None, &["CLIENT_CONTROL", "ADMINISTRATOR"]),
        ("lock", Some("a"), &["CLIENT_CONTROL", "TOPIC_CONTROL", "ADMINISTRATOR"]),
        ("list-locks", None, &["OPERATOR", "ADMINISTRATOR"]),
        ("authenticate", None, &["AUTHENTICATION_HANDLER"]),
        ("revoke-authentication", None, &[]),
        ("view-security", None, &["ADMINISTRATOR"]),
        ("update-security", None, &["ADMINISTRATOR"]),
    ];
    for (call, path, expected) in may {
        let allowed = all.iter().copied().filter(|role| {
            let mut arguments = vec!["access", "explain", "somebody", call];
            arguments.extend(path);
            arguments.extend(["--role", role]);
            match folder.said(&arguments).code {
                Some(0) => true,
                Some(3) => false,
                other => panic!("{call} ended with {other:?}"),
            }
        });
        assert_eq!(allowed.collect::<Vec<_>>(), expected, "{call} {path:?}");
    }
}
