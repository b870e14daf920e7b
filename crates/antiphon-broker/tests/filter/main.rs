//! The session filter language, as an application sees it.

mod errors;
mod language;
mod limits;
mod narrowing;
mod printer;
mod random;
mod session;
