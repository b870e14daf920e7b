//! Sessions against a server in this process: what an application sees of the SDK.
//!
//! | file | holds |
//! |---|---|
//! | `stage` | a server, sessions, and handlers that tests can watch and hold |
//! | `sending` | requests to a path and to a session, and how they fail |
//! | `waiting` | time limits, recipients that go away, futures that are dropped |
//! | `values` | every data type there and back |
//! | `handling` | what a handler can be, is told, and may answer |
//! | `registering` | how handlers come and go |
//! | `at_once` | many handlers and many requests at the same time, and their bounds |
//! | `filters`, `callbacks` | requests to a filter, as a stream and by callbacks |
//! | `life` | how sessions begin, go on and end |
//! | `connecting` | why a session cannot be opened |
//! | `clients` | looking at other sessions |
//! | `tls` | encrypted sessions |
//! | `mission` | the mission's API, method by method |

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod at_once;
mod callbacks;
mod clients;
mod connecting;
mod filters;
mod handling;
mod life;
mod mission;
mod registering;
mod sending;
mod stage;
mod tls;
mod values;
mod waiting;
