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
    before: u32,
    /// How many of those up to its end are of this node.
    own: u32,
    handlers: Arc<[Arc<Handler<X>>]>,
}

/// The handlers of a piece, and how many of them are of this node.
type Part<X> = (Arc<[Arc<Handler<X>>]>, u32);

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
                &piece.handlers[place - piece.before as usize]
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Handler<X>>> {
        (0..self.len()).map(|place| self.get(place))
    }

    /// How many are of this node.
    pub(crate) fn own(&self) -> u32 {
        match self {
            Self::One(handler) => own(handler),
            Self::Many(pieces) => pieces.last().map_or(0, |piece| piece.own),
        }
    }

    #[inline]
    pub(crate) fn are_all_own(&self) -> bool {
        match self {
            Self::One(handler) => handler.remote().is_none(),
            Self::Many(pieces) => {
                pieces.last().is_some_and(|piece| piece.own as usize == piece.end())
            }
        }
    }

    /// The same list and one more at its end.
    pub(super) fn with(&self, handler: &Arc<Handler<X>>) -> Self {
        let mut parts = self.parts();
        match parts.last_mut() {
            Some((last, count)) if last.len() < PIECE => {
                *last = last.iter().chain([handler]).cloned().collect();
                *count += own(handler);
            }
            _ => parts.push(([handler.clone()].into(), own(handler))),
        }
        Self::of(parts)
    }

    /// The same list without this one; `None` if no other is left. Itself if it is not there.
    pub(super) fn without(&self, handler: &Handler<X>) -> Option<Self> {
        let mut parts = self.parts();
        let is_it = |other: &Arc<Handler<X>>| ptr::eq(Arc::as_ptr(other), handler);
        if let Some(at) = parts.iter().position(|(part, _)| part.iter().any(is_it)) {
            let (part, count) = &mut parts[at];
            *part = part.iter().filter(|other| !is_it(other)).cloned().collect();
            *count -= own(handler);
            // With the piece behind it, or the one before.
            for first in [at, at.wrapping_sub(1)] {
                if let Some([(one, count), (next, more)]) =
                    parts.get(first..).and_then(<[_]>::first_chunk)
                    && one.len() + next.len() <= PIECE
                {
                    parts[first] = (one.iter().chain(&**next).cloned().collect(), count + more);
                    parts.remove(first + 1);
                }
            }
        }
        let is_empty = parts.iter().all(|(part, _)| part.is_empty());
        (!is_empty).then(|| Self::of(parts))
    }

    pub(super) fn has(&self, handler: &Handler<X>) -> bool {
        let is_it = |other: &Arc<Handler<X>>| ptr::eq(Arc::as_ptr(other), handler);
        match self {
            Self::One(one) => is_it(one),
            Self::Many(pieces) => pieces.iter().any(|piece| piece.handlers.iter().any(is_it)),
        }
    }

    fn parts(&self) -> Vec<Part<X>> {
        let pieces = match self {
            Self::One(handler) => return vec![([handler.clone()].into(), own(handler))],
            Self::Many(pieces) => pieces,
        };
        let before = [0].into_iter().chain(pieces.iter().map(|piece| piece.own));
        let part = |(piece, before): (&Piece<X>, u32)| (piece.handlers.clone(), piece.own - before);
        pieces.iter().zip(before).map(part).collect()
    }

    fn of(parts: Vec<Part<X>>) -> Self {
        if let [(part, _)] = &*parts
            && let [handler] = &**part
        {
            return Self::One(handler.clone());
        }
        let (mut before, mut own) = (0, 0);
        let piece = |(handlers, count): Part<X>| {
            own += count;
            let piece = Piece { before, own, handlers };
            // No path has billions.
            before = piece.end() as u32;
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
        self.before as usize + self.handlers.len()
    }
}

/// 1 if it is of this node.
fn own<X>(handler: &Handler<X>) -> u32 {
    u32::from(handler.remote().is_none())
}

/// As many handlers as are copied at once. Tests want to see more than one piece.
const PIECE: usize = if cfg!(test) { 4 } else { 128 };
