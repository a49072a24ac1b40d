//! Small functions: a signature and a docstring with examples, to be completed.

use super::draw::Draw;
use super::language::{Value, parse};
use super::{Argument, Call, Check, Document, Family, Split, side};

/// What a function computes; `$k` is a constant of its own, `$x`, `$t` local names.
struct Task {
    name: &'static str,
    /// `a`: a number, `xs`: a list.
    parameters: &'static [&'static str],
    /// What the docstring says it returns.
    says: &'static [&'static str],
    /// Bodies; the last line's `$R` becomes `return` with what is done to the result.
    bodies: &'static [&'static str],
}

const TASKS: [Task; 18] = [
    Task {
        name: "shift",
        parameters: &["a"],
        says: &["a plus $k", "the sum of a and $k"],
        bodies: &["    $R a + $k"],
    },
    Task {
        name: "scale",
        parameters: &["a"],
        says: &["$k times a", "the product of a and $k"],
        bodies: &["    $R a * $k", "    $R $k * a"],
    },
    Task {
        name: "remainder",
        parameters: &["a"],
        says: &["the remainder of a divided by $k", "a modulo $k"],
        bodies: &["    $R a % $k"],
    },
    Task {
        name: "cap",
        parameters: &["a"],
        says: &["a, but at most $k", "the smaller of a and $k"],
        bodies: &["    $R min(a, $k)", "    $t = a\n    if $t > $k:\n        $t = $k\n    $R $t"],
    },
    Task {
        name: "floor",
        parameters: &["a"],
        says: &["a, but at least $k", "the larger of a and $k"],
        bodies: &["    $R max(a, $k)", "    $t = a\n    if $t < $k:\n        $t = $k\n    $R $t"],
    },
    Task {
        name: "larger",
        parameters: &["a", "b"],
        says: &["the larger of a and b", "the maximum of a and b"],
        bodies: &["    $R max(a, b)", "    $t = a\n    if b > a:\n        $t = b\n    $R $t"],
    },
    Task {
        name: "smaller",
        parameters: &["a", "b"],
        says: &["the smaller of a and b", "the minimum of a and b"],
        bodies: &["    $R min(a, b)", "    $t = a\n    if b < a:\n        $t = b\n    $R $t"],
    },
    Task {
        name: "distance",
        parameters: &["a", "b"],
        says: &["the distance between a and b", "how far apart a and b are"],
        bodies: &[
            "    $R abs(a - b)",
            "    $t = a - b\n    if $t < 0:\n        $t = -$t\n    $R $t",
        ],
    },
    Task {
        name: "mix",
        parameters: &["a", "b"],
        says: &["a plus $k times b", "the sum of a and $k times b"],
        bodies: &["    $R a + $k * b", "    $t = $k * b\n    $R a + $t"],
    },
    Task {
        name: "total",
        parameters: &["xs"],
        says: &["the sum of xs", "all numbers of xs added up"],
        bodies: &["    $R sum(xs)", "    $t = 0\n    for $x in xs:\n        $t += $x\n    $R $t"],
    },
    Task {
        name: "scaled",
        parameters: &["xs"],
        says: &["the sum of xs, each times $k", "all numbers of xs, each times $k, added up"],
        bodies: &[
            "    $t = 0\n    for $x in xs:\n        $t += $x * $k\n    $R $t",
            "    $R sum(xs) * $k",
        ],
    },
    Task {
        name: "count_above",
        parameters: &["xs"],
        says: &["how many numbers of xs are above $k", "the count of numbers in xs above $k"],
        bodies: &[
            "    $t = 0\n    for $x in xs:\n        if $x > $k:\n            $t += 1\n    $R $t",
        ],
    },
    Task {
        name: "count_below",
        parameters: &["xs"],
        says: &["how many numbers of xs are below $k", "the count of numbers in xs below $k"],
        bodies: &[
            "    $t = 0\n    for $x in xs:\n        if $x < $k:\n            $t += 1\n    $R $t",
        ],
    },
    Task {
        name: "sum_above",
        parameters: &["xs"],
        says: &["the sum of the numbers of xs above $k", "all numbers of xs above $k added up"],
        bodies: &[
            "    $t = 0\n    for $x in xs:\n        if $x > $k:\n            $t += $x\n    $R $t",
        ],
    },
    Task {
        name: "sum_divisible",
        parameters: &["xs"],
        says: &[
            "the sum of the numbers of xs divisible by $k",
            "all multiples of $k in xs added up",
        ],
        bodies: &[
            "    $t = 0\n    for $x in xs:\n        if $x % $k == 0:\n            $t += $x\n    $R $t",
        ],
    },
    Task {
        name: "spread",
        parameters: &["xs"],
        says: &["the difference between the largest and the smallest of xs", "the range of xs"],
        bodies: &["    $R max(xs) - min(xs)", "    $t = max(xs)\n    $R $t - min(xs)"],
    },
    Task {
        name: "ends",
        parameters: &["xs"],
        says: &["the first number of xs plus the last", "the sum of both ends of xs"],
        bodies: &["    $R xs[0] + xs[-1]"],
    },
    Task {
        name: "squares",
        parameters: &["xs"],
        says: &["the sum of the squares of xs", "all squares of xs added up"],
        bodies: &["    $t = 0\n    for $x in xs:\n        $t += $x * $x\n    $R $t"],
    },
];

/// What is done to the result; `$m` is a constant of its own.
const TAILS: [(&str, &str); 4] =
    [("", "$v"), (", plus $m", "$v + $m"), (", minus $m", "$v - $m"), (", doubled", "($v) * 2")];

const LOCALS: [&str; 4] = ["result", "total", "value", "out"];
const ITEMS: [&str; 4] = ["x", "n", "item", "v"];

/// A task and what is done to its result.
pub(super) type Template = (usize, usize);

/// The templates of one side.
pub(super) fn templates(split: Split) -> Vec<Template> {
    let all = (0..TASKS.len()).flat_map(|task| (0..TAILS.len()).map(move |tail| (task, tail)));
    all.filter(|&(task, tail)| side(6, &[task as i64, tail as i64]) == split).collect()
}

pub(super) fn document(draw: &mut Draw, split: Split) -> Document {
    let (task_number, tail_number) = draw.pick(&templates(split));
    let (task, (tail_says, tail)) = (&TASKS[task_number], TAILS[tail_number]);
    let (k, m) = loop {
        let (k, m) = (draw.between(2, 12), draw.between(1, 20));
        if side(5, &[task_number as i64, tail_number as i64, k, m]) == split {
            break (k, m);
        }
    };
    let (local, item) = (draw.pick(&LOCALS), draw.pick(&ITEMS));
    let fill = |text: &str| {
        text.replace("$k", &k.to_string())
            .replace("$m", &m.to_string())
            .replace("$t", local)
            .replace("$x", item)
    };
    let body = draw.pick(task.bodies);
    let (before, value) = body.split_once("$R ").expect("a body returns");
    let completion = fill(&format!("{before}return {}\n", tailed(value, tail)));
    let function =
        parse(&names(task.parameters), &completion).expect("the corpus is in the language");
    let mut call = || loop {
        let arguments: Vec<Argument> =
            task.parameters.iter().map(|name| argument(draw, name)).collect();
        if let Some(Value::Number(value)) = function.call(&values(&arguments)) {
            return Call { arguments, value };
        }
    };
    let calls: Vec<Call> = (0..5).map(|_| call()).collect();
    let says = fill(&format!("{}{tail_says}", draw.pick(task.says)));
    let name = task.name;
    let mut prompt =
        format!("def {name}({}):\n    \"\"\"Return {says}.\n", task.parameters.join(", "));
    for call in &calls[..2] {
        prompt.push_str(&format!(
            "    >>> {name}({})\n    {}\n",
            shown(&call.arguments),
            call.value
        ));
    }
    prompt.push_str("    \"\"\"\n");
    Document { family: Family::Functions, prompt, completion, check: Check::Calls(calls) }
}

/// A value with what is done to it; a product needs no parentheses.
fn tailed(value: &str, tail: &str) -> String {
    let bare = value.chars().all(|c| c.is_ascii_alphanumeric() || "$_".contains(c));
    let value_alone = bare || value.ends_with(')') && !value.contains(" - ");
    if value_alone {
        tail.replace("($v)", "$v").replace("$v", value)
    } else {
        tail.replace("$v", value)
    }
}

fn names(parameters: &[&str]) -> Vec<String> {
    parameters.iter().map(|&name| name.to_owned()).collect()
}

fn argument(draw: &mut Draw, name: &str) -> Argument {
    if name == "xs" {
        let length = draw.between(2, 5);
        Argument::List((0..length).map(|_| draw.between(0, 20)).collect())
    } else {
        Argument::Number(draw.between(0, 30))
    }
}

fn values(arguments: &[Argument]) -> Vec<Value> {
    let value = |argument: &Argument| match argument {
        Argument::Number(number) => Value::Number(*number),
        Argument::List(list) => Value::List(list.clone()),
    };
    arguments.iter().map(value).collect()
}

/// As in a call.
fn shown(arguments: &[Argument]) -> String {
    let shown: Vec<String> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Number(number) => number.to_string(),
            Argument::List(list) => format!("{list:?}"),
        })
        .collect();
    shown.join(", ")
}

/// Whether a body, completed after `prompt`, gives what the calls must.
pub(super) fn passes(prompt: &str, completion: &str, calls: &[Call]) -> bool {
    let Some((_, rest)) = prompt.split_once('(') else { return false };
    let Some((parameters, _)) = rest.split_once(')') else { return false };
    let parameters: Vec<String> = parameters.split(", ").map(str::to_owned).collect();
    let Some(function) = parse(&parameters, completion) else { return false };
    let gives =
        |call: &Call| function.call(&values(&call.arguments)) == Some(Value::Number(call.value));
    calls.iter().all(gives)
}
