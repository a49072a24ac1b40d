//! Tests of whole searches: known optima, the recommendation's law, determinism, refusals.

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_oneof, proptest};

use super::*;

fn unit_square() -> Bounds {
    Bounds::new(vec![[0.0, 1.0]; 2]).expect("a box")
}

fn bowl(x: &[f64]) -> f64 {
    (x[0] - 0.7) * (x[0] - 0.7) + (x[1] - 0.3) * (x[1] - 0.3)
}

/// Branin and Hoo: three minima of 0.397887.
fn branin(x: &[f64]) -> f64 {
    let pi = core::f64::consts::PI;
    let bend = x[1] - 5.1 / (4.0 * pi * pi) * x[0] * x[0] + 5.0 / pi * x[0] - 6.0;
    bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * pi)) * libm::cos(x[0]) + 10.0
}

/// Six-hump camel: two minima of -1.031628.
fn camel(x: &[f64]) -> f64 {
    let (u, v) = (x[0] * x[0], x[1] * x[1]);
    (4.0 - 2.1 * u + u * u / 3.0) * u + x[0] * x[1] + (4.0 * v - 4.0) * v
}

/// The search after its whole budget.
fn search(
    config: TunerConfig,
    bounds: Bounds,
    seed: u64,
    mut function: impl FnMut(&[f64]) -> f64,
) -> Tuner {
    let mut tuner = Tuner::new(config, bounds, Seed(seed)).expect("a valid search");
    while !tuner.is_done() {
        let candidate = tuner.ask().expect("a candidate");
        tuner.tell(&candidate, function(candidate.point.coordinates())).expect("outstanding");
    }
    tuner
}

/// The function at the recommended point.
fn reached(config: TunerConfig, sides: &[[f64; 2]], function: fn(&[f64]) -> f64) -> f64 {
    let bounds = Bounds::new(sides.to_vec()).expect("a box");
    let tuner = search(config, bounds, 3, function);
    function(tuner.recommend().expect("a recommendation").coordinates())
}

#[test]
fn known_optima_are_reached() {
    let bayes = TunerConfig::bayes;
    assert!(reached(bayes(16), &[[0.0, 1.0]; 2], bowl) < 1e-6);
    // The same in other units, and a value far from 0.
    let stretched = |x: &[f64]| 1e6 + 1e3 * bowl(&[x[0] / 1e-3, (x[1] - 50.0) / 200.0]);
    assert!(reached(bayes(16), &[[0.0, 1e-3], [50.0, 250.0]], stretched) - 1e6 < 1e-2);
    let least = reached(bayes(40), &[[-5.0, 10.0], [0.0, 15.0]], branin);
    assert!((least - 0.397_887).abs() < 1e-3, "{least}");
    let least = reached(bayes(45), &[[-3.0, 3.0], [-2.0, 2.0]], camel);
    assert!((least + 1.031_628).abs() < 1e-3, "{least}");
    // One dimension and three.
    assert!(reached(bayes(12), &[[0.0, 1.0]], |x| bowl(&[x[0], 0.3])) < 1e-6);
    let deep = |x: &[f64]| bowl(x) + (x[2] - 0.45) * (x[2] - 0.45);
    assert!(reached(bayes(25), &[[0.0, 1.0]; 3], deep) < 1e-5);
    // A minimum in a corner.
    assert!(reached(bayes(16), &[[0.0, 1.0]; 2], |x| x[0] + 2.0 * x[1]) < 1e-9);
}

#[test]
fn under_noise_the_recommendation_is_better_than_the_luckiest_value() {
    // Noise of up to 5 % of the bowl's range; medians over 21 seeds of one search, read both ways.
    let mut regrets = [Vec::new(), Vec::new()];
    for seed in 0..21 {
        let mut noise = Seed(seed).stream("noise", 0);
        let mut key = 0;
        let noisy = |x: &[f64]| {
            key += 1;
            bowl(x) + 0.1 * (noise.at(key).uniform() - 0.5)
        };
        let mut tuner = search(TunerConfig::bayes(16), unit_square(), seed, noisy);
        for (regrets, recommendation) in
            regrets.iter_mut().zip([Recommendation::PosteriorMean, Recommendation::BestObserved])
        {
            tuner.config.recommendation = recommendation;
            regrets.push(bowl(tuner.recommend().expect("a recommendation").coordinates()));
        }
    }
    let [by_mean, by_value] = regrets.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all[10]
    });
    assert!(by_mean < by_value, "{by_mean} against {by_value}");
}

#[test]
fn each_mode_recommends_by_its_law() {
    let square = [[0.0, 1.0]; 2];
    for config in [TunerConfig::paper(), TunerConfig::grid(4, 2), TunerConfig::random(16)] {
        let tuner = search(config, unit_square(), 5, bowl);
        let values: Vec<f64> = tuner.observations().iter().map(|seen| seen.value).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let found = bowl(tuner.recommend().expect("a recommendation").coordinates());
        assert_eq!(found, least);
        assert_eq!(values.len(), 16);
    }
    // The posterior mean is nowhere less than where ours recommends.
    let tuner = search(TunerConfig::bayes(9), unit_square(), 5, bowl);
    let model = tuner.model().expect("a model");
    let best = tuner.recommend().expect("a recommendation");
    let least = model.predict(best.coordinates()).mean;
    let mut stream = Seed(1).stream("test", 0);
    for n in 0..5000 {
        assert!(least <= model.predict(&design::uniform(2, &mut stream, n)).mean);
    }
    // Cell centres, the nearest of which is (0.625, 0.375).
    let grid = reached(TunerConfig::grid(4, 2), &square, bowl);
    assert!((grid - bowl(&[0.625, 0.375])).abs() < 1e-15);
}

#[test]
fn a_seed_gives_one_search_and_a_stored_one_goes_on_bit_for_bit() {
    for config in [TunerConfig::bayes(9), TunerConfig::paper(), TunerConfig::random(9)] {
        let through = search(config, unit_square(), 7, bowl);
        assert_eq!(through, search(config, unit_square(), 7, bowl));
        assert_ne!(through, search(config, unit_square(), 8, bowl));
        // Stored and read back at each step, before and after asking.
        let mut tuner = Tuner::new(config, unit_square(), Seed(7)).expect("a valid search");
        let again = |tuner: &Tuner| -> Tuner {
            let text = serde_json::to_string(tuner).expect("numbers and names");
            serde_json::from_str(&text).expect("its own text")
        };
        while !tuner.is_done() {
            let proposed = again(&tuner).propose().expect("a candidate");
            assert_eq!(tuner.ask().expect("a candidate"), proposed);
            tuner = again(&tuner);
            assert_eq!(tuner.ask().expect("the same"), proposed);
            tuner.tell(&proposed, bowl(proposed.point.coordinates())).expect("outstanding");
        }
        assert_eq!(tuner, through);
        assert_eq!(tuner.recommend(), through.recommend());
    }
}

#[test]
fn what_was_not_asked_is_refused_and_changes_nothing() {
    let mut tuner = Tuner::new(TunerConfig::bayes(2), unit_square(), Seed(1)).expect("valid");
    assert_eq!(tuner.recommend(), Err(TunerError::NoObservations));
    let early = Candidate { number: 0, point: Point::new(vec![0.5, 0.5]) };
    let refused = TunerError::NotOutstanding { expected: None, found: 0 };
    assert_eq!(tuner.tell(&early, 1.0), Err(refused));
    let candidate = tuner.ask().expect("a candidate");
    tuner.tell(&early, 1.0).expect_err("another point");
    tuner.tell(&candidate, f64::NAN).expect_err("no number");
    tuner.tell(&candidate, f64::INFINITY).expect_err("infinite");
    assert_eq!(tuner.ask().expect("still outstanding"), candidate);
    tuner.tell(&candidate, 1.0).expect("outstanding");
    tuner.tell(&candidate, 1.0).expect_err("told already");
    let outside = Candidate { number: 1, point: Point::new(vec![0.5, 1.5]) };
    assert_eq!(tuner.accept(outside), Err(TunerError::OutsideBox { number: 1 }));
    let later = Candidate { number: 2, point: Point::new(vec![0.5, 0.5]) };
    tuner.accept(later).expect_err("number 1 is next");
    let inside = Candidate { number: 1, point: Point::new(vec![0.5, 0.5]) };
    tuner.accept(inside.clone()).expect("a candidate computed elsewhere");
    tuner.tell(&inside, 2.0).expect("outstanding");
    assert_eq!(tuner.ask(), Err(TunerError::BudgetSpent { evaluations: 2 }));
    assert_eq!(tuner.accept(inside), Err(TunerError::BudgetSpent { evaluations: 2 }));
}

#[test]
fn stored_searches_are_checked_like_told_ones() {
    let tuner = search(TunerConfig::random(2), unit_square(), 1, bowl);
    let text = serde_json::to_string(&tuner).expect("numbers and names");
    let read = |text: &str| serde_json::from_str::<Tuner>(text);
    assert_eq!(read(&text).expect("its own text"), tuner);
    read(&text.replace("\"evaluations\":2", "\"evaluations\":1")).expect_err("over budget");
    read(&text.replace("[0.0,1.0]", "[2.0,3.0]")).expect_err("points outside");
    read(&text.replace("[0.0,1.0]", "[1.0,0.0]")).expect_err("no box");
    read(&text.replace("\"seed\"", "\"sead\"")).expect_err("an unknown key");
}

#[test]
fn settings_outside_their_range_are_refused() {
    let refused = |config: TunerConfig| {
        Tuner::new(config, unit_square(), Seed(1)).expect_err("it must be refused")
    };
    refused(TunerConfig::bayes(0));
    refused(TunerConfig::bayes(EVALUATIONS_MAX + 1));
    refused(TunerConfig::grid(0, 2));
    refused(TunerConfig::grid(100, 2));
    refused(TunerConfig::grid(4, 3));
    let error = refused(TunerConfig { evaluations: 17, ..TunerConfig::grid(4, 2) });
    assert_eq!(error.to_string(), "evaluations is at most the cells of the grid, not 17");
    for xi in [-0.1, f64::NAN, f64::INFINITY] {
        let acquisition = Acquisition::ExpectedImprovement { xi };
        let (start, response) = (Start::Random, Response::Plain);
        let strategy = Strategy::Bayes { start, starts: 1, response, acquisition };
        refused(TunerConfig { strategy, ..TunerConfig::paper() });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn candidates_stay_in_the_box_whatever_is_told(
        sides in prop::collection::vec((-1e6_f64..1e6, 1e-6_f64..1e6), 1..=4),
        seed in any::<u64>(),
        values in prop::collection::vec(
            prop_oneof![-1e9_f64..1e9, Just(0.0), Just(1.0)],
            8..=8,
        ),
        paper in any::<bool>(),
    ) {
        let sides = sides.into_iter().map(|(lower, width)| [lower, lower + width]).collect();
        let bounds = Bounds::new(sides).expect("a box");
        let config = if paper { TunerConfig::paper() } else { TunerConfig::bayes(8) };
        let mut tuner = Tuner::new(config, bounds.clone(), Seed(seed)).expect("valid");
        for value in values {
            let candidate = tuner.ask().expect("a candidate");
            prop_assert!(bounds.contains(&candidate.point));
            tuner.tell(&candidate, value).expect("outstanding");
        }
        prop_assert!(bounds.contains(&tuner.recommend().expect("a recommendation")));
    }
}

#[test]
fn the_best_observed_mean_is_an_evaluated_point_and_not_the_lucky_one() {
    // A slope with one lucky draw half way up: the least value is not where the function is least.
    let bounds = Bounds::new(vec![[0.0, 1.0]]).expect("a box");
    let recommendation = Recommendation::BestObservedMean;
    let config = TunerConfig { recommendation, ..TunerConfig::bayes(16) };
    let mut tuner = Tuner::new(config, bounds, Seed(1)).expect("a search");
    for number in 0..16 {
        let x = (f64::from(number) + 0.5) / 16.0;
        let luck = if number == 8 { -6.5 } else { 0.0 };
        let candidate = Candidate { number, point: Point::new(vec![x]) };
        tuner.accept(candidate.clone()).expect("in the box");
        tuner.tell(&candidate, 100.0 + 10.0 * x + luck).expect("a value");
    }
    let least = tuner.observations().iter().min_by(|a, b| a.value.total_cmp(&b.value));
    assert_eq!(least.map(|least| &least.point), Some(&Point::new(vec![8.5 / 16.0])));
    let best = tuner.recommend().expect("a point");
    assert!(tuner.observations().iter().any(|observation| observation.point == best));
    assert!(best.coordinates()[0] < 0.2, "{best:?}");
}
