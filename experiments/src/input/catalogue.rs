//! What ships with the program, compiled in: it runs from any folder.

/// The shipped profiles by name.
pub(crate) const PROFILES: &[(&str, &str)] = &[
    ("humaneval", include_str!("../../../traces/profiles/humaneval.toml")),
    ("gsm8k", include_str!("../../../traces/profiles/gsm8k.toml")),
    ("small", include_str!("../../../traces/profiles/small.toml")),
];

/// The shipped scenarios by name.
pub(crate) const SCENARIOS: &[(&str, &str)] = &[
    ("s1-laptop", include_str!("../../../traces/scenarios/s1-laptop.toml")),
    ("s2-phone", include_str!("../../../traces/scenarios/s2-phone.toml")),
    ("s3-iot", include_str!("../../../traces/scenarios/s3-iot.toml")),
    ("s4-dynamic", include_str!("../../../traces/scenarios/s4-dynamic.toml")),
    ("s4-every-20s", include_str!("../../../traces/scenarios/s4-every-20s.toml")),
    ("phone", include_str!("../../../traces/scenarios/phone.toml")),
    ("iot", include_str!("../../../traces/scenarios/iot.toml")),
];

/// Files that shipped scenarios and profiles refer to.
pub(crate) const ATTACHMENTS: &[(&str, &str)] = &[
    ("s4-bandwidth.csv", include_str!("../../../traces/scenarios/s4-bandwidth.csv")),
    ("small.json", include_str!("../../../traces/profiles/small.json")),
];

/// The methods that the paper compares; the others are these with one part changed.
pub(crate) const COMPARED: [&str; 4] = ["vanilla", "hsl", "edgellm", "pipesd"];

/// The shipped methods, one entry each.
pub(crate) const METHODS: &str = include_str!("../../methods.toml");

/// The shipped pairs of models, one entry each.
#[cfg(feature = "live")]
pub(crate) const PAIRS: &str = include_str!("../../../models/pairs.toml");

/// The names of a list, for messages.
pub(crate) fn names(list: &[(&'static str, &'static str)]) -> String {
    list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
