//! What must hold of everything that travels.

use std::fmt::Debug;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Fault;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::TestCaseResult;
use proptest::test_runner::TestRunner;

/// Asserts, for random items and random damage to their bytes:
///
/// * what was written is read as it was;
/// * neither less nor more is read, and the fault has a name;
/// * damaged bytes are refused or are another item; they never do harm.
#[track_caller]
pub(crate) fn travels<T>(items: impl Strategy<Value = T>)
where
    T: Encode + Decode<'static> + PartialEq + Debug,
{
    let damage = proptest::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4);
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(items, damage), |(item, damage)| {
        let mut bytes = Vec::new();
        item.encode(&mut bytes);
        let bytes: &'static [u8] = bytes.leak();
        prop_assert_eq!(T::decode_all(bytes), Ok(item));
        no_prefix_is_read::<T>(bytes)?;
        no_extension_is_read::<T>(bytes)?;
        let mut damaged = bytes.to_vec();
        for (index, bit) in damage {
            damaged[index.index(bytes.len())] ^= 1 << bit;
        }
        harmless::<T>(damaged.leak())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Asserts that bytes from anywhere are refused with a name, or are an item that travels.
pub(crate) fn harmless<T>(bytes: &'static [u8]) -> TestCaseResult
where
    T: Encode + Decode<'static> + PartialEq + Debug,
{
    match T::decode_all(bytes) {
        Ok(item) => {
            let mut again = Vec::new();
            item.encode(&mut again);
            prop_assert_eq!(T::decode_all(again.leak()), Ok(item));
        }
        Err(malformed) => {
            prop_assert!(!malformed.message.is_empty());
            prop_assert!(!malformed.field.is_empty());
        }
    }
    Ok(())
}

fn no_prefix_is_read<T: Decode<'static> + Debug>(bytes: &'static [u8]) -> TestCaseResult {
    for end in 0..bytes.len() {
        let malformed = T::decode_all(&bytes[..end]);
        let fault = malformed.map_err(|malformed| malformed.fault);
        prop_assert!(matches!(fault, Err(Fault::Truncated | Fault::Count(_))), "{end}: {fault:?}");
    }
    Ok(())
}

fn no_extension_is_read<T: Decode<'static> + Debug>(bytes: &'static [u8]) -> TestCaseResult {
    for more in [0, 1, 0x80, 0xff] {
        let extended = [bytes, &[more]].concat();
        let fault = T::decode_all(extended.leak()).map_err(|malformed| malformed.fault);
        prop_assert!(matches!(fault, Err(Fault::Trailing(1))), "{more}: {fault:?}");
    }
    Ok(())
}
