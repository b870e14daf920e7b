//! Table `[security]` as it stands in the file.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::RawDuration;
use super::duration;
use crate::config::AttemptsConfig;
use crate::config::CertificateConfig;
use crate::config::JwtConfig;
use crate::config::NameIn;
use crate::config::SecurityConfig;
use crate::config::WebhookConfig;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSecurity {
    store: Option<PathBuf>,
    authenticators: Option<Vec<String>>,
    hashes_at_once: Option<usize>,
    session_timeout: Option<RawDuration>,
    jwt: Option<RawJwt>,
    certificate: RawCertificate,
    webhook: Option<RawWebhook>,
    attempts: RawAttempts,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawJwt {
    keys: Vec<PathBuf>,
    secret: Option<PathBuf>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    leeway: Option<RawDuration>,
    require_expiry: Option<bool>,
    roles_claim: Option<String>,
    roles: BTreeSet<String>,
    properties: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawCertificate {
    principal: RawNameIn,
    roles: BTreeSet<String>,
    principals: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum RawNameIn {
    #[default]
    Cn,
    Dns,
    Email,
    Uri,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: String,
    secret: Option<PathBuf>,
    ca: Option<PathBuf>,
    timeout: Option<RawDuration>,
    at_once: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawAttempts {
    window: Option<RawDuration>,
    principal_and_address: Option<u32>,
    address: Option<u32>,
    principal: Option<u32>,
    delay: Option<RawDuration>,
}

impl RawSecurity {
    pub(super) fn complete(self, default: SecurityConfig) -> SecurityConfig {
        SecurityConfig {
            store: self.store,
            authenticators: self.authenticators,
            hashes_at_once: self.hashes_at_once.unwrap_or(default.hashes_at_once),
            session_timeout: duration(self.session_timeout, default.session_timeout),
            jwt: self.jwt.map(RawJwt::complete),
            certificate: self.certificate.complete(),
            webhook: self.webhook.map(RawWebhook::complete),
            attempts: self.attempts.complete(&default.attempts),
        }
    }
}

impl RawJwt {
    fn complete(self) -> JwtConfig {
        let default = JwtConfig::default();
        JwtConfig {
            keys: self.keys,
            secret: self.secret,
            issuers: self.issuers,
            audiences: self.audiences,
            leeway: duration(self.leeway, default.leeway),
            require_expiry: self.require_expiry.unwrap_or(default.require_expiry),
            roles_claim: self.roles_claim.unwrap_or(default.roles_claim),
            roles: self.roles,
            properties: self.properties,
        }
    }
}

impl RawCertificate {
    fn complete(self) -> CertificateConfig {
        let principal = match self.principal {
            RawNameIn::Cn => NameIn::CommonName,
            RawNameIn::Dns => NameIn::Dns,
            RawNameIn::Email => NameIn::Email,
            RawNameIn::Uri => NameIn::Uri,
        };
        CertificateConfig { principal, roles: self.roles, principals: self.principals }
    }
}

impl RawWebhook {
    fn complete(self) -> WebhookConfig {
        let default = WebhookConfig::default();
        WebhookConfig {
            url: self.url,
            secret: self.secret,
            ca: self.ca,
            timeout: duration(self.timeout, default.timeout),
            at_once: self.at_once.unwrap_or(default.at_once),
        }
    }
}

impl RawAttempts {
    fn complete(self, default: &AttemptsConfig) -> AttemptsConfig {
        AttemptsConfig {
            window: duration(self.window, default.window),
            principal_and_address: self
                .principal_and_address
                .unwrap_or(default.principal_and_address),
            address: self.address.unwrap_or(default.address),
            principal: self.principal.unwrap_or(default.principal),
            delay: duration(self.delay, default.delay),
        }
    }
}
