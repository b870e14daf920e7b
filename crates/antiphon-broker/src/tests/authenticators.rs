//! Sessions that decide who is let in: who may, who is asked, and that each question has one end.

use std::sync::Arc;
use std::time::Duration;

use antiphon_wire::codec::put_varint;
use antiphon_wire::connect::Credentials;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::authenticator::Asked;
use antiphon_wire::service::authenticator::AuthenticatorRequest;
use antiphon_wire::service::authenticator::Decision;
use antiphon_wire::service::authenticator::DeregisterAuthenticator;
use antiphon_wire::service::authenticator::RegisterAuthenticator;
use antiphon_wire::service::events::CloseReason;
use parking_lot::Mutex;

use crate::BrokerConfig;
use crate::Limits;
use crate::Opinion;
use crate::Question;
use crate::batch::Void;
use crate::stats::Kind;
use crate::tests::world::Client;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::error;
use crate::tests::world::response;

const NAME: &str = "gate";

fn world() -> World {
    World::with(config())
}

fn config() -> BrokerConfig {
    BrokerConfig { authenticators: [NAME.to_owned()].into(), ..BrokerConfig::default() }
}

fn gatekeeper(w: &mut World) -> Client {
    let client = w.open_with_roles("gatekeeper", &["AUTHENTICATION_HANDLER"]);
    register(w, &client, NAME);
    assert_eq!(client.received(), [response(1, &Void)]);
    client
}

fn register(w: &mut World, client: &Client, name: &str) {
    let body = RegisterAuthenticator {
        receiver: Asked,
        group: "default",
        name,
        conversation: ConversationId(77),
    };
    w.ask(client, Service::AuthenticatorRegistration, 1, &body);
}

fn deregister(w: &mut World, client: &Client) {
    let body = DeregisterAuthenticator { receiver: Asked, group: "default", name: NAME };
    w.ask(client, Service::AuthenticatorDeregistration, 2, &body);
    assert_eq!(client.received(), [response(2, &Void)]);
}

/// Every question has ended, once.
#[track_caller]
fn check_ledger(w: &World, questions: u64) {
    let ledger = w.broker.stats().ledger;
    assert_eq!((ledger.accepted(Kind::Authenticator), ledger.in_flight), (questions, 0));
    assert!(ledger.balances(), "{ledger:?}");
}

/// The opinions on one question: there must never be two.
type Opinions = Arc<Mutex<Vec<Opinion>>>;

fn ask(w: &mut World) -> Opinions {
    ask_for(w, None)
}

fn ask_for(w: &mut World, asker: Option<SessionId>) -> Opinions {
    let opinions = Opinions::default();
    let told = opinions.clone();
    let question = Question {
        asker,
        principal: "bob",
        credentials: Credentials::Password("pw"),
        properties: vec![("$Transport", "WEBSOCKET")],
        proposed: vec![("a", "1")],
        timeout: Duration::from_secs(2),
        now: w.now,
    };
    w.broker.ask_authenticator(
        NAME,
        question,
        move |opinion| told.lock().push(opinion),
        &mut w.outbox,
    );
    opinions
}

fn question(gatekeeper: &Client) -> ConversationId {
    let (service, conversation, body) = gatekeeper.request();
    assert_eq!(service, Service::Authenticator);
    let expected = AuthenticatorRequest {
        principal: "bob",
        credentials: Credentials::Password("pw"),
        properties: vec![("$Transport", "WEBSOCKET")],
        proposed: vec![("a", "1")],
        registration: ConversationId(77),
    };
    assert_eq!(decoded::<AuthenticatorRequest<'_>>(&body), expected);
    conversation
}

#[track_caller]
fn check(opinions: &Opinions, expected: Opinion) {
    assert_eq!(*opinions.lock(), [expected]);
}

#[track_caller]
fn check_failed(opinions: &Opinions, why: &str) {
    match &opinions.lock()[..] {
        [Opinion::Failed(text)] => assert!(text.contains(why), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_an_authenticator_answers_is_told() {
    let mut w = world();
    let gatekeeper = gatekeeper(&mut w);
    for (decision, opinion) in [
        (Decision::Deny, Opinion::Deny),
        (Decision::Abstain, Opinion::Abstain),
        (Decision::Allow(vec![]), Opinion::Allow(vec![])),
        (Decision::Allow(vec![("x", "1")]), Opinion::Allow(vec![("x".to_owned(), "1".to_owned())])),
    ] {
        let opinions = ask(&mut w);
        let conversation = question(&gatekeeper);
        assert_eq!(*opinions.lock(), []);
        w.respond(&gatekeeper, conversation, &decision);
        w.respond(&gatekeeper, conversation, &Decision::Allow(vec![]));
        w.advance(3_000);
        check(&opinions, opinion);
        assert_quiet(&[&gatekeeper]);
    }
    check_ledger(&w, 4);
}

#[test]
fn without_an_authenticator_there_is_no_opinion() {
    let mut w = world();
    check(&ask(&mut w), Opinion::Unregistered);
    let gatekeeper = gatekeeper(&mut w);
    deregister(&mut w, &gatekeeper);
    check(&ask(&mut w), Opinion::Unregistered);
    register(&mut w, &gatekeeper, NAME);
    w.close(&gatekeeper, CloseReason::ClosedByClient);
    check(&ask(&mut w), Opinion::Unregistered);
    w.touched();
    assert_eq!(Arc::strong_count(&gatekeeper.session), 1, "nobody keeps a session that is gone");
}

#[test]
fn an_authenticator_that_does_not_answer_has_failed() {
    let mut w = world();
    let gatekeeper = gatekeeper(&mut w);
    let silent = ask(&mut w);
    question(&gatekeeper);
    w.advance(1_999);
    assert_eq!(*silent.lock(), []);
    w.advance(1);
    check_failed(&silent, "no response within 2s");

    let malformed = ask(&mut w);
    let conversation = question(&gatekeeper);
    w.respond(&gatekeeper, conversation, &7_u8);
    check_failed(&malformed, "malformed");

    let broken = ask(&mut w);
    let conversation = question(&gatekeeper);
    w.fail(&gatekeeper, conversation, Reason::CALLBACK_EXCEPTION, "it broke");
    check_failed(&broken, "it broke");

    let left = ask(&mut w);
    w.close(&gatekeeper, CloseReason::ClosedByClient);
    check_failed(&left, "ended");
    gatekeeper.received();
    assert_quiet(&[&gatekeeper]);
    check_ledger(&w, 4);
}

#[test]
fn a_server_that_stops_has_no_opinion() {
    let mut w = world();
    let gatekeeper = gatekeeper(&mut w);
    let opinions = ask(&mut w);
    w.shut_down();
    check_failed(&opinions, "shutting down");
    gatekeeper.received();
    assert_quiet(&[&gatekeeper]);
}

#[test]
fn an_authenticator_with_too_much_to_do_has_failed() {
    let limits = Limits { requests_per_handler: 1, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..config() });
    let gatekeeper = gatekeeper(&mut w);
    let first = ask(&mut w);
    check_failed(&ask(&mut w), "overloaded");
    let conversation = question(&gatekeeper);
    w.respond(&gatekeeper, conversation, &Decision::Deny);
    check(&first, Opinion::Deny);
    assert_quiet(&[&gatekeeper]);
}

#[test]
fn another_session_stands_in_for_one_that_is_gone() {
    let mut w = world();
    let (first, second) = (gatekeeper(&mut w), gatekeeper(&mut w));
    ask(&mut w);
    question(&first);
    assert_quiet(&[&second]);
    w.close(&first, CloseReason::ClosedByClient);
    ask(&mut w);
    question(&second);
}

#[test]
fn nobody_is_asked_about_itself() {
    let mut w = world();
    let first = gatekeeper(&mut w);
    check(&ask_for(&mut w, Some(first.id())), Opinion::Unregistered);
    let second = gatekeeper(&mut w);
    ask_for(&mut w, Some(first.id()));
    question(&second);
    assert_quiet(&[&first]);
}

#[test]
fn only_the_one_who_is_asked_can_answer() {
    let mut w = world();
    let (gatekeeper, other) = (gatekeeper(&mut w), w.open("mallory"));
    let opinions = ask(&mut w);
    let conversation = question(&gatekeeper);
    w.respond(&other, conversation, &Decision::Allow(vec![]));
    assert_eq!(*opinions.lock(), []);
    w.respond(&gatekeeper, conversation, &Decision::Deny);
    check(&opinions, Opinion::Deny);
}

#[test]
fn registering_needs_both_permissions_and_a_known_name() {
    let mut w = world();
    for (roles, lacking) in
        [(&["CLIENT_CONTROL"][..], "AUTHENTICATE"), (&["OPERATOR"], "AUTHENTICATE")]
    {
        let client = w.open_with_roles("client", roles);
        register(&mut w, &client, NAME);
        let text = format!("access denied: {lacking} is needed");
        assert_eq!(client.received(), [error(1, Reason::ACCESS_DENIED, text)], "{roles:?}");
    }
    let gatekeeper = gatekeeper(&mut w);
    register(&mut w, &gatekeeper, "other");
    let text = "the server is not configured with an authenticator \"other\"";
    assert_eq!(gatekeeper.received(), [error(1, Reason::UNHANDLED_MESSAGE, text)]);
    register(&mut w, &gatekeeper, NAME);
    let text = "the session is already registered as authenticator \"gate\"";
    assert_eq!(gatekeeper.received(), [error(1, Reason::HANDLER_CONFLICT, text)]);

    let mut other_service = Vec::new();
    put_varint(&mut other_service, 88);
    w.send(&gatekeeper, &crate::tests::world::request(119, 5, &other_service));
    let text = "RegisterAuthenticator, field receiver: the number 88 has no meaning";
    assert_eq!(gatekeeper.received(), [error(5, Reason::INVALID_DATA, text)]);
}
