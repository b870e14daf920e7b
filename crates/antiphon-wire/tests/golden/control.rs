//! Pings, the end of a session, principals, and services that act on other sessions.

use antiphon_wire::connect::Credentials;
use antiphon_wire::message::ABORT_MESSAGE;
use antiphon_wire::message::CLOSE_REQUEST_MESSAGE;
use antiphon_wire::message::Message;
use antiphon_wire::service::CountOrErrors;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::ChangeRolesFilter;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::control::CloseClientFilter;
use antiphon_wire::service::control::Fetched;
use antiphon_wire::service::control::FetchedSession;
use antiphon_wire::service::control::GetSessionProperties;
use antiphon_wire::service::control::PropertiesChanged;
use antiphon_wire::service::control::SessionFetch;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::control::SetSessionPropertiesFilter;
use antiphon_wire::service::principal::ChangePrincipal;
use antiphon_wire::service::principal::ReAuthenticate;

use crate::PYTHON_SESSION;
use crate::SCRIPT_SESSION;
use crate::Void;
use crate::hex::hex;
use crate::request;
use crate::response;

const BAD_FILTER: ErrorReport<'static> = ErrorReport { message: "bad", line: 1, column: 4 };

#[test]
fn pings_have_no_body_either_way() {
    let rows = [
        ("003820", Service::UserPing, 32, "0620"),
        ("003718", Service::SystemPing, 24, "0618"),
        ("003801", Service::UserPing, 1, "0601"),
        ("003709", Service::SystemPing, 9, "0609"),
        ("0037ac02", Service::SystemPing, 300, "06ac02"),
    ];
    for (asked, service, conversation, answered) in rows {
        request(asked, service, conversation, Void);
        response(answered, conversation, Void);
    }
}

#[test]
fn one_byte_ends_a_session() {
    assert_eq!(Message::decode(hex("1c")), Ok(Message::Abort));
    assert_eq!(ABORT_MESSAGE, hex("1c"));
    assert_eq!(Message::decode(hex("1d")), Ok(Message::CloseRequest));
    assert_eq!(CLOSE_REQUEST_MESSAGE, hex("1d"));
}

#[test]
fn a_principal_is_changed_with_credentials() {
    let change = |principal, password| ChangePrincipal {
        principal,
        credentials: Credentials::Password(password),
    };
    request("00050903626f6201027077", Service::ChangePrincipal, 9, change("bob", "pw"));
    response("060901", 9, true);
    request("0005160561646d696e01027077", Service::ChangePrincipal, 22, change("admin", "pw"));
}

#[test]
fn a_session_authenticates_again_with_proposed_properties() {
    let again = |properties: &[_]| ReAuthenticate {
        principal: "admin",
        credentials: Credentials::Password("pw"),
        proposed: properties.to_vec(),
    };
    request("00cb01150561646d696e0102707700", Service::ReAuthenticate, 21, again(&[]));
    response("061501", 21, true);
    request(
        "00cb01150561646d696e01027077 01 0161 0162",
        Service::ReAuthenticate,
        21,
        again(&[("a", "b")]),
    );
    response("061500", 21, false);
}

#[test]
fn sessions_are_closed_by_id_or_by_filter() {
    let close = |session| CloseClient { session };
    request(
        "000e05888e98a8c0e0808101888e98a8c0e08081f101",
        Service::CloseClient,
        5,
        close(PYTHON_SESSION),
    );
    request("000e0eff0107", Service::CloseClient, 14, close(SCRIPT_SESSION));
    response("060e", 14, Void);

    let filter = CloseClientFilter { filter: "all" };
    request("00a2010f03616c6c", Service::CloseClientFilter, 15, filter);
    let count = CountOrErrors { count: 3, errors: vec![] };
    response("060f0300", 15, count);
}

#[test]
fn properties_are_read_by_key() {
    let read = |session, keys: &[_]| GetSessionProperties { session, keys: keys.to_vec() };
    request(
        "004306888e98a8c0e0808101888e98a8c0e08081f10102022a46022a55",
        Service::GetSessionProperties,
        6,
        read(PYTHON_SESSION, &["*F", "*U"]),
    );
    request(
        "004310ff010701022a46",
        Service::GetSessionProperties,
        16,
        read(SCRIPT_SESSION, &["*F"]),
    );
    let found: Option<Properties<'_>> = Some(vec![("$SessionId", "x"), ("abc", "y")]);
    response("061001020a2453657373696f6e49640178036162630179", 16, found);
    response("061000", 16, None::<Properties<'_>>);

    request("00ca0113", Service::GetOwnSessionProperties, 19, Void);
    response("061301 01 0161 0162", 19, Some(vec![("a", "b")]));
}

#[test]
fn properties_are_set_and_removed() {
    let set = |set: Option<&[_]>, remove: Option<&[_]>| SetSessionProperties {
        session: SCRIPT_SESSION,
        set: set.map(<[_]>::to_vec),
        remove: remove.map(<[_]>::to_vec),
    };
    request(
        "006911ff010701010161013101010162",
        Service::SetSessionProperties,
        17,
        set(Some(&[("a", "1")]), Some(&["b"])),
    );
    request("006911ff010700 01010162", Service::SetSessionProperties, 17, set(None, Some(&["b"])));
    let changed = PropertiesChanged { previous: Some(vec![("a", "0")]), created: Some(vec!["c"]) };
    response("061101010161013001010163", 17, changed);
    let unchanged = PropertiesChanged { previous: None, created: None };
    response("06110000", 17, unchanged);
}

#[test]
fn properties_of_matching_sessions_are_set() {
    let set =
        SetSessionPropertiesFilter { filter: "all", set: Some(vec![("a", "1")]), remove: None };
    request("006a1203616c6c01010161013100", Service::SetSessionPropertiesFilter, 18, set);
    let refused = CountOrErrors { count: 0, errors: vec![BAD_FILTER] };
    response("06120001036261640104", 18, refused);
}

#[test]
fn roles_are_taken_before_they_are_given() {
    let roles = ChangeRoles { session: SCRIPT_SESSION, remove: vec!["R1"], add: vec!["R2", "R3"] };
    request("007b14ff01070102523102025232025233", Service::ChangeAuthorisationRoles, 20, roles);
    response("0614", 20, Void);

    let roles = ChangeRolesFilter { filter: "all", remove: vec![], add: vec!["R2"] };
    request("007c14 03616c6c 00 01025232", Service::ChangeAuthorisationRolesFilter, 20, roles);
}

#[test]
fn a_fetch_of_sessions_is_bounded_in_time_number_and_size() {
    let fetch = SessionFetch {
        filter: "all",
        keys: Some(vec!["*F"]),
        from: Some(1_700_000_000_000),
        to: None,
        limit: Some(10),
        maximum_size: 65536,
        with_start_time: true,
    };
    request(
        "00a80105 03616c6c 01 01 022a46 01 80d095ffbc31 00 01 0a 808004 01",
        Service::SessionFetch,
        5,
        fetch,
    );
    let fetched = Fetched::Sessions {
        sessions: vec![FetchedSession {
            start_time: Some(1_700_000_000_000),
            properties: vec![("a", "b")],
        }],
        total: 2,
    };
    response("0605 00 01 01 80d095ffbc31 01 0161 0162 02", 5, fetched);
    response("0605 01 01 03626164 01 04", 5, Fetched::Refused(vec![BAD_FILTER]));
}
