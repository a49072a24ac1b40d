//! Numbers with units, and ranges of them: `25ms`, `10..80 step 10`, `1..1000 points 7 log`.

use std::fmt;

use super::decimal::Decimal;

/// Values of one axis at most: more is surely a mistake in a step.
pub(crate) const VALUES_MAX: u32 = 100_000;
/// A random design draws from so many equal parts of an interval.
const PARTS: u32 = 1_000_000;

/// What a text between quotes says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    One(Decimal),
    Many(Vec<Decimal>),
    Interval(Interval),
}

/// From where to where a random design draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    low: Decimal,
    high: Decimal,
    log: bool,
}

impl Interval {
    /// The value that belongs to 64 random bits.
    pub(crate) fn draw(&self, bits: u64) -> Decimal {
        let part = pick(bits, PARTS + 1);
        if self.log {
            let share = f64::from(part) / f64::from(PARTS);
            log_between(self.low, self.high, share).expect("between two numbers in range")
        } else {
            self.low.between(self.high, part, PARTS)
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}{}", self.low, self.high, if self.log { " log" } else { "" })
    }
}

/// One of `count` for 64 random bits.
pub(crate) const fn pick(bits: u64, count: u32) -> u32 {
    ((bits as u128 * count as u128) >> 64) as u32
}

fn log_between(low: Decimal, high: Decimal, share: f64) -> Result<Decimal, String> {
    let (low, high) = (low.to_f64(), high.to_f64());
    Decimal::rounded(low * libm::pow(high / low, share))
}

/// A unit, and what to multiply and divide by to come to the key's own.
type Unit = (&'static str, i128, i128);

/// The units that a key understands; a bare number is in the key's own, which its name ends with.
fn units(key: &str) -> &'static [Unit] {
    if key.ends_with("_ms") {
        &[("ns", 1, 1_000_000), ("us", 1, 1000), ("µs", 1, 1000), ("ms", 1, 1), ("s", 1000, 1)]
    } else if key.ends_with("_mbps") {
        &[
            ("kbps", 1, 1000),
            ("kbit/s", 1, 1000),
            ("Mbps", 1, 1),
            ("Mbit/s", 1, 1),
            ("Gbps", 1000, 1),
            ("Gbit/s", 1000, 1),
        ]
    } else if key.ends_with("_kb") {
        &[("B", 1, 1000), ("kB", 1, 1), ("MB", 1000, 1)]
    } else if key.ends_with("_j") {
        &[("mJ", 1, 1000), ("J", 1, 1), ("kJ", 1000, 1)]
    } else if key.ends_with("_w") {
        &[("mW", 1, 1000), ("W", 1, 1), ("kW", 1000, 1)]
    } else if key.ends_with("threshold")
        || key.ends_with("_share")
        || ["loss", "decay"].contains(&key)
    {
        &[("%", 1, 100)]
    } else {
        &[]
    }
}

/// Reads a number, a number with a unit, or a range, for `key`.
pub(crate) fn parse(key: &str, text: &str) -> Result<Numbers, String> {
    let Some((low, rest)) = text.split_once("..") else {
        return quantity(key, text).map(Numbers::One);
    };
    let (rest, log) = match rest.strip_suffix(" log") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (high, step, points) = if let Some((high, step)) = rest.split_once(" step ") {
        (high, Some(step), None)
    } else if let Some((high, points)) = rest.split_once(" points ") {
        (high, None, Some(points))
    } else {
        (rest, None, None)
    };
    let (low, high) = (quantity(key, low)?, quantity(key, high)?);
    if low >= high {
        return Err(format!("a range goes upwards: {high} is not above {low}"));
    }
    if log && low < Decimal::LOG_MIN {
        return Err(format!("a range with `log` starts above 0 (1e-9 or more), not at {low}"));
    }
    match (step, points) {
        (Some(_), _) if log => Err("`log` goes with `points`, not with `step`".into()),
        (Some(step), _) => stepped(low, high, quantity(key, step)?).map(Numbers::Many),
        (_, Some(points)) => spaced(low, high, points.trim(), log).map(Numbers::Many),
        (None, None) => Ok(Numbers::Interval(Interval { low, high, log })),
    }
}

fn stepped(low: Decimal, high: Decimal, step: Decimal) -> Result<Vec<Decimal>, String> {
    if step <= Decimal::ZERO {
        return Err(format!("a step is above 0, not {step}"));
    }
    let (steps, exact) = low.steps_to(high, step);
    if steps >= i128::from(VALUES_MAX) {
        return Err(format!("{steps} steps are too many: at most {VALUES_MAX} values"));
    }
    let steps = steps as u32;
    if !exact {
        let (below, above) = (low.stepped(step, steps), low.stepped(step, steps + 1));
        return Err(format!(
            "steps of {step} from {low} do not meet the end {high}: say {below} or {above}"
        ));
    }
    Ok((0..=steps).map(|index| low.stepped(step, index)).collect())
}

fn spaced(low: Decimal, high: Decimal, points: &str, log: bool) -> Result<Vec<Decimal>, String> {
    let count = points.parse::<u32>().ok().filter(|count| (2..=VALUES_MAX).contains(count));
    let count =
        count.ok_or_else(|| format!("`points {points}`: expected 2 to {VALUES_MAX} points"))?;
    let last = count - 1;
    (0..count)
        .map(|index| match index {
            0 => Ok(low),
            _ if index == last => Ok(high),
            _ if log => log_between(low, high, f64::from(index) / f64::from(last)),
            _ => Ok(low.between(high, index, last)),
        })
        .collect()
}

fn quantity(key: &str, text: &str) -> Result<Decimal, String> {
    let text = text.trim();
    let numeric = |c: char| c.is_ascii_digit() || "+-._eE".contains(c);
    let end = text.find(|c| !numeric(c)).unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    let number = Decimal::parse(number).map_err(|problem| {
        format!("{problem}; a range is `A..B step S`, `A..B points N` or `A..B points N log`")
    })?;
    if unit.is_empty() {
        return Ok(number);
    }
    let known = units(key);
    let Some((_, numerator, denominator)) = known.iter().find(|(name, ..)| *name == unit) else {
        let names: Vec<&str> = known.iter().map(|(name, ..)| *name).collect();
        return Err(match names.as_slice() {
            [] => format!("`{text}`: `{key}` takes numbers without a unit"),
            names => format!("`{text}`: no such unit here; known are {}", names.join(", ")),
        });
    };
    let scaled = number.scaled(*numerator, *denominator);
    scaled.ok_or_else(|| format!("`{text}` has more digits than can be kept exactly"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(key: &str, text: &str) -> Vec<String> {
        match parse(key, text) {
            Ok(Numbers::Many(values)) => values.iter().map(ToString::to_string).collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn ranges_have_exactly_the_values_that_a_person_expects() {
        assert_eq!(many("uplink_mbps", "10..80 step 10").join(" "), "10 20 30 40 50 60 70 80");
        assert_eq!(many("startup_ms", "5ms..0.02s step 5ms").join(" "), "5 10 15 20");
        assert_eq!(many("startup_ms", "500us..2 step 0.5").join(" "), "0.5 1 1.5 2");
        assert_eq!(many("uplink_mbps", "500 kbit/s..1.5 step 0.5Mbps").join(" "), "0.5 1 1.5");
        assert_eq!(many("loss", "0..5% step 1%").join(" "), "0 0.01 0.02 0.03 0.04 0.05");
        // In floating point 0.1 + 0.2 is not 0.3, and the end would be missed.
        assert_eq!(many("decay", "0.1..0.3 step 0.1").join(" "), "0.1 0.2 0.3");
        let fine = many("decay", "0.001..0.999 step 0.001");
        assert_eq!((fine.len(), fine[699].as_str()), (999, "0.7"));
        assert_eq!(many("x", "0..1 points 5").join(" "), "0 0.25 0.5 0.75 1");
        assert_eq!(
            many("x", "1..1000 points 7 log").join(" "),
            "1 3.16228 10 31.6228 100 316.228 1000"
        );
    }

    #[test]
    fn bad_ranges_say_what_would_be_right() {
        for (text, word) in [
            ("10..80 step 0", "above 0"),
            ("10..80 step -10", "above 0"),
            ("80..10 step 10", "upwards"),
            ("10..80 step 20", "say 70 or 90"),
            ("10..80 step 1e-6", "too many"),
            ("10..80 points 1", "2 to 100000"),
            ("10..80 points x", "2 to 100000"),
            ("0..80 points 3 log", "above 0"),
            ("1..80 step 1 log", "`points`"),
            ("1..80 stride 1", "no such unit"),
            ("1ms..80ms step 1", "Mbit/s"),
            ("1.. step 1", "not a number"),
        ] {
            let problem = parse("uplink_mbps", text).expect_err(text);
            assert!(problem.contains(word), "{text}: {problem}");
        }
        assert!(parse("window", "5ms").expect_err("no unit").contains("without a unit"));
    }

    #[test]
    fn draws_cover_the_interval_evenly_and_stay_inside() {
        for (text, middle) in [("10..80", 45.0), ("1..100 log", 10.0)] {
            let Ok(Numbers::Interval(interval)) = parse("x", text) else { panic!("{text}") };
            assert_eq!(interval.draw(0), interval.low);
            assert_eq!(interval.draw(u64::MAX), interval.high);
            assert!((interval.draw(1 << 63).to_f64() - middle).abs() < 1e-3 * middle, "{text}");
        }
    }
}
