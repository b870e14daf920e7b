//! The broker as a whole, driven by plain calls: no socket, no clock, no thread unless a test is about threads.

mod authentication;
mod choice;
mod control;
mod deadlines;
mod ending;
mod events;
mod filter_requests;
mod ledger;
mod listing;
mod locks;
mod messaging;
mod model;
mod opening;
mod overload;
mod permissions;
mod ping;
mod reconnecting;
mod refusals;
mod routing;
mod sender_properties;
mod writing;

mod world;
