//! Bytes to messages and back: the protocol that the published Diffusion SDKs speak.
//!
//! Both sides are here: what a server reads and writes, and what a client does.
//!
//! This crate does no IO, holds no clock, starts no task and never allocates from a length that a peer merely
//! declared. It does not decide anything: who gets a message is the broker's business. `docs/protocol.md` is the
//! normative description; each module names the part it implements.
//!
//! | module | holds |
//! |---|---|
//! | [`connect`] | the parameters of a connection, credentials, the connection response |
//! | [`message`] | the outer frame: request, response, error, abort, close request |
//! | [`service`] | the registry of service numbers and the body of every service |
//! | [`node`] | what the nodes of a cluster say to each other |
//! | [`value`] | named values (`string`, `json`, ...) and the check that their bytes are whole |
//! | [`ids`], [`path`] | session ids, conversation ids, message paths |
//! | [`recovery`] | what can be sent again after a connection was lost |
//! | [`codec`] | primitive encodings, [`codec::Reader`] |
//! | [`websocket`] | RFC 6455 frames over plain byte buffers, masked as a client sends them or not |
//! | [`error`] | reason codes and decoding faults |

pub mod cbor;
pub mod codec;
pub mod connect;
pub mod error;
pub mod ids;
pub mod message;
pub mod node;
pub mod path;
pub mod recovery;
pub mod service;
pub mod value;
pub mod websocket;
