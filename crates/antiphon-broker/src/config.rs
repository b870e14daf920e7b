//! What a broker is told: who it is, what it allows, and every bound.

use std::collections::BTreeSet;
use std::time::Duration;

use antiphon_wire::ids::NodeId;
use antiphon_wire::path::Path;
use antiphon_wire::recovery::Bounds;
use foldhash::HashMap;
use foldhash::HashMapExt;

use crate::access::Principals;
use crate::access::Security;
use crate::filter;
use crate::properties;
use crate::rate::Rate;

/// The configuration of a broker.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The node: the server part of every session id that it allots; below 2^63.
    pub node: NodeId,
    /// The value of `$ServerName`.
    pub server_name: String,
    /// The period of system pings; zero for no pings at all.
    pub ping_period: Duration,
    /// How long a handler may take, where no [`PathRule`] says otherwise.
    pub request_timeout: Duration,
    /// How one of several equal handlers is chosen, where no [`PathRule`] says otherwise.
    pub choice: Choice,
    /// Exceptions for branches of the path hierarchy.
    pub paths: Vec<PathRule>,
    /// Who may do what, to begin with.
    pub security: Security,
    /// Who is known, to begin with.
    pub principals: Principals,
    /// The names under which sessions may register as authenticators.
    pub authenticators: BTreeSet<String>,
    /// How sessions are kept that lose their connection.
    pub recovery: Recovery,
    /// When a client that says nothing is taken for gone.
    pub liveness: Liveness,
    /// Whether events are noted in the outbox, for an audit log.
    pub notes: bool,
    /// The bounds.
    pub limits: Limits,
    /// How it gets on with other nodes, if there are any.
    pub nodes: Nodes,
}

/// How nodes get on with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    /// The version of the software, for people.
    pub version: String,
    /// How long other nodes may take to say which of their sessions match a filter.
    pub gather: Duration,
    /// Bytes that may wait for one node. Requests beyond it are refused as overload; a node that lets answers pile up to
    /// twice as much loses its link.
    pub mailbox: usize,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            version: String::new(),
            // A thousand times what it takes, and as long as anybody likes to wait for a count.
            gather: Duration::from_secs(1),
            // What a fast link carries in a third of a second.
            mailbox: 32 << 20,
        }
    }
}

/// When a client that says nothing is taken for gone. Without pings none is, since nobody asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// For how many ping periods a client may be silent.
    pub missed_pings: u32,
    /// For how long a client may be silent that has requests to answer, if it is one that answers pings meanwhile; zero
    /// for as long as others. It is asked after a third of it.
    pub handler_timeout: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            // One lost ping must not matter, and a client may be busy when the next one comes.
            missed_pings: 3,
            // Half as long again as a request may take by default: one slow answer is not the end.
            handler_timeout: Duration::from_secs(15),
        }
    }
}

/// How a session is kept that has lost its connection, if its client wants that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// For how long at most; zero for not at all. A client may ask for less.
    pub keep_for: Duration,
    /// How many messages that the client may not have received are kept.
    pub messages: usize,
    /// Their bytes in all.
    pub bytes: usize,
}

impl Recovery {
    pub(crate) fn bounds(self) -> Bounds {
        Bounds { messages: self.messages, bytes: self.bytes }
    }
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            // What the JavaScript SDK asks for unless told otherwise.
            keep_for: Duration::from_secs(60),
            // More than a connection has on its way, so that a session that comes back at once misses nothing.
            messages: 16_384,
            bytes: 2 << 20,
        }
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            node: NodeId(1),
            server_name: "antiphon".to_owned(),
            // Half of the minute after which common NAT routers forget a silent connection.
            ping_period: Duration::from_secs(30),
            // No SDK has a timeout of its own; people who wait give up at about this time.
            request_timeout: Duration::from_secs(10),
            choice: Choice::LeastInFlight,
            paths: Vec::new(),
            security: Security::stock(),
            principals: Principals::default(),
            authenticators: BTreeSet::new(),
            recovery: Recovery::default(),
            liveness: Liveness::default(),
            notes: false,
            limits: Limits::default(),
            nodes: Nodes::default(),
        }
    }
}

/// Every bound of the broker. Those of the protocol itself stand with what they bound.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open sessions.
    pub sessions: usize,
    /// Bytes of one message, either way; announced to clients.
    pub message: usize,
    /// Open sessions of one principal, but of the anonymous one; zero for any number.
    pub sessions_per_principal: usize,
    /// Bytes that may wait for one session. Requests beyond it are refused as overload; a session that lets answers
    /// pile up to twice as much is ended.
    pub mailbox: usize,
    /// Messages that may wait for one session, likewise.
    pub mailbox_messages: usize,
    /// Requests that one session may have to answer at a time.
    pub requests_per_handler: u32,
    /// Requests whose answers one session may await at a time. One request to a filter may go beyond it.
    pub requests_per_sender: u32,
    /// How fast one session may ask.
    pub rate: Rate,
    /// Handlers that one session may have registered.
    pub handlers_per_session: usize,
    /// Session listeners that one session may have registered.
    pub listeners_per_session: usize,
    /// Locks that one session may hold or wait for.
    pub locks_per_session: usize,
    /// What a session filter may be like.
    pub filter: filter::Bounds,
    /// What properties users may give to a session.
    pub properties: properties::Bounds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // At about 3 KiB for an idle session these take 300 MiB. The limit on open files is usually met before.
            sessions: 100_000,
            // Far above a request, far below what hurts when many sessions send one at once.
            message: 1 << 20,
            // Whole fleets log in under one name.
            sessions_per_principal: 0,
            // Eight of the largest messages.
            mailbox: 8 << 20,
            // Some four times what one session may be asked; and one filter request to all sessions has its outcomes.
            mailbox_messages: 65_536,
            // A handler that is this far behind will not answer in time.
            requests_per_handler: 16_384,
            // As much as one handler takes.
            requests_per_sender: 16_384,
            rate: Rate::default(),
            handlers_per_session: 100_000,
            listeners_per_session: 16,
            locks_per_session: 1_024,
            filter: filter::Bounds::default(),
            properties: properties::Bounds::default(),
        }
    }
}

/// How one of several handlers on the same path is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The one with the fewest requests in flight; ties in rotation.
    #[default]
    LeastInFlight,
    /// Each in turn.
    RoundRobin,
    /// The one that this sender had before; the first time as [`Choice::LeastInFlight`].
    Sticky,
}

/// An exception for a path and all below it; the most specific one that says something counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    /// The top of the branch, without leading and trailing slashes.
    pub path: String,
    /// How long a handler may take for a request to such a path.
    pub timeout: Option<Duration>,
    /// How to choose among handlers registered on such a path.
    pub choice: Option<Choice>,
}

/// What stays as it is for as long as the broker runs.
pub(crate) struct Fixed {
    pub(crate) node: NodeId,
    pub(crate) server_name: String,
    pub(crate) ping_period: Duration,
    pub(crate) authenticators: BTreeSet<String>,
    pub(crate) notes: bool,
    pub(crate) version: String,
}

impl Fixed {
    pub(crate) fn new(config: BrokerConfig) -> Self {
        let BrokerConfig { node, server_name, ping_period, authenticators, notes, .. } = config;
        let version = config.nodes.version;
        Self { node, server_name, ping_period, authenticators, notes, version }
    }
}

/// What can change while the broker runs, all of it at once.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) rules: PathRules,
    pub(crate) limits: Limits,
    /// Those of links to other nodes.
    pub(crate) link_limits: Limits,
    /// See [`Nodes::gather`].
    pub(crate) gather: Duration,
    pub(crate) recovery: Recovery,
}

impl Policy {
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        Self {
            rules: PathRules::new(config),
            limits: config.limits.clone(),
            link_limits: Limits {
                mailbox: config.nodes.mailbox,
                mailbox_messages: usize::MAX / 2,
                requests_per_handler: u32::MAX,
                ..config.limits.clone()
            },
            gather: config.nodes.gather,
            recovery: config.recovery,
        }
    }
}

/// The rules of all paths, for lookup.
#[derive(Debug)]
pub(crate) struct PathRules {
    by_path: HashMap<String, PathRule>,
    timeout: Duration,
    choice: Choice,
}

impl PathRules {
    fn new(config: &BrokerConfig) -> Self {
        let mut by_path = HashMap::with_capacity(config.paths.len());
        for rule in &config.paths {
            by_path.insert(rule.path.trim_matches('/').to_owned(), rule.clone());
        }
        Self { by_path, timeout: config.request_timeout, choice: config.choice }
    }

    pub(crate) fn timeout(&self, path: Path<'_>) -> Duration {
        self.most_specific(path, |rule| rule.timeout).unwrap_or(self.timeout)
    }

    pub(crate) fn choice(&self, path: Path<'_>) -> Choice {
        self.most_specific(path, |rule| rule.choice).unwrap_or(self.choice)
    }

    fn most_specific<T>(&self, path: Path<'_>, says: impl Fn(&PathRule) -> Option<T>) -> Option<T> {
        if self.by_path.is_empty() {
            return None;
        }
        path.upwards().find_map(|branch| self.by_path.get(branch).and_then(&says))
    }
}
