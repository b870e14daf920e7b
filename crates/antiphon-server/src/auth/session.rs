//! A session as an authenticator: the wire's own kind. The question travels to it, and it answers.

use std::time::Duration;

use antiphon_broker::Opinion;
use antiphon_broker::Question;
use antiphon_broker::roles;
use tokio::sync::oneshot;

use crate::auth::applicant::Admitted;
use crate::auth::applicant::Answer;
use crate::auth::applicant::Applicant;
use crate::flush;
use crate::shared::Shared;

/// Asks the session that is registered under `name`. If there is none it abstains; one that fails to answer lets nobody in,
/// because those whom it would refuse must not gain by keeping it busy.
pub(super) async fn ask(
    name: &str,
    timeout: Duration,
    shared: &Shared,
    applicant: &Applicant,
) -> Answer {
    let (tell, told) = oneshot::channel();
    let waiter = move |opinion| {
        // Nobody waits any more if the client is gone.
        let _ = tell.send(opinion);
    };
    let question = question(applicant, timeout, shared);
    shared.broker.ask_authenticator(name, question, waiter, &mut flush::delivery());
    match told.await {
        Ok(Opinion::Unregistered | Opinion::Abstain) => Answer::Abstain,
        Ok(Opinion::Deny) => Answer::Deny("the session refuses it".to_owned()),
        Ok(Opinion::Allow(gives)) => admitted(&applicant.principal, gives),
        Ok(Opinion::Failed(why)) => Answer::Fail(why),
        Err(_) => Answer::Fail("the question was lost".to_owned()),
    }
}

fn question<'a>(applicant: &'a Applicant, timeout: Duration, shared: &Shared) -> Question<'a> {
    // The SDK leaves out of its answer what was the same in the question, so what an answer decides is not in it.
    let known = applicant.properties.iter().filter(|(key, _)| !is_decided(key));
    let proposed = applicant.proposed.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Question {
        asker: applicant.session,
        principal: &applicant.principal,
        credentials: applicant.proof.credentials(),
        properties: known.collect(),
        proposed: proposed.collect(),
        timeout,
        now: shared.clock.now(),
    }
}

/// What the session gets is what the authenticator gives, and nothing of what the client proposed otherwise.
fn admitted(principal: &str, gives: Vec<(String, String)>) -> Answer {
    let mut admitted =
        Admitted { principal: principal.to_owned(), only_given: true, ..Admitted::default() };
    for (key, value) in gives {
        match key.as_str() {
            PRINCIPAL => admitted.principal = value,
            ROLES => admitted.roles = roles::parse(&value).into_iter().map(Into::into).collect(),
            EXPIRY_TIME => match value.parse() {
                Ok(time) => admitted.expires = Some(time),
                Err(_) => return Answer::Fail(format!("{EXPIRY_TIME} is not in milliseconds")),
            },
            _ => admitted.properties.push((key, value)),
        }
    }
    Answer::Allow(admitted)
}

fn is_decided(key: &str) -> bool {
    matches!(key, PRINCIPAL | ROLES | EXPIRY_TIME)
}

const PRINCIPAL: &str = "$Principal";
const ROLES: &str = "$Roles";
const EXPIRY_TIME: &str = "$ExpiryTime";

#[cfg(test)]
mod tests {
    use super::*;

    fn gives(pairs: &[(&str, &str)]) -> Answer {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        admitted("bob", pairs.iter().map(owned).collect())
    }

    #[test]
    fn an_answer_says_who_the_session_is_and_for_how_long() {
        let given = [
            ("$Principal", "robert"),
            ("$Roles", r#"["A" "B"]"#),
            ("$ExpiryTime", "1800000000000"),
            ("a", "1"),
        ];
        let Answer::Allow(admitted) = gives(&given) else { panic!("not allowed") };
        assert_eq!(admitted.principal, "robert");
        assert_eq!(admitted.roles, ["A".into(), "B".into()].into());
        assert_eq!(admitted.expires, Some(1_800_000_000_000));
        assert_eq!(admitted.properties, [("a".to_owned(), "1".to_owned())]);
        assert!(admitted.only_given);
        let Answer::Allow(admitted) = gives(&[]) else { panic!("not allowed") };
        assert_eq!((admitted.principal.as_str(), admitted.expires), ("bob", None));
    }

    #[test]
    fn a_time_that_is_none_lets_nobody_in() {
        assert!(matches!(gives(&[("$ExpiryTime", "tomorrow")]), Answer::Fail(_)));
    }
}
