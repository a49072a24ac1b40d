//! From a GGUF file to a context.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::OnceLock;

use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};

use super::ModelError;
use super::engine::{Engine, Limits};

/// How a model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads of the processor. For models of a few megabytes, one is best.
    pub threads: u32,
    /// Tokens that a session may have: prompt, output and what is drafted.
    pub context: u32,
    /// Sessions at a time. Memory for all of them is taken at once.
    pub sessions: u32,
    /// How exact.
    pub arithmetic: Arithmetic,
    /// Layers that a GPU takes, where llama.cpp was built for one.
    pub gpu_layers: u32,
    /// Ids that are used: those from here on never win and are refused as input. None: all of the
    /// model's.
    pub vocabulary: Option<u32>,
}

impl Default for Options {
    /// One thread, one session of 2048 tokens, exact, on the processor.
    fn default() -> Self {
        Self {
            threads: 1,
            context: 2048,
            sessions: 1,
            arithmetic: Arithmetic::Exact,
            gpu_layers: 0,
            vocabulary: None,
        }
    }
}

/// How exactly a model is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// llama.cpp's defaults: keys and values in half precision, flash attention where there is one.
    /// Logits are off by up to a hundredth.
    Fast,
    /// Keys and values in single precision, no flash attention: logits as other engines have them, but
    /// for the order of sums.
    Exact,
    /// As [`Self::Exact`], and one token in a decode, whatever is asked for together: the logits of a
    /// text are the same to the bit however it came to be. Slow: a block costs as much as its tokens
    /// one by one. For tests of losslessness.
    OneByOne,
}

/// Tokens in one decode at most: llama.cpp's default. What is more takes several.
const BATCH: u32 = 2048;

/// llama.cpp pads each sequence's cells to a multiple of this.
const CELLS: u32 = 256;

/// llama.cpp's own limit.
const SESSIONS_MAX: u32 = 256;

/// llama.cpp, initialised once in a process, its logs silenced.
pub(super) fn backend() -> Result<&'static LlamaBackend, ModelError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        // Standard output and error are the program's own. Before the rest: it logs, too.
        send_logs_to_tracing(LogOptions::default().with_logs_enabled(false));
        LlamaBackend::init().map_err(|error| error.to_string())
    });
    backend.as_ref().map_err(|error| ModelError::Broken(error.clone()))
}

/// Loads a model; `words_only`: without its weights.
pub(super) fn model(
    path: &Path,
    gpu_layers: u32,
    words_only: bool,
) -> Result<LlamaModel, ModelError> {
    let refused = |problem: String| ModelError::Refused(format!("{}: {problem}", path.display()));
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.map_err(|error| refused(error.to_string()))?;
    if magic != *b"GGUF" {
        return Err(refused("not a GGUF file: those begin with the letters GGUF".into()));
    }
    let params =
        LlamaModelParams::default().with_n_gpu_layers(gpu_layers).with_vocab_only(words_only);
    LlamaModel::load_from_file(backend()?, path, &params).map_err(|_| {
        let problem = "llama.cpp does not load it: it is cut off, lacks a tensor or key, or is of an \
                       architecture that this llama.cpp does not know";
        refused(problem.into())
    })
}

pub(super) fn load(path: &Path, options: &Options) -> Result<Engine, ModelError> {
    let refused = |problem: String| ModelError::Refused(format!("{}: {problem}", path.display()));
    let &Options { threads, context, sessions, arithmetic, gpu_layers, vocabulary } = options;
    if !(1..=SESSIONS_MAX).contains(&sessions) {
        return Err(refused(format!("{sessions} sessions: llama.cpp has 1 to {SESSIONS_MAX}")));
    }
    let cells = context.checked_next_multiple_of(CELLS).unwrap_or(0);
    let all_cells = cells.checked_mul(sessions).filter(|cells| *cells <= i32::MAX as u32);
    let Some(all_cells) = all_cells.and_then(NonZeroU32::new) else {
        let problem =
            format!("{sessions} sessions of {context} tokens: llama.cpp has 1 to 2^31 in all");
        return Err(refused(problem));
    };
    let Some(threads) = i32::try_from(threads).ok().filter(|threads| *threads > 0) else {
        return Err(refused(format!("{threads} threads: at least one is needed")));
    };
    let model = model(path, gpu_layers, false)?;
    if model.is_recurrent() || model.is_hybrid() {
        return Err(refused(
            "a recurrent model: its state cannot be cut back to an earlier token".into(),
        ));
    }
    let trained = model.n_ctx_train();
    if context > trained {
        return Err(refused(format!("a context of {context}: the model was made for {trained}")));
    }
    let size = model.vocab().n_tokens().unsigned_abs();
    let vocabulary = vocabulary.unwrap_or(size);
    if !(1..=size).contains(&vocabulary) {
        return Err(refused(format!(
            "a vocabulary of {vocabulary}: the model has 1 to {size} ids"
        )));
    }
    let batch = match arithmetic {
        Arithmetic::OneByOne => 1,
        Arithmetic::Fast | Arithmetic::Exact => all_cells.get().min(BATCH),
    };
    let mut params = LlamaContextParams::default()
        .with_n_ctx(Some(all_cells))
        .with_n_seq_max(sessions)
        // At least one for each sequence: else llama.cpp ends the process.
        .with_n_batch(batch.max(sessions))
        .with_n_ubatch(batch.max(sessions).min(512))
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        // Cells of their own for each sequence: see `engine`.
        .with_kv_unified(false)
        // Whole caches in layers with a sliding window too: else they could not be cut back.
        .with_swa_full(true);
    if arithmetic != Arithmetic::Fast {
        params = params
            .with_type_k(KvCacheType::F32)
            .with_type_v(KvCacheType::F32)
            .with_flash_attention_policy(llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED);
    }
    // Given away on purpose: a context borrows its model, and a struct of both would borrow from itself,
    // which safe Rust does not do. A process loads its models once and needs them to its end.
    let model: &'static LlamaModel = Box::leak(Box::new(model));
    let context_of = model.new_context(backend()?, params).map_err(|error| {
        refused(format!("no context of {sessions} sessions of {context} tokens: {error}"))
    })?;
    Ok(Engine::new(context_of, Limits { vocabulary, context, sessions, batch }))
}
