//! Saboteurs must be caught, and by the law that they break.

use pipesd_core::account::Violation;
use pipesd_core::seed::Seed;
use pipesd_sim::world::{Canary, RunError, Setup, run};

use crate::support::{self, PIPESD};

#[test]
fn every_canary_fails_by_its_law_and_without_one_all_is_well() {
    let sound = support::paper(support::method(PIPESD), 500);
    for seed in 0..3 {
        assert!(run(&sound, Seed(seed)).is_ok());
        for canary in Canary::ALL {
            // Law 6: the committed text is the target's. Law 7: nothing arrives before it can.
            let expected = match canary {
                Canary::AcceptOneTooMany | Canary::KeepStaleRound | Canary::ExtraOffByOne => 6,
                Canary::DeliverEarly => 7,
            };
            let sabotaged = Setup { canary: Some(canary), ..sound.clone() };
            let error = run(&sabotaged, Seed(seed)).expect_err("a saboteur is caught");
            let law = match &error {
                RunError::Violation(Violation::Law { law, .. } | Violation::Total { law, .. }) => {
                    law
                }
                other => panic!("{canary:?}: a law should be named, not: {other}"),
            };
            assert_eq!(*law, expected, "{canary:?}: {error}");
        }
    }
}
