//! Reading and changing principals, roles and permissions, and what open sessions notice of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::security::AnonymousAction;
use antiphon_wire::service::security::ListPathPermissions;
use antiphon_wire::service::security::RevokeAuthentication;
use antiphon_wire::service::security::SecurityConfiguration;
use antiphon_wire::service::security::SecurityRole;
use antiphon_wire::service::security::SystemAuthentication;
use antiphon_wire::service::security::SystemPrincipal;
use antiphon_wire::service::security::TrustedValues;
use antiphon_wire::service::security::UpdateSecurity;

use crate::BrokerConfig;
use crate::Next;
use crate::Script;
use crate::access::Anonymous;
use crate::access::GlobalPermission as G;
use crate::access::PathPermission as P;
use crate::access::Principal;
use crate::access::Principals;
use crate::access::Role;
use crate::access::Security;
use crate::access::script::Passwords;
use crate::access::script::ScriptError;
use crate::batch::Void;
use crate::properties::Believed;
use crate::properties::Pattern;
use crate::properties::Trust;
use crate::tests::world::Client;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::request;
use crate::tests::world::response;

/// Keeps passwords as they are.
struct Plain;

impl Passwords for Plain {
    fn hash(&self, password: &str) -> Result<String, String> {
        Ok(password.to_owned())
    }

    fn verify(&self, password: &str, hash: &str) -> bool {
        password == hash
    }
}

const ROLES: Service = Service::UpdateSecurityConfiguration;
const PRINCIPALS: Service = Service::UpdateSystemAuthentication;

fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// Does what a driver does with an update.
fn carry_out(w: &World, by: &str, script: &Script) -> Result<(), Vec<ScriptError>> {
    match script {
        Script::Roles(script) => {
            w.broker.set_security(script.apply(&w.broker.security(), by)?);
        }
        Script::Principals(script) => {
            w.broker.set_principals(script.apply(&w.broker.principals(), by, &Plain)?);
        }
    }
    Ok(())
}

/// Sends a script, does what it says, and returns what the session is told.
fn update(w: &mut World, client: &Client, service: Service, script: &str) -> Vec<Received> {
    let body = encoded(&UpdateSecurity { script });
    if let Next::UpdateSecurity(update) = w.send(client, &request(service.number(), 4, &body)) {
        assert_eq!(client.received(), [], "an update is answered when it is done");
        let outcome = carry_out(w, &update.by, &update.script);
        let mut batch = w.broker.batch(&client.session, w.now);
        batch.security_updated(&update, &outcome, &mut w.outbox);
    }
    client.received()
}

fn applied() -> Vec<Received> {
    vec![response(4, &Vec::<ErrorReport<'_>>::new())]
}

fn refused(message: &str, line: u32, column: u32) -> Vec<Received> {
    vec![response(4, &vec![ErrorReport { message, line, column }])]
}

fn asked(w: &mut World, client: &Client, service: Service, body: &impl Encode) -> Vec<Received> {
    w.ask(client, service, 4, body);
    client.received()
}

fn with(security: Security, principals: Principals) -> World {
    World::with(BrokerConfig { security, principals, ..BrokerConfig::default() })
}

#[test]
fn principals_are_told_without_their_passwords() {
    let trust = Trust::default()
        .rule("Floor", Believed::Matches(Pattern::new("[0-9]+").unwrap()))
        .rule("Region", Believed::OneOf(names(&["EU", "US"])));
    let principals = Principals::default()
        .principal("al", Principal::new("secret").holding(&["A", "B"]))
        .principal("bo", Principal::new("secret").locked_to("al"))
        .anonymous(Anonymous::Allow(names(&["CLIENT"])))
        .trusting(trust);
    let mut w = with(Security::stock(), principals);
    let admin = w.open("root");
    let told = SystemAuthentication {
        principals: vec![
            SystemPrincipal { name: "al", roles: vec!["A", "B"], locked_by: None },
            SystemPrincipal { name: "bo", roles: vec![], locked_by: Some("al") },
        ],
        anonymous: AnonymousAction::Allow,
        anonymous_roles: vec!["CLIENT"],
        trusted: vec![
            ("Floor", TrustedValues::Matches("[0-9]+")),
            ("Region", TrustedValues::OneOf(vec!["EU", "US"])),
        ],
    };
    let service = Service::GetSystemAuthentication;
    assert_eq!(asked(&mut w, &admin, service, &Void), [response(4, &told)]);
    for (anonymous, action) in
        [(Anonymous::Deny, AnonymousAction::Deny), (Anonymous::Abstain, AnonymousAction::Abstain)]
    {
        w.broker.set_principals(Principals::default().anonymous(anonymous));
        let told = SystemAuthentication {
            principals: vec![],
            anonymous: action,
            anonymous_roles: vec![],
            trusted: vec![],
        };
        assert_eq!(asked(&mut w, &admin, service, &Void), [response(4, &told)]);
    }
}

#[test]
fn roles_are_told_with_all_that_they_grant() {
    let role = Role::default()
        .including(&["B", "C"])
        .granting(&[G::ViewSecurity, G::ReadTopicViews])
        .granting_by_default(&[P::ReadTopic])
        .granting_at("a/b", &[P::AcquireLock, P::ExposeBranch])
        .granting_at("c", &[])
        .locked_to("al");
    let security = Security::default()
        .role("A", role)
        .role("B", Role::default())
        .isolate("i")
        .named_sessions(&["N", "A"])
        .anonymous_sessions(&["M"]);
    let mut w = with(security, Principals::default());
    let reader = w.open_with_roles("root", &["A"]);
    let told = SecurityConfiguration {
        anonymous_sessions: vec!["M"],
        named_sessions: vec!["A", "N"],
        roles: vec![
            SecurityRole {
                name: "A",
                globals: vec![6, 9],
                default_path: vec![0],
                paths: vec![("a/b", vec![9, 11]), ("c", vec![])],
                includes: vec!["B", "C"],
                locked_by: Some("al"),
            },
            SecurityRole {
                name: "B",
                globals: vec![],
                default_path: vec![],
                paths: vec![],
                includes: vec![],
                locked_by: None,
            },
        ],
        isolated: vec!["i"],
    };
    let service = Service::GetSecurityConfiguration;
    assert_eq!(asked(&mut w, &reader, service, &Void), [response(4, &told)]);
}

#[test]
fn everybody_may_ask_what_it_may_do_itself() {
    let mut w = World::new();
    let (client, control) =
        (w.open_with_roles("", &[]), w.open_with_roles("c", &["CLIENT_CONTROL"]));
    let globals = Service::ListGlobalPermissions;
    assert_eq!(asked(&mut w, &client, globals, &Void), [response(4, &Vec::<u8>::new())]);
    assert_eq!(asked(&mut w, &control, globals, &Void), [response(4, &vec![1_u8, 2, 3])]);
    let paths = Service::ListPathPermissions;
    let at = |path| ListPathPermissions { path };
    assert_eq!(asked(&mut w, &client, paths, &at("a")), [response(4, &vec![0_u8, 3, 5])]);
    assert_eq!(
        asked(&mut w, &control, paths, &at("/a/b/")),
        [response(4, &vec![0_u8, 3, 4, 5, 9])]
    );
    assert_eq!(asked(&mut w, &client, paths, &at("Diffusion/x")), [response(4, &Vec::<u8>::new())]);
    let illegal = r#"invalid path "a//b": a path has no empty segment"#;
    assert_eq!(
        asked(&mut w, &client, paths, &at("a//b")),
        [error(4, Reason::INVALID_PATH, illegal)]
    );
}

#[test]
fn an_update_changes_all_that_it_says_or_nothing() {
    let mut w = World::new();
    let admin = w.open("root");
    assert_eq!(update(&mut w, &admin, PRINCIPALS, "add principal 'al' 'pw' ['A']"), applied());
    let al = Principal::new("pw").holding(&["A"]);
    assert_eq!(*w.broker.principals(), Principals::default().principal("al", al));

    let before = w.broker.principals();
    let script = "remove principal 'al'\nremove principal 'al'";
    let report = refused(r#"there is no principal "al""#, 2, 1);
    assert_eq!(update(&mut w, &admin, PRINCIPALS, script), report);
    let report = refused("expected [, found the end of the script", 2, 18);
    assert_eq!(
        update(&mut w, &admin, PRINCIPALS, "remove principal 'al'\nassign roles 'al'"),
        report
    );
    assert_eq!(w.broker.principals(), before);

    let script = "set 'A' permissions [VIEW_SERVER]\nset roles for named sessions ['A']";
    assert_eq!(update(&mut w, &admin, ROLES, script), applied());
    let role = Role::default().granting(&[G::ViewServer]);
    assert_eq!(*w.broker.security(), Security::stock().role("A", role).named_sessions(&["A"]));
    assert_eq!(update(&mut w, &admin, ROLES, ""), applied());
}

#[test]
fn what_is_locked_is_changed_by_the_principal_that_locked_it() {
    let mut w = World::new();
    let (root, other) = (w.open("root"), w.open("other"));
    assert_eq!(update(&mut w, &root, ROLES, "set role 'A' locked by principal 'root'"), applied());
    let script = "set 'A' permissions [VIEW_SERVER]";
    let locked = r#"role "A" is locked by "root", who alone may change it"#;
    assert_eq!(update(&mut w, &other, ROLES, script), refused(locked, 1, 1));
    assert_eq!(update(&mut w, &root, ROLES, script), applied());
}

/// What a session may do globally.
fn globals(w: &mut World, client: &Client) -> Vec<u8> {
    match &asked(w, client, Service::ListGlobalPermissions, &Void)[..] {
        [Received::Response { body, .. }] => decoded(body),
        other => panic!("{other:?}"),
    }
}

#[test]
fn open_sessions_may_do_at_once_what_their_roles_say_now() {
    let mut w = World::new();
    let (admin, viewer) = (w.open("root"), w.open_with_roles("v", &["VIEWER"]));
    assert_eq!(globals(&mut w, &viewer), [0_u8; 0]);
    assert_eq!(update(&mut w, &admin, ROLES, "set 'VIEWER' permissions [VIEW_SERVER]"), applied());
    assert_eq!(globals(&mut w, &viewer), [4]);
    let script = "set 'VIEWER' permissions []\nset 'VIEWER' includes ['CLIENT_CONTROL']";
    assert_eq!(update(&mut w, &admin, ROLES, script), applied());
    assert_eq!(globals(&mut w, &viewer), [1, 2, 3]);
    let script = "set 'CLIENT' default path permissions []";
    assert_eq!(update(&mut w, &admin, ROLES, script), applied());
    w.send_to_path(&viewer, 9, "a");
    let denied = "access denied: SEND_TO_MESSAGE_HANDLER is needed at path a";
    assert_eq!(viewer.received(), [error(9, Reason::ACCESS_DENIED, denied)]);
    assert!(w.broker.registry.read().is_consistent());
}

#[test]
fn the_session_that_changes_roles_goes_by_them_in_its_next_message() {
    let mut w = World::new();
    let admin = w.open("root");
    let script = "set 'ADMINISTRATOR' permissions [VIEW_SECURITY]";
    let body = encoded(&UpdateSecurity { script });
    let update = request(ROLES.number(), 4, &body);
    let mut batch = w.broker.batch(&admin.session, w.now);
    let Next::UpdateSecurity(asked) = batch.message(&update, &mut w.outbox) else {
        panic!("an update is to be carried out");
    };
    let outcome = carry_out(&w, &asked.by, &asked.script);
    batch.security_updated(&asked, &outcome, &mut w.outbox);
    batch.message(&update, &mut w.outbox);
    drop(batch);
    let denied = error(4, Reason::ACCESS_DENIED, "access denied: MODIFY_SECURITY is needed");
    assert_eq!(admin.received(), [applied().remove(0), denied]);
}

#[test]
fn roles_of_all_sessions_are_given_to_those_that_open_later() {
    let mut w = World::new();
    let (admin, before) = (w.open("root"), w.open_with_roles("v", &[]));
    let script = "set roles for named sessions ['CLIENT', 'CLIENT_CONTROL']";
    assert_eq!(update(&mut w, &admin, ROLES, script), applied());
    let after = w.open_with_roles("v", &[]);
    assert_eq!(globals(&mut w, &before), [0_u8; 0]);
    assert_eq!(globals(&mut w, &after), [1, 2, 3]);
}

#[test]
fn a_revoked_session_ends_for_that_reason() {
    let mut w = World::new();
    let revoker = w.open_with_roles("r", &["CLIENT_CONTROL", "AUTHENTICATION_HANDLER"]);
    let target = w.open("t");
    let body = EventListener {
        cluster_aware: true,
        filter: Some("$Principal is 't'"),
        keys: None,
        after: None,
        conversation: antiphon_wire::ids::ConversationId(9),
    };
    w.ask(&revoker, Service::SessionEventRegistration, 5, &body);
    revoker.received();
    let body = RevokeAuthentication { session: target.id() };
    w.ask(&revoker, Service::RevokeAuthentication, 6, &body);
    assert_eq!(target.received(), [Received::Abort, Received::Close(Some(1000))]);
    let [answer, Received::Request { body: event, .. }] = &revoker.received()[..] else {
        panic!("an answer and an event are expected");
    };
    assert_eq!(*answer, response(6, &Void));
    let events = decoded::<SessionEvents<'_>>(event).events;
    let SessionChange::Closed { reason, .. } = &events[0].change else { panic!("{events:?}") };
    assert_eq!(*reason, CloseReason::Revoked);
    w.ask(&revoker, Service::RevokeAuthentication, 7, &body);
    let gone = error(7, Reason::NO_SUCH_SESSION, format!("no session {}", target.id()));
    assert_eq!(revoker.received(), [gone]);
    assert_quiet(&[&revoker]);
}

#[test]
fn security_is_for_those_who_are_permitted() {
    let mut w = World::new();
    let client = w.open_with_roles("c", &["CLIENT_CONTROL", "OPERATOR"]);
    let admin = w.open_with_roles("a", EVERYTHING);
    let authenticator = w.open_with_roles("h", &["AUTHENTICATION_HANDLER"]);
    let script = UpdateSecurity { script: "fly" };
    let revoke = RevokeAuthentication { session: client.id() };
    let denied = |permission: &str| {
        vec![error(4, Reason::ACCESS_DENIED, format!("access denied: {permission} is needed"))]
    };
    let mut check = |client: &Client, service, body: Vec<u8>, permission| {
        w.send(client, &request(Service::number(service), 4, &body));
        assert_eq!(client.received(), denied(permission), "{service:?}");
    };
    check(&client, Service::GetSystemAuthentication, vec![], "VIEW_SECURITY");
    check(&client, Service::GetSecurityConfiguration, vec![], "VIEW_SECURITY");
    check(&client, PRINCIPALS, encoded(&script), "MODIFY_SECURITY");
    check(&client, ROLES, encoded(&script), "MODIFY_SECURITY");
    check(&client, Service::RevokeAuthentication, encoded(&revoke), "AUTHENTICATE");
    check(&admin, Service::RevokeAuthentication, encoded(&revoke), "AUTHENTICATE");
    check(&authenticator, Service::RevokeAuthentication, encoded(&revoke), "MODIFY_SESSION");
    assert_quiet(&[&client, &admin, &authenticator]);
}
