//! The handlers of one path. Does not choose among them.
//!
//! A list never changes; one with one handler more or less is a new list that shares most of the old one. Its handlers
//! stand in pieces, so that a piece and the list of pieces are copied instead of all: thousands of sessions can register
//! for the same path one after the other.

use std::ptr;
use std::sync::Arc;

use crate::routes::Handler;

/// All handlers of one path, in the order in which they registered; never none.
#[derive(Debug)]
pub(crate) enum Equals<X> {
    /// Nearly every path has one.
    One(Arc<Handler<X>>),
    /// In pieces of [`PIECE`] at most, of which two neighbours never fit into one.
    Many(Arc<[Piece<X>]>),
}

#[derive(Debug)]
pub(crate) struct Piece<X> {
    /// How many handlers stand in the pieces before.
    before: usize,
    handlers: Arc<[Arc<Handler<X>>]>,
}

impl<X> Equals<X> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(pieces) => pieces.last().map_or(0, Piece::end),
        }
    }

    /// The handler at a place below [`Equals::len`].
    #[inline]
    pub(crate) fn get(&self, place: usize) -> &Arc<Handler<X>> {
        match self {
            Self::One(handler) => handler,
            Self::Many(pieces) => {
                let piece = match &**pieces {
                    [piece] => piece,
                    pieces => &pieces[pieces.partition_point(|piece| piece.end() <= place)],
                };
                &piece.handlers[place - piece.before]
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Handler<X>>> {
        (0..self.len()).map(|place| self.get(place))
    }

    /// The same list and one more at its end.
    pub(super) fn with(&self, handler: &Arc<Handler<X>>) -> Self {
        let mut parts = self.parts();
        match parts.last_mut() {
            Some(last) if last.len() < PIECE => {
                *last = last.iter().chain([handler]).cloned().collect();
            }
            _ => parts.push([handler.clone()].into()),
        }
        Self::of(parts)
    }

    /// The same list without this one; `None` if no other is left. Itself if it is not there.
    pub(super) fn without(&self, handler: &Handler<X>) -> Option<Self> {
        let mut parts = self.parts();
        let is_it = |other: &Arc<Handler<X>>| ptr::eq(Arc::as_ptr(other), handler);
        if let Some(at) = parts.iter().position(|part| part.iter().any(is_it)) {
            parts[at] = parts[at].iter().filter(|other| !is_it(other)).cloned().collect();
            // With the piece behind it, or the one before.
            for first in [at, at.wrapping_sub(1)] {
                if let Some([one, next]) = parts.get(first..).and_then(<[_]>::first_chunk)
                    && one.len() + next.len() <= PIECE
                {
                    parts[first] = one.iter().chain(&**next).cloned().collect();
                    parts.remove(first + 1);
                }
            }
        }
        let is_empty = parts.iter().all(|part| part.is_empty());
        (!is_empty).then(|| Self::of(parts))
    }

    pub(super) fn has(&self, handler: &Handler<X>) -> bool {
        let is_it = |other: &Arc<Handler<X>>| ptr::eq(Arc::as_ptr(other), handler);
        match self {
            Self::One(one) => is_it(one),
            Self::Many(pieces) => pieces.iter().any(|piece| piece.handlers.iter().any(is_it)),
        }
    }

    fn parts(&self) -> Vec<Arc<[Arc<Handler<X>>]>> {
        match self {
            Self::One(handler) => vec![[handler.clone()].into()],
            Self::Many(pieces) => pieces.iter().map(|piece| piece.handlers.clone()).collect(),
        }
    }

    fn of(parts: Vec<Arc<[Arc<Handler<X>>]>>) -> Self {
        if let [part] = &*parts
            && let [handler] = &**part
        {
            return Self::One(handler.clone());
        }
        let mut before = 0;
        let piece = |handlers: Arc<[_]>| {
            let piece = Piece { before, handlers };
            before = piece.end();
            piece
        };
        Self::Many(parts.into_iter().map(piece).collect())
    }
}

impl<X> Clone for Equals<X> {
    fn clone(&self) -> Self {
        match self {
            Self::One(handler) => Self::One(handler.clone()),
            Self::Many(pieces) => Self::Many(pieces.clone()),
        }
    }
}

impl<X> Piece<X> {
    fn end(&self) -> usize {
        self.before + self.handlers.len()
    }
}

/// As many handlers as are copied at once. Tests want to see more than one piece.
const PIECE: usize = if cfg!(test) { 4 } else { 128 };
