//! The same seed gives the same run, another seed another one.

use pipesd_core::event::Stamped;

use crate::support::{self, PRESETS};

/// The first event that differs, with what either run has there.
fn first_difference(one: &[Stamped], other: &[Stamped]) -> Option<String> {
    let index = (0..one.len().max(other.len())).find(|&i| one.get(i) != other.get(i))?;
    let line = |events: &[Stamped]| {
        events.get(index).map_or_else(|| "nothing more".to_owned(), ToString::to_string)
    };
    Some(format!("event {index} differs:\n{}\n{}", line(one), line(other)))
}

#[test]
fn a_run_twice_is_the_same_run() {
    for (name, entry) in PRESETS {
        let setup = support::paper(support::method(entry), 260);
        let [one, other] = [0, 0].map(|_| support::record(&setup, 5));
        if let Some(difference) = first_difference(&one.events, &other.events) {
            panic!("{name}: {difference}");
        }
        assert_eq!(one, other, "{name}: inputs and outputs, too");
    }
}

#[test]
fn another_seed_is_another_run() {
    for (name, entry) in PRESETS {
        let setup = support::paper(support::method(entry), 130);
        let [one, other] = [5, 6].map(|seed| support::record(&setup, seed));
        let difference = first_difference(&one.events, &other.events);
        assert!(difference.is_some_and(|text| text.contains(" ms ")), "{name}");
    }
}
