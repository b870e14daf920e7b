//! The published SDKs, unchanged and in processes of their own, and the Rust SDK, against this
//! server and with each other.
//!
//! `environment` installs the published SDKs once below `target/interop`, `agents` holds what
//! speaks to each SDK, `agent` drives one of these, `stage` is a running server to which agents
//! connect, `encryption` makes certificates, `own_address` finds nodes of a cluster a place, `proxy` stands between the two where
//! connections are to be lost, and every other module is a theme of tests. Nothing here speaks the wire: what an SDK
//! shows to its application is what counts, defects included. Where python3 or node is missing the tests say so and pass; with
//! `CI=true` they fail. The first run installs the SDKs and needs the package registries.
//!
//! ```text
//! cargo test -p antiphon-server --test interop
//! cargo test -p antiphon-server --test interop from_py612_to_js
//! ```

mod agent;
mod agents;
mod commands;
mod encryption;
mod environment;
#[cfg(target_os = "linux")]
mod own_address;
mod pool;
mod proxy;
mod sdk;
mod server;
mod shown;
mod stage;
#[path = "../access/mod.rs"]
mod table;
mod values;

mod access;
mod agents_alone;
mod authenticators;
#[cfg(target_os = "linux")]
mod clustered;
mod concurrency;
mod connecting;
mod control;
mod defects;
mod encrypted;
mod events;
mod failing_handlers;
mod garbage;
mod locks;
mod mission;
mod other_services;
mod overload;
mod own_requests;
mod pairs;
mod path_rules;
mod paths;
mod proposed_properties;
mod reconnecting;
mod refusals;
mod registrations;
mod rust_handlers;
mod rust_requests;
mod security;
mod sender_properties;
mod shutdown;
mod sizes;
