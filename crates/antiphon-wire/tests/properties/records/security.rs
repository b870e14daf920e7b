//! Services 57 to 60, 143, 144 and 204.

use antiphon_wire::service::security::AnonymousAction;
use antiphon_wire::service::security::ListPathPermissions;
use antiphon_wire::service::security::RevokeAuthentication;
use antiphon_wire::service::security::SecurityConfiguration;
use antiphon_wire::service::security::SecurityRole;
use antiphon_wire::service::security::SystemAuthentication;
use antiphon_wire::service::security::SystemPrincipal;
use antiphon_wire::service::security::TrustedValues;
use antiphon_wire::service::security::UpdateSecurity;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fields::keys;
use crate::fields::session;
use crate::fields::text;
use crate::round_trip::travels;

fn permissions() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..4)
}

fn principals() -> impl Strategy<Value = Vec<SystemPrincipal<'static>>> {
    let principal = (text(), keys(), option::of(text()))
        .prop_map(|(name, roles, locked_by)| SystemPrincipal { name, roles, locked_by });
    vec(principal, 0..3)
}

fn trusted() -> impl Strategy<Value = Vec<(&'static str, TrustedValues<'static>)>> {
    let values = prop_oneof![
        text().prop_map(TrustedValues::Matches),
        keys().prop_map(TrustedValues::OneOf),
    ];
    vec((text(), values), 0..3)
}

prop_compose! {
    fn role()(
        name in text(),
        globals in permissions(),
        default_path in permissions(),
        paths in vec((text(), permissions()), 0..3),
        includes in keys(),
        locked_by in option::of(text()),
    ) -> SecurityRole<'static> {
        SecurityRole { name, globals, default_path, paths, includes, locked_by }
    }
}

#[test]
fn principals_of_the_server_travel() {
    use AnonymousAction::Abstain;
    use AnonymousAction::Allow;
    use AnonymousAction::Deny;
    let anonymous = select(vec![Allow, Deny, Abstain]);
    travels((principals(), anonymous, keys(), trusted()).prop_map(
        |(principals, anonymous, anonymous_roles, trusted)| SystemAuthentication {
            principals,
            anonymous,
            anonymous_roles,
            trusted,
        },
    ));
}

#[test]
fn roles_of_the_server_travel() {
    travels((keys(), keys(), vec(role(), 0..3), keys()).prop_map(
        |(anonymous_sessions, named_sessions, roles, isolated)| SecurityConfiguration {
            anonymous_sessions,
            named_sessions,
            roles,
            isolated,
        },
    ));
}

#[test]
fn what_is_asked_of_security_travels() {
    travels(text().prop_map(|script| UpdateSecurity { script }));
    travels(text().prop_map(|path| ListPathPermissions { path }));
    travels(session().prop_map(|session| RevokeAuthentication { session }));
    travels(permissions());
}
