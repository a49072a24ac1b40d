//! What rows call things, as people read it. What is not listed keeps its name.

/// Methods, policies, tuners, references.
const METHODS: &[(&str, &str)] = &[
    ("vanilla", "Vanilla"),
    ("hsl", "HSL"),
    ("edgellm", "EdgeLLM"),
    ("pipesd", "PipeSD"),
    ("pipesd_online", "PipeSD, our tuner"),
    ("pipesd_paper_tuner", "PipeSD, the paper's tuner"),
    ("pipesd_greedy", "greedy"),
    ("pipesd_immediate", "immediate"),
    ("pipesd_no_early_upload", "no early upload"),
    ("pipesd_no_pipeline", "no pipeline, dual trigger"),
    ("pipesd_fixed_length", "pipeline, fixed length"),
    ("pipesd_token_threshold", "token threshold alone"),
    ("pipesd_sequence_threshold", "sequence threshold alone"),
    ("bayes", "our tuner"),
    ("paper", "the paper's tuner"),
    ("grid", "grid of cell centres"),
    ("grid-ends", "grid from end to end"),
    ("random", "random"),
    ("bound", "bound"),
    ("bound_empty_navs", "bound, empty NAVs"),
    ("cloud_only", "cloud only"),
    ("edge_only", "edge only"),
    ("serial", "serial split"),
];

const DATASETS: &[(&str, &str)] = &[("humaneval", "HumanEval"), ("gsm8k", "GSM8K")];

const SCENARIOS: &[(&str, &str)] = &[
    ("s1-laptop", "S1 laptop"),
    ("s2-phone", "S2 phone"),
    ("s3-iot", "S3 IoT"),
    ("s4-dynamic", "S4 dynamic"),
];

/// What an upload carries of the draft distributions.
const PAYLOADS: &[(&str, &str)] = &[
    ("full", "full distributions"),
    ("lazy", "lazy distributions"),
    ("top_k", "top-k distributions"),
    ("ids", "ids alone"),
];

/// Metrics with their units, short enough for half a column.
const METRICS: &[(&str, &str)] = &[
    ("tpt_ms", "time per token (ms)"),
    ("ttft_ms", "time to first token (ms)"),
    ("nav_frequency", "NAVs per output token"),
    ("draft_length_mean", "draft length (tokens)"),
    ("accepted_length_mean", "accepted length (tokens)"),
    ("rejected_length_mean", "rejected length (tokens)"),
    ("acceptance_rate", "acceptance rate"),
    ("rollback_rate", "rollback rate"),
    ("energy_j_per_100_tokens_cloud_active", "energy (J per 100 tokens)"),
    ("fairness_jain", "Jain's index of fairness"),
    ("upload_ms", "upload time (ms)"),
    ("draft_ms", "draft step (ms)"),
    ("uplink_mbps", "uplink (Mbit/s)"),
    ("sequence_threshold", "sequence threshold R1"),
    ("token_threshold", "token threshold R2"),
    ("window_tokens", "window (tokens)"),
    ("plan_batches", "batches of a plan"),
];

fn of(list: &'static [(&str, &str)], key: &str) -> String {
    let listed = list.iter().find(|(name, _)| *name == key);
    listed.map_or_else(|| key.replace('_', " "), |(_, name)| (*name).to_owned())
}

pub(super) fn method(key: &str) -> String {
    of(METHODS, key)
}

pub(super) fn dataset(key: &str) -> String {
    of(DATASETS, key)
}

pub(super) fn scenario(key: &str) -> String {
    of(SCENARIOS, key)
}

pub(super) fn payload(key: &str) -> String {
    of(PAYLOADS, key)
}

pub(super) fn metric(key: &str) -> String {
    of(METRICS, key)
}
