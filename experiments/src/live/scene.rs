//! From a configuration to what both ends of a live run need: models, requests, and the emulated link.
//! Both ends make it from the same words, so that they play the same texts, or load one pair.

use std::sync::Arc;

use anyhow::Result;
use pipesd_core::message::Request;
use pipesd_core::payload::WireFormat;
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use pipesd_core::trace::TraceText;
use pipesd_core::wire::{Limits, Vocabulary};
use pipesd_hw::backend::emulated::{EmulatedDraft, EmulatedTarget, Latencies, Playback};
use pipesd_hw::backend::stalling::Stalling;
use pipesd_hw::backend::{DraftModel, ModelError, TargetModel};
use pipesd_hw::driver::Patience;
use pipesd_hw::net::{Beginning, Emulation, Overflow, QUIC_OVERHEAD, ShaperConfig};
use pipesd_hw::transport::Settings;
use pipesd_sim::export::{self, ROLLOUT_STEPS_MIN};
use pipesd_sim::link::{AffineConfig, LinkConfig};
use pipesd_sim::profile::{Profile, TextModel};
use pipesd_sim::world::{SILENCE, Setup, link_in_run, requests, session_id};

use super::models::{End, PairModels};
use crate::cli::{Backend, PairChoice};
use crate::input::{Choice, Configuration, bad_input};
use crate::program::digest;

/// A session in which nothing happens for this long is given up: ten times the slowest upload that a
/// shipped scenario brings about.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for models: one of many gigabytes is loaded while its first session waits.
const LOADING_PATIENCE: Duration = Duration::from_secs(600);

/// What proposes and what decides.
#[derive(Clone, Debug)]
pub(crate) enum Models {
    /// Recorded texts, and how they are played.
    Emulated(Arc<Playback>),
    /// The models of a pair.
    Pair(Arc<PairModels>),
}

/// Makes a model, on the thread that it will live on.
pub(crate) type Build<M> = Box<dyn FnOnce() -> Result<Box<M>, ModelError> + Send>;

/// One live run, the same at both ends.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) choice: Choice,
    pub(crate) configuration: Configuration,
    pub(crate) seed: u64,
    pub(crate) tokens: u64,
    /// The edge's number.
    pub(crate) edge: u32,
    /// What the simulator would be given. Of played texts its profile has the very same; of a pair's it
    /// knows nothing before they are recorded.
    pub(crate) setup: Setup,
    pub(crate) models: Models,
    /// When the run began: its faults are counted from there.
    pub(crate) since: Beginning,
}

impl Scene {
    /// Reads what was chosen, with texts that are played. `tokens` are rounded up to whole requests.
    pub(crate) fn emulated(choice: &Choice, seed: u64, tokens: u64) -> Result<Self> {
        Self::load(choice, &PairChoice::default(), seed, tokens, End::Edge)
    }

    /// Reads what was chosen, as far as `end` needs it.
    pub(crate) fn load(
        choice: &Choice,
        models: &PairChoice,
        seed: u64,
        tokens: u64,
        end: End,
    ) -> Result<Self> {
        let configuration = Configuration::load(choice)?.for_live_run();
        let mut setup = configuration.setup(tokens, false)?;
        setup.edge.patience = PATIENCE;
        if setup.edges != 1 {
            let edges = setup.edges;
            return Err(bad_input!("--set edges={edges}: a live run has one edge").into());
        }
        let models = match models.backend {
            Backend::Emulated => Models::Emulated(played(&mut setup, models, seed, tokens)?),
            Backend::Models => {
                setup.edge.patience = LOADING_PATIENCE;
                let pair = PairModels::load(models, end, tokens, &setup, &choice.sets)?;
                if let Some(most) = pair.pair.target_sessions() {
                    let limits = &mut setup.cloud.limits;
                    limits.sessions = limits.sessions.min(most);
                }
                let vocabulary = pair.token_bytes.size();
                setup.profile = Arc::new(Profile { vocabulary, ..setup.profile.as_ref().clone() });
                Models::Pair(Arc::new(pair))
            }
        };
        let (choice, edge) = (choice.clone(), 0);
        let since = Beginning::now();
        Ok(Self { choice, configuration, seed, tokens, edge, setup, models, since })
    }

    /// What another process must be told to be the other end, as words of a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let Choice { profile, scenario, method, sets } = &self.choice;
        let (seed, tokens) = (self.seed.to_string(), self.tokens.to_string());
        let named = [
            ("--seed", &seed),
            ("--tokens", &tokens),
            ("--profile", profile),
            ("--scenario", scenario),
            ("--method", method),
        ];
        let sets = sets.iter().map(|set| ("--set", set));
        let words = named.into_iter().chain(sets);
        let words = words.flat_map(|(flag, value)| [flag.to_owned(), value.clone()]);
        words.chain(self.pair().map(|pair| pair.choice.words()).unwrap_or_default()).collect()
    }

    /// Whether its plan of faults has the cloud killed and started anew.
    pub(crate) fn restarts_cloud(&self) -> bool {
        !self.setup.faults.restarts().is_empty()
    }

    /// The same for the edge numbered `edge`. A plan by chance is of one edge: this one.
    pub(crate) fn become_edge(&mut self, edge: u32) {
        self.edge = edge;
        if self.choice.sets.iter().any(|set| set.starts_with("faults=random:")) {
            for fault in &mut self.setup.faults.faults {
                fault.edge = fault.edge.map(|_| edge);
            }
        }
    }

    /// What the simulator says of the run \[ms per token\]; of a pair's, with the profile's texts.
    pub(crate) fn simulated_tpt_ms(&self) -> Result<f64> {
        let mut setup = self.setup.clone();
        // There this edge is the first.
        for fault in &mut setup.faults.faults {
            fault.edge = fault.edge.map(|edge| if edge == self.edge { 0 } else { u32::MAX });
        }
        Ok(pipesd_sim::world::run(&setup, Seed(self.seed))?.summary.tpt_ms)
    }

    /// About how long the run takes \[ms\], as the simulator says.
    pub(crate) fn expected_ms(&self) -> Result<u64> {
        let tokens: u64 = self.requests().iter().map(|request| u64::from(request.budget)).sum();
        Ok((self.simulated_tpt_ms()? * tokens as f64) as u64)
    }

    /// The sizes of messages.
    pub(crate) fn format(&self) -> WireFormat {
        let payload = self.setup.edge.method.payload;
        WireFormat { payload, vocabulary: self.setup.profile.vocabulary }
    }

    /// How a link is set up at either end. Ends that play other texts, or whose models mean other things
    /// by an id, refuse each other at once, and no id passes that neither texts nor prompts have.
    pub(crate) fn settings(&self) -> Settings {
        let size = self.setup.profile.vocabulary;
        let (ids, vocabulary, token_bytes) = match &self.models {
            Models::Emulated(playback) => {
                let texts = &playback.trace().texts;
                // An emulated prompt is its text's number and then counts up, past a small vocabulary too.
                let prompts = texts.iter().map(|text| text.prompt_tokens).max().unwrap_or(0);
                let ids = size.max(prompts).max(u32::try_from(texts.len()).unwrap_or(u32::MAX));
                (ids, Vocabulary { size, hash: hash(texts) }, None)
            }
            Models::Pair(pair) => {
                (size, pair.token_bytes.hello(), Some(Arc::clone(&pair.token_bytes)))
            }
        };
        Settings {
            format: self.format(),
            edge: self.edge,
            limits: Limits::default().with_vocabulary(ids),
            vocabulary: Some(vocabulary),
            token_bytes,
            idle: self.silence(),
            ..Settings::default()
        }
    }

    /// Both ends give up a link on which nothing is heard for so long: with emulated models as soon as in
    /// the simulator, with real ones, which take the machine for themselves, later.
    const fn silence(&self) -> Duration {
        match &self.models {
            Models::Emulated(_) => SILENCE,
            Models::Pair(_) => Duration::from_secs(5),
        }
    }

    /// The requests that an edge decodes one after another.
    pub(crate) fn requests(&self) -> Vec<Request> {
        match &self.models {
            Models::Emulated(playback) => (0..requests(&self.setup))
                .map(|index| {
                    playback.request(session_id(self.edge, index), index as usize, self.seed)
                })
                .collect(),
            Models::Pair(pair) => pair.requests(self.edge, self.seed),
        }
    }

    /// The draft.
    pub(crate) fn draft(&self) -> Build<dyn DraftModel> {
        match &self.models {
            Models::Emulated(playback) => {
                let playback = Arc::clone(playback);
                Box::new(move || Ok(Box::new(EmulatedDraft::new(playback))))
            }
            Models::Pair(pair) => {
                let pair = Arc::clone(pair);
                Box::new(move || pair.draft())
            }
        }
    }

    /// The target.
    pub(crate) fn target(&self) -> Build<dyn TargetModel> {
        let (target, plan, since) = (self.bare_target(), self.setup.faults.clone(), self.since);
        if plan.stalls().is_empty() {
            return target;
        }
        Box::new(move || Ok(Box::new(Stalling::new(target()?, plan, since))))
    }

    fn bare_target(&self) -> Build<dyn TargetModel> {
        match &self.models {
            Models::Emulated(playback) => {
                let playback = Arc::clone(playback);
                Box::new(move || Ok(Box::new(EmulatedTarget::new(playback))))
            }
            Models::Pair(pair) => {
                let pair = Arc::clone(pair);
                Box::new(move || pair.target())
            }
        }
    }

    /// How long the driver waits for its models.
    pub(crate) fn patience(&self) -> Patience {
        match self.models {
            Models::Emulated(_) => Patience::default(),
            Models::Pair(_) => Patience { work: LOADING_PATIENCE, ..Patience::default() },
        }
    }

    /// The played texts, if they are.
    pub(crate) fn playback(&self) -> Option<&Arc<Playback>> {
        match &self.models {
            Models::Emulated(playback) => Some(playback),
            Models::Pair(_) => None,
        }
    }

    /// The pair whose models decode, if they do.
    pub(crate) fn pair(&self) -> Option<&Arc<PairModels>> {
        match &self.models {
            Models::Emulated(_) => None,
            Models::Pair(pair) => Some(pair),
        }
    }

    /// The scenario's link, emulated. Outgoing packets wait at the edge for room in its queue, as in the
    /// simulator; incoming ones cannot be held there.
    pub(crate) fn emulation(&self) -> Emulation {
        let seed = Seed(self.seed);
        let [up, down] =
            [&self.setup.uplink, &self.setup.downlink].map(|link| shaped(&link_in_run(link, seed)));
        let (startup, abortable) = (up.startup, up.abortable);
        let uplink = ShaperConfig { overflow: Overflow::Hold, ..up.shaper };
        let downlink = ShaperConfig { overflow: Overflow::Drop, ..down.shaper };
        let faults = Arc::new(self.setup.faults.clone());
        let (edge, since) = (self.edge, self.since);
        Emulation { uplink, downlink, startup, abortable, seed, edge, faults, since }
    }
}

/// The texts of a run without models, which become its profile's.
fn played(setup: &mut Setup, models: &PairChoice, seed: u64, tokens: u64) -> Result<Arc<Playback>> {
    if let Some(flag) = models.given() {
        return Err(bad_input!("{flag}: only with --backend models").into());
    }
    let trace = match &setup.profile.text {
        TextModel::Trace(trace) => Arc::clone(trace),
        TextModel::Process(_) => {
            let count = u32::try_from(requests(setup))
                .map_err(|_| bad_input!("--tokens {tokens}: too many requests"))?;
            let trace = export::trace(&setup.profile, Seed(seed), count, ROLLOUT_STEPS_MIN)?;
            Arc::new(trace)
        }
    };
    let playback =
        Playback::new(trace.as_ref().clone(), setup.profile.vocabulary, latencies(setup))?
            .on_device(setup.profile.draft.device);
    setup.profile = Arc::new(export::replaced(&setup.profile, trace)?);
    Ok(Arc::new(playback))
}

/// Of the texts' tokens and prompts. Times are not in it: each end plays its own.
fn hash(texts: &[TraceText]) -> u64 {
    let mut bytes = Vec::new();
    let mut add = |number: u64| bytes.extend(number.to_le_bytes());
    for text in texts {
        add(text.prompt_tokens.into());
        add(text.positions.len() as u64);
        for &(draft, target, _) in &text.positions {
            add(draft.into());
            add(target.into());
        }
    }
    digest(&bytes)
}

/// Times of models on texts that were recorded without: the profile's means.
fn latencies(setup: &Setup) -> Latencies {
    let Profile { draft, verification, overhead, .. } = setup.profile.as_ref();
    let millis = pipesd_core::time::from_millis;
    Latencies {
        draft_prefill_per_token: millis(draft.prefill_ms_per_token),
        step: millis(draft.step.mean()),
        verify_prefill_per_token: millis(verification.prefill_ms_per_token),
        verify: millis(verification.base.mean() + overhead.mean()),
        verify_per_token: millis(verification.per_token_ms),
    }
}

/// One direction of a scenario.
struct Shaped {
    shaper: ShaperConfig,
    startup: Duration,
    abortable: bool,
}

fn shaped(link: &LinkConfig) -> Shaped {
    match link {
        // A floor under exchanges is of no live run: see `Configuration::for_live_run`.
        LinkConfig::Affine(AffineConfig { rate, startup, propagation, abortable, floor: _ }) => {
            let plain = ShaperConfig::plain(rate.clone(), *propagation);
            // The paper's link knows no headers: what QUIC adds is not charged.
            let shaper = ShaperConfig { header: -QUIC_OVERHEAD, ..plain };
            Shaped { shaper, startup: *startup, abortable: *abortable }
        }
        LinkConfig::Packet(config) => {
            let plain = ShaperConfig::plain(config.rate.clone(), config.propagation);
            let shaper = ShaperConfig {
                jitter: config.jitter,
                loss: config.loss,
                queue_bytes: config.queue_bytes,
                header: config.header as i64 - QUIC_OVERHEAD,
                ..plain
            };
            Shaped { shaper, startup: config.startup, abortable: config.abortable }
        }
    }
}

#[cfg(test)]
mod tests {
    use pipesd_sim::link::ExchangeFloor;

    use super::*;

    #[test]
    fn neither_a_live_run_nor_its_simulated_twin_has_a_floor_under_exchanges() {
        let choice = Choice {
            profile: "humaneval".to_owned(),
            scenario: "s1-laptop".to_owned(),
            method: "vanilla".to_owned(),
            sets: vec!["exchange_floor_ms=1500".to_owned()],
        };
        let scene = Scene::emulated(&choice, 1, 130).expect("a valid scene");
        let LinkConfig::Affine(uplink) = &scene.setup.uplink else { panic!("an affine link") };
        assert_eq!(uplink.floor, ExchangeFloor::NONE);
        assert_eq!(scene.emulation().startup, uplink.startup, "the start-up is all there is");
        let floored = Configuration::load(&choice).and_then(|c| c.setup(130, false));
        let floored = floored.expect("a valid configuration");
        let slower = pipesd_sim::world::run(&floored, Seed(1)).expect("a sound run");
        let twin = scene.simulated_tpt_ms().expect("a sound run");
        assert!(twin + 30.0 < slower.summary.tpt_ms, "{twin} against {:?}", slower.summary.tpt_ms);
    }

    #[test]
    fn an_emulated_link_has_the_rates_of_the_simulated_one_request_for_request() {
        let choice = Choice {
            profile: "humaneval".to_owned(),
            scenario: "s4-dynamic".to_owned(),
            method: "vanilla".to_owned(),
            sets: vec![],
        };
        let mut firsts = std::collections::BTreeSet::new();
        for seed in 1..=8 {
            let scene = Scene::emulated(&choice, seed, 390).expect("a valid scene");
            let emulated = scene.emulation().uplink.rate;
            let simulated = link_in_run(&scene.setup.uplink, Seed(seed)).rate().clone();
            for request in scene.requests() {
                let number = request.session.request();
                let rate = emulated.for_request(number);
                assert!(rate.is_some(), "a rate for each request");
                assert_eq!(rate, simulated.for_request(number), "seed {seed}, request {number}");
            }
            firsts.insert(emulated.for_request(0).map(|rate| rate.rates()[0]));
        }
        assert!(firsts.len() > 2, "runs begin at rates of their own");
    }
}
