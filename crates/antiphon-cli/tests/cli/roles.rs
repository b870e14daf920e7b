//! `antiphon role`: what roles permit, as an operator changes it.

use insta::assert_snapshot;

use crate::store::Folder;

#[test]
fn the_stock_roles_are_there_to_be_read() {
    let folder = Folder::stock();
    assert_snapshot!(folder.said(&["role", "list"]), @"
    exit 0
    stdout:
    ADMINISTRATOR	CLIENT_CONTROL,TOPIC_CONTROL
    AUTHENTICATION_HANDLER	CLIENT
    CLIENT	
    CLIENT_CONTROL	CLIENT
    OPERATOR	CLIENT
    TOPIC_CONTROL	CLIENT
    ");
    assert_snapshot!(folder.said(&["role", "show", "OPERATOR"]), @"
    exit 0
    stdout:
    includes	CLIENT
    permissions	VIEW_SESSION VIEW_SERVER
    default path	(nothing)
    path Diffusion	READ_TOPIC SEND_TO_MESSAGE_HANDLER SELECT_TOPIC
    ");
    assert_snapshot!(folder.said(&["role", "show", "CLIENT", "--json"]), @r#"
    exit 0
    stdout:
    {"default_path_permissions":["READ_TOPIC","SEND_TO_MESSAGE_HANDLER","SELECT_TOPIC"],"includes":[],"locked_by":null,"name":"CLIENT","path_permissions":{"Diffusion":[]},"permissions":[]}
    "#);
}

#[test]
fn a_role_is_made_and_changed_step_by_step() {
    let folder = Folder::stock();
    for arguments in [
        &["add", "CASHIER"][..],
        &["include", "CASHIER", "CLIENT", "OPERATOR"],
        &["exclude", "CASHIER", "OPERATOR"],
        &["grant", "CASHIER", "REGISTER_HANDLER", "view-session"],
        &["revoke", "CASHIER", "VIEW_SESSION"],
        &["grant", "CASHIER", "SEND_TO_SESSION", "ACQUIRE_LOCK", "--default-path"],
        &["set", "CASHIER", "ACQUIRE_LOCK", "--default-path"],
        &["grant", "CASHIER", "SEND_TO_SESSION", "--path", "/tills//a/"],
        &["grant", "CASHIER", "ACQUIRE_LOCK", "--path", "tills/a"],
        &["revoke", "CASHIER", "ACQUIRE_LOCK", "--path", "tills/a"],
        &["set", "CASHIER", "--path", "tills/secret"],
        &["set", "CASHIER", "--path", "tills/other"],
        &["clear", "CASHIER", "tills/other/"],
    ] {
        let said = folder.said(&[&["role"], arguments].concat());
        assert_eq!(said.code, Some(0), "{arguments:?}: {said}");
    }
    assert_snapshot!(folder.said(&["role", "show", "CASHIER"]), @"
    exit 0
    stdout:
    includes	CLIENT
    permissions	REGISTER_HANDLER
    default path	ACQUIRE_LOCK
    path tills/a	SEND_TO_SESSION
    path tills/secret	(nothing)
    ");
    folder.said(&["principal", "add", "x", "--generate", "--role", "CASHIER"]);
    folder.said(&["role", "include", "OPERATOR", "CASHIER"]);
    assert_snapshot!(folder.said(&["role", "remove", "CASHIER"]), @r#"
    exit 0
    stdout:
    removed CASHIER

    stderr:
    a running server takes this over when it gets SIGHUP
    the role "OPERATOR" still includes it
    the principal "x" still holds it
    "#);
}

#[test]
fn mistakes_with_roles_are_explained() {
    let folder = Folder::stock();
    let before = folder.store().current();
    let check = |arguments: &[&str], text: &str| {
        let said = folder.said(&[&["role"], arguments].concat());
        assert_eq!(said.code, Some(1), "{said}");
        assert_eq!(said.stderr, format!("error: {text}\n"));
    };
    check(&["add", "CLIENT"], "there is a role \"CLIENT\" already");
    check(
        &["show", "CLEINT"],
        "there is no role \"CLEINT\"; `antiphon role list` shows those that there are, `antiphon role add` makes one",
    );
    check(
        &["include", "CLIENT", "ADMINISTRATOR"],
        "the security store cannot be changed so: roles include each other in a circle: \
         \"ADMINISTRATOR\" includes \"CLIENT_CONTROL\" includes \"CLIENT\" includes \"ADMINISTRATOR\"; \
         leave out one of these inclusions",
    );
    check(
        &["grant", "CLIENT", "SEND_TO_SESSION"],
        "SEND_TO_SESSION is a path permission; say where it holds with --default-path or --path PATH",
    );
    check(
        &["grant", "CLIENT", "VIEW_SESSION", "--path", "a"],
        "VIEW_SESSION is a global permission; leave out --default-path and --path",
    );
    check(&["grant", "CLIENT"], "name at least one permission, such as REGISTER_HANDLER");
    check(
        &["revoke", "CLIENT", "VIEW_SESSION"],
        "the role does not grant VIEW_SESSION there itself",
    );
    check(
        &["revoke", "CLIENT", "ACQUIRE_LOCK", "--path", "a"],
        "the role assigns nothing at path \"a\" itself",
    );
    check(&["exclude", "CLIENT", "X"], "\"CLIENT\" does not include \"X\" itself");
    check(&["clear", "CLIENT", "a"], "\"CLIENT\" says nothing about the path \"a\" itself");
    let said = folder.said(&["role", "grant", "CLIENT", "FLY"]);
    assert!(
        said.stderr.contains("there is no permission \"FLY\"; there are AUTHENTICATE, VIEW_"),
        "{said}"
    );
    assert_eq!(folder.store().current(), before);
}
