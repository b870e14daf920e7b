//! Every service with every set of permissions that matters, and with every stock role, over sockets.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::connect::Credentials;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::authenticator::Asked;
use antiphon_wire::service::authenticator::DeregisterAuthenticator;
use antiphon_wire::service::authenticator::RegisterAuthenticator;
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
use antiphon_wire::service::events::RemoveEventListener;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::principal::ChangePrincipal;
use antiphon_wire::service::principal::ReAuthenticate;
use antiphon_wire::service::security::ListPathPermissions;
use antiphon_wire::service::security::RevokeAuthentication;
use antiphon_wire::service::security::UpdateSecurity;
use antiphon_wire::value::Value;

use crate::client::ADMIN;
use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
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
/// What is only sent by a server. Nobody may ask for it.
const NOT_FOR_CLIENTS: &[Service] = &[
    Service::SessionPropertiesEvent,
    Service::MessagingReceiverClient,
    Service::FilterResponse,
    Service::Authenticator,
];

const CONVERSATION: ConversationId = ConversationId(3);

/// A server with a handler for the paths of the table, and somebody who may do everything.
struct Stage {
    server: TestServer,
    admin: Client,
    handler: SessionId,
}

/// How a call ended.
#[derive(Debug)]
enum End {
    Answered,
    Failed(Reason, String),
}

struct Raw(Vec<u8>);

impl Encode for Raw {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Stage {
    async fn set() -> Self {
        let server = TestServer::with(|config| {
            let chain = ["dev".to_owned(), format!("session:{AUTHENTICATOR}")];
            config.security.authenticators = Some(chain.to_vec());
        });
        let admin = Client::open(server.address).await;
        let (handler, id) = open(server.address, "admin").await;
        tokio::spawn(answer_everything(handler));
        Self { server, admin, handler: id }
    }

    /// Has a script applied.
    async fn change(&mut self, service: Service, script: &str) {
        self.admin.request(service, 1, &UpdateSecurity { script }).await;
        let message = self.admin.expect_message().await;
        let Ok(Message::Response { body, .. }) = Message::decode(&message) else {
            panic!("expected a response, not {message:02x?}");
        };
        assert_eq!(Vec::<ErrorReport<'_>>::decode_all(body).unwrap(), []);
    }

    /// Makes a call as a session of its own, on another one if it acts on one.
    async fn call(&self, row: &Row, principal: &str) -> End {
        let (mut caller, _) = open(self.server.address, principal).await;
        let (_victim, victim) = open(self.server.address, "client").await;
        let body = body(row.call, victim, self.handler);
        caller.request(row.service, CONVERSATION.0, &Raw(body)).await;
        let end = outcome(&mut caller).await;
        caller.leave().await;
        end
    }

    async fn expect(&self, row: &Row, principal: &str, lacks: &[&str]) {
        let about = format!("{:?} by {principal:?}", row.call);
        match self.call(row, principal).await {
            End::Answered => assert!(lacks.is_empty(), "{about} lacks {lacks:?}, and was served"),
            End::Failed(Reason::ACCESS_DENIED, text) => {
                let named = |name: &&str| text.starts_with(&format!("access denied: {name} is"));
                assert!(lacks.iter().any(named), "{about} lacks {lacks:?}, and is told {text:?}");
            }
            End::Failed(reason, text) => panic!("{about}: {reason:?}, {text}"),
        }
    }
}

/// A session of this principal with its id; without a name it is nobody's.
async fn open(address: SocketAddr, principal: &str) -> (Client, SessionId) {
    let login = match principal {
        "" => String::new(),
        _ => ADMIN.replacen("admin", &principal.replace(' ', "%20"), 1),
    };
    let mut client = Client::upgrade(address, &format!("ty=WB&v=29&{login}")).await;
    let response = client.expect_accepted(29).await;
    let half = |at: usize| u64::from_be_bytes(response[at..at + 8].try_into().unwrap());
    let id = SessionId { server: half(3), client: half(11) };
    (client, id)
}

/// Handles the paths of the table, and answers requests with what they ask.
async fn answer_everything(mut client: Client) {
    for (number, path) in BRANCHES.into_iter().enumerate() {
        let body = RegisterHandler {
            receiver: Receiver,
            group: "",
            path,
            keys: vec![],
            conversation: ConversationId(number as u64),
        };
        client.request(Service::MessagingReceiverControlRegistration, 1, &body).await;
    }
    while let Frame::Message(bytes) = client.frame().await {
        if let Ok(Message::Request { conversation, .. }) = Message::decode(&bytes) {
            let mut answer = Vec::new();
            message::put_response(&mut answer, conversation);
            VALUE.encode(&mut answer);
            client.message(&answer).await;
        }
    }
}

/// How the call ended; what comes besides is passed over.
async fn outcome(caller: &mut Client) -> End {
    loop {
        match Message::decode(&caller.expect_message().await).unwrap() {
            Message::Response { conversation: CONVERSATION, .. } => return End::Answered,
            Message::Error { conversation: CONVERSATION, text, reason } => {
                return End::Failed(reason, text.to_owned());
            }
            _ => {}
        }
    }
}

const VALUE: Value<'static> = Value { type_name: "string", bytes: b"\x62hi" };

fn bytes(record: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

/// What is sent for a call that acts on `victim`, or has `handler` asked.
fn body(call: Call, victim: SessionId, handler: SessionId) -> Vec<u8> {
    match call {
        Call::Ask => bytes(&SendRequest { path: PATH, value: VALUE }),
        Call::AskServerBranch => bytes(&SendRequest { path: SERVER_PATH, value: VALUE }),
        Call::AskSession => bytes(&SendToSession { session: handler, path: PATH, value: VALUE }),
        Call::AskSessionServerBranch => {
            bytes(&SendToSession { session: handler, path: SERVER_PATH, value: VALUE })
        }
        Call::AskFilter => bytes(&SendToFilter {
            conversation: CONVERSATION,
            filter: &only(handler),
            path: PATH,
            value: VALUE,
        }),
        Call::Register => bytes(&registration(vec![])),
        Call::RegisterWithProperties => bytes(&registration(vec!["$Principal"])),
        Call::Deregister => {
            bytes(&DeregisterHandler { receiver: Receiver, group: "", path: "mine", keys: vec![] })
        }
        Call::ChangePrincipal => {
            bytes(&ChangePrincipal { principal: "client", credentials: PASSWORD })
        }
        Call::ReAuthenticate => {
            bytes(&ReAuthenticate { principal: "client", credentials: PASSWORD, proposed: vec![] })
        }
        Call::Ping
        | Call::SystemPing
        | Call::OwnProperties
        | Call::LockHolders
        | Call::Principals
        | Call::Roles
        | Call::OwnPermissions => vec![],
        Call::OwnPermissionsAt => bytes(&ListPathPermissions { path: PATH }),
        Call::ChangePrincipals => {
            bytes(&UpdateSecurity { script: "allow anonymous connections [\"CLIENT\"]" })
        }
        Call::DefineRoles => bytes(&UpdateSecurity { script: "deisolate path \"nowhere\"" }),
        call => on_sessions(call, victim),
    }
}

/// The calls that act on sessions or are told of them, and those of locks.
fn on_sessions(call: Call, session: SessionId) -> Vec<u8> {
    let filter = &*only(session);
    let set = || Some(vec![("key", "value")]);
    let (remove, add) = (vec![], vec!["ANOTHER"]);
    match call {
        Call::Properties => bytes(&GetSessionProperties { session, keys: vec!["*F"] }),
        Call::Fetch => bytes(&SessionFetch {
            filter,
            keys: None,
            from: None,
            to: None,
            limit: None,
            maximum_size: 1_000,
            with_start_time: false,
        }),
        Call::SetProperties => bytes(&SetSessionProperties { session, set: set(), remove: None }),
        Call::SetPropertiesFilter => {
            bytes(&SetSessionPropertiesFilter { filter, set: set(), remove: None })
        }
        Call::Close => bytes(&CloseClient { session }),
        Call::CloseFilter => bytes(&CloseClientFilter { filter }),
        Call::ChangeRoles => bytes(&ChangeRoles { session, remove, add }),
        Call::ChangeRolesFilter => bytes(&ChangeRolesFilter { filter, remove, add }),
        Call::Revoke => bytes(&RevokeAuthentication { session }),
        Call::ListenToProperties => {
            let action = ListenerAction::Register(vec![]);
            bytes(&PropertiesListener { action, conversation: CONVERSATION })
        }
        Call::StopListeningToProperties => {
            let action = ListenerAction::Deregister;
            bytes(&PropertiesListener { action, conversation: CONVERSATION })
        }
        Call::Listen => bytes(&EventListener {
            cluster_aware: true,
            filter: Some(filter),
            keys: None,
            after: None,
            conversation: CONVERSATION,
        }),
        Call::StopListening => bytes(&RemoveEventListener { conversation: CONVERSATION }),
        call => on_names(call),
    }
}

/// The calls about locks and authenticators.
fn on_names(call: Call) -> Vec<u8> {
    let (scope, name) = (LockScope::Session, AUTHENTICATOR);
    let lock = |name| bytes(&AcquireLock { name, request: 1, scope });
    match call {
        Call::Lock => lock(PATH),
        Call::LockServerBranch => lock(SERVER_PATH),
        Call::CancelLock => bytes(&CancelAcquireLock { name: PATH, request: 1 }),
        Call::Unlock => bytes(&HeldLock { name: PATH, sequence: 1, scope }),
        Call::LockHolder => bytes(&GetSessionLock { name: PATH }),
        Call::RegisterAuthenticator => bytes(&RegisterAuthenticator {
            receiver: Asked,
            group: "",
            name,
            conversation: CONVERSATION,
        }),
        Call::DeregisterAuthenticator => {
            bytes(&DeregisterAuthenticator { receiver: Asked, group: "", name })
        }
        call => panic!("{call:?} has no body"),
    }
}

fn registration(keys: Vec<&str>) -> RegisterHandler<'_> {
    RegisterHandler {
        receiver: Receiver,
        group: "",
        path: "mine",
        keys,
        conversation: CONVERSATION,
    }
}

fn only(session: SessionId) -> String {
    format!("$SessionId is '{session}'")
}

const PASSWORD: Credentials<'static> = Credentials::Password("password");

#[test]
fn every_service_has_its_row() {
    for service in Service::ALL {
        let rows = CALLS.iter().filter(|row| row.service == *service).count();
        let not_for_clients = NOT_FOR_CLIENTS.contains(service);
        assert!((rows > 0) != not_for_clients, "{service:?} has {rows} rows in the table of calls");
    }
}

#[tokio::test]
async fn every_call_needs_exactly_what_the_table_says() {
    let mut stage = Stage::set().await;
    let (mut roles, mut people) = (String::new(), String::new());
    let mut seen = BTreeSet::new();
    for needs in table::all_trials() {
        let names = table::roles(&needs);
        for (need, role) in needs.iter().zip(&names) {
            let permission = need.permission;
            let grant = match need.path {
                Some(path) => format!("set \"{role}\" path \"{path}\" permissions [{permission}]"),
                None => format!("set \"{role}\" permissions [{permission}]"),
            };
            roles.push_str(&format!("{grant}\n"));
        }
        let principal = table::principal(&needs);
        if seen.insert(principal.clone()) {
            people.push_str(&format!("add principal \"{principal}\" \"password\" {names:?}\n"));
        }
    }
    // Nobody has anything but what is tried.
    roles.push_str("set roles for named sessions []\n");
    stage.change(Service::UpdateSecurityConfiguration, &roles).await;
    stage.change(Service::UpdateSystemAuthentication, &people).await;
    for row in CALLS {
        for (needs, left_out) in table::trials(row) {
            stage.expect(row, &table::principal(&needs), left_out.as_slice()).await;
        }
    }
}

#[tokio::test]
async fn every_stock_role_may_call_what_the_table_says() {
    let mut stage = Stage::set().await;
    let named = ROLES.iter().filter(|role| !role.is_empty());
    let people: String =
        named.map(|role| format!("add principal \"{role}\" \"password\" [\"{role}\"]\n")).collect();
    stage.change(Service::UpdateSystemAuthentication, &people).await;
    for row in CALLS {
        for role in ROLES {
            stage.expect(row, role, &table::lacking(row, role)).await;
        }
    }
}

#[tokio::test]
async fn nobody_may_speak_as_the_server_does() {
    let stage = Stage::set().await;
    for service in NOT_FOR_CLIENTS {
        let (mut caller, _) = open(stage.server.address, "admin").await;
        caller.request(*service, CONVERSATION.0, &Raw(vec![])).await;
        let end = outcome(&mut caller).await;
        assert!(matches!(end, End::Failed(Reason::UNSUPPORTED, _)), "{service:?}: {end:?}");
    }
}

/// SECURITY.md says so, since nobody would expect it.
#[tokio::test]
async fn who_may_change_sessions_may_become_anything() {
    let stage = Stage::set().await;
    let (mut control, id) = open(stage.server.address, "control").await;
    control.request(Service::GetSystemAuthentication, CONVERSATION.0, &Raw(vec![])).await;
    assert!(matches!(outcome(&mut control).await, End::Failed(Reason::ACCESS_DENIED, _)));
    let body = ChangeRoles { session: id, remove: vec![], add: vec!["ADMINISTRATOR"] };
    control.request(Service::ChangeAuthorisationRoles, CONVERSATION.0, &body).await;
    assert!(matches!(outcome(&mut control).await, End::Answered));
    control.request(Service::GetSystemAuthentication, CONVERSATION.0, &Raw(vec![])).await;
    assert!(matches!(outcome(&mut control).await, End::Answered));
}
