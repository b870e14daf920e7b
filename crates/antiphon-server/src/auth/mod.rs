//! Who a client is: credentials to a principal with roles. What a role may do is the broker's business.
//!
//! Authenticators stand in a chain. Each says ALLOW, DENY or ABSTAIN; the first that does not abstain decides, and if all
//! abstain, or one fails, nobody is let in. What was decided and why stands in the log; clients hear only that they are
//! refused.
//!
//! | module | holds |
//! |---|---|
//! | `applicant` | what is asked and what is answered |
//! | `link` | the authenticators of the chain, by name |
//! | `dev`, `store`, `jwt`, `certificate`, `webhook`, `session` | the authenticators themselves |
//! | `attempts` | who has failed too often |
//! | `gate` | how many may do something costly at once |
//! | `results` | what was decided how often, and how long it took |

mod applicant;
mod attempts;
mod certificate;
mod dev;
mod gate;
mod jwt;
mod link;
mod results;
mod session;
mod store;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use antiphon_broker::Expiry;
use antiphon_broker::Grant;
use antiphon_broker::Millis;
use antiphon_broker::properties::Trust;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout_at;
use tracing::debug;
use tracing::field;
use tracing::info;

pub(crate) use crate::auth::applicant::Admitted;
pub(crate) use crate::auth::applicant::Answer;
pub(crate) use crate::auth::applicant::Applicant;
pub(crate) use crate::auth::applicant::Proof;
use crate::auth::attempts::Admission;
use crate::auth::attempts::Attempts;
use crate::auth::link::Link;
pub(crate) use crate::auth::results::Counted;
use crate::auth::results::Results;
use crate::auth::results::Verdict;
use crate::clock;
use crate::config::Config;
use crate::config::ConfigError;
use crate::security::Store;
use crate::shared::Shared;

/// Decides who is let in, and which of the proposed session properties are believed.
pub(crate) struct Authenticators {
    chain: Vec<(Link, Results)>,
    attempts: Attempts,
    /// Which proposed properties are believed is the store's to say, and in development mode all are.
    store: Option<Arc<Store>>,
    dev: bool,
}

/// What somebody who is let in gets, and from whom.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) grant: Grant,
    pub(crate) authenticator: String,
}

impl Authenticators {
    /// The chain of the configuration. Reads the files that it names.
    ///
    /// # Errors
    /// An authenticator that cannot be set up.
    pub(crate) fn new(config: &Config, store: Option<Arc<Store>>) -> Result<Self, ConfigError> {
        let names = config.security.chain(config.dev);
        let links = names.iter().map(|name| Link::new(name, config, store.as_ref()));
        Ok(Self {
            chain: links
                .map(|link| Ok((link?, Results::default())))
                .collect::<Result<_, ConfigError>>()?,
            attempts: Attempts::new(config),
            store,
            dev: config.dev,
        })
    }

    /// What a client gets; `None` if it is not let in, and at `deadline` it is not.
    pub(crate) async fn authenticate(
        &self,
        shared: &Shared,
        applicant: &Applicant,
        deadline: Instant,
    ) -> Option<Granted> {
        let decided = timeout_at(deadline, self.decide(shared, applicant)).await;
        let Ok(decided) = decided else {
            refused(applicant, "all", "it took too long");
            return None;
        };
        let (name, admitted) = decided?;
        let grant = self.grant(shared, applicant, admitted);
        debug!(client = %applicant.client, principal = %grant.principal, authenticator = name, "authenticated");
        Some(Granted { grant, authenticator: name.to_owned() })
    }

    /// Nobody can be let in.
    pub(crate) fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// What was decided so far, by authenticator.
    pub(crate) fn results(&self) -> impl Iterator<Item = (&str, Counted)> {
        self.chain.iter().map(|(link, results)| (link.name(), results.counted()))
    }

    /// A chain of one link, which answers as `stub` does.
    #[cfg(test)]
    pub(crate) fn stubbed(stub: link::Stub) -> Self {
        let config = Config { dev: true, ..Config::default() };
        let chain = vec![(Link::stub("stub", stub), Results::default())];
        Self { chain, attempts: Attempts::new(&config), store: None, dev: true }
    }

    async fn decide(&self, shared: &Shared, applicant: &Applicant) -> Option<(&str, Admitted)> {
        match self.attempts.admit(applicant, shared.clock.now()) {
            Admission::Now => {}
            Admission::After(delay) => sleep(delay).await,
            Admission::Never => {
                refused(applicant, "attempts", "too many attempts have failed");
                return None;
            }
        }
        let (name, answer) = self.ask(shared, applicant).await;
        let why = match answer {
            Answer::Allow(admitted) => return Some((name, admitted)),
            Answer::Fail(why) => {
                refused(applicant, name, &why);
                return None;
            }
            Answer::Deny(why) => why,
            Answer::Abstain => "nobody knows this principal".to_owned(),
        };
        self.attempts.failed(applicant, shared.clock.now());
        refused(applicant, name, &why);
        None
    }

    /// The first answer that is not ABSTAIN, and whose it is.
    async fn ask(&self, shared: &Shared, applicant: &Applicant) -> (&str, Answer) {
        for (link, results) in &self.chain {
            let began = Instant::now();
            let answer = link.ask(shared, applicant).await;
            results.count(Verdict::of(&answer), began.elapsed());
            if !matches!(answer, Answer::Abstain) {
                return (link.name(), answer);
            }
        }
        ("all", Answer::Abstain)
    }

    fn grant(&self, shared: &Shared, applicant: &Applicant, admitted: Admitted) -> Grant {
        let Admitted { principal, roles, properties: given, expires, only_given } = admitted;
        let offered = applicant.proposed.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let trust = if only_given { Trust::default() } else { self.trust(shared) };
        let given = given.iter().map(|(key, value)| (&**key, &**value));
        Grant {
            principal,
            roles,
            properties: shared.broker.granted(offered, &trust, given),
            expires: expires.map(|time| expiry(time, shared.clock.now())),
        }
    }

    fn trust(&self, shared: &Shared) -> Trust {
        match &self.store {
            Some(_) if self.dev => Trust::all(),
            Some(store) => store.current().principals.trust().clone(),
            None => shared.broker.principals().trust().clone(),
        }
    }
}

/// A moment in milliseconds since 1970, by both clocks.
fn expiry(wall_time: u64, now: Millis) -> Expiry {
    let left = Duration::from_millis(wall_time.saturating_sub(clock::wall_time()));
    Expiry { at: now.after(left), wall_time }
}

/// The only place where a refusal is told. No secret is in it.
fn refused(applicant: &Applicant, authenticator: &str, why: &str) {
    let Applicant { client, session, .. } = applicant;
    let session = session.map(field::display);
    let principal = applicant.shown_principal();
    info!(%client, principal, session, authenticator, why, "authentication refused");
}

#[cfg(test)]
mod tests;
