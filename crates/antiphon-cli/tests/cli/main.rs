//! The command line as people and scripts meet it: real processes, their output and their exit codes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

mod access;
mod ask;
mod bench;
mod check;
mod config;
mod contexts;
mod demo;
mod everybody;
mod fifo;
mod handle;
mod init;
mod operations;
mod outcomes;
mod principals;
mod process;
mod production;
mod requests;
mod roles;
mod serve;
mod store;
mod usage;
