//! Bytes that nobody wrote.

use antiphon_wire::codec::Decode;
use antiphon_wire::connect::Credentials;
use antiphon_wire::error::Fault;
use antiphon_wire::message::Message;
use antiphon_wire::node;
use antiphon_wire::service::CountOrErrors;
use antiphon_wire::service::Properties;
use antiphon_wire::service::authenticator;
use antiphon_wire::service::control;
use antiphon_wire::service::events;
use antiphon_wire::service::locks;
use antiphon_wire::service::messaging;
use antiphon_wire::service::principal;
use antiphon_wire::service::security;
use antiphon_wire::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::round_trip::harmless;

/// The reader of every body that a peer may send.
const READERS: [fn(&'static [u8]) -> TestCaseResult; 58] = [
    harmless::<Value<'_>>,
    harmless::<Credentials<'_>>,
    harmless::<CountOrErrors<'_>>,
    harmless::<Option<Properties<'_>>>,
    harmless::<Vec<(&str, locks::LockDetails<'_>)>>,
    harmless::<authenticator::AuthenticatorRequest<'_>>,
    harmless::<authenticator::Decision<'_>>,
    harmless::<authenticator::DeregisterAuthenticator<'_>>,
    harmless::<authenticator::RegisterAuthenticator<'_>>,
    harmless::<control::CloseClient>,
    harmless::<control::CloseClientFilter<'_>>,
    harmless::<control::GetSessionProperties<'_>>,
    harmless::<control::SetSessionProperties<'_>>,
    harmless::<control::PropertiesChanged<'_>>,
    harmless::<control::SetSessionPropertiesFilter<'_>>,
    harmless::<control::ChangeRoles<'_>>,
    harmless::<control::ChangeRolesFilter<'_>>,
    harmless::<control::SessionFetch<'_>>,
    harmless::<control::Fetched<'_>>,
    harmless::<events::PropertiesListener<'_>>,
    harmless::<events::EventListener<'_>>,
    harmless::<events::RemoveEventListener>,
    harmless::<events::SessionEvents<'_>>,
    harmless::<locks::AcquireLock<'_>>,
    harmless::<locks::CancelAcquireLock<'_>>,
    harmless::<locks::HeldLock<'_>>,
    harmless::<locks::GetSessionLock<'_>>,
    harmless::<Option<locks::LockDetails<'_>>>,
    harmless::<messaging::SendRequest<'_>>,
    harmless::<messaging::SendToSession<'_>>,
    harmless::<messaging::HandlerRequest<'_>>,
    harmless::<messaging::RegisterHandler<'_>>,
    harmless::<messaging::DeregisterHandler<'_>>,
    harmless::<messaging::SendToFilter<'_>>,
    harmless::<messaging::Sent<'_>>,
    harmless::<messaging::FilterResponse<'_>>,
    harmless::<principal::ChangePrincipal<'_>>,
    harmless::<principal::ReAuthenticate<'_>>,
    harmless::<security::SystemAuthentication<'_>>,
    harmless::<security::SecurityConfiguration<'_>>,
    harmless::<security::UpdateSecurity<'_>>,
    harmless::<security::ListPathPermissions<'_>>,
    harmless::<security::RevokeAuthentication>,
    harmless::<node::Introduction<'_>>,
    harmless::<node::HandlerTable<'_>>,
    harmless::<node::Load<'_>>,
    harmless::<node::PathRequest<'_>>,
    harmless::<node::Returned<'_>>,
    harmless::<node::SessionRequest<'_>>,
    harmless::<node::Match<'_>>,
    harmless::<node::ManySessionsRequest<'_>>,
    harmless::<node::Call<'_>>,
    harmless::<node::Listen<'_>>,
    harmless::<node::Unlisten>,
    harmless::<node::LockClaims<'_>>,
    harmless::<node::LockClaim<'_>>,
    harmless::<node::LockGrant<'_>>,
    harmless::<node::Kept<'_>>,
];

/// Bytes that are small more often than chance would have it, so that counts, tags and lengths often fit.
fn plausible_bytes() -> impl Strategy<Value = &'static [u8]> {
    let byte = prop_oneof![3 => 0..5_u8, 1 => any::<u8>()];
    vec(byte, 0..40).prop_map(|bytes| &*bytes.leak())
}

proptest! {
    #[test]
    fn bodies_that_nobody_wrote_do_no_harm(bytes in plausible_bytes()) {
        for reader in READERS {
            reader(bytes)?;
        }
    }

    #[test]
    fn messages_that_nobody_wrote_do_no_harm(bytes in plausible_bytes()) {
        if let Err(malformed) = Message::decode(bytes) {
            prop_assert_eq!((malformed.message, malformed.field), ("message", "header"));
        }
    }

    #[test]
    fn a_count_beyond_the_message_is_refused_wherever_it_stands(
        count in 1..=u32::MAX,
        rest in vec(Just(0_u8), 0..40),
    ) {
        prop_assume!(count as usize > rest.len());
        let mut bytes = Vec::new();
        antiphon_wire::codec::put_varint(&mut bytes, u64::from(count));
        bytes.extend_from_slice(&rest);
        let fault = Properties::decode_all(&bytes).map_err(|malformed| malformed.fault);
        prop_assert_eq!(fault, Err(Fault::Count(count)));
        let fault = Vec::<&str>::decode_all(&bytes).map_err(|malformed| malformed.fault);
        prop_assert_eq!(fault, Err(Fault::Count(count)));
    }
}
