//! Bytes to messages and back: the protocol of the published Diffusion SDKs.

pub mod websocket;
