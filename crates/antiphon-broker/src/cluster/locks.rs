//! Which node has which session lock.
//!
//! Each lock is managed by one node, which follows from its name and from the set of nodes, so all that see the same nodes
//! agree on it. Every node claims at the manager what its sessions hold and wait for, and is given the lock when nobody
//! has it; which of its sessions gets it is its own business.
//!
//! What sessions hold is known on their own nodes. When the set of nodes changes every node claims everything anew, and a
//! manager gives nothing away before all nodes that it knows have done so for the same set: a node whose link is just
//! beginning anew is waited for, one that is lost is not. A grant that crosses such a claim on its way means nothing.
//!
//! Grants grow from change to change too: each change begins an epoch, which all nodes know before anything is given
//! away in it, and whose number stands in the high bits of its grants. So whoever is left has seen the epoch of a manager
//! that is lost, though perhaps not its last grant.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use antiphon_wire::ids::NodeId;
use antiphon_wire::node::ClaimChange;
use antiphon_wire::node::LockClaim;
use antiphon_wire::node::LockClaims;
use antiphon_wire::node::LockGrant;
use antiphon_wire::node::NodeService;

use crate::batch::Batch;
use crate::broker::Broker;
use crate::locks::Locks;
use crate::outbox::Outbox;
use crate::session::Session;

/// What this node manages, and what it has to say to other managers.
#[derive(Debug)]
pub(crate) struct Managed {
    own: NodeId,
    /// All nodes, this one among them.
    members: Vec<NodeId>,
    /// Stands for the members.
    view: u64,
    /// Above every change of members that any of them has seen.
    epoch: u64,
    /// How often this node has claimed everything.
    round: u64,
    /// What each member claims of the locks that this node manages.
    claims: BTreeMap<NodeId, Claimed>,
    /// Who wants a lock the longest has the lowest.
    next_turn: u64,
    /// Of the next grant, over all locks.
    next_sequence: u64,
    /// Changes that no manager has been told yet.
    changes: VecDeque<(Arc<str>, ClaimChange)>,
}

#[derive(Debug, Default)]
struct Claimed {
    view: u64,
    epoch: u64,
    round: u64,
    held: BTreeMap<Arc<str>, u64>,
    /// By lock, with the turn.
    wanted: BTreeMap<Arc<str>, u64>,
}

/// What sessions of this node hold and wait for of one lock.
pub(crate) struct Claim<'l> {
    pub(crate) name: &'l Arc<str>,
    /// The grant, if one of them holds it.
    pub(crate) held: Option<u64>,
    pub(crate) is_wanted: bool,
}

impl Managed {
    pub(crate) fn new(own: NodeId) -> Self {
        Self {
            own,
            members: vec![own],
            view: view(&[own]),
            epoch: 0,
            round: 0,
            claims: BTreeMap::new(),
            next_turn: 0,
            next_sequence: 0,
            changes: VecDeque::new(),
        }
    }

    /// Sessions of this node hold or wait for a lock as they did not before.
    pub(crate) fn change(&mut self, name: &Arc<str>, change: ClaimChange) {
        self.changes.push_back((name.clone(), change));
    }

    fn manager(&self, name: &str) -> NodeId {
        let weight = |node: &&NodeId| (mix(hash(name.as_bytes()) ^ mix(node.0)), node.0);
        self.members.iter().max_by_key(weight).copied().unwrap_or(self.own)
    }

    fn claimed(&mut self, node: NodeId, name: &Arc<str>, change: ClaimChange) {
        let claimed = self.claims.entry(node).or_default();
        match change {
            ClaimChange::Wanted => {
                claimed.wanted.entry(name.clone()).or_insert(self.next_turn);
                self.next_turn += 1;
            }
            ClaimChange::Unwanted => drop(claimed.wanted.remove(name)),
            ClaimChange::Returned => drop(claimed.held.remove(name)),
        }
    }

    /// A node claims everything anew.
    fn claimed_all(&mut self, node: NodeId, claims: &LockClaims<'_>) {
        let LockClaims { view, epoch, round, next_sequence, held, wanted } = claims;
        self.next_sequence = self.next_sequence.max(*next_sequence);
        let held = held.iter().map(|(name, sequence)| (Arc::from(*name), *sequence)).collect();
        let mut turns = BTreeMap::new();
        for name in wanted {
            turns.insert(Arc::from(*name), self.next_turn);
            self.next_turn += 1;
        }
        let (view, epoch, round) = (*view, *epoch, *round);
        let claimed = Claimed { view, epoch, round, held, wanted: turns };
        self.claims.insert(node, claimed);
    }

    /// Gives a lock to the node that wants it the longest, if nobody has it and all nodes have claimed what they hold.
    fn give(&mut self, name: &Arc<str>) -> Option<(NodeId, u64)> {
        let is_same = |claimed: &Claimed| claimed.view == self.view && claimed.epoch == self.epoch;
        let agrees =
            |node: &NodeId| *node == self.own || self.claims.get(node).is_some_and(is_same);
        let is_free = self.claims.values().all(|claimed| !claimed.held.contains_key(name));
        if !is_free || self.manager(name) != self.own || !self.members.iter().all(agrees) {
            return None;
        }
        let wanting = self
            .claims
            .iter()
            .filter_map(|(node, claimed)| claimed.wanted.get(name).map(|turn| (*turn, *node)));
        let (_, node) = wanting.min()?;
        let sequence = self.sequence();
        let claimed = self.claims.entry(node).or_default();
        claimed.wanted.remove(name);
        claimed.held.insert(name.clone(), sequence);
        Some((node, sequence))
    }

    /// Above all that is known. Those that different nodes choose differ in their last digits, because both sides of a
    /// cluster that has fallen apart go on. A node that was never in a cluster counts from 0.
    fn sequence(&mut self) -> u64 {
        let lowest = self.next_sequence.max(self.epoch << EPOCH_SHIFT);
        let sequence = match self.epoch {
            0 => lowest,
            _ => lowest.next_multiple_of(SIDES) + mix(self.own.0) % SIDES,
        };
        self.next_sequence = sequence + 1;
        sequence
    }

    /// The locks that anybody wants.
    fn wanted(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> =
            self.claims.values().flat_map(|claimed| claimed.wanted.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    fn round_of(&self, node: NodeId) -> u64 {
        self.claims.get(&node).map_or(0, |claimed| claimed.round)
    }
}

impl<X> Broker<X> {
    /// Tells managers what has changed, and gives away what this node manages, until there is nothing left to do. Whoever
    /// has changed the locks calls it before he unlocks them.
    pub(crate) fn settle_locks(&self, locks: &mut Locks<X>, outbox: &mut Outbox<X>) {
        while let Some((name, change)) = locks.managed.changes.pop_front() {
            let manager = locks.managed.manager(&name);
            if manager == locks.managed.own {
                locks.managed.claimed(manager, &name, change);
                self.give_lock(locks, &name, outbox);
            } else if let Some(link) = self.link(manager).filter(|link| link.is_established()) {
                let claim = LockClaim { name: &name, change };
                self.tell_node(&link, NodeService::LockClaim, &claim, outbox);
            }
        }
    }

    fn give_lock(&self, locks: &mut Locks<X>, name: &Arc<str>, outbox: &mut Outbox<X>) {
        let Some((node, sequence)) = locks.managed.give(name) else { return };
        if node == locks.managed.own {
            let granted = locks.given(name, sequence);
            self.tell_grants(granted, outbox);
        } else if let Some(link) = self.link(node) {
            let round = locks.managed.round_of(node);
            let grant = LockGrant { name, sequence, round };
            self.tell_node(&link, NodeService::LockGrant, &grant, outbox);
        }
    }

    fn give_locks(&self, locks: &mut Locks<X>, outbox: &mut Outbox<X>) {
        for name in locks.managed.wanted() {
            self.give_lock(locks, &name, outbox);
        }
        self.settle_locks(locks, outbox);
    }

    /// What a node claims is not known any more.
    pub(super) fn forget_claims(&self, link: &Session<X>) {
        self.locks.lock().managed.claims.remove(&link.node());
    }

    /// A node has come, gone, or begun anew: everything is claimed again, of those who manage it now.
    pub(super) fn claim_locks(&self, outbox: &mut Outbox<X>) {
        let mut locks = self.locks.lock();
        locks.managed.epoch += 1;
        self.claim_all(&mut locks, outbox);
    }

    fn claim_all(&self, locks: &mut Locks<X>, outbox: &mut Outbox<X>) {
        let links = self.links();
        let managed = &mut locks.managed;
        let own = managed.own;
        managed.members = links.iter().map(|link| link.node()).chain([own]).collect();
        managed.members.sort();
        managed.view = view(&managed.members);
        managed.round += 1;
        // All that there is to be said follows.
        managed.changes.clear();
        let members = managed.members.clone();
        let Managed { view, epoch, round, next_sequence, .. } = *managed;
        managed.claims.retain(|node, _| members.contains(node));
        let mut all: BTreeMap<NodeId, (Vec<_>, Vec<_>)> = BTreeMap::new();
        for Claim { name, held, is_wanted } in locks.claims() {
            let (holds, wants) = all.entry(locks.managed.manager(name)).or_default();
            holds.extend(held.map(|sequence| (name.clone(), sequence)));
            wants.extend(is_wanted.then(|| name.clone()));
        }
        for node in members {
            let (held, wanted) = all.remove(&node).unwrap_or_default();
            let held = held.iter().map(|(name, sequence)| (&**name, *sequence)).collect();
            let wanted = wanted.iter().map(|name| &**name).collect();
            let claims = LockClaims { view, epoch, round, next_sequence, held, wanted };
            if node == own {
                locks.managed.claimed_all(node, &claims);
            } else if let Some(link) = links.iter().find(|link| link.node() == node)
                && link.is_established()
            {
                // It is told everything once it is established.
                self.tell_node(link, NodeService::LockClaims, &claims, outbox);
            }
        }
        self.give_locks(locks, outbox);
    }
}

/// What other nodes claim and give.
impl<X> Batch<'_, X> {
    pub(super) fn locks_claimed(&self, claims: &LockClaims<'_>, outbox: &mut Outbox<X>) {
        let mut locks = self.broker.locks.lock();
        let node = self.session.node();
        if self.session.life() == self.inbound.life && locks.managed.members.contains(&node) {
            locks.managed.claimed_all(node, claims);
            if claims.epoch > locks.managed.epoch {
                locks.managed.epoch = claims.epoch;
                self.broker.claim_all(&mut locks, outbox);
            }
            self.broker.give_locks(&mut locks, outbox);
        }
    }

    pub(super) fn lock_claimed(&self, claim: &LockClaim<'_>, outbox: &mut Outbox<X>) {
        let mut locks = self.broker.locks.lock();
        let node = self.session.node();
        if self.session.life() == self.inbound.life && locks.managed.members.contains(&node) {
            let name = Arc::from(claim.name);
            locks.managed.claimed(node, &name, claim.change);
            self.broker.give_lock(&mut locks, &name, outbox);
            self.broker.settle_locks(&mut locks, outbox);
        }
    }

    pub(super) fn lock_given(&self, grant: &LockGrant<'_>, outbox: &mut Outbox<X>) {
        let LockGrant { name, sequence, round } = *grant;
        let mut locks = self.broker.locks.lock();
        if self.session.life() != self.inbound.life || locks.managed.round != round {
            return;
        }
        locks.managed.next_sequence = locks.managed.next_sequence.max(sequence + 1);
        let granted = locks.given(&Arc::from(name), sequence);
        self.broker.tell_grants(granted, outbox);
        self.broker.settle_locks(&mut locks, outbox);
    }
}

/// The same on every node.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn view(members: &[NodeId]) -> u64 {
    let bytes: Vec<u8> = members.iter().flat_map(|node| node.0.to_be_bytes()).collect();
    hash(&bytes)
}

/// How many nodes can be told apart by the grants that they choose.
const SIDES: u64 = 1_024;

/// Where the epoch begins in a grant: some million grants before it. JavaScript reads 53 bits.
const EPOCH_SHIFT: u32 = 32;
