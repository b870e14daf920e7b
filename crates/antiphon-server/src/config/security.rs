//! Who is let in, as an operator sets it. Reads none of the files that it names.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::config::ConfigError;
use crate::config::check::invalid;

/// Who is let in. Table `[security]` of the file.
#[derive(Debug, Clone)]
pub struct SecurityConfig {
    /// The security store with principals and roles. Default: none.
    pub store: Option<PathBuf>,
    /// The authenticators, in the order in which they are asked: `store`, `jwt`, `certificate`, `webhook` and
    /// `session:NAME`. Default: `store` if there is one; in development mode what that brings.
    pub authenticators: Option<Vec<String>>,
    /// How many passwords are hashed at once. Default: half of the cores, at least 1.
    pub hashes_at_once: usize,
    /// How long a session that is an authenticator may take. Default `5s`.
    pub session_timeout: Duration,
    /// Tokens. Table `[security.jwt]`.
    pub jwt: JwtConfig,
    /// Certificates of clients. Table `[security.certificate]`.
    pub certificate: CertificateConfig,
    /// A service that is asked over HTTP. Table `[security.webhook]`.
    pub webhook: WebhookConfig,
    /// How often somebody may fail. Table `[security.attempts]`.
    pub attempts: AttemptsConfig,
}

/// Which JSON Web Tokens are believed, and what they say.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// Files with public keys in PEM, or JWK sets in JSON.
    pub keys: Vec<PathBuf>,
    /// A file with the secret of HS256.
    pub secret: Option<PathBuf>,
    /// Of whom a token must come; anybody's if empty.
    pub issuers: Vec<String>,
    /// For whom it must be. A token for somebody is refused if this is empty.
    pub audiences: Vec<String>,
    /// How far clocks may differ. Default `30s`.
    pub leeway: Duration,
    /// Whether a token must end some time. Default: yes.
    pub require_expiry: bool,
    /// The claim with the roles, a list or a text with blanks between; dots lead into objects. Default `roles`.
    pub roles_claim: String,
    /// Roles of everybody with a token.
    pub roles: BTreeSet<String>,
    /// Session properties and the claims that they come from.
    pub properties: BTreeMap<String, String>,
}

/// What certificates of clients say.
#[derive(Debug, Clone, Default)]
pub struct CertificateConfig {
    /// Where the principal stands. Default: in the common name.
    pub principal: NameIn,
    /// Roles of everybody with a certificate.
    pub roles: BTreeSet<String>,
    /// Roles of principals, besides.
    pub principals: BTreeMap<String, BTreeSet<String>>,
}

/// The place of a name in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameIn {
    /// `cn`: the common name of the subject.
    #[default]
    CommonName,
    /// `dns`: the first DNS name among the alternative names.
    Dns,
    /// `email`: the first e-mail address among them.
    Email,
    /// `uri`: the first URI among them.
    Uri,
}

/// A service that says who is let in.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// Where it is, `http` or `https`.
    pub url: String,
    /// A file with the bearer token that is sent to it.
    pub secret: Option<PathBuf>,
    /// A file with the certificates that it must be signed by, in PEM. Default: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// How long it may take. Default `2s`.
    pub timeout: Duration,
    /// How many questions it is asked at once; four times as many may wait. Default 64.
    pub at_once: usize,
}

/// How often somebody may fail to log in within `window`. 0 for any number.
#[derive(Debug, Clone)]
pub struct AttemptsConfig {
    /// After this time all is forgotten. Default `2m`.
    pub window: Duration,
    /// One principal from one address; then it is refused. Default 10.
    pub principal_and_address: u32,
    /// One address, whoever it says it is; then it is refused. Default 200.
    pub address: u32,
    /// One principal from anywhere; then it has to wait. Default 50.
    pub principal: u32,
    /// How long. Default `1s`.
    pub delay: Duration,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            store: None,
            authenticators: None,
            hashes_at_once: thread::available_parallelism().map_or(1, usize::from).div_ceil(2),
            session_timeout: Duration::from_secs(5),
            jwt: JwtConfig::default(),
            certificate: CertificateConfig::default(),
            webhook: WebhookConfig::default(),
            attempts: AttemptsConfig::default(),
        }
    }
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            secret: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            require_expiry: true,
            roles_claim: "roles".to_owned(),
            roles: BTreeSet::new(),
            properties: BTreeMap::new(),
        }
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret: None,
            ca: None,
            timeout: Duration::from_secs(2),
            at_once: 64,
        }
    }
}

impl Default for AttemptsConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(120),
            // People mistype; nobody guesses a password at five a minute.
            principal_and_address: 10,
            // A fleet behind one address may have some clients that are set up wrongly.
            address: 200,
            principal: 50,
            delay: Duration::from_secs(1),
        }
    }
}

impl SecurityConfig {
    /// The names of the authenticators, in order.
    pub(crate) fn chain(&self, dev: bool) -> Vec<String> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match &self.authenticators {
            Some(authenticators) => authenticators.clone(),
            // The first name is the one that examples of the SDKs register.
            None if dev => names(&["session:before-system-handler", "dev"]),
            None if self.store.is_some() => names(&["store"]),
            None => Vec::new(),
        }
    }

    /// The names under which sessions may register as authenticators.
    pub(crate) fn sessions(&self, dev: bool) -> BTreeSet<String> {
        let chain = self.chain(dev);
        chain.iter().filter_map(|name| name.strip_prefix(SESSION)).map(str::to_owned).collect()
    }

    pub(super) fn leeway(&self) -> Result<(), ConfigError> {
        let leeway = self.jwt.leeway;
        if leeway <= LONGEST_LEEWAY {
            return Ok(());
        }
        let fix = "choose at most \"1h\", and let the hosts agree on the time";
        Err(invalid("security.jwt.leeway", format!("is {leeway:?}"), fix))
    }
}

/// Begins the names of authenticators that are sessions.
pub(crate) const SESSION: &str = "session:";

const LONGEST_LEEWAY: Duration = Duration::from_secs(3600);
