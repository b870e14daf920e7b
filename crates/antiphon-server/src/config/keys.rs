//! The one table of all keys. From it come the syntax of the file, the names in the environment, `antiphon config
//! default` and `print`, the table of docs/configuration.md, and what a reload may change. A new key is a field of
//! [`Config`] with its default, and one line here.

use crate::config::Config;
use crate::config::ListenerConfig;
use crate::config::layers::names;
use crate::config::setting::Given;
use crate::config::setting::Setting;
use antiphon_broker::PathRule;

/// A key of the configuration: one value, or that value of each entry of a list.
pub struct Key {
    name: &'static str,
    about: &'static str,
    live: bool,
    list: Option<&'static str>,
    default: Option<&'static str>,
    example: Option<&'static str>,
    pub(super) expected: fn() -> String,
    pub(super) set: fn(&mut Config, usize, &Given<'_>) -> bool,
    pub(super) get: fn(&Config, usize) -> Option<String>,
    /// Takes the value over from another configuration, of one entry if it is that of a list.
    copy: fn((&mut Config, usize), (&Config, usize)),
}

/// A list of tables, such as `[[path]]`.
pub(super) struct List {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The key without which an entry means nothing.
    pub(super) required: &'static str,
    pub(super) clear: fn(&mut Config),
    pub(super) grow: fn(&mut Config),
    pub(super) len: fn(&Config) -> usize,
    pub(super) copy: fn(&mut Config, &Config),
}

impl Key {
    /// The name with its table: `limits.sessions`, or `path.timeout` for that key of each `[[path]]`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it means.
    #[must_use]
    pub const fn about(&self) -> &'static str {
        self.about
    }

    /// Whether a reload changes it; otherwise it needs a restart.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.live
    }

    /// The list of tables whose entries have it.
    #[must_use]
    pub const fn list(&self) -> Option<&'static str> {
        self.list
    }

    /// The environment variable that sets it; for that of a list's entry with `0`, the number of the first.
    #[must_use]
    pub fn variable(&self) -> String {
        match self.list {
            Some(list) => variable(&format!("{list}.0{}", &self.name[list.len()..])),
            None => variable(self.name),
        }
    }

    /// The default in words, if it is not the same everywhere, or if there is no value.
    #[must_use]
    pub const fn default_in_words(&self) -> Option<&'static str> {
        self.default
    }

    /// A value in TOML that it could have.
    #[must_use]
    pub const fn example(&self) -> Option<&'static str> {
        self.example
    }

    /// Its value, or those of all entries.
    pub(super) fn values(&self, config: &Config) -> Vec<Option<String>> {
        names(self, config).into_iter().map(|(_, index)| (self.get)(config, index)).collect()
    }

    /// Takes over what may change from a new configuration. Entries of a list that has keys which need a restart stay where
    /// they are; those are the same that have the same key by which they are known.
    pub(super) fn take_over(&self, config: &mut Config, new: &Config) {
        let Some(list) = LISTS.iter().find(|list| self.list == Some(list.name)) else {
            return (self.copy)((config, 0), (new, 0));
        };
        if KEYS.iter().filter(|key| key.list == self.list).all(|key| key.live) {
            return (list.copy)(config, new);
        }
        let Some(known_by) = KEYS.iter().find(|key| key.name == list.required) else { return };
        let names = |config: &Config| -> Vec<_> {
            (0..(list.len)(config)).map(|index| (known_by.get)(config, index)).collect()
        };
        let (old, names) = (names(config), names(new));
        for (index, name) in old.iter().enumerate() {
            // The second of two that are called the same is the second in the new configuration too.
            let earlier = old[..index].iter().filter(|other| *other == name).count();
            let mut same = names.iter().enumerate().filter(|(_, other)| *other == name);
            if let Some((place, _)) = same.nth(earlier) {
                (self.copy)((config, index), (new, place));
            }
        }
    }

    /// Whether a reload takes it over from the new configuration.
    const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    const fn of(mut self, list: &'static str) -> Self {
        self.list = Some(list);
        self
    }

    const fn default_is(mut self, words: &'static str) -> Self {
        self.default = Some(words);
        self
    }

    const fn such_as(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }
}

/// The environment variable of a key with all its parts.
pub(super) fn variable(name: &str) -> String {
    format!("ANTIPHON_{}", name.replace('.', "_").to_ascii_uppercase())
}

/// A key is named as its field of [`Config`].
macro_rules! key {
    ($first:ident $(. $rest:ident)*, $about:literal) => {
        Key {
            name: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            about: $about,
            live: false,
            list: None,
            default: None,
            example: None,
            expected: || expected(|config: &Config| &config.$first $(. $rest)*),
            set: |config, _, given| put(&mut config.$first $(. $rest)*, given),
            get: |config, _| config.$first $(. $rest)*.show(),
            copy: |(config, _), (from, _)| config.$first $(. $rest)*.clone_from(&from.$first $(. $rest)*),
        }
    };
}

/// A key of each entry of a list: the list's name in the file, its field of [`Config`], and the field of an entry.
macro_rules! entry {
    ($list:ident as $field:ident . $key:ident, $about:literal) => {
        Key {
            name: concat!(stringify!($list), ".", stringify!($key)),
            expected: || expected(|config: &Config| &config.$field[0].$key),
            set: |config, index, given| put(&mut config.$field[index].$key, given),
            get: |config, index| config.$field[index].$key.show(),
            copy: |(config, index), (from, other)| {
                config.$field[index].$key.clone_from(&from.$field[other].$key);
            },
            ..key!(server_name, $about).of(stringify!($list))
        }
    };
}

macro_rules! list {
    ($list:ident as $field:ident of $entry:expr, $required:literal, $about:literal) => {
        List {
            name: stringify!($list),
            about: $about,
            required: concat!(stringify!($list), ".", $required),
            clear: |config| config.$field.clear(),
            grow: |config| config.$field.push($entry),
            len: |config| config.$field.len(),
            copy: |config, from| config.$field.clone_from(&from.$field),
        }
    };
}

/// All keys, those of a table together, in the order in which people read them.
pub(super) static KEYS: &[Key] = &[
    key!(server_name, "property `$ServerName` of every session").default_is("the host's name").such_as("\"tills-eu-1\""),
    key!(threads, "threads that serve sockets").default_is("half of the cores, at least 2").such_as("4"),
    key!(dev, "development mode: principals with well-known passwords, for trying things out"),
    key!(ping_period, "announced to clients and kept; `0s` for no pings"),
    key!(request_timeout, "how long a handler may take").live(),
    key!(choice, "which of several equal handlers gets a request: `least-in-flight`, `round-robin` or `sticky`").live(),
    key!(log.level, "what is logged: `error`, `warn`, `info`, `debug`, `trace`, or such a level for a part as in `info,antiphon_server=debug`").live(),
    key!(log.format, "`text` for people or `json` for programs").default_is("`text` on a terminal, else `json`").such_as("\"json\""),
    key!(recovery.keep_for, "how long a session may stay away that loses its connection; `0s`: it ends with it").live(),
    key!(recovery.messages, "messages kept for one session until it is known to have them").live(),
    key!(recovery.bytes, "and their bytes").live(),
    key!(liveness.missed_pings, "for how many ping periods a client may be silent"),
    key!(liveness.handler_timeout, "for how long it may be silent while it has requests to answer; `0s`: as long as others"),
    key!(liveness.tcp_user_timeout, "for how long its host may leave bytes unacknowledged; `0s` for as long as the system lets it").live(),
    key!(liveness.tcp_idle, "after how much silence its host is asked whether the connection is there; `0s` for never").live(),
    key!(liveness.tcp_interval, "how soon it is asked again").live(),
    key!(liveness.tcp_probes, "how often in vain before the connection is lost").live(),
    key!(drain.timeout, "how long requests that are under way may take, and sessions to leave").live(),
    key!(drain.rate, "how many sessions leave in a second; more if they would not all have left after half of the time").live(),
    key!(security.store, "the security store with principals and roles, see security.md").default_is("none").such_as("\"security.toml\""),
    key!(security.authenticators, "who decides about clients, in this order, see authentication.md: `store`, `jwt`, `certificate`, `webhook`, `session:NAME`").default_is("`store` if there is one").such_as("[\"store\", \"jwt\"]"),
    key!(security.hashes_at_once, "passwords that are hashed at the same time").default_is("half of the cores, at least 1").such_as("2"),
    key!(security.session_timeout, "how long a session that is an authenticator may take").live(),
    key!(security.jwt.keys, "files with public keys in PEM, or JWK sets in JSON").live(),
    key!(security.jwt.secret, "a file with the secret of HS256").default_is("none").such_as("\"jwt.secret\"").live(),
    key!(security.jwt.issuers, "of whom a token must come; empty for anybody").live(),
    key!(security.jwt.audiences, "for whom it must be; empty: for nobody in particular").live(),
    key!(security.jwt.leeway, "how far clocks may differ").live(),
    key!(security.jwt.require_expiry, "whether a token must end some time").live(),
    key!(security.jwt.roles_claim, "the claim with the roles, a list or a text with blanks between; dots lead into objects").live(),
    key!(security.jwt.roles, "roles of everybody with a token").live(),
    key!(security.jwt.properties, "session properties and the claims that they come from").live(),
    key!(security.certificate.principal, "where a client certificate has the principal: `cn`, `dns`, `email` or `uri`").live(),
    key!(security.certificate.roles, "roles of everybody with a certificate").live(),
    key!(security.certificate.principals, "roles of principals, besides").live(),
    key!(security.webhook.url, "the service that is asked, `http` or `https`").default_is("none").such_as("\"https://login.example/antiphon\"").live(),
    key!(security.webhook.secret, "a file with the bearer token that is sent to it").default_is("none").such_as("\"webhook.token\"").live(),
    key!(security.webhook.ca, "a file with the certificates that it must be signed by").default_is("those that the system trusts").such_as("\"login-ca.pem\"").live(),
    key!(security.webhook.timeout, "how long it may take").live(),
    key!(security.webhook.at_once, "questions that it is asked at once; four times as many may wait").live(),
    key!(security.attempts.window, "after which time failed attempts are forgotten").live(),
    key!(security.attempts.principal_and_address, "failed attempts of one principal from one address before it is refused; 0 for any number").live(),
    key!(security.attempts.address, "failed attempts of one address before it is refused; 0 for any number").live(),
    key!(security.attempts.principal, "failed attempts of one principal before it has to wait; 0 for any number").live(),
    key!(security.attempts.delay, "how long it has to wait").live(),
    key!(http.origins, "web pages that may connect: `any`, `same` for those of the host that they connect to, or a list such as `[\"https://app.example\"]`").live(),
    key!(operations.listen, "where operators ask, see operations.md: health, metrics; `off` for nowhere"),
    key!(audit.file, "where the audit log is appended to").default_is("none").such_as("\"audit.log\""),
    key!(cluster.listen, "where other nodes connect, see cluster.md; empty: this server is alone").such_as("[\"0.0.0.0:7447\"]"),
    key!(cluster.seeds, "nodes to begin with, as host and port; the others are learned from them").such_as("[\"node-1.example:7447\", \"node-2.example:7447\"]"),
    key!(cluster.name, "nodes of another name are another cluster"),
    key!(cluster.node_file, "where the node keeps its id, the first half of its session ids").default_is("none: a new id at each start").such_as("\"node.id\""),
    key!(cluster.certificate, "with TLS between nodes: this node's certificate, then those between it and its root").default_is("none").such_as("\"node.pem\""),
    key!(cluster.key, "and its private key, without a passphrase").default_is("none").such_as("\"node.key\""),
    key!(cluster.ca, "the authority that signs the certificates of nodes, and of nobody else").default_is("none").such_as("\"cluster-ca.pem\""),
    key!(cluster.lease, "for how long a node may be silent before it counts as lost, at least `1s`; the same on all nodes"),
    key!(cluster.join_timeout, "for how long a node that starts looks for others before it serves alone"),
    key!(cluster.gather, "how long other nodes may take to say how many of their sessions match a filter"),
    key!(cluster.mailbox, "bytes that may wait for one node"),
    key!(limits.maximum_message, "bytes of one message from a client"),
    key!(limits.mailbox, "bytes that may wait for one session").live(),
    key!(limits.mailbox_messages, "messages that may wait for one session").live(),
    key!(limits.sessions, "sessions at once").live(),
    key!(limits.sessions_per_principal, "sessions at once of one principal, but not of anonymous ones; 0 for any number").live(),
    key!(limits.handshakes, "connections at once that are not a session yet").live(),
    key!(limits.handshake_timeout, "for one of them to become one").live(),
    key!(limits.requests_per_handler, "requests that one session may have to answer at a time").live(),
    key!(limits.requests_per_sender, "requests whose answers one session may await at a time").live(),
    key!(limits.requests_per_second, "requests of one session in a second, on the average; 0 for any number").live(),
    key!(limits.request_burst, "how many of them may come at once").live(),
    key!(limits.handlers_per_session, "handlers that one session may have").live(),
    key!(limits.listeners_per_session, "session listeners that one session may have").live(),
    key!(limits.locks_per_session, "locks that one session may hold or wait for").live(),
    key!(limits.filter_length, "bytes of a session filter").live(),
    key!(limits.filter_depth, "how deep parentheses and `not` of a session filter may nest, at most 128").live(),
    key!(limits.properties_per_session, "user properties of one session").live(),
    key!(limits.property_size, "bytes of a session property's value").live(),
    key!(limits.connections, "connections at once, of all kinds").live(),
    key!(limits.connections_per_address, "connections at once from one address; of IPv6, from one network of 64 bits").live(),
    key!(limits.handshakes_per_address, "those of them that are not a session yet").live(),
    key!(limits.connects_per_address, "new connections from one address in a second, on the average of five").live(),
    key!(limits.proxies, "addresses that bring many clients: limits for one address do not hold for them").live(),
    key!(limits.request_head, "bytes of an HTTP request's head").live(),
    key!(limits.request_target, "bytes of its path and query").live(),
    key!(limits.request_headers, "its headers").live(),
    entry!(listener as listeners.address, "address and port; port 0 takes a free one"),
    entry!(listener as listeners.certificate, "with TLS: the server's certificate, then those between it and its root").live().such_as("\"server.pem\""),
    entry!(listener as listeners.key, "and its private key, without a passphrase").live().such_as("\"server.key\""),
    entry!(listener as listeners.client_ca, "the authorities that sign the certificates of clients").live().such_as("\"clients.pem\""),
    entry!(listener as listeners.client_certificates, "whether clients show certificates: `none`, `optional` or `required`").live().such_as("\"required\""),
    entry!(path as paths.path, "the path; the most specific one counts").live().such_as("\"reports\""),
    entry!(path as paths.timeout, "instead of `request_timeout`").live().such_as("\"2m\""),
    entry!(path as paths.choice, "instead of `choice`").live().such_as("\"sticky\""),
];

pub(super) static LISTS: &[List] = &[
    list!(listener as listeners of ListenerConfig::default(), "address", "where clients connect; as many tables as addresses"),
    list!(path as paths of PathRule { path: String::new(), timeout: None, choice: None }, "path", "exceptions for a path and all below it"),
];

/// All keys of the configuration.
#[must_use]
pub fn keys() -> &'static [Key] {
    KEYS
}

fn put<T: Setting>(field: &mut T, given: &Given<'_>) -> bool {
    T::read(given).map(|value| *field = value).is_some()
}

/// The type of a field says what its values look like.
fn expected<T: Setting>(_field: fn(&Config) -> &T) -> String {
    T::expected()
}
