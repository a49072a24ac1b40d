//! Exact decimal numbers: a range in steps of 0.1 has exactly the values that a person expects.

use std::fmt;

/// Digits after the point.
const PLACES: u32 = 15;
/// One, in units of the last place.
const ONE: i128 = 10_i128.pow(PLACES);
/// Numbers are at most this large, so that a number times a count of values fits.
const LARGEST: i128 = ONE * 1_000_000_000_000_000;

/// A decimal number with up to 15 digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

impl Decimal {
    pub(crate) const ZERO: Self = Self(0);
    /// Where a logarithmic range may begin: six significant digits of it can be kept.
    pub(crate) const LOG_MIN: Self = Self(1_000_000);

    /// Reads `-12.5`, `1_000`, `2e-3`; the message says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a number");
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| bad())?),
            None => (text, 0),
        };
        let digits = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |c: char| c.is_ascii_digit() || c == '_';
        if !whole.starts_with(|c: char| c.is_ascii_digit()) || !(whole.chars().all(plain)) {
            return Err(bad());
        }
        if !fraction.chars().all(plain) || digits.ends_with(['.', '_']) {
            return Err(bad());
        }
        let places = fraction.chars().filter(char::is_ascii_digit).count() as i32 - exponent;
        let number = whole.chars().chain(fraction.chars()).filter(char::is_ascii_digit);
        let number = number.collect::<String>();
        let number = number.trim_start_matches('0');
        let range = || format!("`{text}` is out of range: at most 1e15, 15 digits after the point");
        if number.is_empty() {
            return Ok(Self::ZERO);
        }
        let number: i128 = number.parse().map_err(|_| range())?;
        let shift = PLACES as i32 - places;
        let power = 10_i128.checked_pow(shift.unsigned_abs()).ok_or_else(range)?;
        let units = if shift >= 0 {
            number.checked_mul(power).ok_or_else(range)?
        } else if number % power == 0 {
            number / power
        } else {
            return Err(range());
        };
        let signed = if mantissa.starts_with('-') { -units } else { units };
        Self::within(signed).ok_or_else(range)
    }

    fn within(units: i128) -> Option<Self> {
        (-LARGEST..=LARGEST).contains(&units).then_some(Self(units))
    }

    /// Times `numerator / denominator`, if that is exact.
    pub(crate) fn scaled(self, numerator: i128, denominator: i128) -> Option<Self> {
        let product = self.0.checked_mul(numerator)?;
        (product % denominator == 0).then(|| Self::within(product / denominator))?
    }

    /// The number `index` steps of `step` above this one.
    pub(crate) const fn stepped(self, step: Self, index: u32) -> Self {
        Self(self.0 + step.0 * index as i128)
    }

    /// Whole steps of `step` from here to `end`, and whether they end there exactly.
    pub(crate) const fn steps_to(self, end: Self, step: Self) -> (i128, bool) {
        let span = end.0 - self.0;
        (span / step.0, span % step.0 == 0)
    }

    /// The number `index / parts` of the way to `end`; cut to 15 places where it does not end.
    pub(crate) const fn between(self, end: Self, index: u32, parts: u32) -> Self {
        Self(self.0 + (end.0 - self.0) * index as i128 / parts as i128)
    }

    /// The nearest floating-point number.
    pub(crate) fn to_f64(self) -> f64 {
        self.to_string().parse().expect("a decimal is a float")
    }

    /// `value` to six significant digits: more would be noise of the logarithm.
    pub(crate) fn rounded(value: f64) -> Result<Self, String> {
        Self::parse(&format!("{value:.5e}"))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0.abs() / ONE, self.0.abs() % ONE);
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{fraction:015}");
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_exactly() {
        for (text, written) in [
            ("0.1", "0.1"),
            ("-12.50", "-12.5"),
            ("1_000", "1000"),
            ("2e-3", "0.002"),
            ("+1.5E3", "1500"),
            ("-0", "0"),
            ("0.000000000000001", "0.000000000000001"),
            ("1e15", "1000000000000000"),
        ] {
            assert_eq!(Decimal::parse(text).expect(text).to_string(), written);
        }
        for bad in
            ["", "-", ".5", "5.", "1e", "nan", "inf", "0x10", "1e16", "1e-16", "1e99", "1.2.3"]
        {
            Decimal::parse(bad).expect_err(bad);
        }
    }
}
