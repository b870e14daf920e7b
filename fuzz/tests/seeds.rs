//! Every target on its seeds and on random damage to them, always the same damage.

use antiphon_fuzz::seeds;
use antiphon_fuzz::targets;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::sample::select;
use proptest::test_runner::Config;
use proptest::test_runner::RngAlgorithm;
use proptest::test_runner::TestRng;
use proptest::test_runner::TestRunner;

/// One way to spoil bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
}

/// Numbers that lengths, counts and tags are likely to stumble over, and syntax of the texts.
const INTERESTING: &[&[u8]] = &[
    &[0],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    b"(",
    b"\"",
    b"\\",
    b"%",
    b"=\n",
    "\u{1f980}".as_bytes(),
];

#[test]
fn seeds_keep_every_promise() {
    for (name, run) in targets::ALL {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| run(seed));
    }
}

#[test]
fn damaged_seeds_keep_every_promise() {
    for (name, run) in targets::ALL {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, rng);
        let inputs = (select(seeds::of(name)), prop::collection::vec(damage(), 1..6));
        let outcome = runner.run(&inputs, |(mut bytes, damage)| {
            damage.iter().for_each(|damage| spoil(&mut bytes, damage));
            run(&bytes);
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!("{name}: {failure}");
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let any_index = any::<Index>;
    prop_oneof![
        (any_index(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (any_index(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        any_index().prop_map(Damage::Cut),
        (any_index(), select(INTERESTING)).prop_map(|(at, bytes)| Damage::Insert(at, bytes.into())),
        (any_index(), any_index()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ]
}

fn spoil(bytes: &mut Vec<u8>, damage: &Damage) {
    let place = |index: &Index| index.index(bytes.len() + 1);
    match damage {
        Damage::Flip(at, bit) => {
            let at = place(at);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
        }
        Damage::Set(at, byte) => {
            let at = place(at);
            bytes.get_mut(at).into_iter().for_each(|old| *old = *byte);
        }
        Damage::Cut(at) => bytes.truncate(place(at)),
        Damage::Insert(at, new) => {
            let at = place(at);
            bytes.splice(at..at, new.iter().copied());
        }
        Damage::Repeat(one, other) => {
            let (one, other) = (place(one), place(other));
            bytes.extend_from_within(one.min(other)..one.max(other));
        }
    }
}

/// For each target. A search that is worth its name is `cargo fuzz`'s.
const CASES: u32 = 10_000;
