//! Several brokers as the nodes of one cluster, with a fabric between them that does what a test says.

mod fabric;
mod joining;
mod requests;
