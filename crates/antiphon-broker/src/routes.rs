//! Which sessions handle which path: the one table of registrations.
//!
//! Readers never wait: a route is immutable and replaced whole, and a reader keeps the one it found for as long as it
//! holds its guard. A lookup visits the path, then each path above it, so its cost does not depend on how many
//! handlers there are.

mod equals;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::path::Path;
use foldhash::fast::RandomState;
use papaya::Guard;
use papaya::HashMap;
use papaya::LocalGuard;
use papaya::Operation;
use smol_str::SmolStr;

use crate::config::Choice;
use crate::properties::KeySelection;
use crate::session::Session;
use crate::stats::Label;

pub(crate) use crate::routes::equals::Equals;

/// A session's registration for a path and all below it. The session's id tells the node that owns it.
#[derive(Debug)]
pub(crate) struct Handler<X> {
    pub(crate) session: Arc<Session<X>>,
    path: SmolStr,
    /// Quoted in every request for it.
    pub(crate) conversation: ConversationId,
    /// Whoever finds it in a route while it is not yet registered, or not any more, must pass it by. Written with the session locked.
    registered: AtomicBool,
    /// Which figures its requests count for.
    pub(crate) label: Label,
    special: Option<Box<SpecialHandler>>,
}

/// What most handlers do not have.
#[derive(Debug)]
struct SpecialHandler {
    /// Which properties of a sender it is told.
    keys: KeySelection,
    /// Present if it stands for all handlers that another node has for the path; the session is the link to it.
    remote: Option<Remote>,
}

/// What is known of the handlers of another node.
#[derive(Debug)]
pub(crate) struct Remote {
    /// How many there are.
    pub(crate) count: AtomicU32,
    /// What they have in flight: the number of the node's last report for which this was true, and what it said,
    /// increased by every request since.
    in_flight: AtomicU64,
}

impl Remote {
    fn new(count: u32) -> Self {
        Self { count: AtomicU32::new(count), in_flight: AtomicU64::new(0) }
    }

    /// The node's report of this number says so. Paths that it does not name have nothing in flight.
    pub(crate) fn report(&self, report: u32, in_flight: u32) {
        self.in_flight.store(u64::from(report) << 32 | u64::from(in_flight), Relaxed);
    }

    /// Counts a request that was handed over after that report. Two at the same moment may count as one.
    pub(crate) fn count_sent(&self, report: u32) {
        self.report(report, self.in_flight(report).saturating_add(1));
    }

    fn in_flight(&self, report: u32) -> u32 {
        let told = self.in_flight.load(Relaxed);
        if (told >> 32) as u32 == report { told as u32 } else { 0 }
    }

    /// What each of its handlers has to do, in quarters of a request.
    fn load(&self, report: u32) -> u32 {
        self.in_flight(report).saturating_mul(4) / self.count.load(Relaxed).max(1)
    }
}

/// Who is asked before whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// A session of this node that is there.
    Here,
    /// Those of another node.
    Elsewhere,
    /// A session of this node that may come back.
    Away,
    /// Those of a node that is about to stop.
    Leaving,
}

impl<X> Handler<X> {
    pub(crate) fn rank(&self) -> Rank {
        let is_leaving =
            || self.session.peer.as_ref().is_some_and(|peer| peer.is_leaving.load(Relaxed));
        match self.remote() {
            None if self.session.is_there() => Rank::Here,
            None => Rank::Away,
            Some(_) if is_leaving() => Rank::Leaving,
            Some(_) => Rank::Elsewhere,
        }
    }

    /// Whether it is that session's, or stands for it with others of its node.
    pub(crate) fn is_of(&self, session: SessionId) -> bool {
        let own = self.session.id();
        if self.remote().is_some() { own.server == session.server } else { own == session }
    }

    /// How little it should be chosen: rank, then what it has to do.
    pub(crate) fn load(&self) -> u64 {
        let load = match self.remote() {
            None => self.session.in_flight(),
            Some(remote) => {
                let reports = self.session.peer.as_ref().map(|peer| peer.reports.load(Relaxed));
                remote.load(reports.unwrap_or_default())
            }
        };
        u64::from(load) | (self.rank() as u64) << 32
    }
}

impl<X> Handler<X> {
    pub(crate) fn new(
        session: Arc<Session<X>>,
        path: Path<'_>,
        conversation: ConversationId,
        (keys, label): (KeySelection, Label),
    ) -> Self {
        let registered = AtomicBool::new(false);
        let path = path.as_str().into();
        let is_special = !keys.is_empty();
        let special = is_special.then(|| Box::new(SpecialHandler { keys, remote: None }));
        Self { session, path, conversation, label, registered, special }
    }

    /// Stands for all handlers of another node.
    pub(crate) fn of_node(
        link: Arc<Session<X>>,
        path: Path<'_>,
        count: u32,
        (keys, label): (KeySelection, Label),
    ) -> Self {
        let remote = Some(Remote::new(count));
        let special = Some(Box::new(SpecialHandler { keys, remote }));
        let told = (KeySelection::default(), label);
        let registered = AtomicBool::new(true);
        Self { special, registered, ..Self::new(link, path, ConversationId(0), told) }
    }

    /// Which properties of a sender it is told, if any.
    pub(crate) fn keys(&self) -> Option<&KeySelection> {
        self.special.as_ref().map(|special| &special.keys).filter(|keys| !keys.is_empty())
    }

    /// Present if it stands for all handlers that another node has for the path; the session is the link to it.
    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.special.as_ref()?.remote.as_ref()
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether these are the properties that it is told.
    pub(crate) fn wants(&self, keys: &KeySelection) -> bool {
        self.keys() == Some(keys).filter(|keys| !keys.is_empty())
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.registered.load(Relaxed)
    }

    pub(crate) fn mark_registered(&self, registered: bool) {
        self.registered.store(registered, Relaxed);
    }
}

/// All handlers of one path: never none, one a session.
#[derive(Debug)]
pub(crate) struct Route<X> {
    pub(crate) handlers: Equals<X>,
    /// Absent if the choice is the usual one; the same for every version of the route.
    special: Option<Arc<Special>>,
}

/// A choice that is not the usual one.
#[derive(Debug)]
struct Special {
    choice: Choice,
    /// The next turn, if they take turns.
    turn: AtomicU32,
}

pub(crate) struct Routes<X> {
    /// Short paths stand in the table itself, not somewhere else in memory.
    by_path: HashMap<SmolStr, Route<X>, RandomState>,
}

impl<X> Routes<X> {
    pub(crate) fn new() -> Self {
        Self { by_path: HashMap::with_hasher(RandomState::default()) }
    }

    /// What keeps the routes that a reader finds.
    pub(crate) fn guard(&self) -> LocalGuard<'_> {
        self.by_path.guard()
    }

    /// The routes for a path, the most specific first.
    pub(crate) fn above<'g>(
        &'g self,
        path: Path<'g>,
        guard: &'g impl Guard,
    ) -> impl Iterator<Item = &'g Route<X>> {
        path.upwards().filter_map(move |branch| self.by_path.get(branch, guard))
    }

    /// Adds a handler of a session that has none on this path.
    pub(crate) fn insert(&self, handler: &Arc<Handler<X>>, choice: Choice) {
        let guard = self.by_path.guard();
        // By itself the table grows when five of six places are taken, and a path is found after dozens of steps. Once in
        // every doubling this copies the table, which takes some 50 ns for each path.
        self.by_path.reserve(self.by_path.len() / 2, &guard);
        let added = |route: &Route<X>| route.with(route.handlers.with(handler));
        let new =
            || Route { handlers: Equals::One(handler.clone()), special: Special::new(choice) };
        self.by_path.update_or_insert_with(handler.path.clone(), added, new, &guard);
    }

    /// Removes a handler; false if it is not there.
    pub(crate) fn remove(&self, handler: &Handler<X>) -> bool {
        let guard = self.by_path.guard();
        let outcome = self.by_path.compute(
            handler.path.clone(),
            |entry| match entry {
                Some((_, route)) if route.handlers.has(handler) => {
                    match route.handlers.without(handler) {
                        Some(handlers) => Operation::Insert(route.with(handlers)),
                        None => Operation::Remove,
                    }
                }
                _ => Operation::Abort(()),
            },
            &guard,
        );
        !matches!(outcome, papaya::Compute::Aborted(()))
    }

    /// How many handlers of this node each path has, with what their requests count for.
    pub(crate) fn handlers(&self) -> impl Iterator<Item = (Label, usize)> {
        let pinned = self.by_path.pin();
        let counts: Vec<_> = pinned
            .values()
            .map(|route| (route.handlers.get(0).label, route.own_count() as usize))
            .collect();
        counts.into_iter()
    }

    /// The paths that have handlers.
    pub(crate) fn paths(&self) -> Vec<Arc<str>> {
        self.by_path.pin().keys().map(|path| path.as_str().into()).collect()
    }

    /// What `view` makes of the route of exactly this path.
    pub(crate) fn at<T>(&self, path: &str, view: impl FnOnce(&Route<X>) -> T) -> Option<T> {
        self.by_path.pin().get(path).map(view)
    }

    /// Gives every route the choice for its path.
    pub(crate) fn choose(&self, choice: impl Fn(Path<'_>) -> Choice) {
        let guard = self.by_path.guard();
        for (path, _) in self.by_path.iter(&guard) {
            if let Ok(parsed) = Path::parse(path) {
                self.choose_at(parsed, choice(parsed));
            }
        }
    }

    /// Gives the route of one path, if there is one, this choice.
    pub(crate) fn choose_at(&self, path: Path<'_>, choice: Choice) {
        let guard = self.by_path.guard();
        if self.by_path.get(path.as_str(), &guard).is_some_and(|route| route.choice() != choice) {
            let choosing = |route: &Route<X>| Route {
                handlers: route.handlers.clone(),
                special: Special::new(choice),
            };
            self.by_path.update(path.as_str().into(), choosing, &guard);
        }
    }

    /// How many paths have handlers.
    pub(crate) fn len(&self) -> usize {
        self.by_path.len()
    }
}

impl<X> Route<X> {
    /// The handlers of this node.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Arc<Handler<X>>> {
        self.handlers.iter().filter(|handler| handler.remote().is_none())
    }

    /// How many these are, without looking at each.
    pub(crate) fn own_count(&self) -> u32 {
        self.handlers.own()
    }

    pub(crate) fn choice(&self) -> Choice {
        self.special.as_ref().map_or(Choice::LeastInFlight, |special| special.choice)
    }

    /// The next turn.
    pub(crate) fn turn(&self) -> u32 {
        self.special.as_ref().map_or(0, |special| special.turn.fetch_add(1, Relaxed))
    }

    fn with(&self, handlers: Equals<X>) -> Self {
        Self { handlers, special: self.special.clone() }
    }
}

impl<X> Clone for Route<X> {
    fn clone(&self) -> Self {
        self.with(self.handlers.clone())
    }
}

impl Special {
    fn new(choice: Choice) -> Option<Arc<Self>> {
        let special = || Arc::new(Self { choice, turn: AtomicU32::new(0) });
        (choice != Choice::LeastInFlight).then(special)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be a million of each.
    #[test]
    fn a_route_and_a_handler_are_small() {
        assert!(size_of::<Route<()>>() <= 24);
        assert!(size_of::<Handler<()>>() <= 56);
    }
}
