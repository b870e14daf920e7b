//! Which sessions handle which path: the one table of registrations.
//!
//! Readers never wait: a route is immutable and replaced whole, and a reader keeps the one it found for as long as it
//! holds its guard. A lookup visits the path, then each path above it, so its cost does not depend on how many
//! handlers there are.

mod equals;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::path::Path;
use foldhash::fast::RandomState;
use papaya::Guard;
use papaya::HashMap;
use papaya::LocalGuard;
use papaya::Operation;

use crate::config::Choice;
use crate::properties::KeySelection;
use crate::session::Session;
use crate::stats::Label;

pub(crate) use crate::routes::equals::Equals;

/// A session's registration for a path and all below it. The session's id tells the node that owns it.
#[derive(Debug)]
pub(crate) struct Handler<X> {
    pub(crate) session: Arc<Session<X>>,
    path: Arc<str>,
    /// Quoted in every request for it.
    pub(crate) conversation: ConversationId,
    /// Which properties of a sender it is told, if any.
    pub(crate) keys: Option<Box<KeySelection>>,
    /// Whoever found it in a route from before must pass it by. Written with the session locked.
    removed: AtomicBool,
    /// Which figures its requests count for.
    pub(crate) label: Label,
}

impl<X> Handler<X> {
    pub(crate) fn new(
        session: Arc<Session<X>>,
        path: Path<'_>,
        conversation: ConversationId,
        (keys, label): (KeySelection, Label),
    ) -> Self {
        let removed = AtomicBool::new(false);
        let keys = (!keys.is_empty()).then(|| Box::new(keys));
        Self { session, path: path.as_str().into(), conversation, keys, label, removed }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Relaxed)
    }

    pub(crate) fn mark_removed(&self) {
        self.removed.store(true, Relaxed);
    }
}

/// All handlers of one path: never none, one a session.
#[derive(Debug)]
pub(crate) struct Route<X> {
    pub(crate) handlers: Equals<X>,
    pub(crate) choice: Choice,
    /// The next turn, the same for every version of the route; there is one if the choice is [`Choice::RoundRobin`].
    pub(crate) turn: Option<Arc<AtomicU32>>,
}

pub(crate) struct Routes<X> {
    by_path: HashMap<Arc<str>, Route<X>, RandomState>,
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
        let added = |route: &Route<X>| route.with(route.handlers.with(handler));
        let new = || Route::new(Equals::One(handler.clone()), choice, None);
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

    /// How many handlers each path has, with what their requests count for.
    pub(crate) fn handlers(&self) -> impl Iterator<Item = (Label, usize)> {
        let pinned = self.by_path.pin();
        let counts: Vec<_> = pinned
            .values()
            .map(|route| (route.handlers.get(0).label, route.handlers.len()))
            .collect();
        counts.into_iter()
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
        if self.by_path.get(path.as_str(), &guard).is_some_and(|route| route.choice != choice) {
            let choosing =
                |route: &Route<X>| Route::new(route.handlers.clone(), choice, route.turn.clone());
            self.by_path.update(path.as_str().into(), choosing, &guard);
        }
    }

    /// How many paths have handlers.
    pub(crate) fn len(&self) -> usize {
        self.by_path.len()
    }
}

impl<X> Route<X> {
    fn new(handlers: Equals<X>, choice: Choice, turn: Option<Arc<AtomicU32>>) -> Self {
        let turn = turn.or_else(|| (choice == Choice::RoundRobin).then(Arc::default));
        Self { handlers, choice, turn }
    }

    fn with(&self, handlers: Equals<X>) -> Self {
        Self::new(handlers, self.choice, self.turn.clone())
    }
}
