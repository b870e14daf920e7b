//! What one session has registered, by path.

use std::borrow::Borrow;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use foldhash::HashSet;

use crate::routes::Handler;

/// The handlers of one session: one a path.
#[derive(Debug)]
pub(crate) struct Handlers<X>(HashSet<ByPath<X>>);

#[derive(Debug)]
struct ByPath<X>(Arc<Handler<X>>);

impl<X> Handlers<X> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    pub(crate) fn insert(&mut self, handler: Arc<Handler<X>>) {
        self.0.insert(ByPath(handler));
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Arc<Handler<X>>> {
        self.0.take(path).map(|ByPath(handler)| handler)
    }

    /// All of them, in no particular order; none are left.
    pub(crate) fn take(&mut self) -> Vec<Arc<Handler<X>>> {
        std::mem::take(&mut self.0).into_iter().map(|ByPath(handler)| handler).collect()
    }
}

impl<X> Default for Handlers<X> {
    fn default() -> Self {
        Self(HashSet::default())
    }
}

impl<X> Borrow<str> for ByPath<X> {
    fn borrow(&self) -> &str {
        self.0.path()
    }
}

impl<X> Hash for ByPath<X> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.path().hash(state);
    }
}

impl<X> PartialEq for ByPath<X> {
    fn eq(&self, other: &Self) -> bool {
        self.0.path() == other.0.path()
    }
}

impl<X> Eq for ByPath<X> {}
