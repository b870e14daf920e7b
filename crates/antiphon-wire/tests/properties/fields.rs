//! Random fields. Text and bytes are never freed, so that records may hold them.

use antiphon_wire::connect::Credentials;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Properties;
use antiphon_wire::value::DataType;
use antiphon_wire::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn text() -> impl Strategy<Value = &'static str> {
    ".{0,6}".prop_map(|text| &*text.leak())
}

pub(crate) fn bytes() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..12).prop_map(|bytes| &*bytes.leak())
}

/// Numbers of every size, small ones as often as large ones.
pub(crate) fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(bits, shift)| bits >> shift)
}

/// As [`number`], of half the width.
pub(crate) fn narrow() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32_u32).prop_map(|(bits, shift)| bits >> shift)
}

pub(crate) fn session() -> impl Strategy<Value = SessionId> {
    (number(), number()).prop_map(|(server, client)| SessionId { server, client })
}

pub(crate) fn conversation() -> impl Strategy<Value = ConversationId> {
    number().prop_map(ConversationId)
}

pub(crate) fn reason() -> impl Strategy<Value = Reason> {
    narrow().prop_map(Reason)
}

pub(crate) fn keys() -> impl Strategy<Value = Vec<&'static str>> {
    vec(text(), 0..4)
}

pub(crate) fn properties() -> impl Strategy<Value = Properties<'static>> {
    vec((text(), text()), 0..4)
}

/// Values of known and unknown types; their bytes need not be whole.
pub(crate) fn value() -> impl Strategy<Value = Value<'static>> {
    let type_name = prop_oneof![select(&DataType::ALL).prop_map(DataType::name), text()];
    (type_name, bytes()).prop_map(|(type_name, bytes)| Value { type_name, bytes })
}

pub(crate) fn credentials() -> impl Strategy<Value = Credentials<'static>> {
    prop_oneof![
        Just(Credentials::None),
        text().prop_map(Credentials::Password),
        bytes().prop_map(Credentials::Custom),
    ]
}

pub(crate) fn version() -> impl Strategy<Value = ProtocolVersion> {
    prop_oneof![19..=25_u8, Just(29)]
        .prop_map(|number| ProtocolVersion::supported(number).expect("a supported version"))
}

pub(crate) fn report() -> impl Strategy<Value = ErrorReport<'static>> {
    (text(), narrow(), narrow()).prop_map(|(message, line, column)| ErrorReport {
        message,
        line,
        column,
    })
}

pub(crate) fn reports() -> impl Strategy<Value = Vec<ErrorReport<'static>>> {
    vec(report(), 0..4)
}
