//! Streams of many frames: where they are cut never matters, and damage never panics.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::CLOSE;
use crate::FRAGMENT;
use crate::LAST_FRAGMENT;
use crate::MESSAGE;
use crate::MIDDLE_FRAGMENT;
use crate::PING;
use crate::PONG;
use crate::Reading;
use crate::Seen;
use crate::frame;
use crate::read;

/// No message of a conversation is longer.
pub(crate) const LIMIT: usize = 4 * 65_540;

/// A frame as it is sent: its first byte, its key, its payload.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

impl fmt::Debug for Sent {
    /// On one line, since a failure prints them all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, key, payload } = self;
        let start = &payload[..payload.len().min(16)];
        write!(f, "{first:02x} key {key:02x?} payload {start:02x?} of {}", payload.len())
    }
}

/// Valid frames: messages in one to four fragments, control frames among them, perhaps a close.
pub(crate) fn conversation() -> impl Strategy<Value = Vec<Sent>> {
    let close = prop_oneof![Just(vec![]), Just(vec![0x03, 0xe8]), Just(b"\x0f\xa0bye".to_vec())];
    (vec(message(), 0..6), proptest::option::of(sent(Just(CLOSE), close)))
        .prop_map(|(messages, close)| messages.into_iter().flatten().chain(close).collect())
}

fn message() -> impl Strategy<Value = Vec<Sent>> {
    let payload = prop_oneof![
        16 => vec(any::<u8>(), 0..12),
        4 => vec(any::<u8>(), 120..300),
        1 => (65_530..65_540_usize).prop_map(|length| vec![7; length]),
    ];
    let control = sent(prop_oneof![Just(PING), Just(PONG)], vec(any::<u8>(), 0..=125));
    let fragment = (sent(Just(MIDDLE_FRAGMENT), payload), vec(control, 0..2));
    vec(fragment, 1..5).prop_map(|mut fragments| {
        let last = fragments.len() - 1;
        fragments[0].0.first = FRAGMENT;
        fragments[last].0.first = if last == 0 { MESSAGE } else { LAST_FRAGMENT };
        fragments
            .into_iter()
            .flat_map(|(data, control)| std::iter::once(data).chain(control))
            .collect()
    })
}

fn sent(
    first: impl Strategy<Value = u8>,
    payload: impl Strategy<Value = Vec<u8>>,
) -> impl Strategy<Value = Sent> {
    (first, any::<Option<[u8; 4]>>(), payload).prop_map(|(first, key, payload)| Sent {
        first,
        key,
        payload,
    })
}

pub(crate) fn bytes_of(frames: &[Sent]) -> Vec<u8> {
    frames.iter().flat_map(|sent| frame(sent.first, sent.key, &sent.payload)).collect()
}

/// What a reader of valid frames has to see.
pub(crate) fn events_of(frames: &[Sent]) -> Vec<Seen> {
    let mut message = Vec::new();
    let event = |sent: &Sent| match sent.first {
        PING => Seen::Ping(sent.payload.clone()),
        PONG => Seen::Pong,
        CLOSE => Seen::Close(sent.payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
        first => {
            message.extend_from_slice(&sent.payload);
            if first & LAST_FRAGMENT == 0 {
                return Seen::Fragment;
            }
            Seen::Message(std::mem::take(&mut message))
        }
    };
    frames.iter().map(event).collect()
}

/// One fault on the way.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    FlipBit(Index, u8),
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Truncate(Index),
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        8 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::FlipBit(at, bit)),
        2 => any::<(Index, u8)>().prop_map(|(at, byte)| Damage::Replace(at, byte)),
        2 => any::<(Index, u8)>().prop_map(|(at, byte)| Damage::Insert(at, byte)),
        2 => any::<Index>().prop_map(Damage::Remove),
        1 => any::<Index>().prop_map(Damage::Truncate),
    ]
}

/// A limit that some messages exceed, or none.
pub(crate) fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![0..64_usize, Just(LIMIT)]
}

pub(crate) fn damaged(mut bytes: Vec<u8>, faults: &[Damage]) -> Vec<u8> {
    for fault in faults {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match fault {
            Damage::FlipBit(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Damage::Replace(at, byte) => bytes[at.index(length)] = *byte,
            Damage::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Damage::Remove(at) => drop(bytes.remove(at.index(length))),
            Damage::Truncate(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn a_stream_gives_its_events_however_it_is_cut(
        frames in conversation(),
        piece in 1..200_usize,
    ) {
        let expected = Reading { events: events_of(&frames), violation: None };
        let bytes = bytes_of(&frames);
        prop_assert_eq!(&read(&bytes, LIMIT, usize::MAX), &expected);
        prop_assert_eq!(&read(&bytes, LIMIT, piece), &expected);
        prop_assert_eq!(&read(&bytes, LIMIT, 1), &expected);
    }

    #[test]
    fn a_damaged_stream_gives_the_same_events_and_violation_however_it_is_cut(
        frames in conversation(),
        faults in vec(damage(), 1..4),
        limit in limit(),
        piece in 1..200_usize,
    ) {
        let bytes = damaged(bytes_of(&frames), &faults);
        let expected = read(&bytes, limit, usize::MAX);
        prop_assert_eq!(&read(&bytes, limit, piece), &expected);
        prop_assert_eq!(&read(&bytes, limit, 1), &expected);
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..600), limit in any::<usize>()) {
        prop_assert_eq!(read(&bytes, limit, usize::MAX), read(&bytes, limit, 1));
    }
}
