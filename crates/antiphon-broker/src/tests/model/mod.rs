//! Tests that search for faults: the broker against naive models of it, random bytes, and real threads.
//!
//! `PROPTEST_CASES` sets how many cases each search tries.

mod bytes;
mod encode;
mod faults;
mod flush;
mod got;
mod ledger;
mod naive;
mod op;
mod pending;
mod query;
mod races;
mod registry;
mod routes;
mod run;
mod slow;
mod threads;
mod wire;

use proptest::prelude::*;

use crate::tests::model::op::story;
use crate::tests::model::run::Run;

/// So many cases, unless `PROPTEST_CASES` says otherwise.
pub(super) fn cases(few: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig { cases: if asked { default.cases } else { few }, ..default }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_broker_does_what_a_naive_one_does(story in story()) {
        let mut run = Run::new();
        for op in &story.0 {
            run.step(op);
        }
        run.finish();
    }
}
