//! The other nodes of a cluster.
//!
//! A link to another node is a session: it has a mailbox, it has requests to answer, and what comes over it is read in a
//! batch. It is none of the sessions that clients know: filters do not match it, nobody pings it, and it cannot be
//! found by its id. What is done here is to choose what goes over links, and to serve what comes.
//!
//! | module | holds |
//! |---|---|
//! | `session::link` | the life of one link |
//! | `tables` | who handles what on other nodes |
//! | `requests`, `delivery` | requests that go to other nodes, and those that come from them |
//! | `load`, `status` | how busy nodes are, and what is known of them |
//! | `gathers`, `filters` | questions to all nodes, and requests to filters |
//! | `listeners` | session listeners of other nodes |
//! | `locks` | which node has which session lock |
//! | `calls`, `fetches` | service calls for sessions of other nodes |

mod calls;
mod delivery;
pub(crate) mod fetches;
mod filters;
mod gathers;
mod listeners;
mod load;
mod locks;
mod requests;
mod status;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Fault;
use antiphon_wire::error::Malformed;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::NodeId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message::Message;
use antiphon_wire::node::Frames;
use antiphon_wire::node::Header;
use antiphon_wire::node::Introduction;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::VERSION;
use parking_lot::Mutex;
use parking_lot::RwLock;
use thiserror::Error;

use crate::access::Access;
use crate::batch::Batch;
use crate::broker::Broker;
use crate::messaging::Ending;
use crate::messaging::Outcome;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::profile::Profile;
use crate::properties::Properties;
use crate::session::Receipt;
use crate::session::Session;
use crate::stats::Counts;
use crate::stats::End;
use crate::time::Millis;

pub(crate) use crate::cluster::calls::HeldElsewhere;
use crate::cluster::gathers::Gathers;
pub(crate) use crate::cluster::listeners::Elsewhere;
pub(crate) use crate::cluster::locks::Claim;
pub(crate) use crate::cluster::locks::Managed;
pub use crate::cluster::status::LinkState;
pub use crate::cluster::status::NodeStatus;
pub(crate) use crate::cluster::tables::PeerTable;
use crate::cluster::tables::Tables;

/// What a broker knows of other nodes.
pub(crate) struct Cluster<X> {
    links: RwLock<BTreeMap<NodeId, Arc<Session<X>>>>,
    /// Taken before any session.
    tables: Mutex<Tables<X>>,
    gathers: Mutex<Gathers<X>>,
    next_link: AtomicU64,
}

impl<X> Default for Cluster<X> {
    fn default() -> Self {
        Self {
            links: RwLock::default(),
            tables: Mutex::default(),
            gathers: Mutex::default(),
            next_link: AtomicU64::new(FIRST_LINK),
        }
    }
}

/// Why a link began anew. All that was under way between the nodes is over, and both begin again by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Broken {
    /// The other node has begun anew: it was started again, or messages were lost.
    #[error("the other node has begun anew")]
    BegunAnew,
    /// A transmission is missing.
    #[error("transmissions of the other node are missing")]
    Gap,
    /// A transmission cannot be read.
    #[error("a transmission of the other node is malformed: {0}")]
    Malformed(Malformed),
    /// The other node speaks another version; there is no link to it.
    #[error(
        "the other node speaks version {0} of the protocol of nodes, this one {VERSION}: run the same release on both"
    )]
    Version(u32),
}

/// For the driver.
impl<X> Broker<X> {
    /// Makes a link to another node, of which the driver knows that it is there. `incarnation` is random. The link is left
    /// in the outbox with its first greeting. One to the same node that is there already is parted from.
    pub fn join(
        &self,
        (node, incarnation): (NodeId, u64),
        driver: X,
        now: Millis,
        outbox: &mut Outbox<X>,
    ) -> Arc<Session<X>> {
        let number = self.cluster.next_link.fetch_add(1, Relaxed);
        let id = SessionId { server: node.0, client: number };
        // Whoever makes a call was asked for permission on its own node.
        let access = Arc::new(Access::everything());
        let profile = Profile { roles: Arc::default(), properties: Properties::default(), access };
        let link = Arc::new(Session::link(id, driver, incarnation, profile));
        link.heard(now);
        self.word_in(&link, now, GREET_AGAIN);
        let before = self.cluster.links.write().insert(node, link.clone());
        if let Some(before) = before {
            self.leave(&before, outbox);
        }
        self.claim_locks(outbox);
        link.greet(outbox);
        self.reap(outbox);
        link
    }

    /// Takes in what was transmitted over a link: the bytes of one call of the other node's `send`, header and what
    /// followed it in one. Transmissions that are late or come twice do nothing.
    ///
    /// # Errors
    /// The link has begun anew; there is nothing to be done about it.
    pub fn transmission(
        &self,
        link: &Arc<Session<X>>,
        bytes: &[u8],
        now: Millis,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Broken> {
        let taken = match Header::split(bytes) {
            Ok((header, frames)) => self.take_in(link, (&header, frames), now, outbox),
            Err(Malformed { field: "version", fault: Fault::Number(version), .. }) => {
                Err(Broken::Version(version))
            }
            Err(malformed) => Err(Broken::Malformed(malformed)),
        };
        self.reap(outbox);
        taken
    }

    /// Ends a link: the other node is not there any more. Whoever waits for an answer from it is told so, and its handlers
    /// are gone.
    pub fn part(&self, link: &Arc<Session<X>>, outbox: &mut Outbox<X>) {
        let mut links = self.cluster.links.write();
        if links.get(&link.node()).is_some_and(|present| present.id() == link.id()) {
            links.remove(&link.node());
        }
        drop(links);
        self.leave(link, outbox);
        self.reap(outbox);
    }
}

impl<X> Broker<X> {
    pub(crate) fn links(&self) -> Vec<Arc<Session<X>>> {
        self.cluster.links.read().values().cloned().collect()
    }

    /// The link to a node.
    pub(crate) fn link(&self, node: NodeId) -> Option<Arc<Session<X>>> {
        self.cluster.links.read().get(&node).cloned()
    }

    fn take_in(
        &self,
        link: &Arc<Session<X>>,
        (header, frames): (&Header, &[u8]),
        now: Millis,
        outbox: &mut Outbox<X>,
    ) -> Result<(), Broken> {
        let Some(peer) = &link.peer else { return Ok(()) };
        let mut batch = self.batch(link, now);
        if link.has_ended() {
            return Ok(());
        }
        let mut outcome = Ok(());
        let mut receipt = peer.receive(header);
        if receipt == Receipt::PeerBeganAnew {
            self.begin_link_anew(link, false, outbox);
            outcome = Err(Broken::BegunAnew);
            receipt = peer.receive(header);
        }
        match receipt {
            Receipt::Nothing | Receipt::PeerBeganAnew => {}
            Receipt::Greet => link.greet(outbox),
            Receipt::Established { greet } => {
                self.establish(link, now, outbox);
                if greet {
                    link.greet(outbox);
                }
            }
            Receipt::Messages { life, established } => {
                if established {
                    self.establish(link, now, outbox);
                }
                let read = batch.serve_node(life, frames, outbox);
                if let Err(malformed) = read {
                    self.begin_link_anew(link, true, outbox);
                    outcome = Err(Broken::Malformed(malformed));
                }
            }
            Receipt::Gap => {
                self.begin_link_anew(link, true, outbox);
                outcome = Err(Broken::Gap);
            }
        }
        outcome
    }

    /// Ends one life of a link, and begins the next.
    pub(crate) fn begin_link_anew(
        &self,
        link: &Arc<Session<X>>,
        other_number: bool,
        outbox: &mut Outbox<X>,
    ) {
        self.cluster.tables.lock().forget(link);
        let unanswered = link.begin_anew(other_number, outbox);
        self.forget_node(link, unanswered, outbox);
    }

    fn leave(&self, link: &Arc<Session<X>>, outbox: &mut Outbox<X>) {
        self.cluster.tables.lock().forget(link);
        if let Some(unanswered) = link.part() {
            self.forget_node(link, unanswered, outbox);
        }
    }

    fn forget_node(
        &self,
        link: &Arc<Session<X>>,
        unanswered: Vec<InFlight<X>>,
        outbox: &mut Outbox<X>,
    ) {
        self.forget_table(link);
        self.forget_listening(link, outbox);
        self.forget_claims(link);
        self.claim_locks(outbox);
        let text =
            format!("node {} is lost; the request may have been executed", shown(link.node()));
        let outcome = &Outcome::Error { reason: Reason::NO_SUCH_SESSION, text: &text };
        self.end_all(link, unanswered, (End::RecipientEnded, outcome), outbox);
    }

    /// Tells all who wait for an answer of `session` one and the same.
    pub(crate) fn end_all(
        &self,
        session: &Arc<Session<X>>,
        unanswered: Vec<InFlight<X>>,
        (end, outcome): (End, &Outcome<'_>),
        outbox: &mut Outbox<X>,
    ) {
        let responder = session.id();
        let (mut counts, policy) = (Counts::default(), self.policy());
        for request in unanswered {
            let ending = Ending { end, responder, outcome, took: None };
            self.complete(request, &ending, (&mut counts, &policy.limits), outbox);
        }
        self.totals.add(&counts);
    }
}

/// What comes over a link.
impl<X> Batch<'_, X> {
    /// Serves the messages of one transmission, in one life of the link.
    fn serve_node(
        &mut self,
        life: u32,
        frames: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), Malformed> {
        self.inbound.life = life;
        for message in Frames::new(frames) {
            match Message::decode(message?)? {
                Message::Request { service, conversation, body } => {
                    let service = NodeService::from_number(service).ok_or(UNKNOWN)?;
                    self.serve_call((service, conversation), body, outbox)?;
                }
                Message::Response { conversation, body } => self.answer(conversation, body, outbox),
                Message::Error { conversation, text, reason } => {
                    self.answer_error(conversation, reason, text, outbox);
                }
                Message::Abort | Message::CloseRequest => {}
            }
        }
        Ok(())
    }

    fn serve_call(
        &mut self,
        (service, conversation): (NodeService, ConversationId),
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), Malformed> {
        match service {
            NodeService::Introduce => self.introduced(Decode::decode_all(body)?),
            NodeService::Handlers => self.learn_handlers(&Decode::decode_all(body)?)?,
            NodeService::Load => self.learn_load(&Decode::decode_all(body)?),
            NodeService::Path => {
                self.deliver_to_path(conversation, Decode::decode_all(body)?, outbox)?;
            }
            NodeService::Return => self.returned(&Decode::decode_all(body)?, outbox)?,
            NodeService::Session => {
                self.deliver_to_session(conversation, Decode::decode_all(body)?, outbox);
            }
            NodeService::Match => self.matched(conversation, &Decode::decode_all(body)?, outbox),
            NodeService::ManySessions => self.deliver_to_many(Decode::decode_all(body)?, outbox),
            NodeService::Call => {
                self.serve_elsewhere(conversation, &Decode::decode_all(body)?, outbox)?;
            }
            NodeService::Listen => self.learn_listener(&Decode::decode_all(body)?, outbox),
            NodeService::Unlisten => self.forget_remote_listener(&Decode::decode_all(body)?),
            NodeService::LockClaims => self.locks_claimed(&Decode::decode_all(body)?, outbox),
            NodeService::LockClaim => self.lock_claimed(&Decode::decode_all(body)?, outbox),
            NodeService::LockGrant => self.lock_given(&Decode::decode_all(body)?, outbox),
            NodeService::Events => self.told_of_sessions(Decode::decode_all(body)?, outbox),
        }
        Ok(())
    }

    fn introduced(&self, introduction: Introduction<'_>) {
        let Introduction { version, name } = introduction;
        if let Some(peer) = &self.session.peer {
            *peer.introduction.lock() = (version.to_owned(), name.to_owned());
        }
    }
}

/// A node's id as session ids show it.
pub(crate) fn shown(node: NodeId) -> String {
    format!("{:016x}", node.0)
}

const UNKNOWN: Malformed =
    Malformed { message: "message", field: "service", fault: Fault::Number(0) };

/// Client parts of the ids of links begin here, where no session's does.
const FIRST_LINK: u64 = 1 << 62;

/// In milliseconds.
const GREET_AGAIN: u64 = 500;
