//! WebSocket frames: what is decoded does not depend on how the bytes are cut into reads.

use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use antiphon_wire::websocket::Violation;

/// The first byte says how long the reads are; the rest is the stream.
///
/// # Panics
/// If a cut makes a difference, or if a frame is longer than what was read.
pub fn run(bytes: &[u8]) {
    let Some((&length, stream)) = bytes.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, usize::from(length).max(1)), whole);
}

/// An event, kept.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    Message(Vec<u8>),
    Fragment,
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// The events of a stream that comes in reads of `length` bytes, and what ended it.
fn read(stream: &[u8], length: usize) -> (Vec<Kept>, Option<Violation>) {
    let mut decoder = Decoder::new(MAXIMUM_MESSAGE);
    let (mut rest, mut events) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(length) {
        rest.extend_from_slice(bytes);
        loop {
            match decoder.next(&mut rest) {
                Ok(None) => break,
                Ok(Some((used, event))) => {
                    events.push(keep(event));
                    if matches!(events.last(), Some(Kept::Close(_))) {
                        return (events, None);
                    }
                    rest.drain(..used);
                }
                Err(violation) => return (events, Some(violation)),
            }
        }
    }
    (events, None)
}

fn keep(event: Event<'_>) -> Kept {
    match event {
        Event::Message(message) => {
            assert!(message.len() <= MAXIMUM_MESSAGE);
            Kept::Message(message.to_vec())
        }
        Event::Fragment => Kept::Fragment,
        Event::Ping(payload) => Kept::Ping(payload.to_vec()),
        Event::Pong => Kept::Pong,
        Event::Close(code) => Kept::Close(code),
    }
}

const MAXIMUM_MESSAGE: usize = 1024;
