//! Models with real distributions: the text is the target's own.

use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::verification::{Sampling, Temperature};
use pipesd_hw::backend::table::{Table, TableDraft, TableTarget};
use pipesd_hw::driver::{CloudSetup, EdgeSetup};

use crate::support::{CLOUD, DUAL, FIXED, Pair, SEED, TOKEN, block_on, edge_with};

#[test]
fn at_temperature_zero_the_text_is_what_the_target_writes_alone() {
    let target = Table::target(24, 4.0, SEED);
    let draft = target.draft(2.0, SEED);
    for (entry, payload) in [FIXED, TOKEN, DUAL].into_iter().zip(["ids", "full", "lazy"]) {
        for temperature in [0.0, 0.8] {
            let temperature = Temperature::new(temperature).expect("in range");
            let config = edge_with(entry, payload);
            let request = |id: u64| Request {
                session: SessionId(id),
                prompt: vec![TokenId(id as u32 % 24), TokenId(3)],
                budget: 120,
                stop_ids: vec![TokenId(23)],
                temperature,
                seed: id,
                text: Vec::new(),
            };
            let requests: Vec<Request> = (0..6).map(request).collect();
            let (own, other) = (target.clone(), draft.clone());
            let pair = Pair {
                edge: EdgeSetup::new(0, config, 24, SEED),
                cloud: CloudSetup::new(CLOUD, SEED),
                draft: move || Ok(Box::new(TableDraft::new(other)) as _),
                target: move || Ok(Box::new(TableTarget::new(own)) as _),
                requests: requests.clone(),
            };
            let (report, cloud) = block_on(pair.run());
            cloud.expect("served");
            let report = report.expect("decoded");
            for (request, text) in requests.iter().zip(&report.texts) {
                let terms = config.terms();
                let sampling = Sampling { terms, temperature, seed: request.seed };
                assert_eq!(text.tokens, target.alone(request, &sampling), "{entry} {payload}");
            }
            let counts = report.counts;
            assert!(counts.accepted > 0 && counts.rejected > 0, "{counts:?}");
        }
    }
}
