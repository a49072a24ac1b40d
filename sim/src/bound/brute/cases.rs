//! Random cases, small enough to be searched exhaustively: the bound is what the search finds.

use std::ops::RangeInclusive;

use pipesd_core::device::{Device, DraftKind};
use pipesd_core::time::Duration;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::Moves;
use super::{Brute, Case, Line, STATES_MAX};

fn line() -> impl Strategy<Value = Line> {
    let rate = || (1_u64..9).prop_map(|per_ns| per_ns * 1_000_000_000);
    let rates = prop_oneof![
        3 => rate().prop_map(|rate| vec![rate]),
        1 => prop::collection::vec(rate(), 2..4),
    ];
    (0_u64..12, 0_u64..6, rates, 5_u64..40, 0_u64..60).prop_map(
        |(startup, propagation, rates, step, offset)| Line {
            startup,
            propagation,
            rates,
            step,
            offset,
            floor: [0, 0],
        },
    )
}

/// Texts of so many tokens, the draft right at `sure` of 10 positions, on links and models of
/// which any may be the bottleneck.
fn case(tokens: RangeInclusive<usize>) -> impl Strategy<Value = Case> {
    let text = move |sure: u32| {
        let positions = (0_u32..10, 0_u64..20, 0_u64..25);
        prop::collection::vec(positions, tokens.clone()).prop_map(move |text| {
            text.into_iter().map(|(p, step, base)| (p < sure, step, base)).collect::<Vec<_>>()
        })
    };
    let text = (5_u32..=10).prop_flat_map(text);
    let sizes = (0_u64..5, prop_oneof![0_u64..4, 4_u64..40]);
    (text, sizes, line(), line(), any::<bool>(), 0_u64..50).prop_map(
        |(text, (per_token, token_bytes), up, down, empty_navs, begin)| Case {
            text,
            device: Device::REFERENCE,
            per_token,
            token_bytes,
            up,
            down,
            empty_navs,
            guesses: true,
            early_uploads: true,
            begin,
        },
    )
}

/// The same on devices that pad main steps, by less and by more than these take; at a constant rate of
/// both links, or where a rate changes.
fn padded(tokens: RangeInclusive<usize>, steady: bool) -> impl Strategy<Value = Case> {
    (case(tokens), 1_u64..50).prop_filter_map("rates", move |(case, pad)| {
        let mut case = Case { device: Device::Padded(Duration::from_nanos(pad)), ..case };
        if steady {
            case.up.rates.truncate(1);
            case.down.rates.truncate(1);
        }
        (steady || !case.is_steady()).then_some(case)
    })
}

/// What exhaustive search says of a claimed optimum: it must be reached, and never beaten. None: the
/// case is too large to be searched.
fn judge(case: &Case, frugal: bool, claimed: u64) -> Option<bool> {
    let mut brute = Brute::new(case, frugal, claimed + 1);
    brute.run();
    (brute.seen.len() < STATES_MAX).then_some(brute.best == claimed)
}

/// Judges `bound` on random cases, until `wanted` of them were small enough to be searched; says how many
/// were given up.
fn judge_all(
    cases: impl Strategy<Value = Case>,
    wanted: usize,
    frugal: bool,
    empty_navs: Option<bool>,
    moves: impl Fn(Moves) -> Moves,
) -> usize {
    let mut runner = TestRunner::deterministic();
    let (mut judged, mut given_up) = (0, 0);
    while judged < wanted {
        let drawn = cases.new_tree(&mut runner).expect("a case").current();
        let mut case = Case { empty_navs: empty_navs.unwrap_or(drawn.empty_navs), ..drawn };
        let moves = moves(case.moves());
        case.freedoms(moves);
        match judge(&case, frugal, case.bound(moves)) {
            Some(equal) => {
                assert!(equal, "the bound is not what exhaustive search finds: {case:#?}");
                judged += 1;
            }
            None => given_up += 1,
        }
        assert!(given_up <= 2 * wanted, "{given_up} given up, {judged} judged");
    }
    given_up
}

/// Cases judged at each length of 1 to 8 tokens, with empty NAVs and without: 248 each, 120 of them of
/// 5 to 8 tokens. Steps that are surely of no use are left out (see [`Brute`]).
const JUDGED: [usize; 8] = [20, 30, 38, 40, 36, 32, 28, 24];

fn judge_lengths(empty_navs: bool) {
    let (mut judged, mut given_up) = (0, 0);
    for (tokens, wanted) in (1..).zip(JUDGED) {
        given_up += judge_all(case(tokens..=tokens), wanted, true, Some(empty_navs), |moves| moves);
        judged += wanted;
    }
    println!("{judged} judged, {given_up} given up");
    // Few enough that those judged are no special kind.
    assert!(20 * given_up <= judged, "{given_up} given up, {judged} judged");
}

#[test]
fn the_bound_is_what_exhaustive_search_finds() {
    judge_lengths(false);
}

#[test]
fn and_so_it_is_with_empty_navs() {
    judge_lengths(true);
}

#[test]
fn and_so_it_is_with_floors_under_exchanges() {
    let mut runner = TestRunner::deterministic();
    let floors = prop::array::uniform2([0_u64..20, 0_u64..3]);
    let (mut judged, mut given_up, mut in_force) = (0, 0, 0);
    while judged < 150 {
        let mut case = case(1..=6).new_tree(&mut runner).expect("a case").current();
        let without = case.bound(case.moves());
        [case.up.floor, case.down.floor] = floors.new_tree(&mut runner).expect("floors").current();
        let bound = case.bound(case.moves());
        match judge(&case, true, bound) {
            Some(equal) => {
                assert!(equal, "the bound is not what exhaustive search finds: {case:#?}");
                judged += 1;
                in_force += u32::from(bound > without);
            }
            None => given_up += 1,
        }
        assert!(given_up <= 15, "{given_up} given up, {judged} judged");
    }
    assert!(in_force > 75, "{in_force} floors show");
}

#[test]
fn nor_does_any_pointless_action_beat_it() {
    let wanted = [20, 70, 70, 50];
    let given_up: usize = (1..)
        .zip(wanted)
        .map(|(tokens, n)| judge_all(case(tokens..=tokens), n, false, None, |moves| moves))
        .sum();
    println!("210 judged with every step, {given_up} given up");
    assert!(given_up <= 21, "{given_up} given up");
}

#[test]
fn so_are_the_bounds_with_fewer_freedoms() {
    for tokens in 1..=6 {
        judge_all(case(tokens..=tokens), 12, true, None, |moves| Moves { guesses: false, ..moves });
        judge_all(case(tokens..=tokens), 12, true, None, |moves| Moves {
            early_uploads: false,
            ..moves
        });
    }
}

#[test]
fn a_search_that_forgets_a_freedom_is_caught() {
    let all = Moves { empty_navs: false, guesses: true, early_uploads: true };
    let with_empty = Moves { empty_navs: true, ..all };
    let lamed = [
        (all, Moves { guesses: false, ..all }),
        (all, Moves { early_uploads: false, ..all }),
        (with_empty, Moves { guesses: false, ..with_empty }),
        (with_empty, all),
    ];
    let mut runner = TestRunner::deterministic();
    let mut caught = [0; 4];
    for _ in 0..60 {
        let case = case(1..=6).new_tree(&mut runner).expect("a case").current();
        for (count, (full, moves)) in caught.iter_mut().zip(lamed) {
            let case = Case { empty_navs: full.empty_navs, ..case.clone() };
            *count += u32::from(judge(&case, true, case.bound(moves)) == Some(false));
        }
    }
    assert!(caught.iter().all(|&count| count >= 5), "{caught:?}");
}

#[test]
fn on_a_padded_device_too_the_bound_is_what_exhaustive_search_finds() {
    let (mut judged, mut given_up) = (0, 0);
    for (tokens, wanted) in (1..).zip([10, 24, 30, 30, 24, 16]) {
        for empty_navs in [false, true] {
            let cases = padded(tokens..=tokens, true);
            given_up += judge_all(cases, wanted, true, Some(empty_navs), |moves| moves);
            judged += wanted;
        }
        let cases = padded(tokens.min(4)..=tokens.min(4), true);
        given_up += judge_all(cases, wanted / 2, false, None, |moves| moves);
        judged += wanted / 2;
    }
    println!("{judged} judged, {given_up} given up");
    assert!(20 * given_up <= judged, "{given_up} given up, {judged} judged");
}

#[test]
fn where_rates_change_no_schedule_on_a_padded_device_beats_the_bound() {
    let mut runner = TestRunner::deterministic();
    let (mut reached, mut missed) = (0, 0);
    for tokens in 1..=5 {
        let mut judged = 0;
        while judged < 16 {
            let case = padded(tokens..=tokens, false).new_tree(&mut runner).expect("a case");
            let case = case.current();
            let claimed = case.bound(case.moves());
            let mut brute = Brute::new(&case, true, u64::MAX);
            brute.run();
            if brute.seen.len() < STATES_MAX {
                assert!(
                    brute.best >= claimed,
                    "{} beats the bound {claimed}: {case:#?}",
                    brute.best
                );
                *(if brute.best == claimed { &mut reached } else { &mut missed }) += 1;
                judged += 1;
            }
        }
    }
    // To hold a request back to the nanosecond is not possible at any rate.
    println!("{reached} reached, {missed} missed");
    assert!(reached >= 19 * missed, "{reached} reached, {missed} missed");
}

#[test]
fn a_search_that_confuses_kinds_of_steps_is_caught() {
    // (a kind, as whose it is taken): each would be a step of another length.
    let confused = [
        (DraftKind::AfterVerdict, DraftKind::Ahead),
        (DraftKind::Ahead, DraftKind::Main),
        (DraftKind::Guess, DraftKind::Main),
        (DraftKind::Main, DraftKind::Ahead),
    ];
    let mut runner = TestRunner::deterministic();
    let mut caught = [0; 4];
    for _ in 0..60 {
        let case = padded(1..=5, true).new_tree(&mut runner).expect("a case").current();
        for (count, (kind, taken_as)) in caught.iter_mut().zip(confused) {
            let mut instance = case.instance();
            instance.steps[kind as usize] = instance.steps[taken_as as usize].clone();
            let claimed = case.bound_of(&instance, case.moves());
            *count += u32::from(judge(&case, true, claimed) == Some(false));
        }
    }
    assert!(caught.iter().all(|&count| count >= 5), "{caught:?}");
}
