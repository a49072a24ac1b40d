//! Axes: from data to a share of the plot's side, and the ticks on the way.

/// How data are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Each doubling is as long as the next.
    Log2,
    /// Each tenfold is as long as the next; drawn like [`Scale::Log2`], with other ticks.
    Log10,
    /// Names instead of numbers: group `i` is centred on `i`.
    Groups,
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where, in data coordinates.
    pub at: f64,
    /// What is written there.
    pub label: String,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is measured, with its unit; may be empty.
    pub title: String,
    /// How data are spread.
    pub scale: Scale,
    /// Where it begins, in data coordinates.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
    /// Its ticks, in order.
    pub ticks: Vec<Tick>,
    /// Whether ticks are labelled: of panels that share an axis one is enough.
    pub labelled: bool,
}

/// Ticks that a linear axis should have at least.
const TICKS: f64 = 4.;
/// Room beyond the outermost value of a logarithmic axis, in doublings.
const LOG_PADDING: f64 = 0.25;

impl Axis {
    /// A linear axis over `values`, from zero if they are not negative and `from_zero`, with round
    /// ends.
    #[must_use]
    pub fn linear(title: &str, values: impl IntoIterator<Item = f64>, from_zero: bool) -> Self {
        let (mut low, mut high) = range(values);
        if from_zero {
            (low, high) = (low.min(0.), high.max(0.));
        }
        if low >= high {
            let around = if low == 0. { 1. } else { low.abs() * 0.1 };
            high = low + around;
            low = if from_zero { low } else { low - around };
        }
        let step = round_step((high - low) / TICKS);
        let first = (low / step + 1e-9).floor();
        let last = (high / step - 1e-9).ceil();
        let decimals = (-libm::log10(step) - 1e-9).ceil().max(0.) as usize;
        let ticks = (first as i64..=last as i64).map(|index| {
            let at = index as f64 * step;
            Tick { at, label: format!("{at:.decimals$}") }
        });
        Self {
            title: title.to_owned(),
            scale: Scale::Linear,
            low: first * step,
            high: last * step,
            ticks: ticks.collect(),
            labelled: true,
        }
    }

    /// A linear axis from zero over `values` that ends half a step before its last tick would be, if
    /// that is enough.
    #[must_use]
    pub fn from_zero(title: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        let mut axis = Self::linear(title, [low, high], true);
        if let [.., before, last] = &axis.ticks[..] {
            let halfway = f64::midpoint(before.at, last.at);
            if high > 0. && high <= halfway {
                axis.ticks.pop();
                axis.high = halfway;
            }
        }
        axis
    }

    /// A linear axis that ends with its data, not with a tick.
    #[must_use]
    pub fn exact(title: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        let mut axis = Self::linear(title, [low, high], false);
        if low < high {
            axis.ticks.retain(|tick| (low..=high).contains(&tick.at));
            (axis.low, axis.high) = (low, high);
        }
        axis
    }

    /// A logarithmic axis with a tick at each of the swept `values`, which must be above zero; those
    /// that are not are left out.
    #[must_use]
    pub fn swept(title: &str, scale: Scale, values: impl IntoIterator<Item = f64>) -> Self {
        let values = distinct(values.into_iter().filter(|value| *value > 0.));
        let (low, high) = log_ends(&values);
        let ticks = values.iter().map(|&at| Tick { at, label: number(at) }).collect();
        Self { title: title.to_owned(), scale, low, high, ticks, labelled: true }
    }

    /// A logarithmic axis over `values`, with ticks at 1, 2 and 5 of each decade, at 3
    /// too if they would be few, and at the decades alone if they would be many.
    #[must_use]
    pub fn log(title: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let positive: Vec<f64> = values.into_iter().filter(|value| *value > 0.).collect();
        let (low, high) = log_ends(&positive);
        let decades = libm::floor(libm::log10(low)) as i32..=libm::ceil(libm::log10(high)) as i32;
        let wide = high / low > 1e3;
        let within = |digits: &[f64]| -> Vec<f64> {
            let all = decades.clone().flat_map(|decade| {
                digits.iter().map(move |digit| digit * libm::exp10(f64::from(decade)))
            });
            all.filter(|at| (low..=high).contains(at)).collect()
        };
        let mut places = within(if wide { &[1.] } else { &[1., 2., 5.] });
        if places.len() < 5 && !wide {
            places = within(&[1., 2., 3., 5.]);
        }
        let ticks = places.into_iter().map(|at| Tick { at, label: number(at) }).collect();
        let (title, scale) = (title.to_owned(), Scale::Log10);
        Self { title, scale, low, high, ticks, labelled: true }
    }

    /// An axis of names.
    #[must_use]
    pub fn groups<S: Into<String>>(title: &str, names: impl IntoIterator<Item = S>) -> Self {
        let label = |(index, name): (usize, S)| Tick { at: index as f64, label: name.into() };
        let ticks: Vec<Tick> = names.into_iter().enumerate().map(label).collect();
        let high = ticks.len().max(1) as f64 - 0.5;
        let (title, scale) = (title.to_owned(), Scale::Groups);
        Self { title, scale, low: -0.5, high, ticks, labelled: true }
    }

    /// The axis turned round: its first group is at the top.
    #[must_use]
    pub const fn reversed(mut self) -> Self {
        (self.low, self.high) = (self.high, self.low);
        self
    }

    /// The axis with just the room that cells centred on `centres` take.
    #[must_use]
    pub fn around(mut self, centres: &[f64]) -> Self {
        if let [first, .., last] = self.borders(centres)[..] {
            (self.low, self.high) = (first, last);
        }
        self
    }

    /// The axis with the labels of its ticks and its title not shown: a neighbour has them.
    #[must_use]
    pub const fn unlabelled(mut self) -> Self {
        self.labelled = false;
        self
    }

    /// What stands beside it.
    #[must_use]
    pub fn shown_title(&self) -> &str {
        if self.labelled { &self.title } else { "" }
    }

    /// Where a value lies: 0 at the axis's beginning, 1 at its end, linear in what is shown.
    #[must_use]
    pub fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear | Scale::Groups => (value - self.low) / (self.high - self.low),
            Scale::Log2 | Scale::Log10 => {
                libm::log(value / self.low) / libm::log(self.high / self.low)
            }
        }
    }

    /// Halfway between two values, as the axis shows them.
    #[must_use]
    pub fn between(&self, one: f64, other: f64) -> f64 {
        match self.scale {
            Scale::Linear | Scale::Groups => f64::midpoint(one, other),
            Scale::Log2 | Scale::Log10 => (one * other).sqrt(),
        }
    }

    /// The borders of cells centred on `centres` (in order, distinct), one more than there are.
    /// Those of a logarithmic axis are as far apart there as their centres.
    #[must_use]
    pub fn borders(&self, centres: &[f64]) -> Vec<f64> {
        let inner: Vec<f64> =
            centres.windows(2).map(|pair| self.between(pair[0], pair[1])).collect();
        let ([first, ..], [.., last]) = (centres, centres) else { return Vec::new() };
        let mirrored = |border: f64, centre: f64| match self.scale {
            Scale::Linear | Scale::Groups => 2. * centre - border,
            Scale::Log2 | Scale::Log10 => centre * centre / border,
        };
        // A single cell is one unit, or one doubling, wide.
        let alone = match self.scale {
            Scale::Linear | Scale::Groups => last + 0.5,
            Scale::Log2 | Scale::Log10 => last * 2_f64.sqrt(),
        };
        let end = inner.last().map_or(alone, |border| mirrored(*border, *last));
        let begin = mirrored(inner.first().copied().unwrap_or(end), *first);
        core::iter::once(begin).chain(inner).chain(core::iter::once(end)).collect()
    }
}

/// A number as a reader wants it: no trailing zeros, at most three decimals.
#[must_use]
pub fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// Values in order, each once.
pub(crate) fn distinct(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let ends = values.into_iter().fold(None, |ends: Option<(f64, f64)>, value| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    });
    ends.unwrap_or((0., 1.))
}

fn log_ends(positive: &[f64]) -> (f64, f64) {
    let (low, high) = if positive.is_empty() { (1., 10.) } else { range(positive.iter().copied()) };
    let room = libm::exp2(LOG_PADDING);
    (low / room, high * room)
}

/// The greatest of 1, 2, 5 times a power of ten that is at most `raw`.
fn round_step(raw: f64) -> f64 {
    let decade = libm::exp10(libm::floor(libm::log10(raw)));
    [5., 2., 1.].into_iter().map(|digit| digit * decade).find(|step| *step <= raw).unwrap_or(decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_enclose_the_data() {
        for (axis, wanted) in [
            (Axis::linear("", [402., 12.], true), "0 100 200 300 400 500"),
            (Axis::linear("", [0.14, 0.37], false), "0.10 0.15 0.20 0.25 0.30 0.35 0.40"),
            (Axis::linear("", [5.], true), "0 1 2 3 4 5"),
            (Axis::swept("", Scale::Log2, [40., 10., 80., 10.]), "10 40 80"),
            (Axis::log("", [55., 508.]), "50 100 200 300 500"),
            (Axis::log("", [0.5, 1000.]), "1 10 100 1000"),
            (Axis::from_zero("", [402., 12.]), "0 100 200 300 400"),
            (Axis::from_zero("", [460.]), "0 100 200 300 400 500"),
            (Axis::exact("", [0., 130.]), "0 20 40 60 80 100 120"),
        ] {
            assert_eq!(labels(&axis).join(" "), wanted);
        }
        assert_eq!(Axis::from_zero("", [402., 12.]).high, 450.);
        for (low, high) in [(0.001, 0.0017), (3., 3.), (0., 0.), (-4., 9.), (7e5, 9e8)] {
            for from_zero in [false, true] {
                let axis = Axis::linear("", [low, high], from_zero);
                assert!(axis.low <= low && axis.high >= high && axis.low < axis.high, "{axis:?}");
                assert!((3..=12).contains(&axis.ticks.len()), "{axis:?}");
                assert!(!labels(&axis).contains(&"-0"));
            }
        }
    }

    #[test]
    fn shares_rise_from_0_to_1_and_borders_lie_between_centres() {
        let log = Axis::swept("", Scale::Log2, [10., 20., 40.]);
        let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-12, "{one} {other}");
        close(log.share(log.low), 0.);
        close(log.share(log.high), 1.);
        close(log.share(20.), 0.5);
        for (border, wanted) in log.borders(&[10., 20., 40.]).iter().zip([50., 200., 800., 3200.]) {
            close(border * border, wanted);
        }
        let linear = Axis::linear("", [0., 8.], true);
        assert_eq!(linear.borders(&[1., 3., 4.]), [0., 2., 3.5, 4.5]);
        assert_eq!(Axis::groups("", ["a", "b"]).borders(&[0., 1.]), [-0.5, 0.5, 1.5]);
        assert!(linear.borders(&[]).is_empty());
    }
}
