//! The keys of `--set`: one table, from which the list of keys, the README's table and `pipesd keys` are
//! made.

/// Whose a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Method,
    Link,
    Model,
    Tuning,
    /// What goes wrong, and what the cloud grants.
    Service,
    Other,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// Empty: none.
    pub(crate) unit: &'static str,
    /// Least and largest value, or the choices.
    pub(crate) range: &'static str,
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

const fn key(
    group: Group,
    name: &'static str,
    [unit, range, default]: [&'static str; 3],
    meaning: &'static str,
) -> Key {
    Key { name, group, unit, range, default, meaning }
}

use Group::{Link, Method, Model, Other, Service, Tuning};

/// Defaults that a file has.
const METHOD: &str = "method";
const SCENARIO: &str = "scenario";
const PROFILE: &str = "profile";

/// All keys, in the order in which they are listed.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key(Method, "trigger",
        ["", "fixed_length, token_threshold, sequence_threshold, adaptive_sequence, dual", METHOD],
        "when a round ends and NAV is asked for"),
    key(Method, "draft_length", ["tokens", "1 to 4096", METHOD],
        "length of a round (fixed_length)"),
    key(Method, "token_threshold", ["", "0 to 1, ends excluded", METHOD],
        "R2: NAV after a token less sure than this"),
    key(Method, "sequence_threshold", ["", "0 to 1, ends excluded", METHOD],
        "R1: NAV when the product of confidences is less; where an adaptive one begins"),
    key(Method, "sequence_threshold_max", ["", "from 1", METHOD],
        "up to where an adaptive threshold may go"),
    key(Method, "decay", ["", "0 to 1, ends excluded", METHOD], "how an adaptive threshold moves"),
    key(Method, "upload", ["", "at_nav, immediate, fixed_batch, window, dp, work_conserving", METHOD],
        "how a round is cut into uploads"),
    key(Method, "batch_size", ["tokens", "1 to 4096", METHOD], "tokens of an upload (fixed_batch)"),
    key(Method, "waiting", ["", "idle, draft, draft_and_upload, draft_and_hold", METHOD],
        "what the edge does while NAV runs"),
    key(Method, "waiting_depth", ["rounds", "1 to 8", METHOD], "rounds drafted ahead"),
    key(Method, "waiting_resume", ["", "see methods.toml", METHOD],
        "what becomes of a round begun ahead"),
    key(Method, "waiting_upload", ["", "see methods.toml", METHOD],
        "how rounds ahead are uploaded"),
    key(Method, "verification", ["", "match, rejection", METHOD],
        "which drafts the target accepts"),
    key(Method, "drafting", ["", "argmax, sampled, coupled", "argmax"],
        "how the draft model chooses"),
    key(Method, "payload", ["", "full, lazy, top_k, ids", METHOD],
        "what is sent of a draft token's distribution"),
    key(Method, "top_k", ["entries", "from 1", METHOD], "entries that are sent (top_k)"),
    key(Method, "window", ["tokens", "1 to 4096", METHOD], "N̂ before it is learned"),
    key(Link, "link", ["", "affine, packet", SCENARIO], "model of both links"),
    key(Link, "bandwidth_trace", ["", "a path", SCENARIO],
        "rates of both links over time; a rate that is given too takes its link's place"),
    key(Link, "uplink_mbps", ["Mbit/s", "0.001 to 1000000", SCENARIO], "rate of the uplink"),
    key(Link, "uplink_mean_mbps", ["Mbit/s", "0.001 to 1000000", SCENARIO],
        "mean rate of the uplink: its rates over time, or those of requests, are scaled to it"),
    key(Link, "downlink_mbps", ["Mbit/s", "0.001 to 1000000", SCENARIO], "rate of the downlink"),
    key(Link, "startup_ms", ["ms", "0 to 60000", SCENARIO], "α: start-up of an upload"),
    key(Link, "downlink_startup_ms", ["ms", "0 to 60000", SCENARIO], "start-up of a message back"),
    key(Link, "propagation_ms", ["ms", "0 to 60000", SCENARIO], "delay of each way"),
    key(Link, "abortable", ["", "true, false", SCENARIO],
        "whether an upload under way can be cut short"),
    key(Link, "jitter_ms", ["ms", "0 to 60000", SCENARIO],
        "mean additional delay of a packet, both ways (packet)"),
    key(Link, "loss", ["", "0 to 0.5", SCENARIO], "share of packets lost, both ways (packet)"),
    key(Link, "queue_kb", ["kB", "2 to 1000000", SCENARIO], "the uplink's queue (packet)"),
    key(Link, "downlink_queue_kb", ["kB", "2 to 1000000", SCENARIO],
        "the downlink's queue (packet)"),
    key(Model, "draft_ms", ["ms", "0 to 1000000", PROFILE],
        "γ: a draft step, device included; its noise keeps its share"),
    key(Model, "added_draft_ms", ["ms", "0 to 60000", SCENARIO],
        "added to every draft step by the device, also to `draft_ms`; a device has one rule, the last \
         that is set"),
    key(Model, "padded_draft_ms", ["ms", "0 to 60000", SCENARIO],
        "least time of a main draft step: the paper's emulation. Guesses and what is drafted ahead take \
         their own"),
    key(Model, "slowed_draft_ms", ["ms", "0 to 60000", SCENARIO],
        "least time of every draft step, as on a slow device"),
    key(Model, "draft_sd_ms", ["ms", "0 to 1000000", PROFILE], "noise of a draft step"),
    key(Model, "draft_prefill_per_token_ms", ["ms", "0 to 1000000", PROFILE],
        "the draft's prefill of a prompt token"),
    key(Model, "verify_base_ms", ["ms", "0 to 1000000", PROFILE],
        "a pass of the target without draft tokens"),
    key(Model, "verify_per_token_ms", ["ms", "0 to 1000000", PROFILE],
        "added to it by a verified token"),
    key(Model, "verify_prefill_per_token_ms", ["ms", "0 to 1000000", PROFILE],
        "the target's prefill of a prompt token"),
    key(Model, "overhead_ms", ["ms", "0 to 1000000", PROFILE],
        "server time of a NAV that is not the GPU's"),
    key(Model, "fit_ms", ["ms", "0 to 1000000", PROFILE], "one fit of the edge's tuner"),
    key(Model, "edge_only_ms", ["ms", "0 to 1000000", PROFILE],
        "time per token of edge-only decoding, a reference line: no run depends on it"),
    key(Model, "exchange_floor_ms", ["ms", "0 to 60000", PROFILE],
        "f0: what a message occupies the edge's sender for at the least, in the stack of the profile's \
         testbed (full payload on an affine link, simulated; elsewhere there is none)"),
    key(Model, "exchange_floor_per_mb_ms", ["ms", "0 to 60000", PROFILE],
        "f1: added to it by each 10⁶ bytes of the message"),
    key(Model, "vocabulary", ["tokens", "3 to 10000000", PROFILE],
        "entries of the vocabulary, which size the full payload"),
    key(Model, "prompt_tokens", ["tokens", "1 to 1000000", PROFILE], "length of a prompt"),
    key(Model, "output_tokens", ["tokens", "1 to 1000000", PROFILE], "output tokens of a prompt"),
    key(Model, "acceptance_intercept", ["", "-100 to 100", PROFILE],
        "a₀ of the acceptance curve: how often drafts are right"),
    key(Model, "acceptance_slope", ["", "-100 to 100", PROFILE],
        "a₁: how much more often where the draft is surer"),
    key(Model, "prompt_share", ["", "0 to 1", PROFILE],
        "share of confidence's variance between prompts"),
    key(Model, "slow_share", ["", "0 to 1", PROFILE],
        "share that varies slowly within a prompt; with `prompt_share` 1 at most"),
    key(Model, "slow_correlation", ["", "-1 to 1, ends excluded", PROFILE],
        "correlation of that part from token to token"),
    key(Model, "nav_base_j", ["J", "0 to 1000000000", PROFILE], "the cloud GPU's energy of a NAV"),
    key(Model, "nav_per_token_j", ["J", "0 to 1000000000", PROFILE],
        "added to it by a verified token"),
    key(Model, "cloud_active_w", ["W", "0 to 1000000000", PROFILE],
        "the cloud GPU at work, for prefill"),
    key(Model, "cloud_idle_w", ["W", "0 to 1000000000", PROFILE], "the cloud GPU when idle"),
    key(Model, "edge_active_w", ["W", "0 to 1000000000", PROFILE],
        "the edge while drafting, above idle"),
    key(Model, "edge_idle_w", ["W", "0 to 1000000000", PROFILE], "the edge when idle"),
    key(Model, "radio_j_per_byte", ["J", "0 to 1000000000", PROFILE],
        "the edge's radio, for each byte"),
    key(Tuning, "tuning", ["", "off, paper, bayes", "off"],
        "whether and how the edge searches for thresholds while it decodes"),
    key(Tuning, "tuning_tokens", ["tokens", "from 1", "as `tuning`"],
        "output tokens by which a candidate is judged"),
    key(Tuning, "tuning_evaluations", ["", "1 to 256", "as `tuning`"], "candidates of a search"),
    key(Tuning, "tuning_drift", ["", "0 to 1000", "as `tuning`"],
        "share by which time per token must move to search again"),
    key(Tuning, "tuning_window", ["tokens", "from 1", "as `tuning`"],
        "over how many drift is seen"),
    key(Tuning, "tuning_share", ["", "0 to 1", "as `tuning`"],
        "share of tokens that exploring may cost"),
    key(Tuning, "tuning_floor", ["", "0.000001 to 0.99", "as `tuning`"],
        "least threshold that is tried"),
    key(Tuning, "tuning_hopeless", ["", "1 to 1000000", "as `tuning`"],
        "how much slower than the best a candidate is given up"),
    key(Tuning, "tuning_turns", ["", "from 0", "as `tuning`"],
        "turns in which a recommendation must beat what was best"),
    key(Other, "edges", ["", "1 to 4096", "1"],
        "edges that share the cloud; with prompts of 10 million tokens together at most"),
    key(Service, "verify_batch", ["", "1 to 4096", "1"],
        "NAVs that the cloud verifies in one pass"),
    key(Service, "queue", ["", "courteous, fair, first_come", "courteous"],
        "whose NAV has its turn: clients have equal shares, courteous: and cost each other no more \
         than a seventh of their time; or in order of arrival"),
    key(Service, "sessions_max", ["", "1 to 65536", "65536"], "sessions that the cloud holds"),
    key(Service, "session_tokens_max", ["tokens", "1 to 1000000000", "2^32"],
        "prompts and budgets of all its sessions together"),
    key(Service, "client_sessions", ["", "1 to 4096", "8"], "sessions of one edge"),
    key(Service, "client_tokens", ["tokens", "1 to 10000000", "65536"],
        "drafts of one edge that wait for verification"),
    key(Service, "client_navs_per_second", ["", "0 to 1000000", "0: any"],
        "NAVs of one edge; those beyond wait"),
    key(Service, "session_settled_s", ["s", "0 to 10000000", "10"],
        "a session that was heard of this recently is not evicted for another's sake"),
    key(Service, "session_idle_s", ["s", "0.001 to 10000000", "604800"],
        "a session that was not heard of for so long is evicted"),
    key(Service, "outage_s", ["s", "0.001 to 10000000", "600"],
        "how long an edge waits for a cloud that is away or does not serve it"),
    key(Service, "offline", ["", "wait, draft", "wait"],
        "what an edge does without a link: draft goes on alone, to be verified later"),
    key(Service, "faults", ["", "none, random:SEED, a path", "none"],
        "what goes wrong with links and cloud (docs/operating.md)"),
];

/// The key of this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The names of all keys.
pub(crate) fn set_keys() -> Vec<&'static str> {
    KEYS.iter().map(|key| key.name).collect()
}

/// The table as Markdown.
pub(crate) fn markdown() -> String {
    let mut text =
        String::from("| key | unit | range | default | meaning |\n|---|---|---|---|---|\n");
    for Key { name, unit, range, default, meaning, .. } in KEYS {
        text.push_str(&format!("| `{name}` | {unit} | {range} | {default} | {meaning} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Choice, Configuration, METHOD_KEYS};

    fn load(sets: &[String]) -> anyhow::Result<Configuration> {
        let [profile, scenario, method] = ["humaneval", "s1-laptop", "pipesd"].map(str::to_owned);
        let configuration =
            Configuration::load(&Choice { profile, scenario, method, sets: sets.to_vec() })?;
        configuration.setup(1, false)?;
        Ok(configuration)
    }

    /// The ends of a range of numbers.
    fn ends(key: &Key) -> Option<[f64; 2]> {
        let (low, high) = key.range.split_once(" to ")?;
        Some([low.parse().ok()?, high.parse().ok()?])
    }

    #[test]
    fn the_readme_has_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
        let readme = std::fs::read_to_string(path).expect("the README");
        let table = markdown();
        assert!(readme.contains(&table), "README.md lacks the table of `pipesd keys --markdown`");
    }

    #[test]
    fn names_are_there_once_and_the_method_s_are_all_here() {
        let names = set_keys();
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
        for key in METHOD_KEYS {
            let found = find(key).unwrap_or_else(|| panic!("`{key}` has no line"));
            assert_eq!(found.group, Method);
        }
        for key in KEYS.iter().filter(|key| key.group == Method) {
            assert!(METHOD_KEYS.contains(&key.name), "`{}` is not a method's", key.name);
        }
    }

    #[test]
    fn ranges_of_the_environment_are_as_the_table_says() {
        let mut seen = 0;
        for key in KEYS.iter().filter(|key| key.group != Method) {
            let Some([low, high]) = ends(key) else { continue };
            let sets = |value: f64| {
                let mut sets = vec![format!("{}={value}", key.name)];
                if ["jitter_ms", "loss"].contains(&key.name) || key.name.ends_with("queue_kb") {
                    sets.push("link=packet".into());
                }
                if key.group == Tuning {
                    sets.push("tuning=bayes".into());
                }
                // Shares sum to one at most; prompts of many edges are short.
                let partner = match key.name {
                    "prompt_share" => "slow_share=0",
                    "slow_share" => "prompt_share=0",
                    _ => "prompt_tokens=1",
                };
                if key.name != "prompt_tokens" {
                    sets.push(partner.into());
                }
                sets
            };
            for value in [low, high] {
                load(&sets(value))
                    .unwrap_or_else(|error| panic!("{} {value}: {error:#}", key.name));
            }
            let beyond = (high - low).max(1.0);
            for value in [low - beyond, high + beyond] {
                let error = load(&sets(value)).expect_err(key.name);
                assert!(error.is::<crate::input::BadInput>(), "{}: {error:#}", key.name);
            }
            seen += 1;
        }
        assert!(seen > 35, "{seen} keys have ranges of numbers");
    }
}
