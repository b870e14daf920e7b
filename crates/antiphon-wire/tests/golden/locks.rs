//! Services 114, 115, 116, 196 and 197.

use antiphon_wire::service::Service;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;

use crate::SCRIPT_SESSION;
use crate::Void;
use crate::request;
use crate::response;

#[test]
fn a_lock_is_acquired_with_a_scope_and_answered_with_a_sequence() {
    let acquire = |name, scope| AcquireLock { name, request: 0, scope };
    let held = |name, scope| HeldLock { name, sequence: 77, scope };
    request(
        "007221056c6f636b310000",
        Service::AcquireSessionLock,
        33,
        acquire("lock1", LockScope::Session),
    );
    response("0621056c6f636b314d00", 33, held("lock1", LockScope::Session));
    request(
        "007217026c6b0001",
        Service::AcquireSessionLock,
        23,
        acquire("lk", LockScope::Connection),
    );
    response("0617026c6b4d01", 23, held("lk", LockScope::Connection));
}

#[test]
fn a_lock_is_released_with_what_granted_it() {
    let held = |name, scope| HeldLock { name, sequence: 77, scope };
    request(
        "007422056c6f636b314d00",
        Service::ReleaseSessionLock,
        34,
        held("lock1", LockScope::Session),
    );
    response("062201", 34, true);
    request("007418026c6b4d01", Service::ReleaseSessionLock, 24, held("lk", LockScope::Connection));
    response("061801", 24, true);
}

#[test]
fn a_wait_is_given_up_by_its_number() {
    let cancel = CancelAcquireLock { name: "lock3", request: 2 };
    request("007325056c6f636b3302", Service::CancelAcquireSessionLock, 37, cancel);
    response("0625", 37, Void);
}

#[test]
fn holders_are_told_for_one_lock_or_for_all() {
    let details = LockDetails { server: "node", holder: SCRIPT_SESSION, sequence: 77 };
    let one = GetSessionLock { name: "lk" };
    request("00c40126 026c6b", Service::GetSessionLock, 38, one);
    response("0626 01 046e6f6465 ff0107 4d", 38, Some(details.clone()));
    response("0626 00", 38, None::<LockDetails<'_>>);

    request("00c50127", Service::GetSessionLocks, 39, Void);
    response("0627 01 026c6b 046e6f6465 ff0107 4d", 39, vec![("lk", details)]);
}
