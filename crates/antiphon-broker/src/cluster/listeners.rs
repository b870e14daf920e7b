//! Session listeners, whose sessions may be on any node.
//!
//! A listener registers at every other node, under a number, as if the link were a session that listens: there it is told
//! of the sessions that are open already and of each that changes, in one order, and what it is told comes here and goes
//! on to it. Sessions of a node that is lost are told to be closed, so that a node that is there again can begin anew.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::NodeId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::node::Listen;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::Unlisten;
use antiphon_wire::node::put_request;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvent;
use antiphon_wire::service::events::SessionEvents;

use crate::batch::Batch;
use crate::broker::Broker;
use crate::cluster::tables::TABLES;
use crate::config::Limits;
use crate::events::Listener;
use crate::filter::Filter;
use crate::outbox::Outbox;
use crate::properties::KeySelection;
use crate::session::Session;

/// What a listener is to other nodes.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    /// Never used twice by this node.
    pub(crate) number: u64,
    /// Its filter as it was written.
    pub(crate) filter: Option<String>,
    /// The sessions of each node that it knows to be open, by the client part of their ids.
    open: BTreeMap<NodeId, BTreeSet<u64>>,
}

impl<X> Listener<X> {
    fn listen(&self) -> Listen<'_> {
        Listen {
            listener: self.elsewhere.number,
            filter: self.elsewhere.filter.as_deref(),
            keys: self.keys.keys().collect(),
            after: self.after,
        }
    }

    /// Tells the node whose listener this is. What is told is bounded by what there is, so it may go beyond the bounds of a
    /// mailbox.
    pub(crate) fn tell_node(
        &self,
        events: Vec<SessionEvent<'_>>,
        limits: &Limits,
        outbox: &mut Outbox<X>,
    ) {
        let limits = Limits { mailbox: TABLES, mailbox_messages: TABLES, ..limits.clone() };
        self.session.post(256, &limits, outbox, |out| {
            put_request(out, NodeService::Events, ConversationId(0));
            SessionEvents { conversation: self.conversation, events }.encode(out);
        });
    }

    /// Takes note of what is told of sessions of another node.
    fn note(&mut self, events: &[SessionEvent<'_>]) {
        for SessionEvent { session, change } in events {
            let open = self.elsewhere.open.entry(session.node()).or_default();
            match change {
                SessionChange::Opened(_) => drop(open.insert(session.client)),
                SessionChange::Closed { .. } => drop(open.remove(&session.client)),
                SessionChange::Updated { .. } => {}
            }
        }
    }
}

/// Listeners of this node.
impl<X> Broker<X> {
    /// The listeners are locked.
    pub(crate) fn listen_everywhere(&self, listener: &Listener<X>, outbox: &mut Outbox<X>) {
        for link in self.links() {
            if link.is_established() {
                self.tell_node(&link, NodeService::Listen, &listener.listen(), outbox);
            }
        }
    }

    /// The other end of a link is known: all listeners register there.
    pub(super) fn listen_at(&self, link: &Arc<Session<X>>, outbox: &mut Outbox<X>) {
        let listeners = self.listeners.lock();
        let own = listeners.listeners.iter().filter(|listener| !listener.session.is_link());
        for listener in own {
            self.tell_node(link, NodeService::Listen, &listener.listen(), outbox);
        }
    }

    /// Listeners of this node are gone.
    pub(crate) fn unlisten_everywhere(&self, gone: &[u64], outbox: &mut Outbox<X>) {
        if gone.is_empty() {
            return;
        }
        for link in self.links() {
            if link.is_established() {
                for listener in gone {
                    let unlisten = Unlisten { listener: *listener };
                    self.tell_node(&link, NodeService::Unlisten, &unlisten, outbox);
                }
            }
        }
    }

    /// A node is lost: its listeners are gone, and its sessions are closed as far as those of this node can know.
    pub(super) fn forget_listening(&self, link: &Session<X>, outbox: &mut Outbox<X>) {
        let (policy, node) = (self.policy(), link.node());
        let mut listeners = self.listeners.lock();
        drop(listeners.forget(link));
        for listener in &mut listeners.listeners {
            let lost: Vec<_> =
                listener.elsewhere.open.remove(&node).unwrap_or_default().into_iter().collect();
            for chunk in lost.chunks(CHUNK) {
                let closed = |client: &u64| SessionEvent {
                    session: SessionId { server: node.0, client: *client },
                    change: SessionChange::Closed {
                        reason: CloseReason::ConnectionLost,
                        properties: Vec::new(),
                    },
                };
                listener.tell(chunk.iter().map(closed).collect(), &policy.limits, outbox);
            }
        }
    }

    /// All sessions, in the order of their ids.
    pub(crate) fn all_sessions(&self) -> Vec<Arc<Session<X>>> {
        let mut sessions: Vec<_> = self.registry.read().iter().cloned().collect();
        sessions.sort_by_key(|session| session.id());
        sessions
    }
}

/// What comes over a link.
impl<X> Batch<'_, X> {
    /// A listener of another node registers. One that has done so already is known.
    pub(super) fn learn_listener(&self, asked: &Listen<'_>, outbox: &mut Outbox<X>) {
        let filter =
            asked.filter.map(|filter| Filter::parse_within(filter, self.policy.limits.filter));
        let (Ok(filter), Ok(keys)) =
            (filter.transpose(), KeySelection::parse(asked.keys.iter().copied()))
        else {
            return;
        };
        let listener = Listener {
            session: self.session.clone(),
            conversation: ConversationId(asked.listener),
            filter,
            keys,
            after: asked.after,
            elsewhere: Elsewhere::default(),
        };
        let mut listeners = self.broker.listeners.lock();
        let is_known = |other: &Listener<X>| self.is_listener(other, asked.listener);
        if listeners.listeners.iter().any(is_known) || self.session.life() != self.inbound.life {
            return;
        }
        listener.replay(&self.broker.all_sessions(), &self.policy.limits, outbox);
        listeners.listeners.push(listener);
    }

    pub(super) fn forget_remote_listener(&self, gone: &Unlisten) {
        let is_it = |other: &Listener<X>| self.is_listener(other, gone.listener);
        drop(self.broker.listeners.lock().forget_those(is_it));
    }

    fn is_listener(&self, other: &Listener<X>, number: u64) -> bool {
        other.session.id() == self.session.id() && other.conversation.0 == number
    }

    /// Another node tells a listener of this one what happened there.
    pub(super) fn told_of_sessions(&self, told: SessionEvents<'_>, outbox: &mut Outbox<X>) {
        let SessionEvents { conversation, events } = told;
        let node = self.session.node();
        let is_sound = events.iter().all(|event| event.session.node() == node);
        let mut listeners = self.broker.listeners.lock();
        let mut own = listeners.listeners.iter_mut().filter(|own| !own.session.is_link());
        let Some(listener) = own.find(|own| own.elsewhere.number == conversation.0) else { return };
        if is_sound && self.session.life() == self.inbound.life {
            listener.note(&events);
            listener.tell(events, &self.policy.limits, outbox);
        }
    }
}

/// Sessions in one message: small enough for every message limit.
const CHUNK: usize = 64;
