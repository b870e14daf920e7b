//! The security store as an authenticator: known principals by password, anonymous clients by its policy.

use std::sync::Arc;

use antiphon_broker::access::Anonymous;

use crate::auth::applicant::Admitted;
use crate::auth::applicant::Answer;
use crate::auth::applicant::Applicant;
use crate::auth::gate::Gate;
use crate::security::Store;
use crate::security::Verdict;

pub(super) struct StoreLink {
    store: Arc<Store>,
    hashing: Gate,
}

impl StoreLink {
    pub(super) fn new(store: Arc<Store>, hashes_at_once: usize) -> Self {
        Self { store, hashing: Gate::new(hashes_at_once, WAITING_FOR_EACH * hashes_at_once) }
    }

    pub(super) async fn ask(&self, applicant: &Applicant) -> Answer {
        let Applicant { principal, proof, .. } = applicant;
        let contents = self.store.current();
        if principal.is_empty() {
            return match contents.principals.for_anonymous() {
                Anonymous::Allow(roles) => {
                    Answer::Allow(Admitted { roles: roles.clone(), ..Admitted::default() })
                }
                Anonymous::Deny => Answer::Deny("anonymous clients are refused".to_owned()),
                Anonymous::Abstain => Answer::Abstain,
            };
        }
        let Some(password) = proof.password() else {
            // Custom credentials are never the store's, and there is no time to be told from.
            return Answer::Abstain;
        };
        let (name, password) = (principal.clone(), password.to_owned());
        let verified = self.hashing.block(move || contents.verify(&name, &password)).await;
        match verified {
            Ok(Verdict::Known { roles }) => Answer::Allow(Admitted {
                principal: principal.clone(),
                roles,
                ..Admitted::default()
            }),
            Ok(Verdict::Wrong) => Answer::Deny("wrong password".to_owned()),
            Ok(Verdict::Unknown) => Answer::Abstain,
            Err(busy) => Answer::Fail(busy.to_string()),
        }
    }
}

/// A hash takes tens of milliseconds; who would have to wait longer than a few seconds is told at once.
const WAITING_FOR_EACH: usize = 100;
