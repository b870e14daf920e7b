//! Random bodies of every service, family by family.

mod authenticator;
mod control;
mod events;
mod locks;
mod messaging;
mod nodes;
mod principal;
mod security;
