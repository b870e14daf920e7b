//! How busy nodes are: each tells the others now and then what the handlers of its paths have in flight. In between
//! whoever sends requests counts them himself.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::node::Load;
use antiphon_wire::node::NodeService;

use crate::batch::Batch;
use crate::broker::Broker;
use crate::cluster::GREET_AGAIN;
use crate::draining::Phase;
use crate::outbox::Outbox;
use crate::session::Session;
use crate::time::Millis;

impl<X> Broker<X> {
    /// Does what is due at links: expires requests, greets again, tells the load.
    pub(crate) fn sweep_links(&self, now: Millis, outbox: &mut Outbox<X>) {
        for link in self.links() {
            if link.next_deadline() <= now {
                self.expire(&link, now, outbox);
            }
            let Some(peer) = &link.peer else { continue };
            if peer.next_word.load(Relaxed) > now.0 {
                continue;
            }
            if peer.is_established() {
                self.tell_load(&link, now, outbox);
            } else {
                self.word_in(&link, now, GREET_AGAIN);
                link.greet(outbox);
            }
        }
    }

    /// When the next word of the sweep is due.
    pub(super) fn word_in(&self, link: &Session<X>, now: Millis, millis: u64) {
        if let Some(peer) = &link.peer {
            peer.next_word.store(now.0.saturating_add(millis), Relaxed);
        }
    }

    /// Tells one node how busy this one is.
    pub(super) fn tell_load(&self, link: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        self.word_in(link, now, PERIOD);
        let paths: Vec<_> = self.cluster.tables.lock().paths().cloned().collect();
        let busy = |path: &Arc<str>| {
            let load =
                self.routes.at(path, |route| route.own().map(|own| own.session.in_flight()).sum());
            Some((path.clone(), load.filter(|load| *load > 0)?))
        };
        let busy: Vec<(Arc<str>, u32)> = paths.iter().filter_map(busy).collect();
        let load = Load {
            sessions: self.registry.read().len() as u64,
            is_leaving: self.phase() != Phase::Open,
            in_flight: busy.iter().map(|(path, load)| (&**path, *load)).collect(),
        };
        self.tell_node(link, NodeService::Load, &load, outbox);
    }

    /// Tells all nodes that this one is about to stop.
    pub(crate) fn announce_leaving(&self, outbox: &mut Outbox<X>) {
        let links: Vec<_> = self.cluster.tables.lock().told().cloned().collect();
        for link in links {
            // The sweep goes on telling.
            self.tell_load(&link, Millis::default(), outbox);
        }
    }
}

impl<X> Batch<'_, X> {
    pub(super) fn learn_load(&self, load: &Load<'_>) {
        let Some(peer) = &self.session.peer else { return };
        peer.sessions.store(load.sessions, Relaxed);
        peer.is_leaving.store(load.is_leaving, Relaxed);
        let report = peer.reports.fetch_add(1, Relaxed).wrapping_add(1);
        let table = peer.table.lock();
        for (path, in_flight) in &load.in_flight {
            if let Some(remote) = table.remote(path) {
                remote.report(report, *in_flight);
            }
        }
    }
}

/// In milliseconds: seldom enough to cost nothing with ten thousands of paths.
const PERIOD: u64 = 500;
