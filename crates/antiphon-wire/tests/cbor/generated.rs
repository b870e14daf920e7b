//! Random items of every form: each is accepted, and neither its prefixes nor its extensions are.

use antiphon_wire::cbor::Kind;
use antiphon_wire::cbor::check;
use proptest::collection::vec;
use proptest::prelude::*;

/// An encoded item and what it is.
type Item = (Vec<u8>, Kind);

proptest! {
    #[test]
    fn an_item_is_accepted_and_nothing_shorter_or_longer_is((bytes, kind) in item(), more: u8) {
        prop_assert_eq!(check(&bytes), Some(kind));
        for end in 0..bytes.len() {
            prop_assert_eq!(check(&bytes[..end]), None, "{} of {} bytes", end, bytes.len());
        }
        prop_assert_eq!(check(&[&bytes[..], &[more]].concat()), None);
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..64)) {
        if check(&bytes).is_some() {
            prop_assert_eq!(check(&[&bytes[..], &[0]].concat()), None);
        }
    }
}

fn item() -> impl Strategy<Value = Item> {
    leaf().prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            container(4, vec(inner.clone(), 0..6)),
            container(5, vec((inner.clone(), inner.clone()), 0..4).prop_map(flatten)),
            (head(6), inner)
                .prop_map(|(tag, (content, _))| ([tag, content].concat(), Kind::Tagged)),
        ]
    })
}

fn leaf() -> impl Strategy<Value = Item> {
    prop_oneof![
        head(0).prop_map(integer),
        head(1).prop_map(integer),
        string(2, vec(any::<u8>(), 0..30), Kind::Bytes),
        string(3, ".{0,10}".prop_map(String::into_bytes), Kind::Text),
        Just((vec![0xf4], Kind::Boolean)),
        Just((vec![0xf5], Kind::Boolean)),
        Just((vec![0xf6], Kind::Null)),
        (0..20_u8).prop_map(|simple| (vec![0xe0 | simple], Kind::Simple)),
        (32..=255_u8).prop_map(|simple| (vec![0xf8, simple], Kind::Simple)),
        any::<[u8; 2]>().prop_map(|bits| ([&[0xf9], &bits[..]].concat(), Kind::Float)),
        any::<[u8; 4]>().prop_map(|bits| ([&[0xfa], &bits[..]].concat(), Kind::Float)),
        any::<[u8; 8]>().prop_map(|bits| ([&[0xfb], &bits[..]].concat(), Kind::Float)),
    ]
}

/// An integer is wide if the top bit of an eight-byte argument is set.
fn integer(head: Vec<u8>) -> Item {
    let wide = head.len() == 9 && head[1] & 0x80 != 0;
    (head, if wide { Kind::WideInteger } else { Kind::Integer })
}

/// A head with any argument, in as many bytes as it needs or more.
fn head(major: u8) -> impl Strategy<Value = Vec<u8>> {
    (any::<u64>(), 0..64_u32, 0..5_u8)
        .prop_map(move |(bits, shift, width)| head_of(major, bits >> shift, width))
}

/// The head of an argument, in at least `width` steps of width.
fn head_of(major: u8, argument: u64, width: u8) -> Vec<u8> {
    let needed = match argument {
        0..=23 => 0,
        24..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 3,
        _ => 4,
    };
    let bytes = argument.to_be_bytes();
    match width.max(needed) {
        0 => vec![major << 5 | bytes[7]],
        steps => {
            let length = 1 << (steps - 1);
            let mut head = vec![major << 5 | (23 + steps)];
            head.extend_from_slice(&bytes[8 - length..]);
            head
        }
    }
}

/// A string of a length, or of chunks and a break.
fn string(
    major: u8,
    content: impl Strategy<Value = Vec<u8>> + Clone + 'static,
    kind: Kind,
) -> impl Strategy<Value = Item> {
    let chunk = (content, 0..5_u8).prop_map(move |(content, width)| {
        [head_of(major, content.len() as u64, width), content].concat()
    });
    prop_oneof![
        chunk.clone(),
        vec(chunk, 0..4).prop_map(move |chunks| indefinite(major, &chunks.concat())),
    ]
    .prop_map(move |bytes| (bytes, kind))
}

/// An array or map of a count, or with a break at its end.
fn container(
    major: u8,
    items: impl Strategy<Value = Vec<Item>> + 'static,
) -> impl Strategy<Value = Item> {
    (items, 0..6_u8).prop_map(move |(items, width)| {
        let count = items.len() as u64 / u64::from(major - 3);
        let content: Vec<u8> = items.into_iter().flat_map(|(bytes, _)| bytes).collect();
        let bytes = match width {
            5 => indefinite(major, &content),
            width => [head_of(major, count, width), content].concat(),
        };
        (bytes, Kind::Container)
    })
}

fn indefinite(major: u8, content: &[u8]) -> Vec<u8> {
    [&[major << 5 | 31], content, &[0xff]].concat()
}

fn flatten(pairs: Vec<(Item, Item)>) -> Vec<Item> {
    pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()
}
