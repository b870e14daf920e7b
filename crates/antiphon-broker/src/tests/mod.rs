//! The broker as a whole, driven by plain calls: no socket, no clock, no thread unless a test is about threads.

mod authentication;
mod authenticators;
mod choice;
mod control;
mod deadlines;
mod draining;
mod ending;
mod events;
mod filter_requests;
mod ledger;
mod listing;
mod liveness;
mod locks;
mod messaging;
mod model;
mod nodes;
mod notes;
mod opening;
mod overload;
mod permissions;
mod ping;
mod reconnecting;
mod refusals;
mod routing;
mod security;
mod sender_properties;
mod sweeping;
mod writing;

mod world;
