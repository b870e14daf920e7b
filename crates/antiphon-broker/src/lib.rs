//! Who gets which message, and when.
//!
//! The broker is a state machine that any number of threads drive at once. It does no IO, holds no clock, starts no
//! task and never waits: its driver hands in bytes and the time, and takes back the sessions that have something to
//! be written. In order:
//!
//! 1. [`Broker::open`] for each connection that was accepted, then
//! 2. [`Broker::batch`] for each read of its socket, with [`Batch::message`] for each message in it,
//! 3. [`Session::flush`] for each session that a call left in the [`Outbox`],
//! 4. [`Broker::sweep`] every 100 ms,
//! 5. [`Broker::close`] when a connection ends, and [`Broker::shut_down`] when the server does.
//!
//! | module | holds |
//! |---|---|
//! | [`broker`](Broker), `opening`, `batch` | the calls above; dispatch only |
//! | `messaging` | requests, responses and handlers |
//! | `control`, `events`, `locks`, `authentication` | the other services, a family each |
//! | `session`, `mailbox`, `pending`, `profile` | one session |
//! | `registry`, `routes`, `choice` | which sessions there are, and which handles what |
//! | [`filter`] | the session filter language |
//! | [`access`], [`roles`], [`properties`] | what a session may do, and what it is known by |

mod authentication;
mod batch;
mod broker;
mod choice;
mod config;
mod control;
mod error;
mod events;
mod locks;
mod mailbox;
mod messaging;
mod opening;
mod outbox;
mod pending;
mod profile;
mod reconnecting;
mod registry;
mod routes;
mod session;
mod stats;
mod time;

#[cfg(test)]
mod tests;

pub mod access;
pub mod filter;
pub mod properties;
pub mod roles;

pub use crate::authentication::Authentication;
pub use crate::authentication::Grant;
pub use crate::batch::Batch;
pub use crate::batch::Next;
pub use crate::broker::Broker;
pub use crate::config::BrokerConfig;
pub use crate::config::Choice;
pub use crate::config::Limits;
pub use crate::config::PathRule;
pub use crate::config::Recovery;
pub use crate::mailbox::Spare;
pub use crate::opening::Opening;
pub use crate::outbox::Outbox;
pub use crate::profile::Roles;
pub use crate::session::Connection;
pub use crate::session::Flush;
pub use crate::session::Session;
pub use crate::stats::End;
pub use crate::stats::Kind;
pub use crate::stats::Ledger;
pub use crate::stats::Mismatch;
pub use crate::stats::Refusal;
pub use crate::stats::Stats;
pub use crate::time::Millis;
