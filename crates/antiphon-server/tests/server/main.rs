//! The server from outside: raw bytes over sockets, on a free port, in this process.
//!
//! | file | holds |
//! |---|---|
//! | `http` | what people and lost clients are answered |
//! | `handshake` | connection responses and refusals, byte for byte |
//! | `messages` | sessions that talk to each other, however their bytes are cut |
//! | `malformed` | what must end one session and no other |
//! | `endings` | how connections end, and how the server does |
//! | `reconnecting` | sessions that outlive their connection, and those that do not |
//! | `security` | principals and roles that are changed while sessions are open |
//! | `flushing` | that nothing stays unwritten |
//! | `configuration` | what a file may say |
//! | `client` | a server to test against, and a client that sends what it is told |

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod client;
mod configuration;
mod endings;
mod flushing;
mod handshake;
mod http;
mod malformed;
mod messages;
mod reconnecting;
mod security;
