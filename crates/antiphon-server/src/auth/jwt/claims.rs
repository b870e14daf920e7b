//! What a token says of its holder, once it is believed.

use std::sync::Arc;

use antiphon_broker::Roles;
use serde_json::Map;
use serde_json::Value;

use crate::auth::applicant::Admitted;
use crate::auth::jwt::leeway;
use crate::config::JwtConfig;

pub(super) struct Claims(pub(super) Map<String, Value>);

impl Claims {
    pub(super) fn subject(&self) -> Option<&str> {
        self.0.get("sub")?.as_str().filter(|subject| !subject.is_empty())
    }

    /// Everything but the principal.
    pub(super) fn admitted(&self, config: &JwtConfig) -> Admitted {
        let mut roles: Roles = config.roles.iter().map(|role| Arc::from(role.as_str())).collect();
        roles.extend(self.roles(&config.roles_claim));
        let properties = config.properties.iter().filter_map(|(key, claim)| {
            let value = self.claim(claim)?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some((key.clone(), text))
        });
        let late = u64::try_from(leeway(config).as_millis()).unwrap_or(u64::MAX);
        Admitted {
            roles,
            properties: properties.collect(),
            expires: self.expiry().map(|time| time.saturating_add(late)),
            ..Admitted::default()
        }
    }

    /// In milliseconds since 1970. Checked before to be a time.
    fn expiry(&self) -> Option<u64> {
        let time = self.0.get("exp")?;
        let seconds = time.as_u64().or_else(|| Some(time.as_f64()?.round() as u64))?;
        Some(seconds.saturating_mul(1_000))
    }

    fn roles(&self, claim: &str) -> Vec<Arc<str>> {
        match self.claim(claim) {
            Some(Value::Array(roles)) => {
                roles.iter().filter_map(Value::as_str).map(Arc::from).collect()
            }
            Some(Value::String(roles)) => roles.split_whitespace().map(Arc::from).collect(),
            _ => Vec::new(),
        }
    }

    /// The claim of this name, or else the one to which its dots lead.
    fn claim(&self, name: &str) -> Option<&Value> {
        self.0.get(name).or_else(|| {
            let mut parts = name.split('.');
            let first = self.0.get(parts.next()?)?;
            parts.try_fold(first, |value, part| value.get(part))
        })
    }
}
