//! Every service that needs a permission refuses a session without it, and then nothing has changed.

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::ChangeRolesFilter;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::control::CloseClientFilter;
use antiphon_wire::service::control::GetSessionProperties;
use antiphon_wire::service::control::SessionFetch;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::control::SetSessionPropertiesFilter;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::ListenerAction;
use antiphon_wire::service::events::PropertiesListener;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::LockScope;

use crate::BrokerConfig;
use crate::access::GlobalPermission;
use crate::access::Role;
use crate::access::Security;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;

/// Asks as this session, and checks that it is told that it lacks this permission.
#[track_caller]
fn check(w: &mut World, client: &Client, service: Service, body: &impl Encode, lacks: &str) {
    w.ask(client, service, 5, body);
    let text = format!("access denied: {lacks} is needed");
    assert_eq!(client.received(), [error(5, Reason::ACCESS_DENIED, text)], "{service:?}");
}

#[test]
fn a_session_with_the_role_client_alone_controls_nobody() {
    let mut w = World::new();
    let (client, other) = (w.open_with_roles("alice", &[]), w.open("bob"));
    let before = other.session.profile();
    let (session, filter, keys) = (other.id(), "all", vec!["*F"]);
    let (set, add) = (Some(vec![("a", "1")]), vec!["ADMINISTRATOR"]);
    let (view, modify) = ("VIEW_SESSION", "MODIFY_SESSION");

    let body = CloseClient { session };
    check(&mut w, &client, Service::CloseClient, &body, modify);
    let body = CloseClientFilter { filter };
    check(&mut w, &client, Service::CloseClientFilter, &body, modify);
    let body = GetSessionProperties { session, keys: keys.clone() };
    check(&mut w, &client, Service::GetSessionProperties, &body, view);
    let body = SetSessionProperties { session, set: set.clone(), remove: None };
    check(&mut w, &client, Service::SetSessionProperties, &body, view);
    let body = SetSessionPropertiesFilter { filter, set, remove: None };
    check(&mut w, &client, Service::SetSessionPropertiesFilter, &body, view);
    let body = ChangeRoles { session: client.id(), remove: vec![], add: add.clone() };
    check(&mut w, &client, Service::ChangeAuthorisationRoles, &body, modify);
    let body = ChangeRolesFilter { filter, remove: vec![], add };
    check(&mut w, &client, Service::ChangeAuthorisationRolesFilter, &body, modify);
    let body = SessionFetch {
        filter,
        keys: Some(keys),
        from: None,
        to: None,
        limit: None,
        maximum_size: 1_000,
        with_start_time: true,
    };
    check(&mut w, &client, Service::SessionFetch, &body, view);

    assert_eq!(other.session.profile().properties, before.properties);
    assert_eq!(other.session.profile().roles, before.roles);
    assert_eq!(client.session.profile().roles.len(), 1);
    assert_eq!(w.broker.stats().sessions, 2);
    assert_quiet(&[&client, &other]);
}

#[test]
fn a_session_with_the_role_client_alone_neither_listens_nor_locks() {
    let mut w = World::new();
    let client = w.open_with_roles("alice", &[]);
    let conversation = ConversationId(9);
    let action = ListenerAction::Register(vec![]);
    let body = PropertiesListener { action, conversation };
    let (register, server) = ("REGISTER_HANDLER", "VIEW_SERVER");
    check(&mut w, &client, Service::SessionPropertiesRegistration, &body, register);
    let body = EventListener {
        cluster_aware: true,
        filter: Some("all"),
        keys: None,
        after: None,
        conversation,
    };
    check(&mut w, &client, Service::SessionEventRegistration, &body, register);
    let body = AcquireLock { name: "/a/b", request: 0, scope: LockScope::Session };
    let at_path = "ACQUIRE_LOCK is needed at path a/b";
    w.ask(&client, Service::AcquireSessionLock, 5, &body);
    let text = format!("access denied: {at_path}");
    assert_eq!(client.received(), [error(5, Reason::ACCESS_DENIED, text)]);
    let body = GetSessionLock { name: "/a/b" };
    check(&mut w, &client, Service::GetSessionLock, &body, server);
    check(&mut w, &client, Service::GetSessionLocks, &Void, server);
    // Nobody tells it of the session that opens next.
    let other = w.open("bob");
    assert_quiet(&[&client, &other]);
}

#[test]
fn services_that_need_two_permissions_need_both() {
    let role = |permission| Role::default().granting(&[permission]);
    let security = Security::stock()
        .role("VIEWER", role(GlobalPermission::ViewSession))
        .role("MODIFIER", role(GlobalPermission::ModifySession))
        .role("REGISTRAR", role(GlobalPermission::RegisterHandler));
    let mut w = World::with(BrokerConfig { security, ..BrokerConfig::default() });
    let (viewer, modifier, registrar) = (
        w.open_with_roles("v", &["VIEWER"]),
        w.open_with_roles("m", &["MODIFIER"]),
        w.open_with_roles("r", &["REGISTRAR"]),
    );
    let set = Some(vec![("a", "1")]);
    let body = SetSessionProperties { session: viewer.id(), set: set.clone(), remove: None };
    check(&mut w, &viewer, Service::SetSessionProperties, &body, "MODIFY_SESSION");
    check(&mut w, &modifier, Service::SetSessionProperties, &body, "VIEW_SESSION");
    let body = SetSessionPropertiesFilter { filter: "all", set, remove: None };
    check(&mut w, &viewer, Service::SetSessionPropertiesFilter, &body, "MODIFY_SESSION");
    check(&mut w, &modifier, Service::SetSessionPropertiesFilter, &body, "VIEW_SESSION");
    let action = ListenerAction::Register(vec![]);
    let body = PropertiesListener { action, conversation: ConversationId(9) };
    let service = Service::SessionPropertiesRegistration;
    check(&mut w, &viewer, service, &body, "REGISTER_HANDLER");
    check(&mut w, &registrar, service, &body, "VIEW_SESSION");
    assert_quiet(&[&viewer, &modifier, &registrar]);
}
