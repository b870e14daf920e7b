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
//! 5. [`Broker::close`] or [`Broker::lose`] when a connection ends,
//! 6. [`Broker::drain`] and [`Broker::shut_down`] when the server does.
//!
//! Where there are other nodes, [`Broker::join`] when one comes, [`Broker::transmission`] for what it transmits,
//! [`Session::transmit`] for a link in the outbox, and [`Broker::part`] when the node goes.
//!
//! | module | holds |
//! |---|---|
//! | [`broker`](Broker), `opening`, `batch` | the calls above; dispatch only |
//! | `messaging` | requests, responses and handlers |
//! | `control`, `events`, `locks`, `authentication`, `security` | the other services, a family each |
//! | `session`, `mailbox`, `pending`, `profile` | one session |
//! | `sweeping` | what is due |
//! | `reconnecting`, `liveness`, `draining` | sessions whose connection is lost, whose client is gone, or that have to leave |
//! | `cluster` | the other nodes |
//! | `registry`, `routes`, `choice` | which sessions there are, and which handles what |
//! | `stats`, `notes` | what is counted, and what may be written down |
//! | [`filter`] | the session filter language |
//! | [`access`], [`roles`], [`properties`] | what a session may do, and what it is known by |

mod authentication;
mod authenticators;
mod batch;
mod broker;
mod choice;
mod cluster;
mod config;
mod control;
mod departed;
mod draining;
mod error;
mod events;
mod liveness;
mod locks;
mod mailbox;
mod messaging;
mod notes;
mod opening;
mod outbox;
mod pending;
mod profile;
mod rate;
mod reading;
mod reconnecting;
mod registry;
mod routes;
mod security;
mod session;
mod stats;
mod sweeping;
mod time;

#[cfg(test)]
mod tests;

pub mod access;
pub mod filter;
pub mod properties;
pub mod roles;

pub use crate::authentication::Authentication;
pub use crate::authentication::Expiry;
pub use crate::authentication::Grant;
pub use crate::authenticators::Opinion;
pub use crate::authenticators::Question;
pub use crate::batch::Batch;
pub use crate::batch::Next;
pub use crate::batch::takes_long;
pub use crate::broker::Broker;
pub use crate::cluster::Broken;
pub use crate::cluster::LinkState;
pub use crate::cluster::NodeStatus;
pub use crate::config::BrokerConfig;
pub use crate::config::Choice;
pub use crate::config::Limits;
pub use crate::config::Liveness;
pub use crate::config::Nodes;
pub use crate::config::PathRule;
pub use crate::config::Recovery;
pub use crate::draining::Left;
pub use crate::mailbox::Requests;
pub use crate::mailbox::Spare;
pub use crate::notes::Note;
pub use crate::opening::Opening;
pub use crate::outbox::Outbox;
pub use crate::profile::Roles;
pub use crate::rate::Rate;
pub use crate::security::Script;
pub use crate::security::SecurityUpdate;
pub use crate::session::Connection;
pub use crate::session::Flush;
pub use crate::session::Session;
pub use crate::stats::BOUNDS;
pub use crate::stats::End;
pub use crate::stats::Kind;
pub use crate::stats::Ledger;
pub use crate::stats::Limit;
pub use crate::stats::MAX_PATHS;
pub use crate::stats::Mismatch;
pub use crate::stats::PathFigures;
pub use crate::stats::Refusal;
pub use crate::stats::Stats;
pub use crate::time::Millis;
