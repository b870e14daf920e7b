//! Questions to all nodes at once: what each answers is put together, and those who do not answer in time are left out.
//!
//! Each node's share is a request like any other, entered at its link. So it is answered, or the time is over, or the node
//! is lost, once; and whoever brings the last share finishes what was asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Malformed;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::NodeId;
use antiphon_wire::message;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::put_request;
use antiphon_wire::service::CountOrErrors;
use antiphon_wire::service::control::Fetched;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::locks::LockDetails;
use foldhash::HashMap;

use crate::batch::Batch;
use crate::broker::Broker;
use crate::cluster::calls::HeldElsewhere;
use crate::cluster::fetches::Fetches;
use crate::cluster::filters::FilterRequest;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::pending::Reply;
use crate::session::Session;
use crate::session::Undeliverable;
use crate::stats::Counts;
use crate::stats::End;
use crate::stats::Kind;
use crate::stats::Label;

/// The questions that are not answered yet, by number.
#[derive(Debug)]
pub(super) struct Gathers<X> {
    open: HashMap<u64, Gather<X>>,
    next: u64,
}

impl<X> Default for Gathers<X> {
    fn default() -> Self {
        Self { open: HashMap::default(), next: 0 }
    }
}

#[derive(Debug)]
struct Gather<X> {
    asker: Asker<X>,
    /// How many nodes have yet to answer.
    awaited: usize,
    whole: Whole<X>,
}

/// Who gets what is put together.
#[derive(Debug)]
pub(super) struct Asker<X> {
    pub(super) session: Arc<Session<X>>,
    pub(super) life: u32,
    pub(super) conversation: ConversationId,
}

/// What is put together.
#[derive(Debug)]
pub(super) enum Whole<X> {
    /// The recipients of a request.
    Recipients(FilterRequest<X>),
    /// How many sessions were acted on. In the end those of this node that are named are closed: whoever asks may be among
    /// them, and is to be answered before.
    Count(u32, Vec<Arc<Session<X>>>),
    /// Sessions with their properties.
    Fetched(Fetches),
    /// Who holds one lock.
    Holder(Option<HeldElsewhere>),
    /// Who holds which lock.
    Holders(Vec<HeldElsewhere>),
}

impl<X> Whole<X> {
    /// Adds the answer of one node.
    fn add(&mut self, link: &Arc<Session<X>>, body: &[u8]) -> Result<(), Malformed> {
        match self {
            Self::Recipients(request) => {
                request.add(link.clone(), Decode::decode_all(body)?);
            }
            Self::Count(count, _) => {
                let share: CountOrErrors<'_> = Decode::decode_all(body)?;
                *count = count.saturating_add(share.count);
            }
            Self::Fetched(fetches) => {
                if let Fetched::Sessions { sessions, total } = Decode::decode_all(body)? {
                    fetches.add(&sessions, total);
                }
            }
            Self::Holder(holder) => {
                let details: Option<LockDetails<'_>> = Decode::decode_all(body)?;
                *holder =
                    holder.take().or(details.map(|details| HeldElsewhere::new(&("", details))));
            }
            Self::Holders(holders) => {
                let all: Vec<(&str, LockDetails<'_>)> = Decode::decode_all(body)?;
                holders.extend(all.iter().map(HeldElsewhere::new));
            }
        }
        Ok(())
    }
}

impl<X> Batch<'_, X> {
    /// Whether there is anybody else to be asked. What comes from a node is for this one alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.session.is_link() || self.broker.cluster.links.read().is_empty()
    }

    /// Asks all nodes, and finishes with their answers.
    pub(super) fn gather(
        &mut self,
        conversation: ConversationId,
        whole: Whole<X>,
        (service, body): (NodeService, &impl Encode),
        outbox: &mut Outbox<X>,
    ) {
        let mut links = self.broker.links();
        links.retain(|link| link.is_established());
        let (session, life) = (self.session.clone(), self.inbound.life);
        let asker = Asker { session, life, conversation };
        if links.is_empty() {
            return self.broker.finish(asker, whole, &mut self.counts, outbox);
        }
        let number = {
            let mut gathers = self.broker.cluster.gathers.lock();
            gathers.next += 1;
            let (number, awaited) = (gathers.next, links.len());
            gathers.open.insert(number, Gather { asker, awaited, whole });
            number
        };
        for link in links {
            let timeout = self.policy.gather;
            let question = InFlight {
                sender: self.session.clone(),
                reply: Reply::Gather(number),
                life,
                deadline: self.now.after(timeout),
                timeout,
                sequence: 0,
                page: self.page,
                label: Label::CALL,
            };
            let put = |out: &mut Vec<u8>, conversation| {
                put_request(out, service, conversation);
                body.encode(out);
            };
            let limits = &self.policy.link_limits;
            self.session.awaiting.fetch_add(1, Relaxed);
            let Err(why) = link.hand_over((question, None), limits, outbox, (QUESTION, put)) else {
                self.counts.ledger.accept(self.page, Kind::Call, 1);
                continue;
            };
            self.session.awaiting.fetch_sub(1, Relaxed);
            // A node that is gone, or has said farewell, has no sessions.
            if why != Undeliverable::Ended {
                self.broker.unheard(link.node(), outbox);
            }
            self.broker.gathered(number, None, &mut self.counts, outbox);
        }
    }

    /// A node has answered; the question is out of the pending ones already.
    pub(crate) fn share(
        &mut self,
        question: &InFlight<X>,
        number: u64,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) {
        question.sender.awaiting.fetch_sub(1, Relaxed);
        self.counts.ledger.end(question.page, End::Responded);
        let share = Some((self.session, body));
        self.broker.gathered(number, share, &mut self.counts, outbox);
    }
}

impl<X> Broker<X> {
    /// A node has not said what was asked of all.
    pub(crate) fn unheard(&self, node: NodeId, outbox: &mut Outbox<X>) {
        if !outbox.unheard.contains(&node) {
            outbox.unheard.push(node);
        }
    }

    /// The share of one node is there, or will not come.
    pub(crate) fn gathered(
        &self,
        number: u64,
        share: Option<(&Arc<Session<X>>, &[u8])>,
        counts: &mut Counts,
        outbox: &mut Outbox<X>,
    ) {
        let mut gathers = self.cluster.gathers.lock();
        let Some(gather) = gathers.open.get_mut(&number) else { return };
        if let Some((link, body)) = share
            && gather.whole.add(link, body).is_err()
        {
            self.unheard(link.node(), outbox);
        }
        gather.awaited -= 1;
        if gather.awaited > 0 {
            return;
        }
        let finished = gathers.open.remove(&number);
        drop(gathers);
        if let Some(Gather { asker, whole, .. }) = finished {
            self.finish(asker, whole, counts, outbox);
        }
    }

    fn finish(
        &self,
        asker: Asker<X>,
        whole: Whole<X>,
        counts: &mut Counts,
        outbox: &mut Outbox<X>,
    ) {
        match whole {
            Whole::Recipients(request) => self.send_to_all(&asker, request, counts, outbox),
            Whole::Count(count, doomed) => {
                let errors = Vec::new();
                self.respond_to(&asker, &CountOrErrors { count, errors }, outbox);
                let doomed = doomed.into_iter();
                let closed = doomed.map(|session| (session, CloseReason::ClosedByController));
                outbox.doomed.extend(closed);
            }
            Whole::Fetched(fetches) => {
                fetches.whole(|fetched| self.respond_to(&asker, fetched, outbox));
            }
            Whole::Holder(holder) => {
                let details = holder.as_ref().map(HeldElsewhere::details);
                self.respond_to(&asker, &details, outbox);
            }
            Whole::Holders(mut holders) => {
                holders.sort();
                let all: Vec<_> =
                    holders.iter().map(|held| (held.name(), held.details())).collect();
                self.respond_to(&asker, &all, outbox);
            }
        }
    }

    /// False if whoever asked is not there any more.
    pub(super) fn respond_to(
        &self,
        asker: &Asker<X>,
        body: &impl Encode,
        outbox: &mut Outbox<X>,
    ) -> bool {
        let Asker { session, life, conversation } = asker;
        session.post_outcome((QUESTION, *life), &self.policy().limits, outbox, |out, _| {
            message::put_response(out, *conversation);
            body.encode(out);
        })
    }
}

/// A guess at the length of a question or an answer.
const QUESTION: usize = 128;
