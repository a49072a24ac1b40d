//! Golden logs: one small situation each, in round numbers, to be read as a story. Time runs from the
//! start of decoding; m tokens occupy the uplink for 5 + 10·m ms and arrive 2 ms later, a draft step
//! takes 10 ms, a NAV 30 ms, a reply 3 ms.
//!
//! `UPDATE_EXPECT=1 cargo test -p pipesd-sim` rewrites the logs; read them before you commit them.

use std::sync::Arc;

use expect_test::{ExpectFile, expect_file};
use pipesd_core::device::Device;
use pipesd_core::edge::TuningConfig;
use pipesd_core::event::{Event, Stamped};
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::tuner::TunerConfig;
use pipesd_sim::distribution::Latency;
use pipesd_sim::link::{AffineConfig, LinkConfig};
use pipesd_sim::profile::Profile;
use pipesd_sim::world::Setup;

use crate::support::{self, PIPESD};

/// A position where the draft is right, and how sure it is.
const fn right(token: u32, confidence: f64) -> (u32, u32, f64) {
    (token, token, confidence)
}

/// A position where the draft says 99 instead.
const fn wrong(token: u32, confidence: f64) -> (u32, u32, f64) {
    (99, token, confidence)
}

/// PipeSD whose rounds are ended by one unsure token; N̂ = 4, of which the plan is 1, 1, 2.
fn pipesd() -> String {
    PIPESD.replace("0.95", "0.1").replace("0.9\n", "0.5\n") + "\n window = 4"
}

fn vanilla(draft_length: u32) -> String {
    support::VANILLA.replace('6', &draft_length.to_string())
}

fn tell(entry: &str, positions: &[(u32, u32, f64)], golden: &ExpectFile) {
    tell_with(entry, positions, |setup| setup, golden);
}

/// Compares the decoding's log with the golden one. Starts of draft steps are left out: a step
/// follows the last at once, or the log says why not.
fn tell_with(
    entry: &str,
    positions: &[(u32, u32, f64)],
    change: impl FnOnce(Setup) -> Setup,
    golden: &ExpectFile,
) {
    let told = |event: &Event| !matches!(event, Event::DraftStarted { .. });
    tell_of(told, entry, positions, change, golden);
}

/// The same of such events alone as are to be told.
fn tell_of(
    told: impl Fn(&Event) -> bool,
    entry: &str,
    positions: &[(u32, u32, f64)],
    change: impl FnOnce(Setup) -> Setup,
    golden: &ExpectFile,
) {
    let profile = support::profile(support::text(positions));
    let setup = change(support::setup(support::method(entry), profile, 1));
    let events = support::record(&setup, 0).events;
    let decoding = |s: &&Stamped| !matches!(s.event, Event::DecodingStarted { .. });
    let start = events.iter().take_while(decoding).count();
    let zero = events[start].at;
    let lines: Vec<String> = events[start..]
        .iter()
        .filter(|s| told(&s.event))
        .map(|s| Stamped { at: Instant::ZERO + (s.at - zero), ..*s }.to_string())
        .collect();
    golden.assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn vanilla_with_a_rejection() {
    // Three tokens a round, the second wrong: the target's token replaces it, the third is untested.
    let text = [right(1, 0.9), wrong(2, 0.9), right(3, 0.9), right(4, 0.9), right(5, 0.9)];
    let text = [&text[..], &[right(6, 0.9), right(7, 0.9)]].concat();
    tell(&vanilla(3), &text, &expect_file!["golden/vanilla_rejection.txt"]);
}

/// All drafts are right. The first round ends at #2, the one behind the guess #3 at `unsure`.
fn reused(unsure: u32) -> Vec<(u32, u32, f64)> {
    let confidence = |token| if token == 3 || token == unsure { 0.4 } else { 0.9 };
    (1..=12).map(|token| right(token, confidence(token))).collect()
}

#[test]
fn a_padded_device_is_slow_where_nothing_sped_ahead() {
    // Own steps of 10 ms, main ones padded to 25. The first round is wholly accepted and its guess #2
    // right: what is drafted behind it is quick, also after the verdict. That round's last token is
    // wrong: the next one begins quickly, and is slow from its second draft on.
    let text = [right(1, 0.9), right(2, 0.4), right(3, 0.9), right(4, 0.9), right(5, 0.9)];
    let text = [&text[..], &[right(6, 0.9), right(7, 0.9), right(8, 0.9)]].concat();
    let text =
        [&text[..], &[wrong(9, 0.4), right(10, 0.9), right(11, 0.9), right(12, 0.4)]].concat();
    let text = [&text[..], &[right(13, 0.9)]].concat();
    let told = |event: &Event| {
        use Event::{
            Committed, DraftStale, DraftStarted, Drafted, GuessResolved, Guessed, NavFired,
            RoundResolved,
        };
        let drafts = matches!(
            event,
            DraftStarted { .. } | Drafted { .. } | Guessed { .. } | DraftStale { .. }
        );
        let verdicts =
            matches!(event, NavFired { .. } | RoundResolved { .. } | GuessResolved { .. });
        drafts || verdicts || matches!(event, Committed { .. })
    };
    let change = |setup| support::on(Device::Padded(Duration::from_millis(25)), setup);
    let golden = expect_file!["golden/pipesd_padded.txt"];
    tell_of(told, &pipesd(), &text, change, &golden);
}

#[test]
fn a_proactive_round_is_reused() {
    // Its tokens go up one by one behind the NAV request of r0. It has fired when the verdict confirms
    // its guess; its own request, held until then, goes up with all that has not begun.
    tell(&pipesd(), &reused(7), &expect_file!["golden/pipesd_reused.txt"]);
}

#[test]
fn a_confirmed_round_is_drafted_on_until_it_fires() {
    // The verdict on r0 comes before the trigger: r1 goes on token by token, as one that is ahead, and
    // the rest goes up as one batch when it fires.
    tell(&pipesd(), &reused(11), &expect_file!["golden/pipesd_drafted_on.txt"]);
}

#[test]
fn by_rule_2_a_proactive_round_asks_for_its_own_verification() {
    // As the paper's text has it: r1 follows the plan, and its NAV request waits for no verdict.
    tell(&support::rule2(&pipesd()), &reused(7), &expect_file!["golden/rule2_reused.txt"]);
}

/// The third token is wrong. A NAV takes 33 ms: the verdict finds a step and an upload under way.
const DISCARDED: [(u32, u32, f64); 11] = [
    right(1, 0.9),
    right(2, 0.9),
    wrong(3, 0.4),
    right(4, 0.9),
    right(5, 0.4),
    right(6, 0.9),
    right(7, 0.9),
    right(8, 0.9),
    right(9, 0.9),
    right(10, 0.9),
    right(11, 0.9),
];

fn discarded(abortable: bool, golden: &ExpectFile) {
    let change = |setup: Setup| {
        let LinkConfig::Affine(config) = setup.uplink.clone() else { panic!("an affine link") };
        let uplink = LinkConfig::Affine(AffineConfig { abortable, ..config });
        let mut profile = Profile::clone(&setup.profile);
        profile.verification.base = Latency::Constant { mean: 33.0 };
        Setup { uplink, profile: Arc::new(profile), ..setup }
    };
    // Windows of N̂ ahead make that upload a long one.
    let entry =
        support::rule2(&pipesd()).replace("waiting_upload = 'dp'", "waiting_upload = 'window'");
    tell_with(&entry, &DISCARDED, change, golden);
}

#[test]
fn a_proactive_round_is_discarded_while_its_upload_is_under_way() {
    // A link that can abort: the upload called off leaves it free at once, and never arrives.
    discarded(true, &expect_file!["golden/pipesd_discarded.txt"]);
}

#[test]
fn a_discarded_upload_keeps_a_link_that_cannot_abort() {
    // The paper's link: the next round's upload waits, and the cloud drops what arrives.
    discarded(false, &expect_file!["golden/pipesd_discarded_late.txt"]);
}

#[test]
fn a_guess_is_missed() {
    // All drafts are right, but the guess #2 is not: full acceptance alone does not save the round.
    let text = [right(1, 0.9), right(2, 0.4), wrong(3, 0.9), right(4, 0.9), right(5, 0.4)];
    let text = [&text[..], &[right(6, 0.9)]].concat();
    tell(&pipesd(), &text, &expect_file!["golden/pipesd_guess_missed.txt"]);
}

#[test]
fn a_drafted_end_of_text_fires() {
    // Id 0 ends texts: drafting stops there, nothing is guessed, and no extra token comes.
    let text = [right(1, 0.9), right(2, 0.9), right(3, 0.9), right(0, 0.9), right(5, 0.9)];
    tell(&pipesd(), &text, &expect_file!["golden/pipesd_end_of_text.txt"]);
}

#[test]
fn a_wrong_end_of_text_is_replaced_and_the_text_goes_on() {
    let text = [right(1, 0.9), (0, 2, 0.9), right(3, 0.9), right(0, 0.9)];
    tell(&pipesd(), &text, &expect_file!["golden/pipesd_wrong_end.txt"]);
}

#[test]
fn the_budget_cuts_the_last_round() {
    // Six tokens: after three and an extra one, one draft and the extra token are left.
    let text = [1, 2, 3, 4, 5, 6].map(|token| right(token, 0.9));
    tell(&vanilla(3), &text, &expect_file!["golden/vanilla_budget.txt"]);
}

#[test]
fn a_lazy_payload_fetches_the_rejected_distribution() {
    // 12 B a token; a rejection costs one more exchange: a request down, 15 ms and 2 ms up.
    let text = [right(1, 0.9), wrong(2, 0.9), right(3, 0.9), right(4, 0.9), right(5, 0.9)];
    let entry = vanilla(3).replace("full", "lazy");
    tell(&entry, &text, &expect_file!["golden/vanilla_lazy.txt"]);
}

#[test]
fn a_candidate_is_tried_and_judged_while_decoding_goes_on() {
    // A fit takes 25 ms. r0, drafted when the candidate comes, keeps R1 = .8 and three tokens; r1 is begun
    // under the candidate, but at the end of a round that is not; r2 and r3 make its four tokens. r4 is
    // begun while the recommendation is computed, with R1 = .8 again.
    let text: Vec<_> = (1..=20).map(|token| right(token, 0.9)).collect();
    let entry = "trigger = 'sequence_threshold'\n sequence_threshold = 0.8\n upload = 'at_nav'\n \
         waiting = 'idle'\n verification = 'match'\n payload = 'full'";
    let tuning = TuningConfig {
        tuner: TunerConfig::random(1),
        threshold_min: 0.8,
        tokens_per_candidate: 4,
        ..TuningConfig::paper(Seed(0))
    };
    let change = |setup: Setup| {
        let fit = Latency::Constant { mean: 25.0 };
        let profile = Profile { fit, ..Profile::clone(&setup.profile) }.into();
        support::tuned(Setup { profile, ..setup }, tuning)
    };
    tell_with(entry, &text, change, &expect_file!["golden/tuned_switch.txt"]);
}
