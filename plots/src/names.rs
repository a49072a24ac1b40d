//! What rows call things, as people read it: one list for figures and for whoever writes about the same
//! rows. What is not listed keeps its name, without underscores.

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

const DATASETS: &[(&str, &str)] =
    &[("humaneval", "HumanEval"), ("gsm8k", "GSM8K"), ("small", "Our own pair")];

const SCENARIOS: &[(&str, &str)] = &[
    ("s1-laptop", "S1 laptop"),
    ("s2-phone", "S2 phone"),
    ("s3-iot", "S3 IoT"),
    ("s4-dynamic", "S4 dynamic"),
    ("s4-every-20s", "S4 every 20 s"),
    ("phone", "phone"),
    ("iot", "IoT device"),
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
    ("distance_to_bound", "time in multiples of the bound"),
];

/// Keys that are words of English too: where they stand alone they need not be a method's or a dataset's.
const WORDS: [&str; 8] = ["paper", "grid", "random", "bound", "serial", "bayes", "full", "small"];

fn of(list: &'static [(&str, &str)], key: &str) -> String {
    let listed = list.iter().find(|(name, _)| *name == key);
    listed.map_or_else(|| key.replace('_', " "), |(_, name)| (*name).to_owned())
}

/// A method, a policy, a tuner or a reference.
#[must_use]
pub fn method(key: &str) -> String {
    of(METHODS, key)
}

/// A profile.
#[must_use]
pub fn dataset(key: &str) -> String {
    of(DATASETS, key)
}

/// A scenario.
#[must_use]
pub fn scenario(key: &str) -> String {
    of(SCENARIOS, key)
}

/// What an upload carries.
#[must_use]
pub fn payload(key: &str) -> String {
    of(PAYLOADS, key)
}

/// A metric with its unit.
#[must_use]
pub fn metric(key: &str) -> String {
    of(METRICS, key)
}

/// The name of whatever has this key and of nothing else: None for what is no key, and for words of
/// English that are keys too.
#[must_use]
pub fn known(key: &str) -> Option<&'static str> {
    let lists = [METHODS, DATASETS, SCENARIOS, METRICS];
    let mut names = lists.into_iter().flatten().filter(|(name, _)| *name == key);
    names.next().map(|(_, name)| *name).filter(|_| !WORDS.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_and_words_of_english_are_left_alone() {
        assert_eq!(known("pipesd_no_early_upload"), Some("no early upload"));
        assert_eq!(known("gsm8k"), Some("GSM8K"));
        assert_eq!(known("tpt_ms"), Some("time per token (ms)"));
        for word in ["paper", "random", "small", "upload"] {
            assert_eq!(known(word), None);
        }
        assert_eq!(method("paper"), "the paper's tuner");
        assert_eq!(method("a_new_one"), "a new one");
    }
}
