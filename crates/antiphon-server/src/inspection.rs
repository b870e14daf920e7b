//! Looks at the files that a configuration names as a server would that starts with it. Starts nothing, asks nobody.

use std::sync::Arc;

use crate::auth::Authenticators;
use crate::cluster::identity;
use crate::config::ClusterConfig;
use crate::config::Config;
use crate::config::ConfigError;
use crate::config::ListenerConfig;
use crate::security::Store;
use crate::shared::open_store;
use crate::tls::Acceptor;
use crate::tls::Credentials;

/// What is wrong with the files that a configuration names: certificates and keys of listeners and of the cluster, the node's
/// id, the security store, and what authenticators need. Each listener, each authenticator and the certificates of the cluster
/// are looked at until the first problem.
#[must_use]
pub fn inspect(config: &Config) -> Vec<ConfigError> {
    let listeners = config.listeners.iter().enumerate();
    let mut problems: Vec<_> = listeners.filter_map(listener_problem).collect();
    problems.extend(cluster_problems(&config.cluster));
    let store = open_store(config).unwrap_or_else(|problem| {
        problems.push(problem);
        // It is in place of the one that cannot be read, of which enough is said.
        Some(Arc::new(Store::nowhere()))
    });
    problems.extend(Authenticators::problems(config, store.as_ref()));
    problems
}

fn cluster_problems(cluster: &ClusterConfig) -> impl Iterator<Item = ConfigError> {
    let is_looked_at = cluster.is_on();
    let credentials = || match Credentials::load(cluster) {
        Ok(credentials) => credentials?.verify().err(),
        Err(problem) => Some(problem),
    };
    let node = || {
        let file = cluster.node_file.as_deref()?;
        let (problem, fix) = identity::problem(file)?;
        let (key, problem) = ("cluster.node_file".to_owned(), format!("{file:?}: {problem}"));
        Some(ConfigError::Invalid { key, problem, fix: fix.to_owned() })
    };
    let problems = is_looked_at.then(|| [credentials(), node()]);
    problems.into_iter().flatten().flatten()
}

/// With the number of the listener in the key, since there may be several.
fn listener_problem((index, listener): (usize, &ListenerConfig)) -> Option<ConfigError> {
    let problem = Acceptor::load(listener).err()?;
    Some(match problem {
        ConfigError::Invalid { key, problem, fix } => {
            let key = key.replacen("listener.", &format!("listener.{index}."), 1);
            ConfigError::Invalid { key, problem, fix }
        }
        other => other,
    })
}
