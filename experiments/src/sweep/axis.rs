//! Axes: what varies in a sweep, and through which values.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::DeValue;

use super::decimal::Decimal;
use super::range::{self, Interval, Numbers, VALUES_MAX};

/// One thing that varies.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// `profile`, `scenario`, `method`, `tokens`, or a key of `--set`.
    pub(crate) key: String,
    /// Where its value stands in the plan's file, in bytes.
    pub(crate) at: usize,
    pub(crate) values: Values,
}

/// The values of an axis as `--set` takes them; an empty text leaves the key alone.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    List(Vec<String>),
    /// For random designs alone.
    Interval(Interval),
}

/// Axes that move together: one as a rule, several if they were tied by `[[zip]]`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) axes: Vec<Axis>,
}

/// Axes with values that are names or paths, never numbers.
const NAMES: [&str; 3] = ["profile", "scenario", "method"];
/// How a plan says that a key keeps what the method or scenario has for it.
const DEFAULT: &str = "default";

impl Axis {
    /// Reads the values of `key`; the message says what would be right.
    pub(crate) fn read(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Self, String> {
        let at = value.span().start;
        let axis = |values| Self { key: key.to_owned(), at, values };
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(Spanned::get_ref).collect(),
            single => vec![single],
        };
        let mut list = Vec::new();
        for item in &items {
            match item {
                DeValue::String(text) if !is_worded(key) && is_numeric(text) => {
                    match range::parse(key, text)? {
                        Numbers::One(number) => list.push(number.to_string()),
                        Numbers::Many(numbers) => {
                            list.extend(numbers.iter().map(ToString::to_string));
                        }
                        Numbers::Interval(interval) if items.len() == 1 => {
                            return Ok(axis(Values::Interval(interval)));
                        }
                        Numbers::Interval(_) => {
                            return Err(format!("`{text}` stands alone, not in a list"));
                        }
                    }
                }
                _ => list.push(single(key, item)?),
            }
        }
        if list.is_empty() || list.len() > VALUES_MAX as usize {
            return Err(format!("{} values: expected 1 to {VALUES_MAX}", list.len()));
        }
        Ok(axis(Values::List(list)))
    }

    /// Its number of values; None: an interval.
    pub(crate) const fn len(&self) -> Option<usize> {
        match &self.values {
            Values::List(list) => Some(list.len()),
            Values::Interval(_) => None,
        }
    }

    /// Its values, if it has a list of them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let list = match &self.values {
            Values::List(list) => list.as_slice(),
            Values::Interval(_) => &[],
        };
        list.iter().map(String::as_str)
    }

    /// Whether it takes more than one value.
    pub(crate) fn varies(&self) -> bool {
        self.len() != Some(1)
    }
}

/// Whether a key's values are words, whatever they begin with.
fn is_worded(key: &str) -> bool {
    NAMES.contains(&key) || key == "bandwidth_trace"
}

/// A text that means a number or a range and not a word.
fn is_numeric(text: &str) -> bool {
    text.trim_start().starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
}

fn single(key: &str, item: &DeValue<'_>) -> Result<String, String> {
    let names = NAMES.contains(&key);
    match item {
        DeValue::String(text) if text == DEFAULT && !names && key != "tokens" => Ok(String::new()),
        DeValue::String(text) => {
            // Rows are split at commas and lines.
            let plain = |c: char| !c.is_control() && !c.is_whitespace() && !",\"'".contains(c);
            if text.is_empty() || !text.chars().all(plain) {
                return Err(format!("`{text}`: expected a name without spaces, commas or quotes"));
            }
            Ok(text.to_string())
        }
        other if names => Err(format!("expected a name or a path, not {}", kind(other))),
        DeValue::Boolean(boolean) => Ok(boolean.to_string()),
        DeValue::Integer(integer) if integer.radix() == 10 => number(integer.as_str()),
        DeValue::Float(float) => number(float.as_str()),
        other => Err(format!("expected a value, a range or a list, not {}", kind(other))),
    }
}

/// What a value is, in words.
pub(crate) fn kind(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn number(text: &str) -> Result<String, String> {
    Decimal::parse(text).map(|number| number.to_string())
}

impl Block {
    /// One axis on its own.
    pub(crate) fn alone(axis: Axis) -> Self {
        Self { axes: vec![axis] }
    }

    /// Its number of values; None: an interval.
    pub(crate) fn len(&self) -> Option<usize> {
        self.axes[0].len()
    }

    /// The values at one place of the block, one for each axis.
    ///
    /// # Panics
    /// If the block is an interval: those are drawn from.
    pub(crate) fn at(&self, index: usize) -> impl Iterator<Item = &str> {
        self.axes.iter().map(move |axis| match &axis.values {
            Values::List(list) => list[index].as_str(),
            Values::Interval(_) => unreachable!("an interval has no places"),
        })
    }

    /// Tied axes have equally many values, and nothing is said twice.
    pub(crate) fn check(&self) -> Result<(), (usize, String)> {
        let first = &self.axes[0];
        for axis in &self.axes {
            if self.axes.len() > 1 && axis.len().is_none() {
                return Err((axis.at, format!("`{}`: an interval cannot be tied", axis.key)));
            }
            if axis.len() != first.len() {
                return Err((
                    axis.at,
                    format!(
                        "`{}` has {} values and `{}` has {}: tied axes have equally many",
                        axis.key,
                        axis.len().unwrap_or_default(),
                        first.key,
                        first.len().unwrap_or_default()
                    ),
                ));
            }
        }
        let mut seen = BTreeSet::new();
        for index in 0..self.len().unwrap_or_default() {
            let values: Vec<&str> = self.at(index).collect();
            if !seen.insert(values.clone()) {
                let keys: Vec<&str> = self.axes.iter().map(|axis| axis.key.as_str()).collect();
                let problem =
                    format!("`{}`: {} is there twice", keys.join(", "), values.join(", "));
                return Err((first.at, problem));
            }
        }
        Ok(())
    }
}
