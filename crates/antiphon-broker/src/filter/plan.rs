//! Finds the buckets of an index that hold every match of a filter. Does not look into the buckets.

use super::eval::Expr;
use super::eval::Set;

/// An index over the sessions: how many there are in each bucket.
#[expect(clippy::len_without_is_empty, reason = "a filter has no use for it")]
pub trait Index {
    /// How many sessions are in `bucket`. For a bucket that the index does not keep, [`Index::len`].
    fn size(&self, bucket: Bucket<'_>) -> usize;

    /// How many sessions there are in all.
    fn len(&self) -> usize;
}

/// Sessions with something in common, which an index can name at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket<'f> {
    /// The sessions whose property `key` has this value.
    Property {
        /// The property's key.
        key: &'f str,
        /// The property's value.
        value: &'f str,
    },
    /// The sessions that have this role.
    Role(&'f str),
}

/// Where the matches of a filter are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrowed<'f> {
    /// Anywhere: every session has to be asked.
    All,
    /// In one of these buckets. A session can be in several of them, but must be counted once.
    Buckets(Vec<Bucket<'f>>),
}

/// Buckets that together hold every match, and the sum of their sizes.
struct Plan<'f> {
    buckets: Vec<Bucket<'f>>,
    cost: usize,
}

/// The cheapest buckets for `root`; all sessions if the buckets hold no fewer.
pub(super) fn narrow<'f>(root: &'f Expr, index: &impl Index) -> Narrowed<'f> {
    match plan(root, index) {
        Some(plan) if plan.cost < index.len() => Narrowed::Buckets(plan.buckets),
        _ => Narrowed::All,
    }
}

fn plan<'f>(expr: &'f Expr, index: &impl Index) -> Option<Plan<'f>> {
    match expr {
        Expr::All | Expr::Has(_) | Expr::Matches { .. } | Expr::Not(_) => None,
        Expr::HasRoles(roles) => rarest_role(roles, index),
        Expr::Among { key, values } => {
            let buckets = values.iter().map(|value| Bucket::Property { key, value });
            union(buckets.map(|bucket| Some(Plan::of(bucket, index))))
        }
        Expr::RolesAmong(sets) => union(sets.iter().map(|roles| rarest_role(roles, index))),
        Expr::And(parts) => {
            parts.iter().filter_map(|part| plan(part, index)).min_by_key(|plan| plan.cost)
        }
        Expr::Or(parts) => union(parts.iter().map(|part| plan(part, index))),
    }
}

/// One bucket that everybody with all these roles is in; none if there are no roles.
fn rarest_role<'f>(roles: &'f Set, index: &impl Index) -> Option<Plan<'f>> {
    roles.iter().map(|role| Plan::of(Bucket::Role(role), index)).min_by_key(|plan| plan.cost)
}

/// The buckets of all plans; none if one of the plans is missing.
fn union<'f>(plans: impl Iterator<Item = Option<Plan<'f>>>) -> Option<Plan<'f>> {
    let mut all = Plan { buckets: Vec::new(), cost: 0 };
    for plan in plans {
        let plan = plan?;
        all.buckets.extend(plan.buckets);
        all.cost = all.cost.saturating_add(plan.cost);
    }
    Some(all)
}

impl<'f> Plan<'f> {
    fn of(bucket: Bucket<'f>, index: &impl Index) -> Self {
        Self { buckets: vec![bucket], cost: index.size(bucket) }
    }
}
