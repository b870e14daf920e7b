//! Which call needs which permissions, and which stock role has them: as tables, which tests of the wire and of a real
//! SDK go through row by row. Written down from the facts, not from the server.

use antiphon_wire::service::Service;

/// Something that a session may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Ask,
    AskServerBranch,
    AskSession,
    AskSessionServerBranch,
    AskFilter,
    Register,
    RegisterWithProperties,
    Deregister,
    Ping,
    SystemPing,
    ChangePrincipal,
    ReAuthenticate,
    OwnProperties,
    Properties,
    Fetch,
    SetProperties,
    SetPropertiesFilter,
    Close,
    CloseFilter,
    ChangeRoles,
    ChangeRolesFilter,
    ListenToProperties,
    StopListeningToProperties,
    Listen,
    StopListening,
    Lock,
    LockServerBranch,
    CancelLock,
    Unlock,
    LockHolder,
    LockHolders,
    Principals,
    ChangePrincipals,
    Roles,
    DefineRoles,
    OwnPermissions,
    OwnPermissionsAt,
    RegisterAuthenticator,
    DeregisterAuthenticator,
    Revoke,
}

/// A permission, and the path if it is needed at one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) permission: &'static str,
    pub(crate) path: Option<&'static str>,
}

/// A call.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) call: Call,
    pub(crate) service: Service,
    pub(crate) needs: &'static [Need],
}

/// A path about which no stock role says anything.
pub(crate) const PATH: &str = "served/here";
/// A path below the branch that belongs to the server.
pub(crate) const SERVER_PATH: &str = "Diffusion/served";
/// Where the handler stands that answers requests to both.
pub(crate) const BRANCHES: [&str; 2] = ["served", "Diffusion"];

/// Who may be somebody without being in the table.
pub(crate) const ROLES: [&str; 7] = [
    "",
    "CLIENT",
    "CLIENT_CONTROL",
    "TOPIC_CONTROL",
    "OPERATOR",
    "AUTHENTICATION_HANDLER",
    "ADMINISTRATOR",
];

/// Every call, and all that it needs.
pub(crate) const CALLS: &[Row] = &[
    row(Call::Ask, Service::MessagingSend, &[at("SEND_TO_MESSAGE_HANDLER", PATH)]),
    row(
        Call::AskServerBranch,
        Service::MessagingSend,
        &[at("SEND_TO_MESSAGE_HANDLER", SERVER_PATH)],
    ),
    row(Call::AskSession, Service::MessagingReceiverServer, &[at("SEND_TO_SESSION", PATH)]),
    row(
        Call::AskSessionServerBranch,
        Service::MessagingReceiverServer,
        &[at("SEND_TO_SESSION", SERVER_PATH)],
    ),
    row(Call::AskFilter, Service::MessagingFilterSend, &[at("SEND_TO_SESSION", PATH)]),
    row(Call::Register, Service::MessagingReceiverControlRegistration, &[REGISTER]),
    row(
        Call::RegisterWithProperties,
        Service::MessagingReceiverControlRegistration,
        &[REGISTER, VIEW],
    ),
    row(Call::Deregister, Service::MessagingReceiverControlDeregistration, &[]),
    row(Call::Ping, Service::UserPing, &[]),
    row(Call::SystemPing, Service::SystemPing, &[]),
    row(Call::ChangePrincipal, Service::ChangePrincipal, &[]),
    row(Call::ReAuthenticate, Service::ReAuthenticate, &[]),
    row(Call::OwnProperties, Service::GetOwnSessionProperties, &[]),
    row(Call::Properties, Service::GetSessionProperties, &[VIEW]),
    row(Call::Fetch, Service::SessionFetch, &[VIEW]),
    row(Call::SetProperties, Service::SetSessionProperties, &[VIEW, MODIFY]),
    row(Call::SetPropertiesFilter, Service::SetSessionPropertiesFilter, &[VIEW, MODIFY]),
    row(Call::Close, Service::CloseClient, &[MODIFY]),
    row(Call::CloseFilter, Service::CloseClientFilter, &[MODIFY]),
    row(Call::ChangeRoles, Service::ChangeAuthorisationRoles, &[MODIFY]),
    row(Call::ChangeRolesFilter, Service::ChangeAuthorisationRolesFilter, &[MODIFY]),
    row(Call::ListenToProperties, Service::SessionPropertiesRegistration, &[REGISTER, VIEW]),
    row(Call::StopListeningToProperties, Service::SessionPropertiesRegistration, &[]),
    row(Call::Listen, Service::SessionEventRegistration, &[REGISTER, VIEW]),
    row(Call::StopListening, Service::SessionEventDeregistration, &[]),
    row(Call::Lock, Service::AcquireSessionLock, &[at("ACQUIRE_LOCK", PATH)]),
    row(Call::LockServerBranch, Service::AcquireSessionLock, &[at("ACQUIRE_LOCK", SERVER_PATH)]),
    row(Call::CancelLock, Service::CancelAcquireSessionLock, &[]),
    row(Call::Unlock, Service::ReleaseSessionLock, &[]),
    row(Call::LockHolder, Service::GetSessionLock, &[global("VIEW_SERVER")]),
    row(Call::LockHolders, Service::GetSessionLocks, &[global("VIEW_SERVER")]),
    row(Call::Principals, Service::GetSystemAuthentication, &[global("VIEW_SECURITY")]),
    row(Call::ChangePrincipals, Service::UpdateSystemAuthentication, &[global("MODIFY_SECURITY")]),
    row(Call::Roles, Service::GetSecurityConfiguration, &[global("VIEW_SECURITY")]),
    row(Call::DefineRoles, Service::UpdateSecurityConfiguration, &[global("MODIFY_SECURITY")]),
    row(Call::OwnPermissions, Service::ListGlobalPermissions, &[]),
    row(Call::OwnPermissionsAt, Service::ListPathPermissions, &[]),
    row(Call::RegisterAuthenticator, Service::AuthenticatorRegistration, &[DECIDE, REGISTER]),
    row(Call::DeregisterAuthenticator, Service::AuthenticatorDeregistration, &[]),
    row(Call::Revoke, Service::RevokeAuthentication, &[MODIFY, DECIDE]),
];

/// The stock roles that have a permission, themselves or by one that they include; "" is a session without a principal.
pub(crate) fn holders(need: Need) -> &'static [&'static str] {
    let server = need.path == Some(SERVER_PATH);
    match need.permission {
        "SEND_TO_MESSAGE_HANDLER" if server => &["OPERATOR", "ADMINISTRATOR"],
        "SEND_TO_MESSAGE_HANDLER" => &ROLES,
        "SEND_TO_SESSION" | "ACQUIRE_LOCK" if server => &["ADMINISTRATOR"],
        "ACQUIRE_LOCK" => &["TOPIC_CONTROL", "CLIENT_CONTROL", "ADMINISTRATOR"],
        "SEND_TO_SESSION" | "MODIFY_SESSION" => &["CLIENT_CONTROL", "ADMINISTRATOR"],
        "REGISTER_HANDLER" => &["CLIENT_CONTROL", "AUTHENTICATION_HANDLER", "ADMINISTRATOR"],
        "VIEW_SESSION" => &["CLIENT_CONTROL", "OPERATOR", "ADMINISTRATOR"],
        "VIEW_SERVER" => &["OPERATOR", "ADMINISTRATOR"],
        "VIEW_SECURITY" | "MODIFY_SECURITY" => &["ADMINISTRATOR"],
        "AUTHENTICATE" => &["AUTHENTICATION_HANDLER"],
        other => panic!("the table of stock roles does not know {other}"),
    }
}

/// What a role lacks for a call.
pub(crate) fn lacking(row: &Row, role: &str) -> Vec<&'static str> {
    let lacks = row.needs.iter().filter(|need| !holders(**need).contains(&role));
    lacks.map(|need| need.permission).collect()
}

/// Sets of permissions to call with: exactly what is needed, and one less in each way.
pub(crate) fn trials(row: &Row) -> Vec<(Vec<Need>, Option<&'static str>)> {
    let mut trials = vec![(row.needs.to_vec(), None)];
    for left_out in row.needs {
        let rest = row.needs.iter().filter(|need| *need != left_out).copied().collect();
        trials.push((rest, Some(left_out.permission)));
    }
    trials
}

/// The name of a principal that has exactly these permissions; each is a role of that name.
pub(crate) fn principal(needs: &[Need]) -> String {
    if needs.is_empty() {
        return "nobody much".to_owned();
    }
    roles(needs).join(" and ")
}

/// The role of each permission.
pub(crate) fn roles(needs: &[Need]) -> Vec<String> {
    let role = |need: &Need| {
        need.path.map_or_else(
            || format!("may {}", need.permission),
            |path| format!("may {} at {path}", need.permission),
        )
    };
    needs.iter().map(role).collect()
}

/// All that the trials of all calls are made with.
pub(crate) fn all_trials() -> impl Iterator<Item = Vec<Need>> {
    CALLS.iter().flat_map(trials).map(|(needs, _)| needs)
}

const VIEW: Need = global("VIEW_SESSION");
const MODIFY: Need = global("MODIFY_SESSION");
const REGISTER: Need = global("REGISTER_HANDLER");
const DECIDE: Need = global("AUTHENTICATE");

const fn row(call: Call, service: Service, needs: &'static [Need]) -> Row {
    Row { call, service, needs }
}

const fn global(permission: &'static str) -> Need {
    Need { permission, path: None }
}

const fn at(permission: &'static str, path: &'static str) -> Need {
    Need { permission, path: Some(path) }
}
