//! The models of a pair, as far as this end needs them: an edge the draft, the tokenizer and the prompts,
//! a cloud the target.

use std::sync::Arc;

use anyhow::Result;
use pipesd_core::device::Device;
use pipesd_core::ids::TokenId;
use pipesd_core::message::Request;
use pipesd_core::time::{Duration, from_millis};
use pipesd_core::verification::Temperature;
use pipesd_hw::backend::padded::{PaddedDraft, PaddedTarget};
use pipesd_hw::backend::{DraftModel, ModelError, TargetModel};
use pipesd_hw::pair::{Engine, Pair, PairError, Prompt, TokenBytes, Tokenizer, read_prompts};
use pipesd_hw::record::texts::ROLLOUT_STEPS_MIN;
use pipesd_sim::world::{Setup, session_id};

use crate::cli::PairChoice;
use crate::input::{BadInput, bad_input, load_pair};

/// Which end of a run is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Edge,
    Cloud,
}

/// A pair, as far as this end needs it.
#[derive(Debug)]
pub(crate) struct PairModels {
    /// As it was typed.
    pub(crate) choice: PairChoice,
    pub(crate) pair: Pair,
    /// What the ids of this end's model mean.
    pub(crate) token_bytes: Arc<TokenBytes>,
    /// At an edge.
    asked: Option<Asked>,
    devices: Devices,
}

/// What an edge asks for.
#[derive(Debug)]
struct Asked {
    tokenizer: Tokenizer,
    /// Each with its ids.
    prompts: Vec<(Prompt, Vec<TokenId>)>,
    requests: u32,
    temperature: Temperature,
}

/// Slower machines that these stand in for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Devices {
    /// The least time of a step, and what the device makes of that.
    draft: (Duration, Device),
    /// A pass takes at least so long \[ms\]: whatever its length, and more for each draft.
    target_ms: Option<[f64; 2]>,
}

impl Devices {
    /// Of the scenario, whose device makes draft steps longer; and of `--set`: a time that is set of a
    /// model is what a call of it takes at least.
    fn of(setup: &Setup, sets: &[String]) -> Self {
        let is_set = |key: &str| sets.iter().any(|set| set.split('=').next() == Some(key));
        let profile = &setup.profile;
        let least_ms = if is_set("draft_ms") { profile.draft.step.mean() } else { 0.0 };
        let draft = (from_millis(least_ms), profile.draft.device);
        let base = is_set("verify_base_ms").then(|| profile.verification.base.mean());
        let per_token = is_set("verify_per_token_ms").then_some(profile.verification.per_token_ms);
        let any = base.or(per_token).is_some();
        let target_ms = any.then(|| [base, per_token].map(Option::unwrap_or_default));
        Self { draft, target_ms }
    }
}

/// A pass over a whole round of drafts, and what a chain of roundings leaves: tokens that a session has
/// besides prompt and output.
const CONTEXT_MARGIN: u32 = 64;

impl PairModels {
    /// Reads what `end` needs of the pair. `tokens` say how many prompts are decoded, unless the choice
    /// does.
    pub(crate) fn load(
        choice: &PairChoice,
        end: End,
        tokens: u64,
        setup: &Setup,
        sets: &[String],
    ) -> Result<Self> {
        let Some(name) = &choice.pair else {
            return Err(bad_input!("--backend models: name a pair, e.g. --pair small").into());
        };
        let pair = load_pair(name, choice.models.as_deref())?;
        let engine = match end {
            End::Edge => pair.spec.draft.engine,
            End::Cloud => pair.spec.target.engine,
        };
        ensure_built(engine)?;
        let bytes = match end {
            End::Edge => pair.draft_bytes(),
            End::Cloud => pair.target_bytes(),
        };
        let token_bytes = Arc::new(bytes.map_err(|error| wrong(&error, name))?);
        let asked = match end {
            End::Edge => Some(Asked::load(&pair, choice, tokens)?),
            End::Cloud => None,
        };
        let devices = Devices::of(setup, sets);
        Ok(Self { choice: choice.clone(), pair, token_bytes, asked, devices })
    }

    fn asked(&self) -> &Asked {
        self.asked.as_ref().expect("an edge has loaded what it asks")
    }

    /// The requests of the edge numbered `edge`.
    pub(crate) fn requests(&self, edge: u32, seed: u64) -> Vec<Request> {
        let Asked { tokenizer, prompts, requests, temperature } = self.asked();
        (0..*requests)
            .zip(prompts.iter().cycle())
            .map(|(index, (_, ids))| Request {
                session: session_id(edge, index.into()),
                prompt: ids.clone(),
                budget: self.pair.spec.max_new_tokens,
                stop_ids: tokenizer.stop().to_vec(),
                temperature: *temperature,
                // Noise is keyed by it: each text has its own, whatever runs before it.
                seed: seed.wrapping_add(u64::from(index) << 32),
                text: Vec::new(),
            })
            .collect()
    }

    /// What the request numbered `index` asks.
    pub(crate) fn prompt(&self, index: usize) -> &Prompt {
        let prompts = &self.asked().prompts;
        &prompts[index % prompts.len()].0
    }

    /// The tokenizer.
    pub(crate) fn tokenizer(&self) -> &Tokenizer {
        &self.asked().tokenizer
    }

    /// What a session of an edge has at most \[tokens\], when a draft goes `beyond` its budget.
    fn context(&self, beyond: u32) -> u32 {
        let longest = self.asked().prompts.iter().map(|(_, ids)| ids.len()).max().unwrap_or(0);
        let longest = u32::try_from(longest).unwrap_or(u32::MAX);
        let spec = &self.pair.spec;
        longest.saturating_add(spec.max_new_tokens).saturating_add(beyond + CONTEXT_MARGIN)
    }

    /// Loads the draft, on its device.
    pub(crate) fn draft(self: Arc<Self>) -> Result<Box<dyn DraftModel>, ModelError> {
        let model = self.pair.open_draft(self.context(0))?;
        Ok(match self.devices.draft {
            (Duration::ZERO, Device::REFERENCE) => model,
            (least, device) => Box::new(PaddedDraft::new(model, least, device)),
        })
    }

    /// Loads the target, on its server.
    pub(crate) fn target(self: Arc<Self>) -> Result<Box<dyn TargetModel>, ModelError> {
        let model = self.pair.open_target(None, self.choice.fixed_block)?;
        Ok(match self.devices.target_ms {
            Some([base, per_token]) => {
                let [base, per_token] = [base, per_token].map(from_millis);
                Box::new(PaddedTarget { model, base, per_token })
            }
            None => model,
        })
    }

    /// Loads both as they are, for the recorder of texts.
    pub(crate) fn both(
        &self,
        rollout: u32,
    ) -> Result<(Box<dyn pipesd_hw::pair::Draft>, Box<dyn pipesd_hw::pair::Target>)> {
        ensure_built(self.pair.spec.target.engine)?;
        let context = self.context(rollout.max(ROLLOUT_STEPS_MIN));
        Ok((
            self.pair.open_draft(context)?,
            self.pair.open_target(Some(context), self.choice.fixed_block)?,
        ))
    }
}

impl Asked {
    fn load(pair: &Pair, choice: &PairChoice, tokens: u64) -> Result<Self> {
        let name = &pair.name;
        let tokenizer = Tokenizer::load(pair).map_err(|error| wrong(&error, name))?;
        let budget = pair.spec.max_new_tokens;
        let requests = match choice.requests {
            Some(requests) => requests,
            None => u32::try_from(tokens.div_ceil(budget.into()).max(1))
                .map_err(|_| bad_input!("--tokens {tokens}: too many requests"))?,
        };
        let prompts = read_prompts(pair, choice.family.as_deref());
        let prompts = prompts.map_err(|error| wrong(&error, name))?;
        let prompts = prompts
            .into_iter()
            .take(requests as usize)
            .map(|prompt| {
                let ids = tokenizer.encode(&pair.fill(&prompt.prompt));
                Ok((prompt, ids.map_err(|error| wrong(&error, name))?))
            })
            .collect::<Result<Vec<_>>>()?;
        let temperature = Temperature::new(choice.temperature).ok_or_else(|| {
            let (given, max) = (choice.temperature, Temperature::MAX);
            bad_input!("--temperature {given}: it must be 0 to {max}")
        })?;
        Ok(Self { tokenizer, prompts, requests, temperature })
    }
}

fn wrong(error: &PairError, pair: &str) -> BadInput {
    bad_input!("{error}; see: pipesd models check {pair}")
}

/// Fails unless this program can run the engine's models.
fn ensure_built(engine: Engine) -> Result<(), BadInput> {
    if engine.is_built() {
        return Ok(());
    }
    let name = engine.name();
    Err(bad_input!(
        "--backend models: this program was built without the engine `{name}`; with it: ./setup.sh, \
         then cargo run --release --features live,models -- ..."
    ))
}
