//! Texts recorded from two models: played, they give what the models themselves give.

use std::sync::Arc;

use pipesd_core::contract::{Input, Output, Work, WorkResult};
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::trace::Trace;
use pipesd_core::verification::{Drafting, Sampling, Temperature, Terms, Verification};
use pipesd_hw::backend::emulated::{self, EmulatedDraft, EmulatedTarget, Latencies, Playback};
use pipesd_hw::backend::table::{Table, TableDraft, TableTarget};
use pipesd_hw::backend::{DraftModel, ModelError, TargetModel};
use pipesd_hw::driver::{CloudSetup, EdgeSetup};
use pipesd_hw::record::texts::{Departure, departures, record_texts};
use pipesd_hw::record::{Line, RunLog};

use crate::support::{CLOUD, DUAL, FIXED, Log, Pair, SEED, TOKEN, block_on, edge};

const IDS: u32 = 24;
const ROLLOUT: u32 = 120;

fn tables() -> (Table, Table) {
    let target = Table::target(IDS, 4.0, SEED);
    (target.draft(2.0, SEED), target)
}

fn requests(temperature: f64) -> Vec<Request> {
    let request = |id: u64| Request {
        session: SessionId(id),
        prompt: vec![TokenId(id as u32 % IDS), TokenId(3)],
        budget: 100,
        stop_ids: vec![TokenId(IDS - 1)],
        temperature: Temperature::new(temperature).expect("in range"),
        seed: id,
        text: Vec::new(),
    };
    (0..5).map(request).collect()
}

fn record(requests: &[Request], terms: Terms) -> Trace {
    let (draft, target) = tables();
    let (mut draft, mut target) = (TableDraft::new(draft), TableTarget::new(target));
    let models = (&mut draft, &mut target);
    let sampling = Sampling { terms, ..Sampling::greedy() };
    record_texts(models, requests, &sampling, ROLLOUT, "a test", |_| true).expect("recorded")
}

/// The pieces of work that a log's endpoint wanted done, each with its answer.
fn answered(log: &RunLog) -> Vec<(&Work, &WorkResult)> {
    let works = log.lines.iter().filter_map(|line| match line {
        Line::Out(_, Output::Start { id, work }) => Some((*id, work)),
        _ => None,
    });
    let result = |wanted| {
        log.lines.iter().find_map(|line| match line {
            Line::In(_, Input::Finished { work, result }) if *work == wanted => Some(result),
            _ => None,
        })
    };
    works.filter_map(|(id, work)| Some((work, result(id)?))).collect()
}

/// Live runs of the tables: what each model was asked and answered, the emulated ones are asked again.
#[test]
fn what_is_played_is_what_the_models_say_live() {
    let mut off_path = 0;
    for (entry, temperature) in [(FIXED, 0.0), (TOKEN, 0.0), (DUAL, 0.8)] {
        let config = edge(entry);
        let requests = requests(temperature);
        let trace = record(&requests, config.terms());
        let (edge_log, cloud_log) = (Log::default(), Log::default());
        let mut setup = EdgeSetup::new(0, config, IDS, SEED);
        setup.record = edge_log.writer();
        let mut cloud = CloudSetup::new(CLOUD, SEED);
        cloud.record = cloud_log.writer();
        let (draft, target) = tables();
        let pair = Pair {
            edge: setup,
            cloud,
            draft: move || Ok(Box::new(TableDraft::new(draft)) as _),
            target: move || Ok(Box::new(TableTarget::new(target)) as _),
            requests: requests.clone(),
        };
        let (report, cloud) = block_on(pair.run());
        cloud.expect("served");
        let texts: Vec<Vec<TokenId>> =
            report.expect("decoded").texts.into_iter().map(|text| text.tokens).collect();
        assert_eq!(departures(&trace, &texts), []);

        let playback = Playback::new(trace.clone(), IDS, Latencies::default()).expect("sound");
        let playback = Arc::new(playback);
        let mut draft = EmulatedDraft::new(Arc::clone(&playback));
        let mut target = EmulatedTarget::new(Arc::clone(&playback));
        let prompt = |session: SessionId| emulated::prompt(session.0 as usize, 2);
        for (work, result) in answered(&edge_log.read("edge")) {
            match (work, result) {
                (Work::Prefill { session, sampling, .. }, _) => {
                    draft.prefill(*session, &prompt(*session), sampling).expect("a text");
                }
                (Work::Draft(step), WorkResult::Drafted { proposal, .. }) => {
                    let played = draft.step(step).expect("recorded").0;
                    assert_eq!(played, *proposal, "{entry} {step:?}");
                    let truth = &trace.texts[step.session.0 as usize].positions;
                    let wrong = |at: usize, fed: &TokenId| {
                        truth.get(step.keep as usize + at).is_some_and(|truth| truth.1 != fed.0)
                    };
                    off_path +=
                        usize::from(step.feed.iter().enumerate().any(|(at, fed)| wrong(at, fed)));
                }
                other => panic!("an edge prefills and drafts: {other:?}"),
            }
        }
        for (work, result) in answered(&cloud_log.read("cloud")) {
            match (work, result) {
                (Work::Prefill { session, sampling, .. }, _) => {
                    target.prefill(*session, &prompt(*session), sampling).expect("a text");
                }
                (Work::Verify(blocks), WorkResult::Verified(decisions)) => {
                    for (played, decided) in target.verify(blocks).into_iter().zip(decisions) {
                        // A table ends with its first correction, or goes one past the text.
                        let played = played.expect("recorded").tokens;
                        let both = played.len().min(decided.tokens.len());
                        assert!(both > 0 && played[..both] == decided.tokens[..both], "{entry}");
                    }
                }
                other => panic!("a cloud prefills and verifies: {other:?}"),
            }
        }
        assert_eq!(playback.past_rollouts(), 0);
    }
    assert!(off_path > 20, "rollouts are played: {off_path}");
}

#[test]
fn features_say_what_the_models_knew() {
    for drafting in [Drafting::Argmax, Drafting::Coupled] {
        let terms = Terms { drafting, ..edge(FIXED).terms() };
        let requests = requests(0.8);
        let trace = record(&requests, terms);
        let (mut first, mut mismatches) = (0, 0);
        let (draft, target) = tables();
        for (request, text) in requests.iter().zip(&trace.texts) {
            let sampling = Sampling { terms, temperature: request.temperature, seed: request.seed };
            let alone = target.alone(request, &sampling);
            let recorded: Vec<u32> = text.positions.iter().map(|position| position.1).collect();
            assert_eq!(recorded, alone.iter().map(|id| id.0).collect::<Vec<_>>());
            let features = text.features.as_ref().expect("recorded");
            let mut context = request.prompt.clone();
            for (at, &(drafted, truth, confidence)) in text.positions.iter().enumerate() {
                let logits = draft.logits(&context);
                let ahead = logits.iter().filter(|&&logit| logit > logits[truth as usize]).count();
                assert_eq!(features.target_rank[at] as usize, ahead);
                let mut sorted = target.logits(&context).to_vec();
                sorted.sort_by(|a, b| b.total_cmp(a));
                assert!((features.target_gap[at] - f64::from(sorted[0] - sorted[1])).abs() < 2e-6);
                assert!((0.0..=confidence).contains(&features.draft.margin[at]));
                assert!(features.draft.entropy[at] <= libm::log(f64::from(IDS)) + 1e-6);
                if drafted == truth {
                    assert!(!text.rollouts.contains_key(&(at as u32)));
                } else {
                    mismatches += 1;
                    assert_eq!(text.rollouts[&(at as u32)].len() as u32, ROLLOUT);
                }
                first += usize::from(ahead == 0);
                context.push(TokenId(truth));
            }
        }
        assert!(mismatches > 20 && first > 5, "{mismatches} mismatches, {first} first choices");
    }
}

#[test]
fn texts_that_depart_are_found_with_the_targets_doubt() {
    let requests = requests(0.0);
    let trace = record(&requests, edge(FIXED).terms());
    let mut texts: Vec<Vec<TokenId>> = trace
        .texts
        .iter()
        .map(|text| text.positions.iter().map(|position| TokenId(position.1)).collect())
        .collect();
    assert_eq!(departures(&trace, &texts), []);
    texts[1][4].0 ^= 1;
    texts[3].pop();
    let gap = trace.texts[1].features.as_ref().expect("recorded").target_gap[4];
    let end = texts[3].len() as u32;
    assert_eq!(
        departures(&trace, &texts),
        [
            Departure { text: 1, position: 4, gap: Some(gap) },
            Departure { text: 3, position: end, gap: None },
        ]
    );
}

#[test]
fn what_no_trace_replays_is_not_recorded() {
    let (draft, target) = tables();
    let (mut draft, mut target) = (TableDraft::new(draft), TableTarget::new(target));
    let terms = Terms { verification: Verification::Rejection, ..edge(FIXED).terms() };
    let sampling = Sampling { terms, ..Sampling::greedy() };
    let models = (&mut draft, &mut target);
    let refused = record_texts(models, &requests(0.0), &sampling, 64, "a test", |_| true);
    assert!(matches!(refused, Err(ModelError::Refused(_))), "{refused:?}");
    let models = (&mut draft, &mut target);
    let sampling = Sampling { terms: edge(FIXED).terms(), ..sampling };
    let stopped = record_texts(models, &requests(0.0), &sampling, 64, "a test", |text| text < 1);
    assert!(stopped.is_err(), "who wants no more gets no part");
}
