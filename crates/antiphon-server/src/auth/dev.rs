//! Development mode: the principals that an original server is delivered with, and their well-known passwords.

use std::hint::black_box;
use std::sync::Arc;

use crate::auth::applicant::Admitted;
use crate::auth::applicant::Answer;
use crate::auth::applicant::Applicant;

/// Knows the stock principals.
pub(super) fn ask(applicant: &Applicant) -> Answer {
    let Some(stock) = STOCK.iter().find(|stock| stock.principal == applicant.principal) else {
        return Answer::Abstain;
    };
    let password = applicant.proof.password();
    if !password.is_some_and(|password| same(password.as_bytes(), stock.password.as_bytes())) {
        return Answer::Deny("wrong password".to_owned());
    }
    Answer::Allow(Admitted {
        principal: applicant.principal.clone(),
        roles: stock.roles.iter().map(|role| Arc::from(*role)).collect(),
        ..Admitted::default()
    })
}

/// Whether two secrets are equal, in a time that depends on their lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |bits, (a, b)| black_box(bits | (a ^ b)));
    a.len() == b.len() && different == 0
}

struct Stock {
    principal: &'static str,
    password: &'static str,
    roles: &'static [&'static str],
}

/// Examples and tests of the SDKs use them. An anonymous JavaScript client may send an empty password.
const STOCK: &[Stock] = &[
    Stock { principal: "", password: "", roles: &["CLIENT"] },
    Stock { principal: "client", password: "password", roles: &["CLIENT"] },
    Stock {
        principal: "control",
        password: "password",
        roles: &["CLIENT_CONTROL", "TOPIC_CONTROL", "AUTHENTICATION_HANDLER"],
    },
    Stock { principal: "admin", password: "password", roles: &["ADMINISTRATOR"] },
    Stock { principal: "operator", password: "password", roles: &["OPERATOR"] },
];
