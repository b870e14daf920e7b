//! The WebSocket codec through its public face.
//!
//! `frames`: exact bytes, one frame at a time. `streams`: many frames, cut and damaged anywhere.
//! `peer`: the crate tungstenite on the other end, and as a second opinion on damaged streams.

mod frames;
mod peer;
mod streams;

use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use antiphon_wire::websocket::Violation;

/// An event that outlives the read buffer.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Message(Vec<u8>),
    Fragment,
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(payload) => Self::Message(payload.to_vec()),
            Event::Fragment => Self::Fragment,
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong => Self::Pong,
            Event::Close(code) => Self::Close(code),
        }
    }
}

/// Everything that came out of a stream, and the violation that ended it.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    events: Vec<Seen>,
    violation: Option<Violation>,
}

/// Reads `bytes` as a connection does that receives `piece` of them at a time.
fn read(bytes: &[u8], limit: usize, piece: usize) -> Reading {
    let mut decoder = Decoder::new(limit);
    let mut reading = Reading::default();
    let mut pending = Vec::new();
    for received in bytes.chunks(piece) {
        pending.extend_from_slice(received);
        let used = read_whole_frames(&mut decoder, &mut pending, &mut reading);
        pending.drain(..used);
        if reading.violation.is_some() || matches!(reading.events.last(), Some(Seen::Close(_))) {
            break;
        }
    }
    reading
}

fn read_whole_frames(decoder: &mut Decoder, buf: &mut [u8], reading: &mut Reading) -> usize {
    let mut at = 0;
    loop {
        match decoder.next(&mut buf[at..]) {
            Ok(None) => return at,
            Ok(Some((used, event))) => {
                at += used;
                reading.events.push(event.into());
            }
            Err(violation) => {
                reading.violation = Some(violation);
                return at;
            }
        }
        if matches!(reading.events.last(), Some(Seen::Close(_))) {
            return at;
        }
    }
}

/// One frame, built without the code under test. `first` holds the last-fragment bit and opcode.
fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(masked + length as u8),
        length @ 126..=65535 => {
            bytes.push(masked + 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(masked + 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(key.into_iter().flatten());
    let key = key.unwrap_or_default();
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    bytes
}

const FRAGMENT: u8 = 0x02;
const MIDDLE_FRAGMENT: u8 = 0x00;
const LAST_FRAGMENT: u8 = 0x80;
const MESSAGE: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
