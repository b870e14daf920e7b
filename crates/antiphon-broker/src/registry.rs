//! All open sessions: by id, and by the properties and roles that filters ask for.
//!
//! The index is kept in step by one rule: only [`Registry::update`] gives a session other properties or roles.

use std::sync::Arc;

use antiphon_wire::ids::SessionId;
use foldhash::HashMap;
use foldhash::HashSet;
use slab::Slab;

use crate::filter::Bucket;
use crate::filter::Filter;
use crate::filter::Index;
use crate::filter::Narrowed;
use crate::profile::Profile;
use crate::properties::Properties;
use crate::session::Alarms;
use crate::session::Session;
use crate::time::Millis;

pub(crate) struct Registry<X> {
    sessions: Slab<Arc<Session<X>>>,
    alarms: Alarms,
    slots: HashMap<SessionId, Slot>,
    properties: HashMap<Arc<str>, HashMap<Arc<str>, HashSet<Slot>>>,
    /// How many sessions have exactly these property keys. They share the list.
    keys: HashMap<Arc<[Arc<str>]>, usize>,
    roles: HashMap<Arc<str>, HashSet<Slot>>,
}

/// A session's place in the table; small, because every index entry holds one.
type Slot = u32;

impl<X> Default for Registry<X> {
    fn default() -> Self {
        Self {
            sessions: Slab::new(),
            alarms: Alarms::default(),
            slots: HashMap::default(),
            properties: HashMap::default(),
            keys: HashMap::default(),
            roles: HashMap::default(),
        }
    }
}

impl<X> Registry<X> {
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<&Arc<Session<X>>> {
        self.slots.get(&id).map(|&slot| &self.sessions[slot as usize])
    }

    /// Every session, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Session<X>>> {
        self.sessions.iter().map(|(_, session)| session)
    }

    /// Puts the sessions of the next places from `from` on into `piece`, and tells where to go on. Sessions keep their
    /// places, so going on from piece to piece misses none that stays.
    pub(crate) fn piece(&self, from: usize, piece: &mut Vec<Arc<Session<X>>>) -> Option<usize> {
        let end = from + PIECE;
        piece.extend((from..end).filter_map(|place| self.sessions.get(place)).cloned());
        // No session has a place beyond the table's room.
        (end < self.sessions.capacity()).then_some(end)
    }

    /// Adds a session whose id nobody has. The caller keeps the number of sessions below 2^32.
    pub(crate) fn insert(&mut self, session: Arc<Session<X>>) {
        let profile = self.share(&session.profile());
        session.set_profile(profile.clone());
        session.set_up_alarm(self.alarms.set_up(self.sessions.vacant_key()));
        let id = session.id();
        let slot = self.sessions.insert(session) as Slot;
        self.slots.insert(id, slot);
        self.index(slot, &profile);
    }

    /// Removes a session; false if it is not there.
    pub(crate) fn remove(&mut self, id: SessionId) -> bool {
        let Some(slot) = self.slots.remove(&id) else { return false };
        let session = self.sessions.remove(slot as usize);
        self.alarms.take_down(slot as usize);
        self.unindex(slot, &session.profile());
        true
    }

    /// The sessions whose alarm goes off.
    pub(crate) fn due(&self, now: Millis) -> Vec<Arc<Session<X>>> {
        let (due, mut sessions) = (self.alarms.due(now), Vec::new());
        // Row by row from within, which takes a third of what it takes to ask for one after the other.
        due.for_each(|place| sessions.extend(self.sessions.get(place).cloned()));
        sessions
    }

    /// Gives a session another profile; false, and nothing done, if it is not there.
    pub(crate) fn update(&mut self, session: &Session<X>, profile: &Profile) -> bool {
        let Some(&slot) = self.slots.get(&session.id()) else { return false };
        self.unindex(slot, &session.profile());
        let profile = self.share(profile);
        self.index(slot, &profile);
        session.set_profile(profile);
        true
    }

    /// The sessions among which are all that match, in the order of their table places.
    pub(crate) fn candidates(&self, filter: &Filter) -> Vec<Arc<Session<X>>> {
        let Narrowed::Buckets(buckets) = filter.narrow(self) else {
            return self.iter().cloned().collect();
        };
        let mut slots: Vec<Slot> =
            buckets.iter().flat_map(|bucket| self.slots_of(*bucket)).collect();
        slots.sort_unstable();
        slots.dedup();
        slots.iter().map(|&slot| self.sessions[slot as usize].clone()).collect()
    }

    fn slots_of(&self, bucket: Bucket<'_>) -> Vec<Slot> {
        match bucket {
            Bucket::Property { key: SESSION_ID, value } => {
                value.parse().ok().and_then(|id| self.slots.get(&id)).copied().into_iter().collect()
            }
            Bucket::Property { .. } | Bucket::Role(_) => {
                self.indexed(bucket).into_iter().flatten().copied().collect()
            }
        }
    }

    fn indexed(&self, bucket: Bucket<'_>) -> Option<&HashSet<Slot>> {
        match bucket {
            Bucket::Property { key, value } => self.properties.get(key)?.get(value),
            Bucket::Role(role) => self.roles.get(role),
        }
    }

    /// The same profile with keys and values that other sessions have too, so that they are in memory once.
    fn share(&self, profile: &Profile) -> Arc<Profile> {
        let Profile { roles, properties, access } = profile;
        let key = |key| self.properties.get_key_value(key).map_or(key, |(key, _)| key).clone();
        let keys = match self.keys.get_key_value(properties.keys()) {
            Some((keys, _)) => keys.clone(),
            None => properties.keys().iter().map(key).collect(),
        };
        let value = |(key, value)| {
            let values = self.properties.get(key);
            let known = values.and_then(|values| values.get_key_value(value));
            known.map_or(value, |(value, _)| value).clone()
        };
        let values = properties.shared().map(value).collect();
        let properties = Properties::new(keys, values);
        Arc::new(Profile { roles: roles.clone(), properties, access: access.clone() })
    }

    fn index(&mut self, slot: Slot, profile: &Profile) {
        *self.keys.entry(profile.properties.keys().clone()).or_default() += 1;
        for (key, value) in profile.properties.shared().filter(|(key, _)| is_indexed(key)) {
            let values = self.properties.entry(key.clone()).or_default();
            values.entry(value.clone()).or_default().insert(slot);
        }
        for role in profile.roles.iter() {
            self.roles.entry(role.clone()).or_default().insert(slot);
        }
    }

    fn unindex(&mut self, slot: Slot, profile: &Profile) {
        if let Some(count) = self.keys.get_mut(profile.properties.keys()) {
            *count -= 1;
            if *count == 0 {
                self.keys.remove(profile.properties.keys());
            }
        }
        for (key, value) in profile.properties.shared().filter(|(key, _)| is_indexed(key)) {
            let Some(values) = self.properties.get_mut(key) else { continue };
            remove_slot(values, value, slot);
            if values.is_empty() {
                self.properties.remove(key);
            }
        }
        for role in profile.roles.iter() {
            remove_slot(&mut self.roles, role, slot);
        }
    }

    /// Whether the index says exactly what the sessions' profiles say.
    #[cfg(test)]
    pub(crate) fn is_consistent(&self) -> bool {
        let mut fresh = Self::default();
        for (slot, session) in &self.sessions {
            fresh.index(slot as Slot, &session.profile());
        }
        fresh.properties == self.properties
            && fresh.keys == self.keys
            && fresh.roles == self.roles
            && self.slots.len() == self.sessions.len()
            && self.slots.values().all(|&slot| self.sessions.contains(slot as usize))
    }
}

impl<X> Index for Registry<X> {
    fn size(&self, bucket: Bucket<'_>) -> usize {
        match bucket {
            Bucket::Property { key: SESSION_ID, .. } => 1,
            Bucket::Property { key: START_TIME, .. } => self.sessions.len(),
            Bucket::Property { .. } | Bucket::Role(_) => {
                self.indexed(bucket).map_or(0, HashSet::len)
            }
        }
    }

    fn len(&self) -> usize {
        self.sessions.len()
    }
}

/// `$SessionId` is answered by the table of ids; an index of it would hold every session once more. So would one of
/// `$StartTime`, by which nobody looks for sessions.
fn is_indexed(key: &str) -> bool {
    !matches!(key, SESSION_ID | START_TIME)
}

fn remove_slot(sets: &mut HashMap<Arc<str>, HashSet<Slot>>, key: &str, slot: Slot) {
    let Some(set) = sets.get_mut(key) else { return };
    set.remove(&slot);
    if set.is_empty() {
        sets.remove(key);
    }
}

/// So many places are looked at while the registry is locked: some microseconds.
const PIECE: usize = 256;

pub(crate) const SESSION_ID: &str = "$SessionId";
pub(crate) const START_TIME: &str = "$StartTime";
