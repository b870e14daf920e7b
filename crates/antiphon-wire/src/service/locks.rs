//! Session locks: services 114, 115, 116, 196 and 197.
//!
//! The answer to 114 is a [`HeldLock`] and comes when the lock is granted, to 115 nothing, to 116 a boolean: whether
//! the lock was held. 197 has no request body and answers a list of names with [`LockDetails`].

use crate::codec::byte_enum;
use crate::codec::record;
use crate::ids::SessionId;

byte_enum! {
    /// What ends a lock besides its release.
    LockScope {
        /// The end of the session.
        Session = 0,
        /// The loss of the connection.
        Connection = 1,
    }
}

record! {
    /// 114: waits for a lock.
    AcquireLock<'a> {
        /// The lock, named like a path.
        name: &'a str,
        /// The session's own number for this wait.
        request: u64,
        /// What ends it.
        scope: LockScope,
    }
}

record! {
    /// 115: gives up a wait.
    CancelAcquireLock<'a> {
        /// The lock.
        name: &'a str,
        /// The number of the wait.
        request: u64,
    }
}

record! {
    /// A lock that is held: the answer to 114, and the request of 116.
    HeldLock<'a> {
        /// The lock.
        name: &'a str,
        /// Grows with every grant, over all locks: a fencing token.
        sequence: u64,
        /// What ends it.
        scope: LockScope,
    }
}

record! {
    /// 196: asks who holds a lock. The answer is an optional [`LockDetails`].
    GetSessionLock<'a> {
        /// The lock.
        name: &'a str,
    }
}

record! {
    /// Who holds a lock.
    LockDetails<'a> {
        /// The node of the holder.
        server: &'a str,
        /// The holder.
        holder: SessionId,
        /// The grant.
        sequence: u64,
    }
}
