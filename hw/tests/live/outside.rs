//! Whole runs over a link outside the process's own making, which drops packets.

use std::time::{Duration, Instant};

use crate::quic::decode;
use crate::relay::Conditions;
use crate::support::{
    DUAL, FIXED, TOKEN, VOCABULARY, draft, edge_with, playback, requests, target,
};

#[test]
fn a_run_goes_through_a_link_that_is_not_ours() {
    let playback = playback(&[60, 40]);
    let way = Duration::from_millis(5);
    let outside = Conditions { mbps: 20.0, way, queue_bytes: 64_000, drop_each: Some(29) };
    for (entry, payload) in [(FIXED, "ids"), (TOKEN, "lazy"), (DUAL, "full")] {
        let config = edge_with(entry, payload);
        let models = (draft(&playback), target(&playback));
        let start = Instant::now();
        let (report, dropped) =
            decode(config, VOCABULARY, models, requests(&playback), Some(outside));
        let took = start.elapsed();
        assert!(dropped > 0, "{entry} {payload}: no packet was dropped");
        assert_eq!(report.texts.len(), 2);
        for (number, text) in report.texts.iter().enumerate() {
            assert_eq!(text.tokens, playback.truth(number), "{entry} {payload}: text {number}");
        }
        if entry == FIXED {
            // It waits for each verdict, which the relay keeps for a round trip.
            let least = 2 * way * report.counts.navs_answered as u32;
            assert!(took >= least, "the relay's delay is in force: {took:?}, not {least:?}");
        }
    }
}
