//! The bytes of a call.

use antiphon_wire::codec::Encode;
use antiphon_wire::connect::Credentials;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::ChangeRolesFilter;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::control::CloseClientFilter;
use antiphon_wire::service::control::GetSessionProperties;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::control::SetSessionPropertiesFilter;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::RemoveEventListener;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::principal::ChangePrincipal;
use antiphon_wire::value::Value;

use crate::tests::model::naive::Caller;
use crate::tests::model::naive::Naive;
use crate::tests::model::naive::value;
use crate::tests::model::op;
use crate::tests::model::op::Call;
use crate::tests::model::op::How;

impl Naive {
    /// The message of a call; its conversation id is also what it carries, so that no two are alike.
    pub(super) fn bytes(&self, caller: Caller, call: &Call) -> Vec<u8> {
        let serial = caller.conversation.to_be_bytes();
        let as_request = |service, body: &dyn Fn(&mut Vec<u8>)| request(caller, service, body);
        let whole = value(op::Value::Whole, &serial);
        match call {
            Call::Answer(which, how) => {
                answer(ConversationId(self.conversation(caller.me, *which)), *how, whole)
            }
            Call::Leave => message::CLOSE_REQUEST_MESSAGE.to_vec(),
            Call::Garbage => vec![0x0b, 1, 2],
            Call::Unknown => number(9999, caller, &[]),
            Call::Cut(service) => number(*service, caller, &[1]),
            Call::Ping => as_request(Service::UserPing, &|_| {}),
            Call::Register(path, keys) => {
                let body = RegisterHandler {
                    receiver: Receiver,
                    group: "default",
                    path,
                    keys: keys.to_vec(),
                    conversation: ConversationId(caller.conversation),
                };
                as_request(Service::MessagingReceiverControlRegistration, &|out| body.encode(out))
            }
            Call::Deregister(path) => {
                let body = DeregisterHandler { receiver: Receiver, group: "", path, keys: vec![] };
                as_request(Service::MessagingReceiverControlDeregistration, &|out| body.encode(out))
            }
            Call::ToPath(path, kind) => {
                let body = SendRequest { path, value: value(*kind, &serial) };
                as_request(Service::MessagingSend, &|out| body.encode(out))
            }
            Call::ToSession(to, path) => {
                let session = self.people[self.person(*to)].id;
                let body = SendToSession { session, path, value: whole };
                as_request(Service::MessagingReceiverServer, &|out| body.encode(out))
            }
            Call::ToFilter(filter, path) => {
                let (filter, conversation) =
                    (self.text(filter), ConversationId(caller.conversation));
                let body = SendToFilter { conversation, filter: &filter, path, value: whole };
                as_request(Service::MessagingFilterSend, &|out| body.encode(out))
            }
            _ => self.bytes_of_control(caller, call),
        }
    }

    fn bytes_of_control(&self, caller: Caller, call: &Call) -> Vec<u8> {
        let as_request = |service, body: &dyn Fn(&mut Vec<u8>)| request(caller, service, body);
        let id = |number: u8| self.people[self.person(number)].id;
        match call {
            Call::Kick(who) => {
                let body = CloseClient { session: id(*who) };
                as_request(Service::CloseClient, &|out| body.encode(out))
            }
            Call::KickAll(filter) => {
                let filter = self.text(filter);
                let body = CloseClientFilter { filter: &filter };
                as_request(Service::CloseClientFilter, &|out| body.encode(out))
            }
            Call::Set(who, key, value) => {
                let (set, remove) = setting(key, *value);
                let body = SetSessionProperties { session: id(*who), set, remove };
                as_request(Service::SetSessionProperties, &|out| body.encode(out))
            }
            Call::SetAll(filter, key, value) => {
                let (set, remove) = setting(key, *value);
                let filter = self.text(filter);
                let body = SetSessionPropertiesFilter { filter: &filter, set, remove };
                as_request(Service::SetSessionPropertiesFilter, &|out| body.encode(out))
            }
            Call::Roles(who, remove, add) => {
                let (remove, add) = (remove.clone(), add.clone());
                let body = ChangeRoles { session: id(*who), remove, add };
                as_request(Service::ChangeAuthorisationRoles, &|out| body.encode(out))
            }
            Call::RolesAll(filter, remove, add) => {
                let (filter, remove, add) = (self.text(filter), remove.clone(), add.clone());
                let body = ChangeRolesFilter { filter: &filter, remove, add };
                as_request(Service::ChangeAuthorisationRolesFilter, &|out| body.encode(out))
            }
            Call::Properties(who, keys) => {
                let body = GetSessionProperties { session: id(*who), keys: keys.to_vec() };
                as_request(Service::GetSessionProperties, &|out| body.encode(out))
            }
            Call::Become(principal, _) => {
                let body = ChangePrincipal { principal, credentials: Credentials::None };
                as_request(Service::ChangePrincipal, &|out| body.encode(out))
            }
            _ => self.bytes_of_the_rest(caller, call),
        }
    }

    fn bytes_of_the_rest(&self, caller: Caller, call: &Call) -> Vec<u8> {
        let as_request = |service, body: &dyn Fn(&mut Vec<u8>)| request(caller, service, body);
        match call {
            Call::Lock(name, wait, scope) => {
                let body = AcquireLock { name, request: *wait, scope: *scope };
                as_request(Service::AcquireSessionLock, &|out| body.encode(out))
            }
            Call::Cancel(name, wait) => {
                let body = CancelAcquireLock { name, request: *wait };
                as_request(Service::CancelAcquireSessionLock, &|out| body.encode(out))
            }
            Call::Release(name, right) => {
                let sequence = self.sequence(name, *right);
                let body = HeldLock { name, sequence, scope: LockScope::Session };
                as_request(Service::ReleaseSessionLock, &|out| body.encode(out))
            }
            Call::Locks => as_request(Service::GetSessionLocks, &|_| {}),
            Call::Listen(filter, keys, name) => {
                let filter = filter.as_ref().map(|filter| self.text(filter));
                let body = EventListener {
                    cluster_aware: true,
                    filter: filter.as_deref(),
                    keys: Some(keys.to_vec()),
                    after: None,
                    conversation: ConversationId(*name),
                };
                as_request(Service::SessionEventRegistration, &|out| body.encode(out))
            }
            Call::Unlisten(name) => {
                let body = RemoveEventListener { conversation: ConversationId(*name) };
                as_request(Service::SessionEventDeregistration, &|out| body.encode(out))
            }
            other => panic!("{other:?} has no bytes"),
        }
    }
}

fn request(caller: Caller, service: Service, body: &dyn Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_request(&mut bytes, service, ConversationId(caller.conversation));
    body(&mut bytes);
    bytes
}

/// A request for a service by its number.
fn number(service: u32, caller: Caller, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    service.encode(&mut bytes);
    caller.conversation.encode(&mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

fn answer(conversation: ConversationId, how: How, whole: Value<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match how {
        How::Value => {
            message::put_response(&mut bytes, conversation);
            whole.encode(&mut bytes);
        }
        How::Error(code) => {
            message::put_error(&mut bytes, conversation, Reason(code), "said the handler");
        }
        How::Unready => {
            let text = "Unknown client service: 88";
            message::put_error(&mut bytes, conversation, Reason::COMMUNICATION_FAILURE, text);
        }
        How::Malformed(true) => {
            message::put_response(&mut bytes, conversation);
            SendRequest { path: "a", value: whole }.encode(&mut bytes);
        }
        How::Malformed(false) => {
            message::put_response(&mut bytes, conversation);
            Value { type_name: "int64", bytes: b"\x61a" }.encode(&mut bytes);
        }
    }
    bytes
}

type Setting<'a> = (Option<Vec<(&'a str, &'a str)>>, Option<Vec<&'a str>>);

fn setting<'a>(key: &'a str, value: Option<&'a str>) -> Setting<'a> {
    match value {
        Some(value) => (Some(vec![(key, value)]), None),
        None => (None, Some(vec![key])),
    }
}
