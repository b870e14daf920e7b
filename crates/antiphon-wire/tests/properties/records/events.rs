//! Services 81, 82, 189 and 190.

use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::ListenerAction;
use antiphon_wire::service::events::PropertiesListener;
use antiphon_wire::service::events::PropertyChange;
use antiphon_wire::service::events::RemoveEventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvent;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::events::UpdateKind;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fields::conversation;
use crate::fields::keys;
use crate::fields::number;
use crate::fields::properties;
use crate::fields::session;
use crate::fields::text;
use crate::round_trip::travels;

#[test]
fn listeners_travel() {
    let action =
        prop_oneof![keys().prop_map(ListenerAction::Register), Just(ListenerAction::Deregister),];
    travels(
        (action, conversation())
            .prop_map(|(action, conversation)| PropertiesListener { action, conversation }),
    );
    let which = (any::<bool>(), option::of(text()), option::of(keys()));
    travels((which, option::of(number()), conversation()).prop_map(
        |((cluster_aware, filter, keys), after, conversation)| EventListener {
            cluster_aware,
            filter,
            keys,
            after,
            conversation,
        },
    ));
    travels(conversation().prop_map(|conversation| RemoveEventListener { conversation }));
}

#[test]
fn events_travel() {
    travels(
        (conversation(), vec(event(), 0..4))
            .prop_map(|(conversation, events)| SessionEvents { conversation, events }),
    );
}

fn event() -> impl Strategy<Value = SessionEvent<'static>> {
    let change = prop_oneof![
        properties().prop_map(SessionChange::Opened),
        (update_kind(), vec((text(), property_change()), 0..4))
            .prop_map(|(kind, properties)| SessionChange::Updated { kind, properties }),
        (close_reason(), properties())
            .prop_map(|(reason, properties)| SessionChange::Closed { reason, properties }),
    ];
    (session(), change).prop_map(|(session, change)| SessionEvent { session, change })
}

fn update_kind() -> impl Strategy<Value = UpdateKind> {
    select(&[
        UpdateKind::Updated,
        UpdateKind::Reconnected,
        UpdateKind::FailedOver,
        UpdateKind::Disconnected,
    ])
}

fn property_change() -> impl Strategy<Value = PropertyChange<'static>> {
    prop_oneof![
        text().prop_map(PropertyChange::New),
        (text(), text()).prop_map(|(old, new)| PropertyChange::Changed { old, new }),
        text().prop_map(PropertyChange::Removed),
        text().prop_map(PropertyChange::Same),
    ]
}

fn close_reason() -> impl Strategy<Value = CloseReason> {
    select(&[
        CloseReason::ConnectionLost,
        CloseReason::IoException,
        CloseReason::ClientUnresponsive,
        CloseReason::MessageQueueLimitReached,
        CloseReason::ClosedByClient,
        CloseReason::MessageTooLarge,
        CloseReason::InternalError,
        CloseReason::InvalidInboundMessage,
        CloseReason::Aborted,
        CloseReason::LostMessages,
        CloseReason::ClosedByController,
        CloseReason::FailedOver,
        CloseReason::Expired,
        CloseReason::Revoked,
        CloseReason::SessionTakenOver,
    ])
}
