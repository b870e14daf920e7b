//! Several brokers as the nodes of one cluster, with a fabric between them that does what a test says.

mod control;
mod fabric;
mod farewell;
mod filters;
mod joining;
mod keeping;
mod listeners;
mod locks;
mod requests;
mod simulation;
mod tables;
mod threads;
mod turns;
