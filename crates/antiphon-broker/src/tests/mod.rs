//! The broker as a whole, driven by plain calls: no socket, no clock, no thread unless a test is about threads.

mod messaging;
mod world;
