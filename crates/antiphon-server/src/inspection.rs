//! Looks at the files that a configuration names as a server would that starts with it. Starts nothing, asks nobody.

use std::sync::Arc;

use crate::auth::Authenticators;
use crate::config::Config;
use crate::config::ConfigError;
use crate::config::ListenerConfig;
use crate::security::Store;
use crate::shared::open_store;
use crate::tls::Acceptor;

/// What is wrong with the files that a configuration names: certificates and keys of listeners, the security store, and
/// what authenticators need. Each listener and each authenticator is looked at until the first problem.
#[must_use]
pub fn inspect(config: &Config) -> Vec<ConfigError> {
    let listeners = config.listeners.iter().enumerate();
    let mut problems: Vec<_> = listeners.filter_map(listener_problem).collect();
    let store = open_store(config).unwrap_or_else(|problem| {
        problems.push(problem);
        // It is in place of the one that cannot be read, of which enough is said.
        Some(Arc::new(Store::nowhere()))
    });
    problems.extend(Authenticators::problems(config, store.as_ref()));
    problems
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
