//! Whole texts over the driver: what is committed is what the trace says, whatever the method.

use pipesd_core::event::Outcome;
use pipesd_hw::driver::{CloudSetup, EdgeSetup};

use crate::support::{
    CLOUD, DUAL, FIXED, Pair, SEED, TOKEN, VOCABULARY, block_on, draft, edge, edge_with, playback,
    recorded, requests, target,
};

#[test]
fn every_trigger_commits_the_recorded_texts() {
    let playback = playback(&[130, 1, 2, 77, 200]);
    for entry in [FIXED, TOKEN, DUAL] {
        let (report, ..) = recorded(edge(entry), &playback);
        assert_eq!(report.texts.len(), 5);
        for (number, text) in report.texts.iter().enumerate() {
            assert_eq!(text.tokens, playback.truth(number), "{entry}: text {number}");
            assert_eq!(text.outcome, Some(Outcome::Budget));
        }
        let counts = report.counts;
        assert_eq!(counts.output, 410);
        assert!(counts.rejected > 0 && counts.accepted > counts.rejected, "{counts:?}");
    }
    assert_eq!(playback.past_rollouts(), 0);
}

#[test]
fn every_payload_carries_the_same_texts() {
    let playback = playback(&[60]);
    for (payload, least) in [("ids", 4), ("lazy", 12), ("full", 9005)] {
        let (report, ..) = recorded(edge_with(DUAL, payload), &playback);
        assert_eq!(report.texts[0].tokens, playback.truth(0), "{payload}");
        let per_token = report.uplink_bytes / report.counts.uploaded;
        assert!(per_token >= least, "{payload}: {per_token} bytes a token");
    }
}

#[test]
fn a_text_that_ends_before_its_budget_ends_there() {
    let mut trace = crate::support::trace(&[40]);
    trace.texts[0].positions[25] = (0, 0, 0.9);
    trace.texts[0].rollouts.remove(&25);
    let latencies = pipesd_hw::backend::emulated::Latencies::default();
    let playback = pipesd_hw::backend::emulated::Playback::new(trace, VOCABULARY, latencies);
    let playback = std::sync::Arc::new(playback.expect("sound"));
    let pair = Pair {
        edge: EdgeSetup::new(0, edge(TOKEN), VOCABULARY, SEED),
        cloud: CloudSetup::new(CLOUD, SEED),
        draft: draft(&playback),
        target: target(&playback),
        requests: requests(&playback),
    };
    let (report, cloud) = block_on(pair.run());
    let report = report.expect("decoded");
    assert_eq!(report.texts[0].tokens, playback.truth(0)[..26]);
    assert_eq!(report.texts[0].outcome, Some(Outcome::EndOfText));
    let cloud = cloud.expect("served");
    assert_eq!((cloud.links, cloud.ended), (1, Vec::new()));
    assert_eq!(cloud.counts.navs, report.counts.navs_answered);
}
