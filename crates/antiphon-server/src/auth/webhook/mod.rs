//! A service that is asked over HTTP who is let in. If it cannot be asked, or its answer cannot be read, nobody is.
//!
//! ```text
//! POST  {"principal": "bob", "credentials": {"password": "..."}, "properties": {...}, "address": "10.0.0.1"}
//! 200   {"decision": "allow", "roles": ["CLIENT"], "properties": {"Department": "sales"}}
//! ```

mod client;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use tokio::time::timeout;

use crate::auth::applicant::Admitted;
use crate::auth::applicant::Answer;
use crate::auth::applicant::Applicant;
use crate::auth::applicant::Proof;
use crate::auth::gate::Gate;
use crate::auth::webhook::client::Client;
use crate::config::ConfigError;
use crate::config::WebhookConfig;

pub(super) struct Webhook {
    client: Client,
    gate: Gate,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Reply {
    decision: Decision,
    /// If it is another than was asked for.
    principal: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    /// When the session ends, in milliseconds since 1970.
    expires: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Allow,
    Deny,
    Abstain,
}

impl Webhook {
    /// Reads the secret and the certificates. Connects to nobody.
    ///
    /// # Errors
    /// What of the configuration cannot be used.
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(config)?,
            gate: Gate::new(config.at_once, WAITING_FOR_EACH * config.at_once),
            timeout: config.timeout,
        })
    }

    pub(super) async fn ask(&self, applicant: &Applicant) -> Answer {
        let question = Bytes::from(question(applicant).to_string());
        let asked = timeout(self.timeout, async {
            let _pass = self.gate.enter().await.map_err(|busy| busy.to_string())?;
            self.client.post(question).await.map_err(|failure| failure.to_string())
        });
        match asked.await {
            Ok(Ok(reply)) => read(&applicant.principal, &reply),
            Ok(Err(why)) => Answer::Fail(why),
            Err(_) => Answer::Fail(format!("no answer within {:?}", self.timeout)),
        }
    }
}

fn question(applicant: &Applicant) -> Value {
    let credentials = match &applicant.proof {
        Proof::None => Value::Null,
        Proof::Password(password) => json!({ "password": password }),
        Proof::Custom(bytes) => json!({ "custom": STANDARD.encode(bytes) }),
    };
    let proposed: BTreeMap<_, _> =
        applicant.proposed.iter().map(|(key, value)| (key, value)).collect();
    json!({
        "principal": applicant.principal,
        "credentials": credentials,
        "properties": proposed,
        "address": applicant.client.to_string(),
        "session": applicant.session.map(|session| session.to_string()),
    })
}

fn read(principal: &str, reply: &[u8]) -> Answer {
    // What serde says may repeat what it read.
    let Ok(reply) = serde_json::from_slice::<Reply>(reply) else {
        return Answer::Fail("the answer is not JSON with a decision".to_owned());
    };
    match reply.decision {
        Decision::Deny => Answer::Deny("the service refuses it".to_owned()),
        Decision::Abstain => Answer::Abstain,
        Decision::Allow => Answer::Allow(Admitted {
            principal: reply.principal.unwrap_or_else(|| principal.to_owned()),
            roles: reply.roles.into_iter().map(Arc::from).collect(),
            properties: reply.properties.into_iter().collect(),
            expires: reply.expires,
            only_given: false,
        }),
    }
}

const WAITING_FOR_EACH: usize = 4;
