//! Services 119 to 121.

use antiphon_wire::service::authenticator::Asked;
use antiphon_wire::service::authenticator::AuthenticatorRequest;
use antiphon_wire::service::authenticator::Decision;
use antiphon_wire::service::authenticator::DeregisterAuthenticator;
use antiphon_wire::service::authenticator::RegisterAuthenticator;
use proptest::prelude::*;

use crate::fields::conversation;
use crate::fields::credentials;
use crate::fields::properties;
use crate::fields::text;
use crate::round_trip::travels;

#[test]
fn registrations_travel() {
    travels((text(), text(), conversation()).prop_map(|(group, name, conversation)| {
        RegisterAuthenticator { receiver: Asked, group, name, conversation }
    }));
    travels((text(), text()).prop_map(|(group, name)| DeregisterAuthenticator {
        receiver: Asked,
        group,
        name,
    }));
}

#[test]
fn questions_and_decisions_travel() {
    travels((text(), credentials(), properties(), properties(), conversation()).prop_map(
        |(principal, credentials, properties, proposed, registration)| AuthenticatorRequest {
            principal,
            credentials,
            properties,
            proposed,
            registration,
        },
    ));
    travels(prop_oneof![
        Just(Decision::Deny),
        Just(Decision::Abstain),
        properties().prop_map(Decision::Allow),
    ]);
}
