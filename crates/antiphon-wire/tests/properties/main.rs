//! Properties of every message that can be written and of every byte that can be read.

mod connection;
mod fields;
mod hostile;
mod messages;
mod records;
mod response;
mod round_trip;
mod varints;
