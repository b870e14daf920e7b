//! The body of each service: what is read can be written, and is read again as the same; a fault has a name.

use std::fmt::Debug;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::connect::Credentials;
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

/// The first byte says which body the rest is read as; without a meaning it is read as every one.
///
/// # Panics
/// If a body that is written is not read as it was.
pub fn run(bytes: &[u8]) {
    let Some((&which, body)) = bytes.split_first() else { return };
    match READERS.get(usize::from(which)) {
        Some(read) => read(body),
        None => READERS.iter().for_each(|read| read(body)),
    }
}

fn travels<'a, T: Encode + Decode<'a> + PartialEq + Debug>(bytes: &'a [u8]) -> Option<Vec<u8>> {
    match T::decode_all(bytes) {
        Ok(item) => {
            let mut written = Vec::new();
            item.encode(&mut written);
            Some(written)
        }
        Err(malformed) => {
            assert!(!malformed.message.is_empty() && !malformed.field.is_empty());
            None
        }
    }
}

/// Says for a type what [`run`] does with it. Not a generic function, because the two lifetimes differ.
macro_rules! readers {
    ($($body:ty,)*) => {
        /// How each body is read that a peer may send.
        const READERS: &[fn(&[u8])] = &[$(|bytes| {
            let Some(written) = travels::<$body>(bytes) else { return };
            assert_eq!(<$body>::decode_all(&written), <$body>::decode_all(bytes));
        },)*];
    };
}

readers! {
    Value<'_>,
    Credentials<'_>,
    CountOrErrors<'_>,
    Option<Properties<'_>>,
    Vec<(&str, locks::LockDetails<'_>)>,
    control::CloseClient,
    control::CloseClientFilter<'_>,
    control::GetSessionProperties<'_>,
    control::SetSessionProperties<'_>,
    control::PropertiesChanged<'_>,
    control::SetSessionPropertiesFilter<'_>,
    control::ChangeRoles<'_>,
    control::ChangeRolesFilter<'_>,
    control::SessionFetch<'_>,
    control::Fetched<'_>,
    events::PropertiesListener<'_>,
    events::EventListener<'_>,
    events::RemoveEventListener,
    events::SessionEvents<'_>,
    locks::AcquireLock<'_>,
    locks::CancelAcquireLock<'_>,
    locks::HeldLock<'_>,
    locks::GetSessionLock<'_>,
    Option<locks::LockDetails<'_>>,
    messaging::SendRequest<'_>,
    messaging::SendToSession<'_>,
    messaging::HandlerRequest<'_>,
    messaging::RegisterHandler<'_>,
    messaging::DeregisterHandler<'_>,
    messaging::SendToFilter<'_>,
    messaging::Sent<'_>,
    messaging::FilterResponse<'_>,
    principal::ChangePrincipal<'_>,
    principal::ReAuthenticate<'_>,
    authenticator::AuthenticatorRequest<'_>,
    authenticator::Decision<'_>,
    authenticator::DeregisterAuthenticator<'_>,
    authenticator::RegisterAuthenticator<'_>,
    security::SystemAuthentication<'_>,
    security::SecurityConfiguration<'_>,
    security::UpdateSecurity<'_>,
    security::ListPathPermissions<'_>,
    security::RevokeAuthentication,
}
