//! Trains one decoder: AdamW (Loshchilov and Hutter 2019) with warm-up and cosine decay, on answers alone,
//! in steps that can be interrupted and gone on with.

use std::path::{Path, PathBuf};

use pipesd_core::seed::Seed;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use tokenizers::Tokenizer;

use super::TrainingError;
use super::corpus::Split;
use super::data::{Batch, Windows};
use crate::backend::torch::{Decoder, DecoderConfig};

/// How a model is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Optimiser steps.
    pub steps: u32,
    /// Windows in a step.
    pub batch: usize,
    /// Tokens in a window.
    pub window: usize,
    /// Learning rate after the warm-up; it ends at a tenth.
    pub rate: f64,
    /// Steps of warm-up.
    pub warm_up: u32,
}

const BETAS: [f64; 2] = [0.9, 0.95];
const EPSILON: f64 = 1e-8;
/// Of matrices; norms do not decay.
const DECAY: f64 = 0.1;
/// Gradients are scaled down to this norm.
const NORM_MAX: f64 = 1.0;
/// Steps between two notes of the loss.
const NOTE_EVERY: u32 = 50;
/// Steps between two checkpoints.
const SAVE_EVERY: u32 = 100;
/// Batches that the held-out loss is taken over.
const HELD_OUT_BATCHES: u32 = 8;

impl Recipe {
    fn rate_at(&self, step: u32) -> f64 {
        if step < self.warm_up {
            return self.rate * f64::from(step + 1) / f64::from(self.warm_up);
        }
        let done = f64::from(step - self.warm_up) / f64::from((self.steps - self.warm_up).max(1));
        let cosine = 0.5 * (1.0 + libm::cos(core::f64::consts::PI * done));
        self.rate * (0.1 + 0.9 * cosine)
    }
}

/// How far a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    /// Which model.
    pub model: &'a str,
    /// Steps done.
    pub step: u32,
    /// Of so many.
    pub steps: u32,
    /// Loss of the last step \[nats per answer token\].
    pub loss: f64,
}

/// Is told how far it is, and says whether to go on.
pub type GoOn<'a> = dyn FnMut(Progress<'_>) -> bool + 'a;

/// What a training has told of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// Mean loss up to a step since the one before \[nats per answer token\].
    pub losses: Vec<(u32, f64)>,
    /// On held-out documents, at the end.
    pub held_out_loss: Option<f64>,
    /// Seconds of training, all sittings together.
    pub seconds: f64,
    /// Documents of each family that were learned from: the first ones.
    #[serde(default)]
    pub documents: u64,
}

/// A decoder in training.
pub(super) struct Training<'a> {
    name: &'a str,
    recipe: Recipe,
    decoder: Decoder,
    parameters: Vec<(String, Tensor)>,
    /// First and second moments, in the order of the parameters.
    moments: Vec<[Tensor; 2]>,
    step: u32,
    course: Course,
    /// Losses since the last note.
    since_note: Vec<f64>,
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    recipe: Recipe,
    config: serde_json::Value,
    seed: Seed,
    step: u32,
    course: Course,
    since_note: Vec<f64>,
}

impl<'a> Training<'a> {
    /// Begins, or goes on where a checkpoint in `folder` of the same recipe, shape and seed ends.
    pub(super) fn begin(
        name: &'a str,
        config: &DecoderConfig,
        recipe: Recipe,
        seed: Seed,
        folder: &Path,
    ) -> Result<Self, TrainingError> {
        let decoder = Decoder::random(config, seed.0 as i64, Kind::Float, Device::Cpu);
        let parameters = decoder.named_parameters();
        let moments = parameters.iter().map(|(_, parameter)| {
            [parameter.zeros_like(), parameter.zeros_like()].map(|moment| moment.detach())
        });
        let (moments, course) = (moments.collect(), Course::default());
        let folder = folder.to_owned();
        let mut training = Self {
            name,
            recipe,
            decoder,
            parameters,
            moments,
            step: 0,
            course,
            since_note: Vec::new(),
            folder,
        };
        training.resume(seed)?;
        for (_, parameter) in &training.parameters {
            let _ = parameter.set_requires_grad(true);
        }
        Ok(training)
    }

    fn file(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}", self.name))
    }

    fn resume(&mut self, seed: Seed) -> Result<(), TrainingError> {
        let note = self.file("checkpoint.json");
        let Ok(text) = std::fs::read_to_string(&note) else { return Ok(()) };
        let kept: Checkpoint =
            serde_json::from_str(&text).map_err(|error| TrainingError::file(&note, error))?;
        let same = kept.recipe == self.recipe
            && kept.config == self.decoder.config().to_json()
            && kept.seed == seed;
        if !same {
            let problem = "a checkpoint of another training; remove it, or choose another folder";
            return Err(TrainingError::file(&note, problem));
        }
        let file = self.file(&format!("{}.safetensors", kept.step));
        let tensors = Tensor::read_safetensors(&file)?;
        tch::no_grad(|| {
            for (name, tensor) in tensors {
                let Some((place, name)) = name.split_once(':') else { continue };
                let index = self.parameters.iter().position(|(known, _)| known == name);
                let Some(index) = index else { continue };
                let mut into = match place {
                    "parameter" => self.parameters[index].1.shallow_clone(),
                    "first" => self.moments[index][0].shallow_clone(),
                    _ => self.moments[index][1].shallow_clone(),
                };
                into.copy_(&tensor);
            }
        });
        (self.step, self.course, self.since_note) = (kept.step, kept.course, kept.since_note);
        Ok(())
    }

    /// The note is written last: until then the checkpoint before holds.
    fn save(&self, seed: Seed) -> Result<(), TrainingError> {
        let mut tensors = Vec::new();
        for ((name, parameter), [first, second]) in self.parameters.iter().zip(&self.moments) {
            tensors.push((format!("parameter:{name}"), parameter.detach()));
            tensors.push((format!("first:{name}"), first.shallow_clone()));
            tensors.push((format!("second:{name}"), second.shallow_clone()));
        }
        let file = self.file(&format!("{}.safetensors", self.step));
        Tensor::write_safetensors(&tensors, &file)?;
        let note = Checkpoint {
            recipe: self.recipe,
            config: self.decoder.config().to_json(),
            seed,
            step: self.step,
            course: self.course.clone(),
            since_note: self.since_note.clone(),
        };
        let (path, new) = (self.file("checkpoint.json"), self.file("checkpoint.new"));
        let before = std::fs::read_to_string(&path).ok();
        let text =
            serde_json::to_string(&note).map_err(|error| TrainingError::file(&new, error))?;
        std::fs::write(&new, text).map_err(|error| TrainingError::file(&new, error))?;
        std::fs::rename(&new, &path).map_err(|error| TrainingError::file(&path, error))?;
        let before = before.and_then(|text| serde_json::from_str::<Checkpoint>(&text).ok());
        if let Some(old) = before.filter(|old| old.step != self.step) {
            // What is left lying costs disk alone.
            let _ = std::fs::remove_file(self.file(&format!("{}.safetensors", old.step)));
        }
        Ok(())
    }

    /// Trains to the end, or until told to stop: None.
    pub(super) fn run(
        mut self,
        tokenizer: &Tokenizer,
        seed: Seed,
        go_on: &mut GoOn<'_>,
    ) -> Result<Option<(Decoder, Course)>, TrainingError> {
        let mut windows = Windows::new(tokenizer, seed, Split::Train)?;
        let Recipe { steps, batch, window, .. } = self.recipe;
        for _ in 0..self.step {
            windows.batch(batch, window)?;
        }
        let began = std::time::Instant::now();
        let before = self.course.seconds;
        while self.step < steps {
            let loss = self.learn(&windows.batch(batch, window)?)?;
            self.step += 1;
            self.since_note.push(loss);
            if self.step.is_multiple_of(NOTE_EVERY) || self.step == steps {
                let mean = self.since_note.iter().sum::<f64>() / self.since_note.len() as f64;
                self.course.losses.push((self.step, mean));
                self.since_note.clear();
            }
            self.course.seconds = before + began.elapsed().as_secs_f64();
            let last = self.step == steps;
            if last {
                self.course.held_out_loss = Some(self.held_out(tokenizer, seed)?);
            }
            let stop = !go_on(Progress { model: self.name, step: self.step, steps, loss });
            if last || stop || self.step.is_multiple_of(SAVE_EVERY) {
                self.save(seed)?;
            }
            if stop && !last {
                return Ok(None);
            }
        }
        self.course.documents = windows.documents();
        for (_, parameter) in &self.parameters {
            let _ = parameter.set_requires_grad(false);
        }
        Ok(Some((self.decoder, self.course)))
    }

    fn loss(&self, batch: &Batch) -> Tensor {
        let logits = self.decoder.forward(&batch.inputs);
        let each = logits.flatten(0, 1).cross_entropy_loss(
            &batch.targets.flatten(0, 1),
            None::<&Tensor>,
            tch::Reduction::None,
            -100,
            0.0,
        );
        let weights = batch.weights.flatten(0, 1);
        (each * &weights).sum(Kind::Float) / weights.sum(Kind::Float)
    }

    /// One step; returns its loss.
    fn learn(&mut self, batch: &Batch) -> Result<f64, TrainingError> {
        let loss = self.loss(batch);
        loss.backward();
        let rate = self.recipe.rate_at(self.step);
        let number = f64::from(self.step + 1);
        let [first_bias, second_bias] = BETAS.map(|beta| 1.0 - libm::pow(beta, number));
        tch::no_grad(|| {
            let gradients: Vec<Tensor> = self.parameters.iter().map(|(_, p)| p.grad()).collect();
            let square: f64 = gradients
                .iter()
                .map(|gradient| gradient.square().sum(Kind::Double).double_value(&[]))
                .sum();
            let scale = (NORM_MAX / square.sqrt().max(1e-12)).min(1.0);
            for (((_, parameter), moments), gradient) in
                self.parameters.iter_mut().zip(&mut self.moments).zip(gradients)
            {
                let mut gradient = gradient;
                let clipped = &gradient * scale;
                let [first, second] = moments;
                let _ = first.g_mul_scalar_(BETAS[0]).g_add_(&(&clipped * (1.0 - BETAS[0])));
                let squared = clipped.square() * (1.0 - BETAS[1]);
                let _ = second.g_mul_scalar_(BETAS[1]).g_add_(&squared);
                if parameter.dim() > 1 {
                    let _ = parameter.g_mul_scalar_(1.0 - rate * DECAY);
                }
                let spread = (&*second / second_bias).sqrt() + EPSILON;
                let _ = parameter.g_sub_(&(&*first / spread * (rate / first_bias)));
                let _ = gradient.zero_();
            }
        });
        let loss = loss.double_value(&[]);
        if loss.is_finite() { Ok(loss) } else { Err(TrainingError::Diverged { step: self.step }) }
    }

    fn held_out(&self, tokenizer: &Tokenizer, seed: Seed) -> Result<f64, TrainingError> {
        let mut windows = Windows::new(tokenizer, seed, Split::Test)?;
        let mut sum = 0.0;
        for _ in 0..HELD_OUT_BATCHES {
            let batch = windows.batch(self.recipe.batch, self.recipe.window)?;
            sum += tch::no_grad(|| self.loss(&batch)).double_value(&[]);
        }
        Ok(sum / f64::from(HELD_OUT_BATCHES))
    }
}
