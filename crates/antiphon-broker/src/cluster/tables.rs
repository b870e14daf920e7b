//! Which handlers the nodes have.
//!
//! A node tells every other one how many handlers it has on which path, first of all paths, then of each that changes;
//! the tables of one life of a link are numbered. To others a node's handlers on a path are one handler, whose session is
//! the link, so a path is looked up as if there were one node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Fault;
use antiphon_wire::error::Malformed;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::node::HandlerTable;
use antiphon_wire::node::Introduction;
use antiphon_wire::node::NodeHandlers;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::put_request;
use antiphon_wire::path::Path;

use crate::batch::Batch;
use crate::broker::Broker;
use crate::config::Limits;
use crate::outbox::Outbox;
use crate::properties::KeySelection;
use crate::routes::Handler;
use crate::routes::Remote;
use crate::routes::Route;
use crate::session::Session;
use crate::time::Millis;

/// What this node has told the others.
#[derive(Debug)]
pub(super) struct Tables<X> {
    /// Those who are told, with the number of the last table.
    told: Vec<(Arc<Session<X>>, u64)>,
    /// What they know.
    published: BTreeMap<Arc<str>, Published>,
}

/// The handlers of this node on one path.
#[derive(Debug)]
struct Published {
    count: u32,
    /// What any of them wants to know of a sender, and perhaps what some wanted that have gone since.
    keys: KeySelection,
    /// How often one came or went since all of them were asked for that.
    changes: u32,
}

impl Published {
    const fn told(&self) -> (u32, &KeySelection) {
        (self.count, &self.keys)
    }
}

impl<X> Default for Tables<X> {
    fn default() -> Self {
        Self { told: Vec::new(), published: BTreeMap::new() }
    }
}

impl<X> Tables<X> {
    /// A link is told nothing any more.
    pub(super) fn forget(&mut self, link: &Session<X>) {
        self.told.retain(|(other, _)| other.id() != link.id());
        if self.told.is_empty() {
            self.published = BTreeMap::new();
        }
    }

    pub(super) fn told(&self) -> impl Iterator<Item = &Arc<Session<X>>> {
        self.told.iter().map(|(link, _)| link)
    }

    /// The paths that others know of.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        self.published.keys()
    }
}

/// What another node has told this one.
#[derive(Debug)]
pub(crate) struct PeerTable<X> {
    life: u32,
    version: u64,
    is_whole: bool,
    handlers: BTreeMap<Arc<str>, Arc<Handler<X>>>,
}

impl<X> Default for PeerTable<X> {
    fn default() -> Self {
        Self { life: 0, version: 0, is_whole: false, handlers: BTreeMap::new() }
    }
}

impl<X> PeerTable<X> {
    /// How many handlers there are, and whether these are all.
    pub(super) fn summary(&self) -> (u64, bool) {
        let remotes = self.handlers.values().filter_map(|handler| handler.remote());
        (remotes.map(|remote| u64::from(remote.count.load(Relaxed))).sum(), self.is_whole)
    }

    pub(super) fn remote(&self, path: &str) -> Option<&Remote> {
        self.handlers.get(path)?.remote()
    }
}

/// What this node tells.
impl<X> Broker<X> {
    /// The other end of a link is known: it is told what this node is and has.
    pub(super) fn establish(&self, link: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        let Some(peer) = &link.peer else { return };
        let mut tables = self.cluster.tables.lock();
        tables.forget(link);
        if tables.told.is_empty() {
            let paths = self.routes.paths();
            let known = paths.into_iter().filter_map(|path| Some((path.clone(), self.own(&path)?)));
            tables.published = known.collect();
        }
        let Self { config, .. } = self;
        let introduction = Introduction { version: &config.version, name: &config.server_name };
        self.tell_node(link, NodeService::Introduce, &introduction, outbox);
        let all: Vec<_> = tables.published.iter().collect();
        let mut version = 0;
        let mut chunks = all.chunks(CHUNK).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let is_whole = chunks.peek().is_none();
            version += 1;
            let handlers = chunk.iter().map(|(path, own)| told(path, Some(own))).collect();
            let table = HandlerTable { version, is_whole, handlers };
            self.tell_node(link, NodeService::Handlers, &table, outbox);
            if is_whole {
                break;
            }
        }
        tables.told.push((link.clone(), version));
        peer.set_established();
        drop(tables);
        self.listen_at(link, outbox);
        self.claim_locks(outbox);
        self.tell_load(link, now, outbox);
        link.touch(outbox);
    }

    /// Tells the other nodes of these handlers, which have come or gone.
    pub(crate) fn publish(&self, handlers: &[Arc<Handler<X>>], outbox: &mut Outbox<X>) {
        let mut tables = self.cluster.tables.lock();
        if tables.told.is_empty() {
            return;
        }
        let Tables { told: links, published } = &mut *tables;
        let changed: Vec<_> =
            handlers.iter().filter(|handler| self.take_note(published, handler)).collect();
        for chunk in changed.chunks(CHUNK) {
            for (link, version) in &mut *links {
                *version += 1;
                let paths = chunk.iter().map(|handler| handler.path());
                let handlers = paths.map(|path| told(path, published.get(path))).collect();
                let table = HandlerTable { version: *version, is_whole: true, handlers };
                self.tell_node(link, NodeService::Handlers, &table, outbox);
            }
        }
    }

    /// Takes note of a handler that has come or gone; true if other nodes have to know. All of its path are looked
    /// at only after as many changes as there are handlers, so that thousands can come one after the other.
    fn take_note(
        &self,
        published: &mut BTreeMap<Arc<str>, Published>,
        handler: &Handler<X>,
    ) -> bool {
        let path = handler.path();
        let count = self.routes.at(path, Route::own_count).unwrap_or_default();
        let Some(known) = published.get_mut(path).filter(|known| known.changes < count) else {
            let now = self.own(path);
            let is_new =
                published.get(path).map(Published::told) != now.as_ref().map(Published::told);
            match now {
                Some(now) => published.insert(path.into(), now),
                None => published.remove(path),
            };
            return is_new;
        };
        known.changes += 1;
        let asks_for_more = handler.keys().is_some_and(|keys| known.keys.add(keys));
        std::mem::replace(&mut known.count, count) != count || asks_for_more
    }

    /// The handlers of this node on exactly this path.
    fn own(&self, path: &str) -> Option<Published> {
        let own = self.routes.at(path, |route| {
            let mut keys = KeySelection::default();
            for wanted in route.own().filter_map(|handler| handler.keys()) {
                keys.add(wanted);
            }
            Published { count: route.own_count(), keys, changes: 0 }
        });
        own.filter(|own| own.count > 0)
    }

    /// Appends a message that awaits no answer. Tables are bounded by what this node has, so they may go beyond the
    /// bounds of a mailbox.
    pub(super) fn tell_node(
        &self,
        link: &Arc<Session<X>>,
        service: NodeService,
        body: &impl Encode,
        outbox: &mut Outbox<X>,
    ) {
        let policy = self.policy();
        let limits = Limits { mailbox: TABLES, ..policy.link_limits.clone() };
        link.post(256, &limits, outbox, |out| {
            put_request(out, service, ConversationId(0));
            body.encode(out);
        });
    }
}

fn told<'t>(path: &'t str, own: Option<&'t Published>) -> NodeHandlers<'t> {
    let keys = own.iter().flat_map(|own| own.keys.keys()).collect();
    NodeHandlers { path, count: own.map_or(0, |own| own.count), keys }
}

/// What others tell.
impl<X> Batch<'_, X> {
    pub(super) fn learn_handlers(&self, news: &HandlerTable<'_>) -> Result<(), Malformed> {
        let life = self.inbound.life;
        let Some(peer) = &self.session.peer else { return Ok(()) };
        let mut table = peer.table.lock();
        if self.session.life() != life {
            return Ok(());
        }
        if table.life != life {
            *table = PeerTable { life, ..PeerTable::default() };
        }
        if news.version != table.version + 1 {
            return Err(invalid("version", Fault::Number(news.version as u32)));
        }
        table.version = news.version;
        table.is_whole = news.is_whole;
        for handlers in &news.handlers {
            self.learn(&mut table, handlers)?;
        }
        Ok(())
    }

    fn learn(&self, table: &mut PeerTable<X>, news: &NodeHandlers<'_>) -> Result<(), Malformed> {
        let path = Path::parse(news.path).map_err(|_| invalid("path", Fault::NotUtf8))?;
        let routes = &self.broker.routes;
        if news.count == 0 {
            if let Some(handler) = table.handlers.remove(path.as_str()) {
                routes.remove(&handler);
            }
            return Ok(());
        }
        let keys = KeySelection::parse(news.keys.iter().copied())
            .map_err(|_| invalid("keys", Fault::Count(news.keys.len() as u32)))?;
        if let Some(known) = table.handlers.get(path.as_str())
            && let Some(remote) = known.remote().filter(|_| known.wants(&keys))
        {
            remote.count.store(news.count, Relaxed);
            return Ok(());
        }
        let label = self.broker.totals.per_path.label(path.as_str());
        let link = self.session.clone();
        let handler = Arc::new(Handler::of_node(link, path, news.count, (keys, label)));
        let choice = || self.broker.policy().rules.choice(path);
        // The old one goes when the new one is there, so that there is one at any time.
        routes.insert(&handler, choice());
        routes.choose_at(path, choice());
        if let Some(old) = table.handlers.insert(handler.path().into(), handler) {
            routes.remove(&old);
        }
        Ok(())
    }
}

impl<X> Broker<X> {
    /// The node at the other end has no handlers any more.
    pub(super) fn forget_table(&self, link: &Session<X>) {
        let Some(peer) = &link.peer else { return };
        let mut table = peer.table.lock();
        for handler in table.handlers.values() {
            self.routes.remove(handler);
        }
        *table = PeerTable { life: link.life(), ..PeerTable::default() };
    }
}

fn invalid(field: &'static str, fault: Fault) -> Malformed {
    Malformed { message: "HandlerTable", field, fault }
}

/// Paths in one table: some 10 KiB.
const CHUNK: usize = 256;

/// In bytes: no bound that is met.
pub(super) const TABLES: usize = 1 << 30;
