//! The bound on nesting: whoever reads CBOR reads it recursively.

use antiphon_wire::cbor::Kind;
use antiphon_wire::cbor::MAX_DEPTH;
use antiphon_wire::cbor::check;

use crate::hex::hex;

/// How containers of one item open, what makes the rest of them whole, and their kind.
const LAYERS: [(&str, &str, Kind); 6] = [
    ("81", "", Kind::Container),
    ("a100", "", Kind::Container),
    ("c0", "", Kind::Tagged),
    ("9f", "ff", Kind::Container),
    ("bf00", "ff", Kind::Container),
    ("82", "00", Kind::Container),
];

fn nested(open: &str, close: &str, depth: usize) -> Vec<u8> {
    [hex(open).repeat(depth), vec![0], hex(close).repeat(depth)].concat()
}

#[test]
fn nesting_is_bounded_at_128() {
    assert_eq!(MAX_DEPTH, 128);
}

#[test]
fn the_deepest_nesting_is_accepted_and_one_more_is_not() {
    for (open, close, kind) in LAYERS {
        assert_eq!(check(&nested(open, close, MAX_DEPTH)), Some(kind), "{open}");
        assert_eq!(check(&nested(open, close, MAX_DEPTH + 1)), None, "{open}");
    }
}

#[test]
fn a_million_layers_are_refused() {
    for (open, close, _) in LAYERS {
        assert_eq!(check(&nested(open, close, 1_000_000)), None, "{open}");
        assert_eq!(check(&hex(open).repeat(1_000_000)), None, "{open}");
    }
}

#[test]
fn containers_side_by_side_do_not_nest() {
    let many = [vec![0x9f], hex("8100").repeat(10_000), vec![0xff]].concat();
    assert_eq!(check(&many), Some(Kind::Container));
    let deep = [vec![0x9f], nested("81", "", MAX_DEPTH - 1).repeat(3), vec![0xff]].concat();
    assert_eq!(check(&deep), Some(Kind::Container));
}
