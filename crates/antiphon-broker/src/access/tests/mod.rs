//! What roles grant, case by case, and the stock roles row by row; `model` holds the rule against a naive evaluator.

mod model;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Access;
use super::GlobalPermission as G;
use super::PathPermission as P;
use super::Principal;
use super::Principals;
use super::Role;
use super::Security;

const STOCK: [&str; 6] = [
    "CLIENT",
    "CLIENT_CONTROL",
    "TOPIC_CONTROL",
    "OPERATOR",
    "AUTHENTICATION_HANDLER",
    "ADMINISTRATOR",
];

fn roles(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn stock(names: &[&str]) -> Access {
    Security::stock().compile(&roles(names))
}

#[track_caller]
fn only_these_stock_roles(expected: &[&str], allows: impl Fn(&Access) -> bool) {
    let allowed: Vec<_> = STOCK.into_iter().filter(|role| allows(&stock(&[role]))).collect();
    assert_eq!(allowed, expected);
}

#[test]
fn stock_every_role_sends_to_handlers_outside_the_server_branch() {
    only_these_stock_roles(&STOCK, |access| access.allows_at("a/b", P::SendToMessageHandler));
    only_these_stock_roles(&STOCK, |access| {
        access.allows_at("Diffusions", P::SendToMessageHandler)
    });
    only_these_stock_roles(&STOCK, |access| {
        access.allows_at("a/Diffusion", P::SendToMessageHandler)
    });
}

#[test]
fn stock_operator_and_administrator_send_to_handlers_on_the_server_branch() {
    for path in ["Diffusion", "Diffusion/Metrics/server", "/Diffusion//Metrics/"] {
        only_these_stock_roles(&["OPERATOR", "ADMINISTRATOR"], |access| {
            access.allows_at(path, P::SendToMessageHandler)
        });
    }
}

#[test]
fn stock_path_rows() {
    only_these_stock_roles(&["CLIENT_CONTROL", "ADMINISTRATOR"], |access| {
        access.allows_at("a", P::SendToSession)
    });
    only_these_stock_roles(&["CLIENT_CONTROL", "TOPIC_CONTROL", "ADMINISTRATOR"], |access| {
        access.allows_at("a", P::AcquireLock)
    });
}

#[test]
fn stock_global_rows() {
    let rows: [(G, &[&str]); 8] = [
        (G::RegisterHandler, &["CLIENT_CONTROL", "AUTHENTICATION_HANDLER", "ADMINISTRATOR"]),
        (G::ViewSession, &["CLIENT_CONTROL", "OPERATOR", "ADMINISTRATOR"]),
        (G::ModifySession, &["CLIENT_CONTROL", "ADMINISTRATOR"]),
        (G::Authenticate, &["AUTHENTICATION_HANDLER"]),
        (G::ViewServer, &["OPERATOR", "ADMINISTRATOR"]),
        (G::ControlServer, &["ADMINISTRATOR"]),
        (G::ViewSecurity, &["ADMINISTRATOR"]),
        (G::ModifySecurity, &["ADMINISTRATOR"]),
    ];
    for (permission, expected) in rows {
        only_these_stock_roles(expected, |access| access.allows(permission));
    }
}

#[test]
fn stock_client_has_three_path_permissions_and_no_global_one() {
    let access = stock(&["CLIENT"]);
    assert_eq!(access.globals().iter().count(), 0);
    assert_eq!(
        access.at("a").iter().collect::<Vec<_>>(),
        [P::ReadTopic, P::SendToMessageHandler, P::SelectTopic]
    );
}

#[test]
fn stock_administrator_has_the_documented_lists() {
    let access = stock(&["ADMINISTRATOR"]);
    assert_eq!(
        access.globals().iter().map(G::name).collect::<Vec<_>>(),
        [
            "VIEW_SESSION",
            "MODIFY_SESSION",
            "REGISTER_HANDLER",
            "VIEW_SERVER",
            "CONTROL_SERVER",
            "VIEW_SECURITY",
            "MODIFY_SECURITY",
            "READ_TOPIC_VIEWS",
            "MODIFY_TOPIC_VIEWS",
        ]
    );
    assert_eq!(
        access.at("a").iter().map(P::name).collect::<Vec<_>>(),
        [
            "READ_TOPIC",
            "UPDATE_TOPIC",
            "MODIFY_TOPIC",
            "SEND_TO_MESSAGE_HANDLER",
            "SEND_TO_SESSION",
            "SELECT_TOPIC",
            "EDIT_TIME_SERIES_EVENTS",
            "ACQUIRE_LOCK",
            "EXPOSE_BRANCH",
        ]
    );
}

#[test]
fn stock_sessions_are_clients_with_or_without_a_principal() {
    let security = Security::stock();
    assert_eq!(*security.roles_for("alice"), roles(&["CLIENT"]));
    assert_eq!(*security.roles_for(""), roles(&["CLIENT"]));
}

#[test]
fn roles_of_all_sessions_depend_on_whether_there_is_a_principal() {
    let security = Security::default().named_sessions(&["a", "b"]).anonymous_sessions(&["c"]);
    assert_eq!(*security.roles_for("alice"), roles(&["a", "b"]));
    assert_eq!(*security.roles_for(""), roles(&["c"]));
}

#[test]
fn permissions_have_their_wire_numbers() {
    assert_eq!(
        G::ALL.iter().map(|p| p.number()).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]
    );
    assert_eq!(
        P::ALL.iter().map(|p| p.number()).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    );
    assert_eq!((G::RegisterHandler.number(), G::RegisterHandler.name()), (3, "REGISTER_HANDLER"));
    assert_eq!((P::ExposeBranch.number(), P::ExposeBranch.name()), (11, "EXPOSE_BRANCH"));
}

#[test]
fn permissions_are_found_by_their_exact_name() {
    for permission in P::ALL {
        assert_eq!(P::from_name(permission.name()), Some(*permission));
    }
    assert_eq!(G::from_name("VIEW_SESSION"), Some(G::ViewSession));
    assert_eq!(G::from_name("view_session"), None);
}

#[test]
fn unknown_roles_grant_nothing() {
    let access = stock(&["client", "NOBODY"]);
    assert_eq!(access.globals().iter().count(), 0);
    assert_eq!(access.at("a").iter().count(), 0);
}

#[test]
fn roles_that_include_each_other_share_their_permissions() {
    let security = Security::default()
        .role("a", Role::default().including(&["b"]).granting(&[G::ViewServer]))
        .role("b", Role::default().including(&["a", "b"]).granting(&[G::ViewSession]));
    let access = security.compile(&roles(&["b"]));
    assert_eq!(access.globals().iter().collect::<Vec<_>>(), [G::ViewSession, G::ViewServer]);
}

#[test]
fn a_circle_of_inclusions_is_refused_and_named() {
    let role = |includes: &[&str]| Role::default().including(includes);
    let tree = Security::default()
        .role("a", role(&["b", "c", "unknown"]))
        .role("b", role(&["d"]))
        .role("c", role(&["d"]))
        .role("d", Role::default());
    assert_eq!(tree.clone().checked(), Ok(tree.clone()));
    let error = tree.role("d", role(&["c"])).checked().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"roles include each other in a circle: "d" includes "c" includes "d"; leave out one of these inclusions"#
    );
    let own = Security::default().role("a", role(&["a"])).checked().unwrap_err();
    assert_eq!(own.roles, [Arc::from("a")]);
    assert!(Security::stock().checked().is_ok());
}

#[test]
fn what_was_put_in_can_be_read_back() {
    let role = Role::default()
        .including(&["b"])
        .granting(&[G::ViewServer])
        .granting_by_default(&[P::AcquireLock])
        .granting_at("/x/y", &[])
        .locked_to("root");
    assert_eq!(*role.includes(), roles(&["b"]));
    assert_eq!(role.globals().iter().collect::<Vec<_>>(), [G::ViewServer]);
    assert_eq!(role.default_path().iter().collect::<Vec<_>>(), [P::AcquireLock]);
    assert_eq!(role.paths().keys().collect::<Vec<_>>(), ["x/y"]);
    assert_eq!(role.locked_by(), Some("root"));
    let mut security = Security::default().role("a", role.clone()).isolate("/z/");
    assert_eq!(security.roles().collect::<Vec<_>>(), [("a", &role)]);
    assert_eq!(security.isolated().iter().collect::<Vec<_>>(), ["z"]);
    assert_eq!((security.remove("a"), security.get("a")), (Some(role), None));

    let alice = Principal::new("$hash$").holding(&["a"]).locked_to("root");
    assert_eq!((alice.password(), alice.locked_by()), ("$hash$", Some("root")));
    assert!(!format!("{alice:?}").contains("hash"), "{alice:?}");
    let mut principals = Principals::default().principal("alice", alice.clone());
    assert_eq!(principals.iter().collect::<Vec<_>>(), [("alice", &alice)]);
    assert_eq!((principals.remove("alice"), principals.get("alice")), (Some(alice), None));
}

#[test]
fn an_empty_assignment_blocks_and_an_assignment_of_another_role_opens() {
    let security = Security::default()
        .role("a", Role::default().granting_by_default(&[P::SendToSession]).granting_at("x", &[]))
        .role("b", Role::default().granting_at("x", &[P::AcquireLock]));
    let a = security.compile(&roles(&["a"]));
    assert!(a.allows_at("y", P::SendToSession));
    assert!(!a.allows_at("x/y", P::SendToSession));
    let both = security.compile(&roles(&["a", "b"]));
    assert_eq!(both.at("x/y").iter().collect::<Vec<_>>(), [P::AcquireLock]);
}

#[test]
fn an_assigned_path_is_the_same_with_other_slashes() {
    let role = Role::default().granting_at("/x//y/", &[P::AcquireLock]);
    let access = Security::default().role("a", role).isolate("x/y/z/").compile(&roles(&["a"]));
    assert!(access.allows_at("x/y", P::AcquireLock));
    assert!(!access.allows_at("x/y/z", P::AcquireLock));
}
