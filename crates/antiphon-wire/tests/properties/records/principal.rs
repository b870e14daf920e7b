//! Services 5 and 203.

use antiphon_wire::service::principal::ChangePrincipal;
use antiphon_wire::service::principal::ReAuthenticate;
use proptest::prelude::*;

use crate::fields::credentials;
use crate::fields::properties;
use crate::fields::text;
use crate::round_trip::travels;

#[test]
fn principals_travel() {
    travels(credentials());
    travels(any::<bool>());
    travels(
        (text(), credentials())
            .prop_map(|(principal, credentials)| ChangePrincipal { principal, credentials }),
    );
    travels((text(), credentials(), properties()).prop_map(
        |(principal, credentials, proposed)| ReAuthenticate { principal, credentials, proposed },
    ));
}
