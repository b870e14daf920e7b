//! Callbacks for outcomes of filter requests, by the text of the filter.

use std::collections::HashMap;
use std::sync::Arc;

use crate::core::HandlerId;
use crate::messaging::Callback;

/// The callbacks of a session.
#[derive(Default)]
pub(crate) struct Callbacks {
    by_filter: HashMap<Arc<str>, (HandlerId, Callback)>,
    last_id: u64,
}

impl Callbacks {
    /// Adds a callback, in place of the one that was there, which is returned.
    pub(crate) fn add(
        &mut self,
        filter: Arc<str>,
        callback: Callback,
    ) -> (HandlerId, Option<Callback>) {
        self.last_id += 1;
        let id = HandlerId(self.last_id);
        let old = self.by_filter.insert(filter, (id, callback));
        (id, old.map(|entry| entry.1))
    }

    /// Takes a callback out, unless it was replaced.
    pub(crate) fn remove(&mut self, filter: &str, id: HandlerId) -> Option<Callback> {
        let is_there = self.by_filter.get(filter).is_some_and(|entry| entry.0 == id);
        is_there.then(|| self.by_filter.remove(filter)).flatten().map(|entry| entry.1)
    }

    /// Takes all callbacks out: they may hold the session that holds them.
    pub(crate) fn clear(&mut self) -> Vec<Callback> {
        self.by_filter.drain().map(|(_, (_, callback))| callback).collect()
    }

    pub(crate) fn get(&self, filter: &str) -> Option<Callback> {
        self.by_filter.get(filter).map(|entry| Arc::clone(&entry.1))
    }
}
