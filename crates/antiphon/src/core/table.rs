//! Entries under conversation ids that are never used twice, so that what comes late finds nothing.
//!
//! An id is the entry's place and the number of the entry in the session. The numbers are drawn from one counter for
//! all tables of a session, because a server may keep all conversations of a session in one place.

use antiphon_wire::ids::ConversationId;
use slab::Slab;

/// Draws the numbers of entries.
#[derive(Debug, Default)]
pub(crate) struct Numbers(u64);

impl Numbers {
    /// The most entries of a table, so that a place fits into its part of the id.
    pub(crate) const MOST_ENTRIES: usize = 1 << PLACE_BITS;
}

/// Entries by conversation id.
#[derive(Debug)]
pub(crate) struct Table<T> {
    entries: Slab<(u64, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Slab::new() }
    }
}

impl<T> Table<T> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Gives `entry` an id, unless the table is full.
    pub(crate) fn insert(&mut self, numbers: &mut Numbers, entry: T) -> Option<ConversationId> {
        if self.entries.len() == Numbers::MOST_ENTRIES {
            return None;
        }
        numbers.0 += 1;
        let place = self.entries.insert((numbers.0, entry));
        Some(id(numbers.0, place))
    }

    pub(crate) fn get_mut(&mut self, id: ConversationId) -> Option<&mut T> {
        let (number, place) = parts(id);
        self.entries.get_mut(place).filter(|entry| entry.0 == number).map(|entry| &mut entry.1)
    }

    pub(crate) fn get(&self, id: ConversationId) -> Option<&T> {
        let (number, place) = parts(id);
        self.entries.get(place).filter(|entry| entry.0 == number).map(|entry| &entry.1)
    }

    pub(crate) fn remove(&mut self, id: ConversationId) -> Option<T> {
        let (number, place) = parts(id);
        let known = self.entries.get(place).is_some_and(|entry| entry.0 == number);
        known.then(|| self.entries.remove(place).1)
    }

    /// Every entry, in the order of their places.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ConversationId, &mut T)> {
        self.entries.iter_mut().map(|(place, entry)| (id(entry.0, place), &mut entry.1))
    }

    /// Gives back the room of entries that are gone.
    pub(crate) fn shrink(&mut self) {
        if self.entries.is_empty() {
            self.entries = Slab::new();
        }
    }
}

fn id(number: u64, place: usize) -> ConversationId {
    ConversationId(number << PLACE_BITS | place as u64)
}

fn parts(id: ConversationId) -> (u64, usize) {
    (id.0 >> PLACE_BITS, (id.0 & ((1 << PLACE_BITS) - 1)) as usize)
}

const PLACE_BITS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_not_used_twice_though_its_place_is() {
        let (mut numbers, mut table) = (Numbers::default(), Table::default());
        let first = table.insert(&mut numbers, "first").unwrap();
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert(&mut numbers, "second").unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get_mut(second), Some(&mut "second"));
    }

    #[test]
    fn two_tables_never_give_the_same_id() {
        let mut numbers = Numbers::default();
        let (mut one, mut other) = (Table::default(), Table::default());
        assert_ne!(one.insert(&mut numbers, ()), other.insert(&mut numbers, ()));
    }

    #[test]
    fn no_id_is_zero_which_would_mean_one_way() {
        let mut table = Table::default();
        assert_ne!(table.insert(&mut Numbers::default(), ()), Some(ConversationId(0)));
    }

    #[test]
    fn a_full_table_takes_no_more() {
        let (mut numbers, mut table) = (Numbers::default(), Table::default());
        for _ in 0..Numbers::MOST_ENTRIES {
            assert!(table.insert(&mut numbers, ()).is_some());
        }
        assert_eq!(table.insert(&mut numbers, ()), None);
    }
}
