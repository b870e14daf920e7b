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
use antiphon_broker::properties;
use antiphon_broker::properties::Trust;
use arc_swap::ArcSwap;
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
pub(crate) use crate::auth::attempts::HeldUp;
use crate::auth::link::Link;
pub(crate) use crate::auth::results::Counted;
use crate::auth::results::Results;
use crate::auth::results::Verdict;
use crate::clock;
use crate::config::Config;
use crate::config::ConfigError;
use crate::operations::audit;
use crate::operations::audit::Event;
use crate::security::Store;
use crate::shared::Shared;

/// Decides who is let in, and which of the proposed session properties are believed.
pub(crate) struct Authenticators {
    chain: ArcSwap<Chain>,
    attempts: Attempts,
    /// Which proposed properties are believed is the store's to say, and in development mode all are.
    store: Option<Arc<Store>>,
    dev: bool,
}

/// Who is asked, in this order, and what they said so far. What they said stays when who is asked is put up anew.
type Chain = Vec<(Arc<Link>, Arc<Results>)>;

/// A chain that was put up anew and is not asked yet.
pub(crate) struct Renewed<'a> {
    authenticators: &'a Authenticators,
    chain: Chain,
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
        let chain: Chain = links
            .map(|link| Ok((Arc::new(link?), Arc::default())))
            .collect::<Result<_, ConfigError>>()?;
        Ok(Self {
            chain: ArcSwap::from_pointee(chain),
            attempts: Attempts::new(config),
            store,
            dev: config.dev,
        })
    }

    /// What is wrong with each authenticator of the configuration, and with the files that it names. Asks nobody.
    pub(crate) fn problems(config: &Config, store: Option<&Arc<Store>>) -> Vec<ConfigError> {
        let names = config.security.chain(config.dev);
        names.iter().filter_map(|name| Link::new(name, config, store).err()).collect()
    }

    /// Puts up the authenticators again as `config` says now, and reads their files. Which ones there are stays.
    ///
    /// # Errors
    /// The first that cannot be set up.
    pub(crate) fn renew(&self, config: &Config) -> Result<Renewed<'_>, ConfigError> {
        let renewed = |(link, results): &(Arc<Link>, Arc<Results>)| {
            Ok((Link::renewed(link, config)?, Arc::clone(results)))
        };
        let chain = self.chain.load().iter().map(renewed).collect::<Result<_, ConfigError>>()?;
        Ok(Renewed { authenticators: self, chain })
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
        let (authenticator, admitted) = decided?;
        let grant = self.grant(shared, applicant, admitted);
        debug!(client = %applicant.client, principal = %grant.principal, authenticator, "authenticated");
        Some(Granted { grant, authenticator })
    }

    /// Nobody can be let in.
    pub(crate) fn is_empty(&self) -> bool {
        self.chain.load().is_empty()
    }

    /// What was decided so far, by authenticator.
    pub(crate) fn results(&self) -> Vec<(String, Counted)> {
        let chain = self.chain.load();
        chain.iter().map(|(link, results)| (link.name().to_owned(), results.counted())).collect()
    }

    /// How many were refused unheard, and how many had to wait, because attempts had failed before.
    pub(crate) fn held_up(&self) -> HeldUp {
        self.attempts.held_up()
    }

    /// A chain of one link, which answers as `stub` does.
    #[cfg(test)]
    pub(crate) fn stubbed(stub: link::Stub) -> Self {
        let config = Config { dev: true, ..Config::default() };
        let chain = vec![(Arc::new(Link::stub("stub", stub)), Arc::default())];
        let chain = ArcSwap::from_pointee(chain);
        Self { chain, attempts: Attempts::new(&config), store: None, dev: true }
    }

    async fn decide(&self, shared: &Shared, applicant: &Applicant) -> Option<(String, Admitted)> {
        match self.attempts.admit(applicant, shared.clock.now()) {
            Admission::Now => {}
            Admission::After(delay) => sleep(delay).await,
            Admission::Never => {
                refused(applicant, "attempts", "too many attempts have failed");
                shared.audit.write(|| Event::TooManyAttempts {
                    session: applicant.session.map(|session| session.to_string()),
                    principal: audit::shown(&applicant.principal),
                    address: applicant.client.to_string(),
                });
                return None;
            }
        }
        let (name, answer) = self.ask(shared, applicant).await;
        let why = match answer {
            Answer::Allow(admitted) => return Some((name, admitted)),
            Answer::Fail(why) => {
                refused(applicant, &name, &why);
                return None;
            }
            Answer::Deny(why) => why,
            Answer::Abstain => "nobody knows this principal".to_owned(),
        };
        self.attempts.failed(applicant, shared.clock.now());
        refused(applicant, &name, &why);
        None
    }

    /// The first answer that is not ABSTAIN, and whose it is.
    async fn ask(&self, shared: &Shared, applicant: &Applicant) -> (String, Answer) {
        for (link, results) in &*self.chain.load_full() {
            let began = Instant::now();
            let answer = link.ask(shared, applicant).await;
            results.count(Verdict::of(&answer), began.elapsed());
            if !matches!(answer, Answer::Abstain) {
                return (link.name().to_owned(), answer);
            }
        }
        ("all".to_owned(), Answer::Abstain)
    }

    fn grant(&self, shared: &Shared, applicant: &Applicant, admitted: Admitted) -> Grant {
        let Admitted { principal, roles, properties: given, expires, only_given } = admitted;
        let offered = applicant.proposed.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let trust = if only_given { Trust::default() } else { self.trust(shared) };
        let mut properties = properties::proposed(offered, &trust);
        let given = properties::given(given.iter().map(|(key, value)| (&**key, &**value)));
        properties.extend(given.iter().map(|(key, value)| (Arc::from(key), Arc::from(value))));
        Grant {
            principal,
            roles,
            properties,
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

impl Renewed<'_> {
    /// Whoever comes from here on is asked about by these; `config` is what counts from here on.
    pub(crate) fn take_effect(self, config: &Config) {
        self.authenticators.chain.store(Arc::new(self.chain));
        self.authenticators.attempts.reconfigure(config);
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
