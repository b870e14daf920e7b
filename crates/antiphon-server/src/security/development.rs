//! Development mode: the principals that an original server is delivered with, and passwords that are no secret. In
//! memory alone.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use antiphon_broker::access::Anonymous;
use antiphon_broker::access::Principal;
use antiphon_broker::access::Principals;
use antiphon_broker::access::script::Passwords;
use antiphon_broker::properties::Trust;

/// Examples and tests of the SDKs use them. Every proposed property is believed.
pub(crate) fn principals() -> Principals {
    let principal = |roles: &[&str]| Principal::new("password").holding(roles);
    Principals::default()
        .anonymous(Anonymous::Allow(BTreeSet::from([Arc::from("CLIENT")])))
        .principal("client", principal(&["CLIENT"]))
        .principal(
            "control",
            principal(&["CLIENT_CONTROL", "TOPIC_CONTROL", "AUTHENTICATION_HANDLER"]),
        )
        .principal("admin", principal(&["ADMINISTRATOR"]))
        .principal("operator", principal(&["OPERATOR"]))
        .trusting(Trust::all())
}

/// Keeps a password as it is: everybody knows those of development mode anyway, and a login takes no time.
pub(crate) struct Plain;

impl Passwords for Plain {
    fn hash(&self, password: &str) -> Result<String, String> {
        Ok(password.to_owned())
    }

    fn verify(&self, password: &str, hash: &str) -> bool {
        same(password.as_bytes(), hash.as_bytes())
    }
}

/// Whether two secrets are equal, in a time that depends on their lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |bits, (a, b)| black_box(bits | (a ^ b)));
    a.len() == b.len() && different == 0
}
