//! The authenticators that a chain can have, by the names of the configuration.

use std::sync::Arc;

use crate::auth::applicant::Answer;
use crate::auth::applicant::Applicant;
use crate::auth::certificate::Certificate;
use crate::auth::dev;
use crate::auth::jwt::Jwt;
use crate::auth::session;
use crate::auth::store::StoreLink;
use crate::auth::webhook::Webhook;
use crate::config::Config;
use crate::config::ConfigError;
use crate::config::JwtConfig;
use crate::config::SESSION;
use crate::security::Store;
use crate::shared::Shared;

/// One authenticator.
pub(super) struct Link {
    name: String,
    kind: Kind,
}

enum Kind {
    Dev,
    Store(StoreLink),
    Jwt(Box<Jwt>),
    Certificate(Certificate),
    Webhook(Box<Webhook>),
    /// The session that is registered under this name.
    Session(String),
    #[cfg(test)]
    Stub(Stub),
}

#[cfg(test)]
pub(crate) type Stub =
    Box<dyn Fn(&Applicant) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

impl Link {
    /// Reads the files that the authenticator needs.
    pub(super) fn new(
        name: &str,
        config: &Config,
        store: Option<&Arc<Store>>,
    ) -> Result<Self, ConfigError> {
        let missing = |table: &str| ConfigError::Invalid {
            key: "security.authenticators".to_owned(),
            problem: format!("names {name:?}, for which there is no {table}"),
            fix: format!("add {table}, or leave {name:?} out"),
        };
        let security = &config.security;
        let kind = match name {
            "dev" if config.dev => Kind::Dev,
            "store" => {
                let store = store.ok_or_else(|| missing("key security.store"))?;
                Kind::Store(StoreLink::new(Arc::clone(store), security.hashes_at_once))
            }
            "jwt" => match &security.jwt {
                JwtConfig { secret: None, keys, .. } if keys.is_empty() => {
                    return Err(missing("key security.jwt.keys or security.jwt.secret"));
                }
                jwt => Kind::Jwt(Box::new(Jwt::new(jwt)?)),
            },
            "certificate" => Kind::Certificate(Certificate::new(&security.certificate)),
            "webhook" if security.webhook.url.is_empty() => {
                return Err(missing("key security.webhook.url"));
            }
            "webhook" => Kind::Webhook(Box::new(Webhook::new(&security.webhook)?)),
            _ => match name.strip_prefix(SESSION) {
                Some(session) if !session.is_empty() => Kind::Session(session.to_owned()),
                _ => return Err(unknown(name)),
            },
        };
        Ok(Self { name: name.to_owned(), kind })
    }

    /// The same authenticator as `config` says now. The store is read again by itself, and hashes for its passwords are
    /// made so many at once as before.
    pub(super) fn renewed(link: &Arc<Self>, config: &Config) -> Result<Arc<Self>, ConfigError> {
        match &link.kind {
            Kind::Jwt(_) | Kind::Certificate(_) | Kind::Webhook(_) => {
                Ok(Arc::new(Self::new(&link.name, config, None)?))
            }
            _ => Ok(Arc::clone(link)),
        }
    }

    #[cfg(test)]
    pub(super) fn stub(name: &str, stub: Stub) -> Self {
        Self { name: name.to_owned(), kind: Kind::Stub(stub) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn ask(&self, shared: &Shared, applicant: &Applicant) -> Answer {
        match &self.kind {
            Kind::Dev => dev::ask(shared, applicant),
            Kind::Store(store) => store.ask(applicant).await,
            Kind::Jwt(jwt) => jwt.ask(applicant),
            Kind::Certificate(certificate) => certificate.ask(applicant),
            Kind::Webhook(webhook) => webhook.ask(applicant).await,
            Kind::Session(name) => {
                let limit = shared.config.load().security.session_timeout;
                session::ask(name, limit, shared, applicant).await
            }
            #[cfg(test)]
            Kind::Stub(stub) => stub(applicant).await,
        }
    }
}

fn unknown(name: &str) -> ConfigError {
    ConfigError::Invalid {
        key: "security.authenticators".to_owned(),
        problem: format!("names {name:?}, which is no authenticator here"),
        fix: "choose among \"store\", \"jwt\", \"certificate\", \"webhook\" and \"session:NAME\"; \
            \"dev\" is there in development mode alone"
            .to_owned(),
    }
}
