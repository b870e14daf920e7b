//! Sockets, time and configuration around the broker.
