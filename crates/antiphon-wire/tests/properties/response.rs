//! Random connection responses.

use antiphon_wire::connect::Accepted;
use antiphon_wire::connect::BadResponse;
use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use antiphon_wire::connect::put_accepted;
use antiphon_wire::connect::put_refused;
use antiphon_wire::connect::put_resumed;
use antiphon_wire::ids::SessionToken;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fields::narrow;
use crate::fields::number;
use crate::fields::session;
use crate::fields::version;

proptest! {
    #[test]
    fn a_new_session_is_read_as_written(accepted in accepted(), version in version()) {
        let mut bytes = Vec::new();
        put_accepted(&mut bytes, version, &accepted);
        let read = ConnectionResponse::decode(&bytes, version);
        prop_assert_eq!(read, Ok(ConnectionResponse::Accepted(accepted)));
    }

    #[test]
    fn a_session_that_came_back_is_read_as_written(
        accepted in accepted(),
        version in version(),
        resumed in prop_oneof![
            narrow().prop_map(|next| Resumed::Intact { next_client_sequence: next }),
            Just(Resumed::WithLoss),
        ],
    ) {
        let mut bytes = Vec::new();
        put_resumed(&mut bytes, version, &accepted, resumed);
        let Accepted { session, token, ping_period, maximum_message: _ } = accepted;
        let expected = ConnectionResponse::Resumed { session, token, ping_period, resumed };
        prop_assert_eq!(ConnectionResponse::decode(&bytes, version), Ok(expected));
    }

    #[test]
    fn a_refusal_is_read_as_written_by_a_client_of_its_version(
        refusal in select(&REFUSALS),
        version in version(),
        answered: u8,
    ) {
        let mut bytes = Vec::new();
        put_refused(&mut bytes, version.number(), refusal);
        let read = ConnectionResponse::decode(&bytes, version);
        prop_assert_eq!(read, Ok(ConnectionResponse::Refused(refusal)));

        prop_assume!(answered != version.number());
        let mut bytes = Vec::new();
        put_refused(&mut bytes, answered, refusal);
        let read = ConnectionResponse::decode(&bytes, version);
        prop_assert_eq!(read, Err(BadResponse::Version(answered)));
    }

    #[test]
    fn responses_that_nobody_wrote_do_no_harm(
        head in prop_oneof![
            vec(any::<u8>(), 0..4),
            (99..120_u8).prop_map(|code| vec![b'#', 29, code]),
        ],
        body in vec(any::<u8>(), 0..60),
        version in version(),
    ) {
        let bytes = [head, body].concat();
        if let Ok(response) = ConnectionResponse::decode(&bytes, version) {
            let least = if matches!(response, ConnectionResponse::Refused(_)) { 3 } else { 55 };
            prop_assert!(bytes.len() >= least);
        }
    }
}

const REFUSALS: [Refusal; 8] = [
    Refusal::Downgrade,
    Refusal::LicenseExceeded,
    Refusal::ReconnectionUnsupported,
    Refusal::ConnectionProtocolError,
    Refusal::AuthenticationFailed,
    Refusal::UnknownSession,
    Refusal::ReconnectionFailedMessageLoss,
    Refusal::ServerInitialising,
];

/// A ping period has 63 bits: below 0 it means 0.
fn accepted() -> impl Strategy<Value = Accepted> {
    (session(), any::<[u8; 24]>(), number(), narrow()).prop_map(
        |(session, token, ping_period, maximum_message)| Accepted {
            session,
            token: SessionToken(token),
            ping_period: ping_period >> 1,
            maximum_message,
        },
    )
}
