//! The server from outside: raw bytes over sockets, on a free port, in this process.
//!
//! | file | holds |
//! |---|---|
//! | `access` | which call needs which permission, and which stock role has it; the tables are in `../access` |
//! | `authentication` | who is let in, and for how long |
//! | `client_certificates`, `webhook` | a login over TLS from end to end, with the SDK and with a service |
//! | `reloading` | what a reload changes while sessions are open, and that it is all or nothing |
//! | `tls` | encrypted sessions, certificates of either side, and their replacement |
//! | `certificate_files`, `cluster_files` | what is said about files that are of no use |
//! | `limits` | every limit, crossed while others go on |
//! | `door` | who is turned away at the door, and how |
//! | `http` | what people and lost clients are answered |
//! | `handshake` | connection responses and refusals, byte for byte |
//! | `messages` | sessions that talk to each other, however their bytes are cut |
//! | `malformed` | what must end one session and no other |
//! | `endings` | how connections end, and how the server does |
//! | `draining` | how it ends without harm |
//! | `liveness` | clients that are gone without a farewell |
//! | `slow` | clients that do not read, in each of their roles |
//! | `handover` | handlers that are replaced under load |
//! | `reconnecting` | sessions that outlive their connection, and those that do not |
//! | `secrets` | that no password and no token is ever logged |
//! | `security` | principals and roles that are changed while sessions are open |
//! | `flushing` | that nothing stays unwritten |
//! | `configuration` | what a file may say |
//! | `layers` | where values come from, and which one counts |
//! | `certificates` | an authority that signs them, and files that hold them |
//! | `operations`, `audit` | what operators are told, and what is written down |
//! | `client` | a server to test against, and a client that sends what it is told |

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod access;
mod audit;
mod authentication;
mod certificate_files;
mod certificates;
mod client;
mod client_certificates;
mod cluster_files;
mod configuration;
mod door;
mod draining;
mod endings;
mod flushing;
mod handover;
mod handshake;
mod http;
mod layers;
mod limits;
mod liveness;
mod malformed;
mod messages;
mod operations;
mod reconnecting;
mod reloading;
mod secrets;
mod security;
mod slow;
#[path = "../access/mod.rs"]
mod table;
mod tls;
mod webhook;
