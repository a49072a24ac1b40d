//! Worded arithmetic in two or three steps, with worked answers.

use super::draw::Draw;
use super::{Check, Document, Family, Split, side};

const NAMES: [&str; 24] = [
    "Mia", "Tom", "Anna", "Ben", "Lucy", "Sam", "Ella", "Max", "Nora", "Leo", "Ida", "Paul",
    "Rosa", "Finn", "Maya", "Otto", "Jane", "Omar", "Lena", "Hugo", "Vera", "Noah", "Tina", "Carl",
];
/// One, and several.
const THINGS: [(&str, &str); 16] = [
    ("pen", "pens"),
    ("apple", "apples"),
    ("stamp", "stamps"),
    ("card", "cards"),
    ("book", "books"),
    ("shell", "shells"),
    ("coin", "coins"),
    ("cookie", "cookies"),
    ("marble", "marbles"),
    ("ticket", "tickets"),
    ("egg", "eggs"),
    ("flower", "flowers"),
    ("sticker", "stickers"),
    ("candle", "candles"),
    ("bead", "beads"),
    ("pear", "pears"),
];
const PACKS: [&str; 5] = ["boxes", "bags", "rows", "packs", "baskets"];

/// A step of a problem, by what it does with the number of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Has,
    Packs,
    More,
    Less,
    Times,
    Share,
    Price,
}

/// The steps of a problem, in order.
pub(super) type Template = Vec<Step>;

/// The templates of one side.
pub(super) fn templates(split: Split) -> Vec<Template> {
    let mut all = Vec::new();
    for first in [Step::Has, Step::Packs] {
        for middle in [None, Some(Step::More), Some(Step::Less), Some(Step::Times)] {
            for last in [Step::More, Step::Less, Step::Times, Step::Share, Step::Price] {
                let mut steps = vec![first];
                steps.extend(middle);
                steps.push(last);
                all.push(steps);
            }
        }
    }
    all.retain(|steps| {
        let key: Vec<i64> = steps.iter().map(|&step| step as i64).collect();
        side(6, &key) == split
    });
    all
}

pub(super) fn document(draw: &mut Draw, split: Split) -> Document {
    let template = draw.pick(&templates(split));
    loop {
        if let Some(problem) = Problem::draw(draw, &template, split) {
            return problem.told(draw);
        }
    }
}

/// A step with its operand, or both, and the number of things after it.
struct Done {
    step: Step,
    before: i64,
    operand: i64,
    after: i64,
}

struct Problem {
    steps: Vec<Done>,
}

impl Problem {
    /// None: the numbers do not fit, or are on the other side.
    fn draw(draw: &mut Draw, template: &Template, split: Split) -> Option<Self> {
        let mut steps = Vec::new();
        let (mut number, mut operands) = (0, Vec::new());
        for &step in template {
            let (before, operand, after) = match step {
                Step::Has => {
                    let has = draw.between(5, 60);
                    (0, has, has)
                }
                Step::Packs => {
                    let (packs, each) = (draw.between(2, 9), draw.between(2, 12));
                    (packs, each, packs * each)
                }
                Step::More => {
                    let more = draw.between(2, 30);
                    (number, more, number + more)
                }
                Step::Less => {
                    let less = draw.between(2, 30);
                    (number, less, number - less)
                }
                Step::Times => {
                    let times = draw.between(2, 3);
                    (number, times, number * times)
                }
                Step::Share => {
                    let among = draw.between(2, 6);
                    if number % among != 0 {
                        return None;
                    }
                    (number, among, number / among)
                }
                Step::Price => {
                    let price = draw.between(2, 5);
                    (number, price, number * price)
                }
            };
            operands.extend([step as i64, before, operand]);
            number = after;
            if !(1..200).contains(&number) {
                return None;
            }
            steps.push(Done { step, before, operand, after });
        }
        (side(8, &operands) == split).then_some(Self { steps })
    }

    fn told(&self, draw: &mut Draw) -> Document {
        let name = draw.pick(&NAMES);
        let friend = loop {
            let friend = draw.pick(&NAMES);
            if friend != name {
                break friend;
            }
        };
        let (one, several) = draw.pick(&THINGS);
        let packs = draw.pick(&PACKS);
        let words = Words { name, friend, one, several, packs };
        let (mut prompt, mut completion) = (String::from("Question:"), String::new());
        for done in &self.steps {
            prompt.push_str(&fill(draw.pick(asked(done.step)), &words, done));
            let variants = worked(done.step);
            if !variants.is_empty() {
                completion.push_str(&fill(draw.pick(variants), &words, done));
            }
        }
        let last = self.steps.last().expect("a problem has steps");
        prompt.push_str(&fill(draw.pick(question(last.step)), &words, last));
        prompt.push_str("\nAnswer:");
        completion.push_str(&format!("\n#### {}", last.after));
        Document { family: Family::Problems, prompt, completion, check: Check::Answer(last.after) }
    }
}

struct Words {
    name: &'static str,
    friend: &'static str,
    one: &'static str,
    several: &'static str,
    packs: &'static str,
}

/// `N` name, `F` friend, `O` one thing, `S` several, `P` packs; `x` before, `y` operand, `z` after; each
/// with a `$` before it.
fn fill(template: &str, words: &Words, done: &Done) -> String {
    let Words { name, friend, one, several, packs } = words;
    template
        .replace("$N", name)
        .replace("$F", friend)
        .replace("$O", one)
        .replace("$S", several)
        .replace("$P", packs)
        .replace("$x", &done.before.to_string())
        .replace("$y", &done.operand.to_string())
        .replace("$z", &done.after.to_string())
}

/// How a step is told in the question.
const fn asked(step: Step) -> &'static [&'static str] {
    match step {
        Step::Has => &[" $N has $y $S.", " $N owns $y $S.", " There are $y $S on $N's table."],
        Step::Packs => &[
            " $N buys $x $P of $S with $y in each.",
            " $N has $x $P, and there are $y $S in each.",
            " $N finds $x $P of $y $S each.",
        ],
        Step::More => &[
            " Then $F brings $y more.",
            " $N gets $y more $S from $F.",
            " Later $N finds another $y $S.",
        ],
        Step::Less => &[
            " $N gives $y of them to $F.",
            " Then $y of the $S are lost.",
            " $F takes $y $S away.",
        ],
        Step::Times => &[
            " The next day there are $y times as many.",
            " A week later $N has $y times as many $S.",
        ],
        Step::Share => &[
            " They are shared equally among $y friends.",
            " $N divides the $S equally among $y children.",
        ],
        Step::Price => &[" Each $O costs $y dollars.", " $N sells each $O for $y dollars."],
    }
}

/// The question, by the last step.
const fn question(step: Step) -> &'static [&'static str] {
    match step {
        Step::Share => &[" How many $S does each get?", " How many does each of them have?"],
        Step::Price => {
            &[" How many dollars is that in total?", " How much are all the $S together?"]
        }
        _ => &[
            " How many $S are there now?",
            " How many $S does $N have in the end?",
            " How many $S are there in total?",
        ],
    }
}

/// How a step is worked in the answer. What is merely given needs no working.
const fn worked(step: Step) -> &'static [&'static str] {
    match step {
        Step::Has => &[],
        Step::Packs => &[
            " There are $x * $y = $z $S in the $P.",
            " The $P hold $x * $y = $z $S.",
            " $N starts with $x * $y = $z $S.",
            " First, $x $P with $y each make $x * $y = $z.",
        ],
        Step::More => &[
            " With $y more there are $x + $y = $z $S.",
            " After that $N has $x + $y = $z.",
            " Adding these gives $x + $y = $z $S.",
            " Now we have $x + $y = $z.",
        ],
        Step::Less => &[
            " That leaves $x - $y = $z $S.",
            " After that $N has $x - $y = $z.",
            " Without these there are $x - $y = $z $S.",
            " Now we have $x - $y = $z.",
        ],
        Step::Times => &[
            " That makes $x * $y = $z $S.",
            " So there are $x * $y = $z.",
            " The number grows to $x * $y = $z $S.",
        ],
        Step::Share => &[
            " Each gets $x / $y = $z $S.",
            " Everyone has $x / $y = $z.",
            " Shared among $y that is $x / $y = $z each.",
        ],
        Step::Price => &[
            " Together they cost $x * $y = $z dollars.",
            " The total is $x * $y = $z dollars.",
            " In dollars this is $x * $y = $z.",
        ],
    }
}

/// The number after `####`.
pub(super) fn answer(completion: &str) -> Option<i64> {
    let (_, rest) = completion.split_once("####")?;
    rest.split_whitespace().next()?.parse().ok()
}
