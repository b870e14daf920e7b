//! What one client, or all together, may take. What happens where a limit is met stands in `docs/limits.md`.

use std::time::Duration;

use antiphon_broker::Rate;
use antiphon_broker::filter;
use antiphon_broker::properties;

use crate::config::Network;
use crate::config::defaults;

/// What one client, or all together, may take. Table `[limits]` of the file.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest message taken from a client, in bytes. Default 1 MiB.
    pub maximum_message: usize,
    /// How many bytes may wait for one session. Default 8 MiB.
    pub mailbox: usize,
    /// How many messages may wait for one session. Default 65,536.
    pub mailbox_messages: usize,
    /// Sessions at once. Default 100,000.
    pub sessions: usize,
    /// Sessions at once of one principal, but of the anonymous one; 0 for any number, which is the default.
    pub sessions_per_principal: usize,
    /// Connections at once that have not become a session yet. Default 1,000.
    pub handshakes: usize,
    /// How long a connection may take to become a session. Default `10s`.
    pub handshake_timeout: Duration,
    /// Unanswered requests at one handler session. Default 16,384.
    pub requests_per_handler: u32,
    /// Unanswered requests of one sender. Default 16,384.
    pub requests_per_sender: u32,
    /// Requests of one session in a second, on the average; 0 for any number, which is the default.
    pub requests_per_second: u32,
    /// How many of them may come at once. Default 1,000.
    pub request_burst: u32,
    /// Handlers that one session may have. Default 100,000.
    pub handlers_per_session: usize,
    /// Session listeners that one session may have. Default 16.
    pub listeners_per_session: usize,
    /// Locks that one session may hold or wait for. Default 1,024.
    pub locks_per_session: usize,
    /// The longest session filter, in bytes. Default 16 KiB.
    pub filter_length: usize,
    /// How deep parentheses and `not` of a session filter may nest. Default 64.
    pub filter_depth: usize,
    /// User properties that one session may have. Default 64.
    pub properties_per_session: usize,
    /// The longest value that a user may give to a property, in bytes. Default 4 KiB.
    pub property_size: usize,
    /// Connections at once, of all kinds. Default 110,000.
    pub connections: usize,
    /// Connections at once from one address; of IPv6 from one network of 64 bits. Default 10,000.
    pub connections_per_address: usize,
    /// Connections at once from one address that have not become a session yet. Default 500.
    pub handshakes_per_address: usize,
    /// New connections from one address in a second, on the average of five seconds. Default 200.
    pub connects_per_address: usize,
    /// Addresses to which the limits for one address do not apply, since they bring many clients, such as load balancers.
    /// Default: those of this host, `127.0.0.0/8` and `::1`.
    pub proxies: Vec<Network>,
    /// The largest head of an HTTP request, in bytes. Default 64 KiB.
    pub request_head: usize,
    /// The longest target of an HTTP request, path and query, in bytes. Default 32 KiB.
    pub request_target: usize,
    /// Headers of an HTTP request. Default 100.
    pub request_headers: usize,
}

impl Limits {
    /// Those that are the broker's to keep.
    pub(crate) fn of_broker(&self) -> antiphon_broker::Limits {
        antiphon_broker::Limits {
            sessions: self.sessions,
            sessions_per_principal: self.sessions_per_principal,
            message: self.maximum_message,
            mailbox: self.mailbox,
            mailbox_messages: self.mailbox_messages,
            requests_per_handler: self.requests_per_handler,
            requests_per_sender: self.requests_per_sender,
            rate: Rate::new(self.requests_per_second, self.request_burst),
            handlers_per_session: self.handlers_per_session,
            listeners_per_session: self.listeners_per_session,
            locks_per_session: self.locks_per_session,
            filter: filter::Bounds { length: self.filter_length, depth: self.filter_depth },
            properties: properties::Bounds {
                count: self.properties_per_session,
                value: self.property_size,
            },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let broker = antiphon_broker::Limits::default();
        Self {
            maximum_message: broker.message,
            mailbox: broker.mailbox,
            mailbox_messages: broker.mailbox_messages,
            sessions: broker.sessions,
            sessions_per_principal: broker.sessions_per_principal,
            handshakes: defaults::HANDSHAKES,
            handshake_timeout: defaults::HANDSHAKE_TIMEOUT,
            requests_per_handler: broker.requests_per_handler,
            requests_per_sender: broker.requests_per_sender,
            requests_per_second: defaults::REQUESTS_PER_SECOND,
            request_burst: defaults::REQUEST_BURST,
            handlers_per_session: broker.handlers_per_session,
            listeners_per_session: broker.listeners_per_session,
            locks_per_session: broker.locks_per_session,
            filter_length: broker.filter.length,
            filter_depth: broker.filter.depth,
            properties_per_session: broker.properties.count,
            property_size: broker.properties.value,
            connections: defaults::CONNECTIONS,
            connections_per_address: defaults::CONNECTIONS_PER_ADDRESS,
            handshakes_per_address: defaults::HANDSHAKES_PER_ADDRESS,
            connects_per_address: defaults::CONNECTS_PER_ADDRESS,
            proxies: defaults::proxies(),
            request_head: defaults::REQUEST_HEAD,
            request_target: defaults::REQUEST_TARGET,
            request_headers: defaults::REQUEST_HEADERS,
        }
    }
}
