//! The crate tungstenite at the other end.

use std::io::Cursor;
use std::io::Read;
use std::io::Write;

use antiphon_wire::websocket::Violation;
use antiphon_wire::websocket::put_close;
use antiphon_wire::websocket::put_masked_close;
use antiphon_wire::websocket::put_masked_message;
use antiphon_wire::websocket::put_masked_ping;
use antiphon_wire::websocket::put_masked_pong;
use antiphon_wire::websocket::put_message;
use antiphon_wire::websocket::put_ping;
use antiphon_wire::websocket::put_pong;
use proptest::collection::vec;
use proptest::prelude::*;
use tungstenite::Error;
use tungstenite::Message;
use tungstenite::WebSocket;
use tungstenite::protocol::Role;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

use crate::CLOSE;
use crate::LAST_FRAGMENT;
use crate::MESSAGE;
use crate::PING;
use crate::PONG;
use crate::Reading;
use crate::Seen;
use crate::read;
use crate::streams::LIMIT;
use crate::streams::Sent;
use crate::streams::bytes_of;
use crate::streams::conversation;
use crate::streams::damage;
use crate::streams::damaged;
use crate::streams::events_of;
use crate::streams::limit;

proptest! {
    #[test]
    fn tungstenite_as_client_reads_what_the_server_writes(
        frames in conversation(),
        expected in prop_oneof![0..300_usize, 65_000..66_000_usize],
    ) {
        let frames = unfragmented(frames);
        let mut out = Vec::new();
        for sent in &frames {
            match sent.first {
                PING => put_ping(&mut out, &sent.payload),
                PONG => put_pong(&mut out, &sent.payload),
                CLOSE => put_close(&mut out, 1001),
                _ => put_message(&mut out, expected, |out| out.extend_from_slice(&sent.payload)),
            }
        }
        let (events, _) = read_by_tungstenite(out, Role::Client, LIMIT);
        prop_assert_eq!(events, without_codes(events_of(&frames)));
    }

    #[test]
    fn tungstenite_as_server_reads_what_a_client_writes(
        frames in conversation(),
        key: [u8; 4],
    ) {
        let frames = unfragmented(frames);
        let mut out = Vec::new();
        for sent in &frames {
            match sent.first {
                PING => put_masked_ping(&mut out, key, &sent.payload),
                PONG => put_masked_pong(&mut out, key, &sent.payload),
                CLOSE => put_masked_close(&mut out, key, 1001),
                _ => put_masked_message(&mut out, key, &sent.payload),
            }
        }
        let expected = without_codes(events_of(&frames));
        let ours = read(&out, LIMIT, usize::MAX);
        prop_assert_eq!(ours.violation, None);
        prop_assert_eq!(&without_codes(ours.events), &expected);
        let (events, _) = read_by_tungstenite(out, Role::Server, LIMIT);
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn what_tungstenite_writes_as_client_is_read(frames in conversation()) {
        let bytes = written_by_tungstenite(&frames);
        let expected = Reading { events: events_of(&frames), violation: None };
        prop_assert_eq!(read(&bytes, LIMIT, usize::MAX), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The differences that are meant: text messages, lengths in more bytes than needed, and close
    /// codes that are never sent end the connection here, while tungstenite lives with them.
    /// It takes unmasked frames here because it is told to.
    #[test]
    fn tungstenite_agrees_on_damaged_streams(
        frames in conversation(),
        faults in vec(damage(), 0..4),
        limit in limit(),
    ) {
        let bytes = damaged(bytes_of(&frames), &faults);
        let ours = read(&bytes, limit, usize::MAX);
        let events = without_codes(without_fragments(ours.events));
        let (theirs, error) = read_by_tungstenite(bytes, Role::Server, limit);
        match ours.violation {
            Some(
                Violation::TextMessage | Violation::NonMinimalLength | Violation::BadCloseCode(_),
            ) => prop_assert!(theirs.starts_with(&events), "{theirs:?} after {events:?}"),
            Some(violation) => {
                prop_assert_eq!(theirs, events);
                prop_assert!(error.is_some(), "tungstenite does not mind: {violation}");
            }
            None => {
                prop_assert_eq!(theirs, events);
                prop_assert!(matches!(error, None | Some(Error::Protocol(END_OF_STREAM))), "{error:?}");
            }
        }
    }
}

const END_OF_STREAM: tungstenite::error::ProtocolError =
    tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;

/// A connection whose other end has sent all it will ever send.
struct Pipe {
    incoming: Cursor<Vec<u8>>,
    outgoing: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.incoming.read(buf)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.outgoing.write(buf)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn socket(incoming: Vec<u8>, role: Role, limit: usize) -> WebSocket<Pipe> {
    let pipe = Pipe { incoming: Cursor::new(incoming), outgoing: Vec::new() };
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        // This one counts for control frames too, which may always have 125 bytes.
        .max_frame_size(Some(limit.max(125)))
        .max_message_size(Some(limit))
        .accept_unmasked_frames(true);
    WebSocket::from_raw_socket(pipe, role, Some(config))
}

/// All that tungstenite delivers but text, and the error that ended it if it was not a close.
fn read_by_tungstenite(bytes: Vec<u8>, role: Role, limit: usize) -> (Vec<Seen>, Option<Error>) {
    let mut socket = socket(bytes, role, limit);
    let mut events = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Binary(payload)) => events.push(Seen::Message(payload.to_vec())),
            Ok(Message::Ping(payload)) => events.push(Seen::Ping(payload.to_vec())),
            Ok(Message::Pong(_)) => events.push(Seen::Pong),
            Ok(Message::Text(_)) => {}
            Ok(Message::Close(_)) => {
                events.push(Seen::Close(None));
                return (events, None);
            }
            Ok(Message::Frame(_)) => unreachable!("only sent, never read"),
            Err(error) => return (events, Some(error)),
        }
    }
}

fn written_by_tungstenite(frames: &[Sent]) -> Vec<u8> {
    let mut socket = socket(Vec::new(), Role::Client, LIMIT);
    for sent in frames {
        let header = FrameHeader {
            is_final: sent.first & LAST_FRAGMENT != 0,
            opcode: OpCode::from(sent.first & 0x0f),
            ..FrameHeader::default()
        };
        let frame = Frame::from_payload(header, sent.payload.clone().into());
        socket.write(Message::Frame(frame)).expect("a pipe takes all");
    }
    socket.flush().expect("a pipe takes all");
    socket.into_inner().outgoing
}

/// The same conversation with every fragment as a message of its own.
fn unfragmented(mut frames: Vec<Sent>) -> Vec<Sent> {
    for sent in frames.iter_mut().filter(|sent| ![PING, PONG, CLOSE].contains(&sent.first)) {
        sent.first = MESSAGE;
    }
    frames
}

fn without_fragments(mut events: Vec<Seen>) -> Vec<Seen> {
    events.retain(|event| *event != Seen::Fragment);
    events
}

/// tungstenite tells the user 1002 in place of a code it does not know.
fn without_codes(mut events: Vec<Seen>) -> Vec<Seen> {
    for event in &mut events {
        if let Seen::Close(code) = event {
            *code = None;
        }
    }
    events
}
