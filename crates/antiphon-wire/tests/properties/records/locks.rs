//! Services 114, 115, 116, 196 and 197.

use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fields::number;
use crate::fields::session;
use crate::fields::text;
use crate::round_trip::travels;

#[test]
fn locks_and_waits_travel() {
    travels((text(), number(), scope()).prop_map(|(name, request, scope)| AcquireLock {
        name,
        request,
        scope,
    }));
    travels((text(), number()).prop_map(|(name, request)| CancelAcquireLock { name, request }));
    travels((text(), number(), scope()).prop_map(|(name, sequence, scope)| HeldLock {
        name,
        sequence,
        scope,
    }));
}

#[test]
fn holders_travel() {
    travels(text().prop_map(|name| GetSessionLock { name }));
    travels(option::of(details()));
    travels(vec((text(), details()), 0..4));
}

fn details() -> impl Strategy<Value = LockDetails<'static>> {
    (text(), session(), number()).prop_map(|(server, holder, sequence)| LockDetails {
        server,
        holder,
        sequence,
    })
}

fn scope() -> impl Strategy<Value = LockScope> {
    select(&[LockScope::Session, LockScope::Connection])
}
