//! The configuration as it stands in a TOML file: every key optional, nothing checked beyond its type.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use antiphon_broker::Choice;
use antiphon_broker::PathRule;
use antiphon_broker::Recovery;
use serde::Deserialize;
use serde::Deserializer;
use serde::de;

use crate::config::Config;
use crate::config::ConfigError;
use crate::config::Limits;
use crate::config::ListenerConfig;

/// The whole file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    listener: Vec<RawListener>,
    server_name: Option<String>,
    threads: Option<usize>,
    dev: Option<bool>,
    ping_period: Option<RawDuration>,
    request_timeout: Option<RawDuration>,
    choice: Option<RawChoice>,
    recovery: RawRecovery,
    limits: RawLimits,
    path: Vec<RawPathRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawListener {
    address: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    maximum_message: Option<usize>,
    mailbox: Option<usize>,
    sessions: Option<usize>,
    handshakes: Option<usize>,
    requests_per_handler: Option<u32>,
    requests_per_sender: Option<u32>,
    handshake_timeout: Option<RawDuration>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawRecovery {
    keep_for: Option<RawDuration>,
    messages: Option<usize>,
    bytes: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPathRule {
    path: String,
    timeout: Option<RawDuration>,
    choice: Option<RawChoice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawChoice {
    LeastInFlight,
    RoundRobin,
    Sticky,
}

/// A number and a unit, such as `10s`.
struct RawDuration(Duration);

impl RawConfig {
    /// Puts a default wherever a key is missing.
    pub(super) fn complete(self) -> Result<Config, ConfigError> {
        let default = Config::default();
        let listeners = if self.listener.is_empty() {
            default.listeners
        } else {
            self.listener.into_iter().map(RawListener::complete).collect::<Result<_, _>>()?
        };
        Ok(Config {
            listeners,
            server_name: self.server_name.unwrap_or(default.server_name),
            threads: self.threads.unwrap_or(default.threads),
            dev: self.dev.unwrap_or(default.dev),
            ping_period: duration(self.ping_period, default.ping_period),
            request_timeout: duration(self.request_timeout, default.request_timeout),
            choice: self.choice.map_or(default.choice, Choice::from),
            recovery: self.recovery.complete(default.recovery),
            limits: self.limits.complete(&default.limits),
            paths: self.path.into_iter().map(PathRule::from).collect(),
        })
    }
}

impl RawListener {
    fn complete(self) -> Result<ListenerConfig, ConfigError> {
        Ok(ListenerConfig { address: address(&self.address)? })
    }
}

impl RawLimits {
    fn complete(self, default: &Limits) -> Limits {
        Limits {
            maximum_message: self.maximum_message.unwrap_or(default.maximum_message),
            mailbox: self.mailbox.unwrap_or(default.mailbox),
            sessions: self.sessions.unwrap_or(default.sessions),
            handshakes: self.handshakes.unwrap_or(default.handshakes),
            requests_per_handler: self.requests_per_handler.unwrap_or(default.requests_per_handler),
            requests_per_sender: self.requests_per_sender.unwrap_or(default.requests_per_sender),
            handshake_timeout: duration(self.handshake_timeout, default.handshake_timeout),
        }
    }
}

impl RawRecovery {
    fn complete(self, default: Recovery) -> Recovery {
        Recovery {
            keep_for: duration(self.keep_for, default.keep_for),
            messages: self.messages.unwrap_or(default.messages),
            bytes: self.bytes.unwrap_or(default.bytes),
        }
    }
}

impl From<RawPathRule> for PathRule {
    fn from(rule: RawPathRule) -> Self {
        Self {
            path: rule.path,
            timeout: rule.timeout.map(|RawDuration(timeout)| timeout),
            choice: rule.choice.map(Choice::from),
        }
    }
}

impl From<RawChoice> for Choice {
    fn from(choice: RawChoice) -> Self {
        match choice {
            RawChoice::LeastInFlight => Self::LeastInFlight,
            RawChoice::RoundRobin => Self::RoundRobin,
            RawChoice::Sticky => Self::Sticky,
        }
    }
}

impl<'de> Deserialize<'de> for RawDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = RawDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"300ms\", \"10s\", \"2m\" or \"1h\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawDuration, E> {
        parse_duration(text)
            .map(RawDuration)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit_start = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_start);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_millis(number.checked_mul(milliseconds)?))
}

fn address(text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::Invalid {
        key: "listener.address".to_owned(),
        problem: format!("is {text:?}, which is not an address and a port"),
        fix: "write one like \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::1]:8080\"".to_owned(),
    })
}

fn duration(given: Option<RawDuration>, default: Duration) -> Duration {
    given.map_or(default, |RawDuration(given)| given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, milliseconds) in
            [("300ms", 300), ("10s", 10_000), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "1d", "18446744073709551615h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
