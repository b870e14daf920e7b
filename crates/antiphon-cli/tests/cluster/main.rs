//! Several servers that are one system, each a process of its own, and what happens when one of them breaks.
//!
//! | file | holds |
//! |---|---|
//! | `nodes` | nodes to test with |
//! | `network` | hosts to run them on, and cables to pull |
//! | `locker` | sessions that take locks |
//! | `routing` | requests that go from one node to another, and nodes that come later |
//! | `failing` | nodes that are killed, stopped, or restarted under load |
//! | `partition` | nodes that do not reach each other |
//! | `joining` | ids, readiness, TLS between nodes |
//! | `shown` | what operators see |
//! | `measured` | how fast nodes are; told, and only judged when it is asked for |
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod failing;
mod joining;
mod locker;
mod measured;
mod network;
mod nodes;
#[path = "../../../antiphon-server/tests/interop/own_address.rs"]
mod own_address;
mod partition;
#[path = "../cli/process.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod process;
mod routing;
mod shown;
#[path = "../faults/stage.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod stage;
