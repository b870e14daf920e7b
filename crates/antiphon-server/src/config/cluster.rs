//! What makes several servers one system. Opens nothing.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Config;
use crate::config::ConfigError;
use crate::config::check::invalid;
use crate::config::defaults;

/// The servers that this one belongs to. Table `[cluster]` of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Where other nodes connect, as `host:port`. Default: nowhere, and the server is alone.
    pub listen: Vec<String>,
    /// Nodes to begin with, as `host:port`; the others are learned from them. The node itself may be among them.
    pub seeds: Vec<String>,
    /// Nodes of another name are another cluster. Default `antiphon`.
    pub name: String,
    /// Where the node keeps its id; it is written if it does not exist. Default: nowhere, and each start draws a new one.
    pub node_file: Option<PathBuf>,
    /// The node's certificate, then those between it and its root. With it, `key` and `ca`, nodes speak TLS.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// The authority that signs the certificates of nodes, and of nobody else.
    pub ca: Option<PathBuf>,
    /// For how long a node may be silent before it counts as lost. The same on all nodes. Default `2s`.
    pub lease: Duration,
    /// For how long a node that starts and finds no other one looks for them, before it serves alone. Default `5s`.
    pub join_timeout: Duration,
    /// How long other nodes may take to say how many of their sessions match a filter. Default `1s`.
    pub gather: Duration,
    /// Bytes that may wait for one node. Default 32 MiB.
    pub mailbox: usize,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            seeds: Vec::new(),
            name: "antiphon".to_owned(),
            node_file: None,
            certificate: None,
            key: None,
            ca: None,
            lease: defaults::LEASE,
            join_timeout: defaults::JOIN_TIMEOUT,
            gather: defaults::GATHER,
            mailbox: defaults::LINK_MAILBOX,
        }
    }
}

impl ClusterConfig {
    /// Whether there are to be other nodes.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Whether nodes speak TLS to each other.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.certificate.is_some()
    }

    /// What makes no sense.
    pub(super) fn problems(config: &Config) -> Vec<Result<(), ConfigError>> {
        let cluster = &config.cluster;
        let mut outcomes = vec![
            cluster.check_name(),
            cluster.check_tls(),
            cluster.check_lease(),
            cluster.check_seeds(),
            cluster.check_mailbox(config.limits.maximum_message),
        ];
        for (key, addresses) in
            [("cluster.listen", &cluster.listen), ("cluster.seeds", &cluster.seeds)]
        {
            outcomes.extend(addresses.iter().map(|address| check_address(key, address)));
        }
        outcomes
    }

    /// It is a part of the keys under which nodes send to each other.
    fn check_name(&self) -> Result<(), ConfigError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !self.name.is_empty()
            && self.name.len() <= LONGEST_NAME
            && self.name.chars().all(is_plain)
        {
            return Ok(());
        }
        let fix = format!("choose at most {LONGEST_NAME} of the characters A-Z a-z 0-9 - _ .");
        Err(invalid("cluster.name", format!("is {:?}", self.name), fix))
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let given = [&self.certificate, &self.key, &self.ca];
        let names = ["cluster.certificate", "cluster.key", "cluster.ca"];
        let missing = given.iter().zip(names).find(|(file, _)| file.is_none());
        match missing {
            Some((_, name)) if given.iter().any(|file| file.is_some()) => {
                let fix =
                    "name all of cluster.certificate, cluster.key and cluster.ca, or none of them";
                Err(invalid(name, "is missing", fix))
            }
            _ => Ok(()),
        }
    }

    fn check_lease(&self) -> Result<(), ConfigError> {
        if self.lease >= SHORTEST_LEASE {
            return Ok(());
        }
        let problem = "is so short that a node which is only busy would count as lost";
        Err(invalid("cluster.lease", problem, "choose at least \"1s\""))
    }

    fn check_seeds(&self) -> Result<(), ConfigError> {
        if self.seeds.is_empty() || self.is_on() {
            return Ok(());
        }
        let fix = "say where other nodes can connect to this one, such as [\"0.0.0.0:7447\"]";
        Err(invalid("cluster.listen", "is missing, though there are cluster.seeds", fix))
    }

    fn check_mailbox(&self, maximum_message: usize) -> Result<(), ConfigError> {
        if self.mailbox >= 2 * maximum_message {
            return Ok(());
        }
        let problem = format!("is {} bytes, less than two of the largest messages", self.mailbox);
        let fix = format!("raise it to at least {}", 2 * maximum_message);
        Err(invalid("cluster.mailbox", problem, fix))
    }
}

fn check_address(key: &str, address: &str) -> Result<(), ConfigError> {
    let parts = address.rsplit_once(':');
    let is_host = |host: &str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name = inner.is_some() || !host.contains(':');
        let inner = inner.unwrap_or(host);
        is_name && !inner.is_empty() && inner.chars().all(is_inner)
    };
    if parts.is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok()) {
        return Ok(());
    }
    let fix =
        "write host and port, such as \"node-1.example:7447\", \"10.0.0.1:7447\" or \"[::1]:7447\"";
    Err(invalid(key, format!("has {address:?}"), fix))
}

/// Below it, machines that swap, migrate or are throttled lose their nodes for no reason.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_ports() {
        for address in ["node-1.example:7447", "10.0.0.1:1", "[::1]:7447", "[fe80::1]:0", "a_b:9"] {
            assert_eq!(check_address("cluster.listen", address), Ok(()), "{address}");
        }
        for address in
            ["", ":7447", "node", "node:", "node:70000", "::1:7447", "a/b:1", "a?x:1", "[]:1"]
        {
            assert!(check_address("cluster.listen", address).is_err(), "{address}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_its_key() {
        let key_of = |change: fn(&mut ClusterConfig)| {
            let mut config = Config::default();
            change(&mut config.cluster);
            let problems = ClusterConfig::problems(&config).into_iter().filter_map(Result::err);
            let key = |problem| match problem {
                ConfigError::Invalid { key, .. } => key,
                other => panic!("{other}"),
            };
            problems.map(key).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(key_of(|_| {}), none);
        assert_eq!(key_of(|cluster| cluster.name = "a/b".to_owned()), ["cluster.name"]);
        assert_eq!(key_of(|cluster| cluster.lease = Duration::from_millis(999)), ["cluster.lease"]);
        assert_eq!(key_of(|cluster| cluster.key = Some("k".into())), ["cluster.certificate"]);
        assert_eq!(key_of(|cluster| cluster.mailbox = 1 << 20), ["cluster.mailbox"]);
        assert_eq!(key_of(|cluster| cluster.seeds = vec!["a:1".to_owned()]), ["cluster.listen"]);
    }
}
