//! Every call that JavaScript 6.12.1 can make, with every set of permissions that matters and with every stock role.

use serde_json::Value;
use serde_json::json;

use crate::agent::Outcome;
use crate::pool::Agent;
use crate::sdk::Sdk;
use crate::shown::ACCESS_DENIED;
use crate::stage::Session;
use crate::stage::Stage;
use crate::table;
use crate::table::BRANCHES;
use crate::table::CALLS;
use crate::table::Call;
use crate::table::PATH;
use crate::table::ROLES;
use crate::table::Row;
use crate::table::SERVER_PATH;

/// The authenticator that sessions may be. It comes after the principals that are known, so that nobody here is asked.
const AUTHENTICATOR: &str = "last";

/// A server with a handler for the paths of the table, which may do everything else too.
struct Scene {
    admin: Session,
    caller: Agent,
    stage: Stage,
}

impl Scene {
    fn set() -> Option<Self> {
        let stage = Stage::open_with(&[Sdk::Js], |config| {
            let chain = ["dev".to_owned(), format!("session:{AUTHENTICATOR}")];
            config.security.authenticators = Some(chain.to_vec());
        })?;
        let mut admin = stage.join(Sdk::Js, "admin");
        let echo = json!({"kind": "echo"});
        for path in BRANCHES {
            let handler = json!({"path": path, "request_type": "string", "behaviour": echo});
            admin.must("register", handler);
        }
        for path in [PATH, SERVER_PATH] {
            let stream = json!({"path": path, "request_type": "string", "behaviour": echo});
            admin.must("stream", stream);
        }
        Some(Self { admin, caller: Agent::take(Sdk::Js), stage })
    }

    /// Makes a call as a session of its own, on another one if it acts on one. `None` if the SDK cannot, or needs the
    /// success of another call for it.
    fn call(&mut self, call: Call, principal: &str) -> Option<Outcome> {
        let victim = self.stage.join(Sdk::Rust, "client");
        let (command, parameters) = command(call, &victim.id(), &self.admin.id())?;
        let credentials = match principal {
            "" => json!({}),
            _ => json!({"principal": principal, "password": "password"}),
        };
        self.stage.connect_with(&mut self.caller, credentials).expect("let in");
        let outcome = self.caller.call(command, parameters);
        self.caller.close();
        Some(outcome)
    }

    fn expect(&mut self, row: &Row, principal: &str, lacks: &[&str]) {
        let Row { call, service, .. } = row;
        let about = format!("{call:?} ({service:?}) by {principal:?}, which lacks {lacks:?}");
        match self.call(row.call, principal) {
            Some(Ok(_)) => assert!(lacks.is_empty(), "{about}, was served"),
            Some(Err(failure)) => {
                let named = lacks.iter().any(|name| failure.message().contains(name));
                let denied = failure.code() == Some(ACCESS_DENIED) && named;
                assert!(denied, "{about}, is told {failure:?}");
            }
            None => {}
        }
    }
}

/// The agent's command for a call that acts on `victim`, or has `handler` asked.
fn command(call: Call, victim: &str, handler: &str) -> Option<(&'static str, Value)> {
    let filter = format!("$SessionId is '{handler}'");
    let only_victim = format!("$SessionId is '{victim}'");
    let request =
        |path| json!({"path": path, "session_id": handler, "type": "string", "value": "hi"});
    let register = |keys: Value| {
        let behaviour = json!({"kind": "echo"});
        json!({"path": "mine", "request_type": "string", "behaviour": behaviour, "keys": keys})
    };
    let roles = |target: &str| json!({"target": target, "remove": [], "add": ["ANOTHER"]});
    let client = json!({"principal": "client", "password": "password"});
    Some(match call {
        Call::Ask => ("request_path", request(PATH)),
        Call::AskServerBranch => ("request_path", request(SERVER_PATH)),
        Call::AskSession => ("request_session", request(PATH)),
        Call::AskSessionServerBranch => ("request_session", request(SERVER_PATH)),
        Call::AskFilter => {
            let parameters =
                json!({"filter": filter, "path": PATH, "type": "string", "value": "hi"});
            ("request_filter", parameters)
        }
        Call::Register => ("register", register(json!([]))),
        Call::RegisterWithProperties => ("register", register(json!(["$Principal"]))),
        Call::Ping => ("ping", json!({})),
        Call::ChangePrincipal => ("change_principal", client),
        Call::ReAuthenticate => ("reauthenticate", client),
        Call::OwnProperties => ("own_properties", json!({})),
        Call::Properties => ("get_properties", json!({"session_id": victim, "keys": ["*F"]})),
        Call::SetProperties => {
            ("set_properties", json!({"session_id": victim, "properties": {"key": "value"}}))
        }
        Call::SetPropertiesFilter => {
            let parameters = json!({"filter": only_victim, "properties": {"key": "value"}});
            ("set_properties_filter", parameters)
        }
        Call::Close => ("close_session", json!({"target": victim})),
        Call::CloseFilter => ("close_session", json!({"target": only_victim})),
        Call::ChangeRoles => ("change_roles", roles(victim)),
        Call::ChangeRolesFilter => ("change_roles", roles(&only_victim)),
        Call::Listen => ("listen", json!({"filter": only_victim})),
        Call::Lock => ("lock", json!({"name": PATH})),
        Call::LockServerBranch => ("lock", json!({"name": SERVER_PATH})),
        Call::LockHolder => ("get_lock", json!({"name": PATH})),
        Call::LockHolders => ("get_locks", json!({})),
        Call::Principals => ("get_principals", json!({})),
        Call::ChangePrincipals => {
            ("update_principals", json!({"calls": [["allowAnonymousConnections", ["CLIENT"]]]}))
        }
        Call::Roles => ("get_security", json!({})),
        Call::DefineRoles => ("update_security", json!({"calls": [["deisolatePath", "nowhere"]]})),
        Call::OwnPermissions => ("permissions", json!({})),
        Call::OwnPermissionsAt => ("permissions", json!({"path": PATH})),
        Call::RegisterAuthenticator => {
            ("set_authenticator", json!({"name": AUTHENTICATOR, "answers": {}}))
        }
        Call::Revoke => ("revoke", json!({"session_id": victim})),
        Call::Deregister
        | Call::SystemPing
        | Call::Fetch
        | Call::ListenToProperties
        | Call::StopListeningToProperties
        | Call::StopListening
        | Call::CancelLock
        | Call::Unlock
        | Call::DeregisterAuthenticator => return None,
    })
}

#[test]
fn every_call_needs_exactly_what_the_table_says() {
    let Some(mut scene) = Scene::set() else {
        return;
    };
    let (mut roles, mut people) = (Vec::new(), Vec::new());
    for needs in table::all_trials() {
        let names = table::roles(&needs);
        for (need, role) in needs.iter().zip(&names) {
            roles.push(match need.path {
                Some(path) => json!(["setPathPermissions", role, path, [need.permission]]),
                None => json!(["setGlobalPermissions", role, [need.permission]]),
            });
        }
        let person = json!(["addPrincipal", table::principal(&needs), "password", names]);
        if !people.contains(&person) {
            people.push(person);
        }
    }
    // Nobody has anything but what is tried.
    roles.push(json!(["setRolesForNamedSessions", []]));
    scene.admin.must("update_security", json!({"calls": roles}));
    scene.admin.must("update_principals", json!({"calls": people}));
    for row in CALLS {
        for (needs, left_out) in table::trials(row) {
            scene.expect(row, &table::principal(&needs), left_out.as_slice());
        }
    }
}

#[test]
fn every_stock_role_may_call_what_the_table_says() {
    let Some(mut scene) = Scene::set() else {
        return;
    };
    let named = ROLES.iter().filter(|role| !role.is_empty());
    let people: Vec<_> =
        named.map(|role| json!(["addPrincipal", role, "password", [role]])).collect();
    scene.admin.must("update_principals", json!({"calls": people}));
    for row in CALLS {
        for role in ROLES {
            scene.expect(row, role, &table::lacking(row, role));
        }
    }
}
