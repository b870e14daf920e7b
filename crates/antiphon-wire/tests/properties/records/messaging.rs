//! Services 85, 86, 88, 97, 98, 102 and 103.

use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::messaging::Sent;
use proptest::prelude::*;

use crate::fields::conversation;
use crate::fields::keys;
use crate::fields::narrow;
use crate::fields::properties;
use crate::fields::reason;
use crate::fields::reports;
use crate::fields::session;
use crate::fields::text;
use crate::fields::value;
use crate::round_trip::travels;

#[test]
fn values_travel() {
    travels(value());
}

#[test]
fn requests_travel() {
    travels((text(), value()).prop_map(|(path, value)| SendRequest { path, value }));
    travels((session(), text(), value()).prop_map(|(session, path, value)| SendToSession {
        session,
        path,
        value,
    }));
    travels((conversation(), session(), text(), properties(), value()).prop_map(
        |(registration, sender, path, properties, value)| HandlerRequest {
            registration,
            sender,
            path,
            properties,
            value,
        },
    ));
}

#[test]
fn registrations_travel() {
    travels((text(), text(), keys(), conversation()).prop_map(
        |(group, path, keys, conversation)| RegisterHandler {
            receiver: Receiver,
            group,
            path,
            keys,
            conversation,
        },
    ));
    travels((text(), text(), keys()).prop_map(|(group, path, keys)| DeregisterHandler {
        receiver: Receiver,
        group,
        path,
        keys,
    }));
}

#[test]
fn filter_requests_and_outcomes_travel() {
    travels((conversation(), text(), text(), value()).prop_map(
        |(conversation, filter, path, value)| SendToFilter { conversation, filter, path, value },
    ));
    travels(prop_oneof![narrow().prop_map(Sent::To), reports().prop_map(Sent::Refused),]);
    travels((conversation(), session(), outcome()).prop_map(|(conversation, session, outcome)| {
        FilterResponse { conversation, session, outcome }
    }));
}

fn outcome() -> impl Strategy<Value = Outcome<'static>> {
    prop_oneof![
        value().prop_map(Outcome::Response),
        (reason(), text()).prop_map(|(reason, text)| Outcome::Error { reason, text }),
    ]
}
