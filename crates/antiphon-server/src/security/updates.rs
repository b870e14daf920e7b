//! Carries out changes of principals and roles that sessions ask for: one after the other, each as a whole or not at all,
//! first where they are kept and then in the broker. What a script means is the broker's to say.

use std::sync::Arc;

use antiphon_broker::Broker;
use antiphon_broker::Script;
use antiphon_broker::SecurityUpdate;
use antiphon_broker::access::Principals;
use antiphon_broker::access::Security;
use antiphon_broker::access::script::Passwords;
use antiphon_broker::access::script::ScriptError;
use antiphon_wire::ids::SessionId;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::task::spawn_blocking;
use tracing::error;
use tracing::info;

use crate::flush;
use crate::flush::Session;
use crate::line::Line;
use crate::operations::audit;
use crate::operations::audit::Event;
use crate::security::Contents;
use crate::security::Store;
use crate::security::StoreError;
use crate::security::development;
use crate::security::development::Plain;
use crate::security::password;
use crate::shared::Shared;

/// Where principals and roles are kept.
pub(crate) enum Home {
    /// In a file.
    Store(Arc<Store>),
    /// In the broker, until the server ends: development mode.
    Memory,
    /// Nowhere, so that they cannot be changed.
    Nowhere,
}

/// Nothing, or why nothing was changed.
type Outcome = Result<(), Vec<ScriptError>>;

/// Where principals and roles are kept, for one change at a time: password hashes take memory and time.
pub(crate) struct Updates {
    home: Home,
    one: Mutex<()>,
    /// Held from reading the store to telling the broker, so that the broker has the last word of the store.
    telling: parking_lot::Mutex<()>,
}

impl Home {
    pub(crate) fn new(store: Option<Arc<Store>>, dev: bool) -> Self {
        match store {
            Some(store) => Self::Store(store),
            None if dev => Self::Memory,
            None => Self::Nowhere,
        }
    }

    /// What there is to begin with.
    pub(crate) fn contents(&self) -> Contents {
        let security = Security::stock();
        match self {
            Self::Store(store) => Contents::clone(&store.current()),
            Self::Memory => Contents { security, principals: development::principals() },
            Self::Nowhere => Contents { security, principals: Principals::default() },
        }
    }
}

impl Updates {
    pub(crate) fn new(home: Home) -> Self {
        Self { home, one: Mutex::new(()), telling: parking_lot::Mutex::new(()) }
    }

    /// Whether the broker's principals are those of development mode, changed or not.
    pub(crate) fn are_in_memory(&self) -> bool {
        matches!(self.home, Home::Memory)
    }

    /// Carries out what a session asked for and tells it. Goes on even if the connection is lost meanwhile.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        session: &Arc<Session>,
        update: Box<SecurityUpdate>,
    ) -> JoinHandle<()> {
        let (shared, session, update) =
            (Arc::clone(shared), Arc::clone(session), Arc::<SecurityUpdate>::from(update));
        tokio::spawn(async move {
            let outcome = carry_out(&shared, &update).await;
            let by = &update.by;
            shared.audit.write(|| event(&update, session.id(), outcome.is_ok()));
            match &outcome {
                Ok(()) => info!(session = %session.id(), by, "security changed"),
                Err(errors) => {
                    let errors = errors.len();
                    info!(session = %session.id(), by, errors, "change of security refused");
                }
            }
            let mut batch = shared.broker.batch(&session, shared.clock.now());
            batch.security_updated(&update, &outcome, &mut flush::delivery());
        })
    }

    /// Blocks as long as it takes.
    fn apply(&self, broker: &Broker<Line>, by: &str, script: &Script) -> Outcome {
        match &self.home {
            Home::Nowhere => return Err(vec![ScriptError::of_all(NOWHERE)]),
            Home::Store(store) => {
                let changed = store.change(|contents| apply(script, by, contents, &Argon2));
                changed.map_err(|Refused(why)| why)?;
                let _telling = self.telling.lock();
                tell(broker, Contents::clone(&store.current()));
            }
            Home::Memory => {
                let (security, principals) = (broker.security(), broker.principals());
                let mut contents =
                    Contents { security: (*security).clone(), principals: (*principals).clone() };
                apply(script, by, &mut contents, &Plain).map_err(|Refused(why)| why)?;
                tell(broker, contents);
            }
        }
        Ok(())
    }

    /// Reads the store again, and tells whether it has changed. Open sessions may do what their roles say from here on.
    ///
    /// # Errors
    /// The store cannot be read; then nothing changes.
    pub(crate) fn reload(&self, broker: &Broker<Line>) -> Result<bool, StoreError> {
        let Home::Store(store) = &self.home else { return Ok(false) };
        let _telling = self.telling.lock();
        let has_changed = store.reload()?;
        tell(broker, Contents::clone(&store.current()));
        Ok(has_changed)
    }
}

/// Who has changed what, without what: commands have passwords in them.
fn event(update: &SecurityUpdate, session: SessionId, changed: bool) -> Event<'_> {
    let (of, commands) = match &update.script {
        Script::Principals(script) => ("principals", script.len()),
        Script::Roles(script) => ("roles", script.len()),
    };
    let (session, principal) = (session.to_string(), audit::shown(&update.by));
    Event::Security { session, principal, of, commands, changed }
}

fn tell(broker: &Broker<Line>, contents: Contents) {
    broker.set_security(contents.security);
    broker.set_principals(contents.principals);
}

/// On a thread that may wait, while no other change is under way.
async fn carry_out(shared: &Arc<Shared>, update: &Arc<SecurityUpdate>) -> Outcome {
    let _one = shared.updates.one.lock().await;
    let (shared, update) = (Arc::clone(shared), Arc::clone(update));
    let applied =
        spawn_blocking(move || shared.updates.apply(&shared.broker, &update.by, &update.script));
    applied.await.unwrap_or_else(|error| {
        error!(%error, "a change of security ended by a defect of the server");
        Err(vec![ScriptError::of_all("the server has failed")])
    })
}

fn apply(
    script: &Script,
    by: &str,
    contents: &mut Contents,
    passwords: &dyn Passwords,
) -> Result<(), Refused> {
    match script {
        Script::Roles(script) => {
            contents.security = script.apply(&contents.security, by).map_err(Refused)?;
        }
        Script::Principals(script) => {
            let changed = script.apply(&contents.principals, by, passwords);
            contents.principals = changed.map_err(Refused)?;
        }
    }
    Ok(())
}

/// Why nothing was changed.
struct Refused(Vec<ScriptError>);

impl From<StoreError> for Refused {
    fn from(problem: StoreError) -> Self {
        error!(%problem, "a change of security was not stored");
        let told = match problem {
            StoreError::Refused { problem } => problem.to_string(),
            // Where the file is, is nobody's business on the other side.
            _ => "the security store cannot be written; the server's log says why".to_owned(),
        };
        Self(vec![ScriptError::of_all(&told)])
    }
}

/// As the store keeps passwords.
struct Argon2;

impl Passwords for Argon2 {
    fn hash(&self, password: &str) -> Result<String, String> {
        password::hash(password).map_err(|problem| problem.to_string())
    }

    fn verify(&self, password: &str, hash: &str) -> bool {
        password::verify(password, hash)
    }
}

const NOWHERE: &str =
    "there is no security store; the key security.store of the configuration names one";

#[cfg(test)]
mod tests {
    use antiphon_broker::BrokerConfig;
    use antiphon_broker::access::script::PrincipalsScript;
    use antiphon_broker::access::script::RolesScript;

    use super::*;
    use crate::security::Verdict;

    fn principals(script: &str) -> Script {
        Script::Principals(PrincipalsScript::parse(script).unwrap())
    }

    #[test]
    fn what_is_stored_is_what_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security.toml");
        let store = Arc::new(Store::create(&path, Contents::default()).unwrap());
        let broker: Broker<Line> = Broker::new(BrokerConfig::default());
        let updates = Updates::new(Home::Store(Arc::clone(&store)));
        let add = principals("add principal 'alice' 'long enough' ['A']");
        updates.apply(&broker, "root", &add).unwrap();
        let stored = || Store::open(&path).unwrap().current();
        assert_eq!(*broker.principals(), stored().principals);
        assert_eq!(*broker.security(), stored().security, "both are as they are in the file");
        assert!(matches!(store.verify("alice", "long enough"), Verdict::Known { .. }));

        let roles = RolesScript::parse("set 'A' permissions [VIEW_SERVER]").unwrap();
        updates.apply(&broker, "root", &Script::Roles(roles)).unwrap();
        assert!(broker.security().get("A").is_some());
        assert_eq!(*broker.security(), stored().security);

        let before = stored();
        let script = "remove principal 'alice'\nadd principal 'bob' 'short'";
        let errors = updates.apply(&broker, "root", &principals(script)).unwrap_err();
        assert_eq!((errors.len(), errors[0].line()), (1, 2));
        assert_eq!(stored(), before);
        assert!(broker.principals().get("alice").is_some());
    }

    #[test]
    fn what_cannot_be_stored_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security.toml");
        let store = Arc::new(Store::create(&path, Contents::default()).unwrap());
        let broker: Broker<Line> = Broker::new(BrokerConfig::default());
        let updates = Updates::new(Home::Store(Arc::clone(&store)));
        folder.close().unwrap();
        let add = principals("add principal 'alice' 'long enough'");
        let errors = updates.apply(&broker, "root", &add).unwrap_err();
        assert!(errors[0].message().contains("cannot be written"), "{errors:?}");
        assert!(broker.principals().get("alice").is_none());
        assert_eq!(store.verify("alice", "long enough"), Verdict::Unknown);
    }

    #[test]
    fn without_a_store_nothing_can_be_changed() {
        let broker: Broker<Line> = Broker::new(BrokerConfig::default());
        let updates = Updates::new(Home::Nowhere);
        let errors = updates.apply(&broker, "root", &principals("deny anonymous connections"));
        assert!(errors.unwrap_err()[0].message().contains("security.store"));
    }
}
