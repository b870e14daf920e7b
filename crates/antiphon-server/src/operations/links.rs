//! Figures of the links to other nodes.

use std::fmt;

use crate::operations::metrics::Page;
use crate::operations::nodes::Node;

type Figure = (&'static str, &'static str, fn(&Node) -> u64);

/// A row for each node that is here.
pub(super) fn encode(nodes: &[Node], ended: u64, page: &mut Page<'_>) -> fmt::Result {
    for (name, help, figure) in COUNTERS {
        let mut family = page.counter(name, help)?;
        for node in nodes {
            family.count(&[("node", &node.node)], figure(node))?;
        }
    }
    for (name, help, figure) in GAUGES {
        let mut family = page.gauge(name, help)?;
        for node in nodes {
            family.value(&[("node", &node.node)], figure(node))?;
        }
    }
    let help = "Links that ended, because their node was gone or was started again";
    page.counter("antiphon_links_ended", help)?.count(&[], ended)
}

const COUNTERS: [Figure; 3] = [
    ("antiphon_link_sent_bytes", "Bytes sent to a node", |node| node.sent_bytes),
    ("antiphon_link_transmissions", "Transmissions to a node", |node| node.sent_transmissions),
    ("antiphon_link_received_bytes", "Bytes received from a node", |node| node.received_bytes),
];

const GAUGES: [Figure; 7] = [
    ("antiphon_link_up", "1 if all is known of a node", |node| u64::from(node.link == "up")),
    ("antiphon_link_sessions", "Sessions of a node", |node| node.sessions),
    ("antiphon_link_handlers", "Handlers of a node", |node| node.handlers),
    ("antiphon_link_blocked", "1 while a node takes no more", |node| u64::from(node.blocked)),
    ("antiphon_link_waiting_bytes", "Bytes that wait for a node", |node| node.waiting_bytes),
    ("antiphon_link_underway_bytes", "Bytes on their way to a node", |node| node.underway_bytes),
    ("antiphon_link_requests_in_flight", "Requests that a node has to answer", |node| {
        node.in_flight
    }),
];
