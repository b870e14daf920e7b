//! Reading and changing who may do what.

use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
use antiphon_wire::service::security::AnonymousAction;
use antiphon_wire::service::security::ListPathPermissions;
use antiphon_wire::service::security::RevokeAuthentication;
use antiphon_wire::service::security::SecurityConfiguration;
use antiphon_wire::service::security::SecurityRole;
use antiphon_wire::service::security::SystemAuthentication;
use antiphon_wire::service::security::SystemPrincipal;
use antiphon_wire::service::security::TrustedValues;
use antiphon_wire::service::security::UpdateSecurity;

use crate::SCRIPT_SESSION;
use crate::Void;
use crate::request;
use crate::response;

#[test]
fn principals_are_read() {
    request("003901", Service::GetSystemAuthentication, 1, Void);
    let nothing = SystemAuthentication {
        principals: vec![],
        anonymous: AnonymousAction::Deny,
        anonymous_roles: vec![],
        trusted: vec![],
    };
    response("060100010000", 1, nothing);
    let alice = SystemPrincipal { name: "al", roles: vec!["A", "B"], locked_by: None };
    let bob = SystemPrincipal { name: "bo", roles: vec![], locked_by: Some("al") };
    let much = SystemAuthentication {
        principals: vec![alice, bob],
        anonymous: AnonymousAction::Allow,
        anonymous_roles: vec!["C"],
        trusted: vec![
            ("k", TrustedValues::Matches("a.*")),
            ("v", TrustedValues::OneOf(vec!["x", "y"])),
        ],
    };
    response(
        "0601 02 02616c 02 0141 0142 00  02626f 00 01 02616c  00 01 0143 \
         02 016b 00 03612e2a  0176 01 02 0178 0179",
        1,
        much,
    );
    let abstaining = SystemAuthentication {
        principals: vec![],
        anonymous: AnonymousAction::Abstain,
        anonymous_roles: vec![],
        trusted: vec![],
    };
    response("060100020000", 1, abstaining);
}

#[test]
fn roles_are_read() {
    request("003b02", Service::GetSecurityConfiguration, 2, Void);
    let nothing = SecurityConfiguration {
        anonymous_sessions: vec![],
        named_sessions: vec![],
        roles: vec![],
        isolated: vec![],
    };
    response("060200000000", 2, nothing);
    let role = SecurityRole {
        name: "A",
        globals: vec![1, 10],
        default_path: vec![3],
        paths: vec![("p/q", vec![]), ("r", vec![9, 11])],
        includes: vec!["B"],
        locked_by: Some("al"),
    };
    let much = SecurityConfiguration {
        anonymous_sessions: vec!["C"],
        named_sessions: vec!["D", "E"],
        roles: vec![role],
        isolated: vec!["i"],
    };
    response(
        "0602 01 0143 02 0144 0145 01 \
         0141 02010a 0103 02 03702f71 00 0172 02090b 01 0142 01 02616c \
         01 0169",
        2,
        much,
    );
}

#[test]
fn scripts_are_applied_or_reported_on() {
    let script = UpdateSecurity { script: "isolate path 'p'" };
    request(
        "003c03 1069736f6c617465207061746820277027",
        Service::UpdateSecurityConfiguration,
        3,
        script,
    );
    response("060300", 3, Vec::<ErrorReport<'_>>::new());
    let script = UpdateSecurity { script: "x" };
    request("003a04 0178", Service::UpdateSystemAuthentication, 4, script);
    response("060401 03626164 01 02", 4, vec![ErrorReport { message: "bad", line: 1, column: 2 }]);
}

#[test]
fn permissions_are_listed_as_bytes() {
    request("008f0105", Service::ListGlobalPermissions, 5, Void);
    response("06050201 0a", 5, vec![1_u8, 10]);
    let at = ListPathPermissions { path: "a/b" };
    request("0090011c03612f62", Service::ListPathPermissions, 28, at);
    response("061c020304", 28, vec![3_u8, 4]);
    response("060600", 6, Vec::<u8>::new());
}

#[test]
fn an_authentication_is_revoked_by_session() {
    let revoke = RevokeAuthentication { session: SCRIPT_SESSION };
    request("00cc0107 ff01 07", Service::RevokeAuthentication, 7, revoke);
    response("0607", 7, Void);
}
