//! Whether the paper's order of methods holds here, wherever the paper's own values tell two of them
//! apart.

use serde::Serialize;

use super::chance::DEVIATIONS;
use super::{Role, Row};
use crate::figures;

/// Two methods at one place that the paper tells apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Pair {
    /// The place, in words.
    place: String,
    metric: String,
    /// The paper's higher and lower one.
    methods: [String; 2],
    paper: [f64; 2],
    ours: [f64; 2],
    /// Chance deviations of both.
    chance: [f64; 2],
}

impl Pair {
    /// The pair of two rows of one place; None: the paper does not have the first above the second by
    /// more than chance.
    ///
    /// That is more than [`DEVIATIONS`] chance deviations of each of the two, the stricter reading: the
    /// root of the sum of squares, for values that nothing connects, would excuse more of our reversals.
    /// All methods were run on the same prompts, and in our runs of the same texts (HumanEval, S1) the
    /// correlation of two methods goes from -.5 (Vanilla, EdgeLLM) to .6 (HSL, PipeSD), so that neither is
    /// exact.
    fn of(high: &Row, low: &Row) -> Option<Self> {
        let counted = [high, low].iter().all(|row| row.role != Role::NotCounted);
        let paper = [high.paper?, low.paper?];
        let chance = [high.chance?.sd, low.chance?.sd];
        let apart = paper[0] - paper[1] > DEVIATIONS * chance[0].max(chance[1]);
        let place = || {
            let mut words = vec![high.dataset.clone(), high.scenario.clone()];
            words.extend(high.variant.clone());
            words.extend([high.x, high.y].into_iter().flatten().map(|value| value.to_string()));
            words.join(", ")
        };
        (counted && apart).then(|| Self {
            place: place(),
            metric: high.metric.clone(),
            methods: [high, low].map(|row| row.method.clone()),
            paper,
            ours: [high, low].map(|row| row.ours.mean),
            chance,
        })
    }

    /// Whether we have it the other way round, or not apart at all.
    pub(crate) fn is_reversed(&self) -> bool {
        self.ours[0] <= self.ours[1]
    }

    /// `humaneval, s1-laptop, 10: hsl above pipesd in the paper (244 and 232), here 246 and 260`.
    pub(crate) fn words(&self, with_metric: bool) -> String {
        let Self { place, metric, methods: [high, low], paper, ours, .. } = self;
        let digits = figures::named(metric).map_or(1, |figure| figure.digits);
        let figure = if with_metric { format!(" ({metric})") } else { String::new() };
        format!(
            "{place}{figure}: {high} above {low} in the paper ({:.digits$} and {:.digits$}), here \
             {:.digits$} and {:.digits$}",
            paper[0], paper[1], ours[0], ours[1]
        )
    }
}

/// Whether two rows are of methods that meet: all but the method is the same.
pub(crate) fn meet(one: &Row, other: &Row) -> bool {
    (&one.dataset, &one.scenario, &one.variant, &one.metric)
        == (&other.dataset, &other.scenario, &other.variant, &other.metric)
        && (one.x, one.y) == (other.x, other.y)
}

/// All pairs of methods that the paper tells apart, at each place and in each figure.
pub(crate) fn told_apart<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<Pair> {
    let published: Vec<&Row> = rows.into_iter().filter(|row| row.paper.is_some()).collect();
    let pairs = published.iter().flat_map(|&high| {
        let others = published.iter().filter(move |low| meet(high, low));
        others.filter_map(move |low| Pair::of(high, low))
    });
    pairs.collect()
}

/// How far the paper's order of methods holds; None where it tells no two values apart.
pub(crate) fn note(rows: &[Row]) -> Option<String> {
    let pairs = told_apart(rows);
    let reversed: Vec<&Pair> = pairs.iter().filter(|pair| pair.is_reversed()).collect();
    if pairs.is_empty() {
        return None;
    }
    let several = rows.iter().any(|row| row.paper.is_some() && row.metric != rows[0].metric);
    let words: Vec<String> = reversed.iter().map(|pair| pair.words(several)).collect();
    let (end, list) =
        if words.is_empty() { (".", String::new()) } else { ("; not so: ", words.join("; ")) };
    Some(format!(
        "Order: of the {} pairs of methods that the paper has farther apart at one place than {DEVIATIONS} \
         chance deviations (the larger of the two), {} stand in its order here{end}{list}",
        pairs.len(),
        pairs.len() - reversed.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::Chance;
    use crate::statistics::Statistic;

    fn row(method: &str, ours: f64, paper: f64, chance: f64, role: Role) -> Row {
        Row {
            paper: Some(paper),
            role,
            chance: Some(Chance { prompts: 10, sd: chance }),
            ..Row::ours("humaneval", "s1-laptop", method, "tpt_ms", Statistic::of(&[ours]))
        }
    }

    #[test]
    fn order_counts_where_the_gap_exceeds_the_chance_of_both() {
        let predicted = Role::Prediction;
        // 10 apart: more than two fives are not, with 4.9 and 3 they are; here they are reversed.
        let apart = |chance: [f64; 2]| {
            let rows = [
                row("hsl", 100.0, 110.0, chance[0], predicted),
                row("pipesd", 101.0, 100.0, chance[1], predicted),
            ];
            told_apart(&rows)
        };
        assert!(apart([5.0, 1.0]).is_empty() && apart([1.0, 5.0]).is_empty());
        let pairs = apart([4.9, 3.0]);
        assert_eq!(pairs.len(), 1);
        assert!(pairs[0].is_reversed());
        let words = pairs[0].words(false);
        assert!(
            words.starts_with("humaneval, s1-laptop: hsl above pipesd in the paper (110"),
            "{words}"
        );
    }

    #[test]
    fn what_does_not_meet_or_does_not_count_makes_no_pair() {
        let high = row("hsl", 120.0, 130.0, 1.0, Role::Prediction);
        let low = row("pipesd", 100.0, 100.0, 1.0, Role::Prediction);
        assert!(!told_apart(&[high.clone(), low.clone()])[0].is_reversed());
        for other in [
            Row { x: Some(10.0), ..low.clone() },
            Row { metric: "nav_frequency".into(), ..low.clone() },
            Row { role: Role::NotCounted, ..low.clone() },
            Row { chance: None, ..low.clone() },
            Row { paper: None, ..low.clone() },
        ] {
            assert!(told_apart(&[high.clone(), other]).is_empty());
        }
        let said = note(&[high, low]).expect("one pair");
        assert!(
            said.contains("of the 1 pairs") && said.ends_with("1 stand in its order here."),
            "{said}"
        );
    }
}
