//! What the types of the fields leave open: which values make no sense, alone or together. Opens nothing.

use std::ops::RangeInclusive;
use std::time::Duration;

use antiphon_broker::PathRule;
use antiphon_broker::filter::MAX_DEPTH;
use antiphon_broker::properties::MAX_VALUE_BYTES;

use crate::config::ClusterConfig;
use crate::config::Config;
use crate::config::ConfigError;
use crate::config::Limits;
use crate::config::listener;

/// Everything that makes no sense.
pub(super) fn problems(config: &Config) -> Vec<ConfigError> {
    let limits = &config.limits;
    let mut outcomes = vec![
        listener::check_any(&config.listeners),
        config.http.check(),
        at_least_one("threads", config.threads),
        at_least_one("limits.sessions", limits.sessions),
        at_least_one("limits.handshakes", limits.handshakes),
        at_least_one("limits.connections", limits.connections),
        at_least_one("limits.connections_per_address", limits.connections_per_address),
        at_least_one("limits.handshakes_per_address", limits.handshakes_per_address),
        at_least_one("limits.connects_per_address", limits.connects_per_address),
        at_least_one("limits.request_target", limits.request_target),
        at_least_one("limits.request_headers", limits.request_headers),
        at_least_one("limits.requests_per_handler", limits.requests_per_handler as usize),
        at_least_one("limits.requests_per_sender", limits.requests_per_sender as usize),
        at_least_one("limits.mailbox_messages", limits.mailbox_messages),
        at_least_one("limits.request_burst", limits.request_burst as usize),
        at_least_one("limits.handlers_per_session", limits.handlers_per_session),
        at_least_one("limits.listeners_per_session", limits.listeners_per_session),
        at_least_one("limits.locks_per_session", limits.locks_per_session),
        at_least_one("limits.filter_length", limits.filter_length),
        at_least_one("limits.properties_per_session", limits.properties_per_session),
        within("limits.filter_depth", limits.filter_depth, 1..=MAX_DEPTH),
        within("limits.property_size", limits.property_size, 1..=MAX_VALUE_BYTES),
        some_time("limits.handshake_timeout", limits.handshake_timeout),
        some_time("request_timeout", config.request_timeout),
        at_least_one("liveness.missed_pings", config.liveness.missed_pings as usize),
        some_time("liveness.tcp_interval", config.liveness.tcp_interval),
        at_least_one("liveness.tcp_probes", config.liveness.tcp_probes as usize),
        at_least_one("drain.rate", config.drain.rate as usize),
        at_least_one("security.hashes_at_once", config.security.hashes_at_once),
        some_time("security.session_timeout", config.security.session_timeout),
        some_time("security.attempts.window", config.security.attempts.window),
        some_time("security.webhook.timeout", config.security.webhook.timeout),
        at_least_one("security.webhook.at_once", config.security.webhook.at_once),
        config.security.leeway(),
        message_size(limits),
        mailbox_size(limits),
        head_size(limits),
    ];
    outcomes.extend(ClusterConfig::problems(config));
    let listeners = config.listeners.iter().enumerate();
    outcomes.extend(listeners.map(|(index, listener)| listener.check(index)));
    outcomes.extend((0..config.paths.len()).map(|index| check_rule(&config.paths, index)));
    outcomes.into_iter().filter_map(Result::err).collect()
}

/// A value that makes no sense.
pub(super) fn invalid(
    key: impl Into<String>,
    problem: impl Into<String>,
    fix: impl Into<String>,
) -> ConfigError {
    ConfigError::Invalid { key: key.into(), problem: problem.into(), fix: fix.into() }
}

fn message_size(limits: &Limits) -> Result<(), ConfigError> {
    if MESSAGE_SIZES.contains(&limits.maximum_message) {
        return Ok(());
    }
    let problem = format!("is {} bytes", limits.maximum_message);
    let fix = format!("choose between {} and {}", MESSAGE_SIZES.start(), MESSAGE_SIZES.end());
    Err(invalid("limits.maximum_message", problem, fix))
}

fn mailbox_size(limits: &Limits) -> Result<(), ConfigError> {
    if limits.mailbox >= limits.maximum_message {
        return Ok(());
    }
    let problem = format!("is {} bytes, less than the largest message", limits.mailbox);
    let fix = format!("raise it to at least limits.maximum_message, {}", limits.maximum_message);
    Err(invalid("limits.mailbox", problem, fix))
}

fn head_size(limits: &Limits) -> Result<(), ConfigError> {
    if HEAD_SIZES.contains(&limits.request_head) {
        return Ok(());
    }
    let problem = format!("is {} bytes", limits.request_head);
    let fix = format!("choose between {} and {}", HEAD_SIZES.start(), HEAD_SIZES.end());
    Err(invalid("limits.request_head", problem, fix))
}

fn within(key: &str, value: usize, range: RangeInclusive<usize>) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let fix = format!("choose between {} and {}", range.start(), range.end());
    Err(invalid(key, format!("is {value}"), fix))
}

fn at_least_one(key: &str, value: usize) -> Result<(), ConfigError> {
    if value > 0 {
        return Ok(());
    }
    Err(invalid(key, "is 0", "choose at least 1, or leave the key out for its default"))
}

fn some_time(key: &str, value: Duration) -> Result<(), ConfigError> {
    if !value.is_zero() {
        return Ok(());
    }
    let fix = "write a duration such as \"10s\", or leave the key out for its default";
    Err(invalid(key, "allows no time at all", fix))
}

fn check_rule(rules: &[PathRule], index: usize) -> Result<(), ConfigError> {
    let rule = &rules[index];
    let key = format!("path.{index}.path");
    let path = antiphon_wire::path::Path::parse(&rule.path);
    if let Err(problem) = path {
        let problem = format!("{:?} is illegal: {problem}", rule.path);
        let fix = "write segments separated by single slashes, such as \"orders/eu\"";
        return Err(invalid(key, problem, fix));
    }
    let same = |other: &PathRule| antiphon_wire::path::Path::parse(&other.path) == path;
    if rules[..index].iter().any(same) {
        let problem = format!("{:?} has more than one [[path]] table", rule.path);
        return Err(invalid(key, problem, "put timeout and choice into one"));
    }
    rule.timeout.map_or(Ok(()), |timeout| some_time(&format!("path.{index}.timeout"), timeout))
}

/// The connection response announces the size in 31 usable bits; below a kilobyte not even a login fits.
const MESSAGE_SIZES: RangeInclusive<usize> = 1024..=i32::MAX as usize;

/// No browser gets along with less, and no SDK needs more.
const HEAD_SIZES: RangeInclusive<usize> = 8 << 10..=1 << 20;
