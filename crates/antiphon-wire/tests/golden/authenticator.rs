//! Sessions that decide who is let in.

use antiphon_wire::connect::Credentials;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::authenticator::Asked;
use antiphon_wire::service::authenticator::AuthenticatorRequest;
use antiphon_wire::service::authenticator::Decision;
use antiphon_wire::service::authenticator::DeregisterAuthenticator;
use antiphon_wire::service::authenticator::RegisterAuthenticator;

use crate::Void;
use crate::request;
use crate::response;

#[test]
fn an_authenticator_registers_and_deregisters() {
    let (group, name) = ("default", "auth");
    let register =
        RegisterAuthenticator { receiver: Asked, group, name, conversation: ConversationId(4) };
    request(
        "007703 78 0764656661756c74 0461757468 04",
        Service::AuthenticatorRegistration,
        3,
        register,
    );
    response("0603", 3, Void);
    let deregister = DeregisterAuthenticator { receiver: Asked, group, name };
    request(
        "007905 78 0764656661756c74 0461757468",
        Service::AuthenticatorDeregistration,
        5,
        deregister,
    );
}

#[test]
fn an_authenticator_is_asked() {
    let question = AuthenticatorRequest {
        principal: "bob",
        credentials: Credentials::Password("pw"),
        properties: vec![("$Transport", "WEBSOCKET")],
        proposed: vec![("a", "b")],
        registration: ConversationId(4),
    };
    request(
        "00788001 03626f62 01027077 01 0a245472616e73706f7274 09574542534f434b4554 01 0161 0162 04",
        Service::Authenticator,
        128,
        question,
    );
}

#[test]
fn an_authenticator_answers() {
    response("068001 00", 128, Decision::Deny);
    response("068001 01", 128, Decision::Abstain);
    response("068001 0200", 128, Decision::Allow(vec![]));
    response("068001 0201 0178 0131", 128, Decision::Allow(vec![("x", "1")]));
}
