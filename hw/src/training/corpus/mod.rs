//! Texts to train and test on, made from a seed: worded arithmetic with worked answers, and small
//! functions with docstrings, in the spirit of GSM8K and HumanEval. Each comes with what its answer is
//! checked by.
//!
//! Train and test share no template (the order of a problem's steps; a function's task and what is done to
//! its result): which side one is on is a hash of it, and so with a template's operands. What is shipped to
//! be tested on ([`held_out`]) shares no row of numbers with what was learned from either.

mod draw;
mod functions;
mod language;
mod problems;

use std::collections::BTreeSet;

use pipesd_core::seed::Seed;
use serde::{Deserialize, Serialize};

use self::draw::Draw;

/// The two kinds of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Worded arithmetic.
    Problems,
    /// Small functions.
    Functions,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Problems, Self::Functions];

    /// Its name, as in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Problems => "problems",
            Self::Functions => "functions",
        }
    }
}

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// To be learned from.
    Train,
    /// Held out.
    Test,
}

/// A task with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The kind.
    pub family: Family,
    /// What a model is given.
    pub prompt: String,
    /// An answer; others may be right as well.
    pub completion: String,
    /// What an answer is checked by.
    pub check: Check,
}

/// What an answer is checked by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The number after `####`.
    Answer(i64),
    /// The function's values: arguments, and what it must return.
    Calls(Vec<Call>),
}

/// A call of a function that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Arguments, in order.
    pub arguments: Vec<Argument>,
    /// The value.
    pub value: i64,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Argument {
    /// A number.
    Number(i64),
    /// A list of numbers.
    List(Vec<i64>),
}

impl Check {
    /// Whether `completion` answers `prompt`.
    #[must_use]
    pub fn passes(&self, prompt: &str, completion: &str) -> bool {
        match self {
            Self::Answer(answer) => problems::answer(completion) == Some(*answer),
            Self::Calls(calls) => functions::passes(prompt, completion, calls),
        }
    }
}

/// The document numbered `index`: the same whenever it is asked for.
#[must_use]
pub fn document(seed: Seed, family: Family, split: Split, index: u64) -> Document {
    let name = match (family, split) {
        (Family::Problems, Split::Train) => "problems to learn from",
        (Family::Problems, Split::Test) => "problems held out",
        (Family::Functions, Split::Train) => "functions to learn from",
        (Family::Functions, Split::Test) => "functions held out",
    };
    let mut draw = Draw::new(seed, name, index);
    match family {
        Family::Problems => problems::document(&mut draw, split),
        Family::Functions => functions::document(&mut draw, split),
    }
}

/// The first `count` documents of the test side whose numbers, as they stand in the prompt, are in none of
/// the first `learned` of the train side.
#[must_use]
pub fn held_out(seed: Seed, family: Family, learned: u64, count: usize) -> Vec<Document> {
    let known: BTreeSet<Vec<i64>> = (0..learned)
        .map(|index| numbers(&document(seed, family, Split::Train, index).prompt))
        .collect();
    (0..)
        .map(|index| document(seed, family, Split::Test, index))
        .filter(|document| !known.contains(&numbers(&document.prompt)))
        .take(count)
        .collect()
}

/// The numbers of a text, in order.
fn numbers(text: &str) -> Vec<i64> {
    let parts = text.split(|c: char| !c.is_ascii_digit());
    // Whatever does not fit into 64 bits is in no document.
    parts.filter_map(|part| part.parse().ok()).collect()
}

/// The side that a template or a tuple of operands is on: one in `of` is held out.
fn side(of: u64, key: &[i64]) -> Split {
    // FNV-1a: the same everywhere, for ever.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in key.iter().flat_map(|number| number.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    if (hash >> 20).is_multiple_of(of) { Split::Test } else { Split::Train }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed(11);

    fn documents(family: Family, split: Split) -> impl Iterator<Item = Document> {
        (0..400).map(move |index| document(SEED, family, split, index))
    }

    #[test]
    fn every_document_passes_its_own_check_and_is_the_same_again() {
        for family in Family::ALL {
            for split in [Split::Train, Split::Test] {
                for (index, document) in documents(family, split).enumerate() {
                    let Document { prompt, completion, check, .. } = &document;
                    assert!(check.passes(prompt, completion), "{prompt}{completion}\n{check:?}");
                    assert_eq!(document, self::document(SEED, family, split, index as u64));
                }
            }
        }
    }

    #[test]
    fn a_wrong_answer_fails() {
        for document in documents(Family::Problems, Split::Test) {
            let Check::Answer(answer) = document.check else { panic!("a problem has an answer") };
            let completion = document.completion.replace(&format!("#### {answer}"), "#### 7777");
            assert!(!document.check.passes(&document.prompt, &completion));
            assert!(!document.check.passes(&document.prompt, ""));
        }
        for document in documents(Family::Functions, Split::Test) {
            let wrong = document.completion.replace("return ", "return 1000 + ");
            assert!(!document.check.passes(&document.prompt, &wrong), "{wrong}");
            let endless = "    while True:\n        x = 1\n";
            assert!(!document.check.passes(&document.prompt, endless));
        }
    }

    #[test]
    fn train_and_test_share_no_template_and_no_numbers() {
        for of in [3, 6] {
            let sides: Vec<Split> = (0..1000).map(|key| side(of, &[key])).collect();
            let held = sides.iter().filter(|side| **side == Split::Test).count() as u64;
            assert!((500 / of..2000 / of).contains(&held), "{held} of 1000, one in {of} wanted");
        }
        for family in Family::ALL {
            let learned = 3000;
            let trained: Vec<Vec<i64>> = (0..learned)
                .map(|index| numbers(&document(SEED, family, Split::Train, index).prompt))
                .collect();
            let held = held_out(SEED, family, learned, 60);
            assert_eq!(held.len(), 60);
            for document in held {
                assert!(!trained.contains(&numbers(&document.prompt)), "{}", document.prompt);
            }
        }
        // Without a choice some would: the rows of small numbers are few.
        let drawn = documents(Family::Problems, Split::Test);
        let all: BTreeSet<Vec<i64>> =
            documents(Family::Problems, Split::Train).map(|d| numbers(&d.prompt)).collect();
        assert!(drawn.filter(|d| all.contains(&numbers(&d.prompt))).count() > 0);
        let learned = problems::templates(Split::Train);
        let held = problems::templates(Split::Test);
        assert!(held.len() >= 4 && learned.len() >= 20, "{} and {}", held.len(), learned.len());
        assert!(held.iter().all(|template| !learned.contains(template)));
        let learned = functions::templates(Split::Train);
        let held = functions::templates(Split::Test);
        assert!(held.len() >= 6 && learned.len() >= 30, "{} and {}", held.len(), learned.len());
        assert!(held.iter().all(|template| !learned.contains(template)));
    }
}
