//! Which sessions handle which path: the one table of registrations.
//!
//! Readers never wait: a route is immutable and replaced whole, and a reader keeps the one it found for as long as it
//! holds its guard. A lookup visits the path, then each path above it, so its cost does not depend on how many
//! handlers there are.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::path::Path;
use foldhash::fast::RandomState;
use papaya::Guard;
use papaya::HashMap;
use papaya::LocalGuard;
use papaya::Operation;
use thiserror::Error;

use crate::config::Choice;
use crate::properties::KeySelection;
use crate::session::Session;

/// A session's registration for a path and all below it. The session's id tells the node that owns it.
#[derive(Debug)]
pub(crate) struct Handler<X> {
    pub(crate) session: Arc<Session<X>>,
    path: Arc<str>,
    /// Quoted in every request for it.
    pub(crate) conversation: ConversationId,
    /// Which properties of a sender it is told.
    pub(crate) keys: KeySelection,
}

impl<X> Handler<X> {
    pub(crate) fn new(
        session: Arc<Session<X>>,
        path: Path<'_>,
        conversation: ConversationId,
        keys: KeySelection,
    ) -> Self {
        Self { session, path: path.as_str().into(), conversation, keys }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// All handlers of one path: never none, one a session.
#[derive(Debug)]
pub(crate) struct Route<X> {
    pub(crate) handlers: Vec<Arc<Handler<X>>>,
    pub(crate) choice: Choice,
    /// The next turn of [`Choice::RoundRobin`], the same for every version of the route.
    pub(crate) turn: Arc<AtomicU32>,
}

/// The session already has a handler on this path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the session already has a handler on this path")]
pub(crate) struct Conflict;

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

    pub(crate) fn insert(&self, handler: &Arc<Handler<X>>, choice: Choice) -> Result<(), Conflict> {
        let guard = self.by_path.guard();
        let outcome = self.by_path.compute(
            handler.path.clone(),
            |entry| match entry {
                None => Operation::Insert(Route {
                    handlers: vec![handler.clone()],
                    choice,
                    turn: Arc::default(),
                }),
                Some((_, route)) if route.position(handler.session.as_ref()).is_some() => {
                    Operation::Abort(Conflict)
                }
                Some((_, route)) => {
                    let handlers = route.handlers.iter().chain([handler]).cloned().collect();
                    Operation::Insert(route.with(handlers))
                }
            },
            &guard,
        );
        match outcome {
            papaya::Compute::Aborted(conflict) => Err(conflict),
            papaya::Compute::Inserted(..)
            | papaya::Compute::Updated { .. }
            | papaya::Compute::Removed(..) => Ok(()),
        }
    }

    /// Removes a session's handler from a path; false if it has none there.
    pub(crate) fn remove(&self, path: &str, session: &Session<X>) -> bool {
        let guard = self.by_path.guard();
        let outcome = self.by_path.compute(
            Arc::from(path),
            |entry| {
                let Some((_, route)) = entry else { return Operation::Abort(()) };
                let Some(position) = route.position(session) else { return Operation::Abort(()) };
                if route.handlers.len() == 1 {
                    return Operation::Remove;
                }
                let mut handlers = route.handlers.clone();
                handlers.remove(position);
                Operation::Insert(route.with(handlers))
            },
            &guard,
        );
        !matches!(outcome, papaya::Compute::Aborted(()))
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
                |route: &Route<X>| Route { choice, ..route.with(route.handlers.clone()) };
            self.by_path.update(path.as_str().into(), choosing, &guard);
        }
    }

    /// How many paths have handlers.
    pub(crate) fn len(&self) -> usize {
        self.by_path.len()
    }
}

impl<X> Route<X> {
    fn position(&self, session: &Session<X>) -> Option<usize> {
        self.handlers.iter().position(|handler| handler.session.id() == session.id())
    }

    fn with(&self, handlers: Vec<Arc<Handler<X>>>) -> Self {
        Self { handlers, choice: self.choice, turn: self.turn.clone() }
    }
}
