//! Services 81, 82, 189 and 190.

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Fault;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Service;
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

use crate::SCRIPT_SESSION;
use crate::Void;
use crate::hex::hex;
use crate::request;
use crate::response;

#[test]
fn a_properties_listener_is_registered_and_removed_by_the_same_service() {
    let listener = |action, conversation| PropertiesListener {
        action,
        conversation: ConversationId(conversation),
    };
    request(
        "0051050001022a4605",
        Service::SessionPropertiesRegistration,
        5,
        listener(ListenerAction::Register(vec!["*F"]), 5),
    );
    request(
        "0051060105",
        Service::SessionPropertiesRegistration,
        6,
        listener(ListenerAction::Deregister, 5),
    );
    response("0605", 5, Void);
}

#[test]
fn an_event_listener_may_leave_out_filter_keys_and_start() {
    let listener = EventListener {
        cluster_aware: true,
        filter: Some("$Principal is 'x'"),
        keys: Some(vec!["*F"]),
        after: Some(1_700_000_000_000),
        conversation: ConversationId(25),
    };
    request(
        "00bd011a010111245072696e636970616c206973202778270101022a460180d095ffbc3119",
        Service::SessionEventRegistration,
        26,
        listener,
    );
    let plain = EventListener {
        cluster_aware: true,
        filter: None,
        keys: None,
        after: Some(0),
        conversation: ConversationId(25),
    };
    request("00bd011a 01 00 00 0100 19", Service::SessionEventRegistration, 26, plain);
}

#[test]
fn an_event_listener_is_answered_with_what_is_wrong_with_its_filter() {
    response("061a00", 26, Vec::<ErrorReport<'_>>::new());
    let report = ErrorReport { message: "bad", line: 1, column: 4 };
    response("061a 01 03626164 01 04", 26, vec![report]);
}

#[test]
fn an_event_listener_is_removed_by_its_conversation() {
    let removal = RemoveEventListener { conversation: ConversationId(25) };
    request("00be011b19", Service::SessionEventDeregistration, 27, removal);
}

#[test]
fn events_tell_of_opening_and_closing() {
    let events = SessionEvents {
        conversation: ConversationId(25),
        events: vec![
            SessionEvent {
                session: SCRIPT_SESSION,
                change: SessionChange::Opened(vec![("$Principal", "joe")]),
            },
            SessionEvent {
                session: SCRIPT_SESSION,
                change: SessionChange::Closed {
                    reason: CloseReason::ClosedByClient,
                    properties: vec![],
                },
            },
        ],
    };
    request(
        "00521e1902ff010700010a245072696e636970616c036a6f65ff0107020400",
        Service::SessionPropertiesEvent,
        30,
        events,
    );
    response("061e", 30, Void);
}

#[test]
fn an_update_tells_how_each_property_changed() {
    let properties = vec![
        ("a", PropertyChange::New("1")),
        ("b", PropertyChange::Changed { old: "2", new: "3" }),
        ("c", PropertyChange::Removed("4")),
        ("d", PropertyChange::Same("5")),
    ];
    let kinds = [
        ("00", UpdateKind::Updated),
        ("01", UpdateKind::Reconnected),
        ("02", UpdateKind::FailedOver),
        ("03", UpdateKind::Disconnected),
    ];
    for (kind_digits, kind) in kinds {
        let events = SessionEvents {
            conversation: ConversationId(25),
            events: vec![SessionEvent {
                session: SCRIPT_SESSION,
                change: SessionChange::Updated { kind, properties: properties.clone() },
            }],
        };
        let digits = format!(
            "00521e19 01 ff0107 01 {kind_digits} 04 0161 01 0131 0162 02 0132 0133 0163 03 0134 0164 04 0135"
        );
        request(&digits, Service::SessionPropertiesEvent, 30, events);
    }
}

#[test]
fn a_closed_session_tells_why() {
    let reasons = [
        ("00", CloseReason::ConnectionLost),
        ("01", CloseReason::IoException),
        ("02", CloseReason::ClientUnresponsive),
        ("03", CloseReason::MessageQueueLimitReached),
        ("04", CloseReason::ClosedByClient),
        ("05", CloseReason::MessageTooLarge),
        ("06", CloseReason::InternalError),
        ("07", CloseReason::InvalidInboundMessage),
        ("08", CloseReason::Aborted),
        ("09", CloseReason::LostMessages),
        ("0b", CloseReason::ClosedByController),
        ("0c", CloseReason::FailedOver),
        ("0d", CloseReason::Expired),
        ("0e", CloseReason::Revoked),
        ("0f", CloseReason::SessionTakenOver),
    ];
    for (digits, reason) in reasons {
        let closed = SessionEvent {
            session: SCRIPT_SESSION,
            change: SessionChange::Closed { reason, properties: vec![("a", "b")] },
        };
        let events = SessionEvents { conversation: ConversationId(25), events: vec![closed] };
        let digits = format!("00521e19 01 ff0107 02 {digits} 01 0161 0162");
        request(&digits, Service::SessionPropertiesEvent, 30, events);
    }
}

#[test]
fn bytes_without_meaning_are_refused() {
    let rows = [
        ("19 01 ff0107 03 00", Fault::Tag(3)),
        ("19 01 ff0107 02 0a 00", Fault::Tag(10)),
        ("19 01 ff0107 02 10 00", Fault::Tag(16)),
        ("19 01 ff0107 01 04 00", Fault::Tag(4)),
        ("19 01 ff0107 01 00 01 0161 00 0131", Fault::Tag(0)),
        ("19 01 ff0107 01 00 01 0161 05 0131", Fault::Tag(5)),
    ];
    for (digits, fault) in rows {
        let read = SessionEvents::decode_all(hex(digits));
        assert_eq!(read.map_err(|malformed| malformed.fault), Err(fault), "{digits}");
    }
}
