//! Development mode: the principals that an original server is delivered with, and their well-known passwords. Sessions
//! may change them, until the server ends; where there is a store as well, they change that one instead.

use antiphon_broker::access::Anonymous;
use antiphon_broker::access::Principals;
use antiphon_broker::access::script::Passwords;

use crate::auth::applicant::Admitted;
use crate::auth::applicant::Answer;
use crate::auth::applicant::Applicant;
use crate::security::development;
use crate::security::development::Plain;
use crate::shared::Shared;

/// Knows the principals of development mode.
pub(super) fn ask(shared: &Shared, applicant: &Applicant) -> Answer {
    if shared.updates.are_in_memory() {
        decide(&shared.broker.principals(), applicant)
    } else {
        decide(&development::principals(), applicant)
    }
}

fn decide(principals: &Principals, applicant: &Applicant) -> Answer {
    let password = applicant.proof.password();
    let roles = if applicant.principal.is_empty() {
        match principals.for_anonymous() {
            // An anonymous JavaScript client may send an empty password.
            Anonymous::Allow(roles) if password == Some("") => roles,
            Anonymous::Abstain => return Answer::Abstain,
            Anonymous::Allow(_) => return Answer::Deny("wrong password".to_owned()),
            Anonymous::Deny => return Answer::Deny("anonymous clients are refused".to_owned()),
        }
    } else {
        let Some(known) = principals.get(&applicant.principal) else {
            return Answer::Abstain;
        };
        if !password.is_some_and(|password| Plain.verify(password, known.password())) {
            return Answer::Deny("wrong password".to_owned());
        }
        known.roles()
    };
    Answer::Allow(Admitted {
        principal: applicant.principal.clone(),
        roles: roles.clone(),
        ..Admitted::default()
    })
}
