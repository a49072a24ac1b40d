//! The part of Python that the functions of the corpus are written in, read and run: enough to check what
//! a model has written, without a Python. What is not of it does not parse, and nothing runs for ever.
//!
//! Statements: assignment, `+=` `-=` `*=`, `if`/`else`, `for ... in`, `return`. Expressions: integers, lists,
//! `+ - * // %`, comparisons, indices, and `len sum min max abs range`.

use std::collections::BTreeMap;

/// Steps that a call may take.
const STEPS_MAX: u32 = 10_000;
/// Levels of parentheses and blocks.
const DEPTH_MAX: u32 = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(i64),
    List(Vec<i64>),
    Truth(bool),
}

/// A function: its parameters and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    parameters: Vec<String>,
    body: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Statement {
    Assign(String, Expression),
    If(Expression, Vec<Self>, Vec<Self>),
    For(String, Expression, Vec<Self>),
    Return(Expression),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Number(i64),
    Name(String),
    List(Vec<Self>),
    Binary(String, Box<Self>, Box<Self>),
    Negative(Box<Self>),
    Index(Box<Self>, Box<Self>),
    Call(String, Vec<Self>),
}

/// Reads a body, indented by four spaces, of a function of `parameters`.
pub(super) fn parse(parameters: &[String], body: &str) -> Option<Function> {
    let mut lines: Vec<(usize, Vec<String>)> = Vec::new();
    for line in body.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        lines.push((indent, tokens(line.trim())?));
    }
    let mut reader = Blocks { lines: &lines, at: 0, depth: 0 };
    let body = reader.block(4)?;
    (reader.at == lines.len()).then(|| Function { parameters: parameters.to_vec(), body })
}

impl Function {
    /// Its value; None: it has none, or takes too long.
    pub(super) fn call(&self, arguments: &[Value]) -> Option<Value> {
        if arguments.len() != self.parameters.len() {
            return None;
        }
        let names = self.parameters.iter().cloned().zip(arguments.iter().cloned()).collect();
        let mut run = Run { names, steps: 0 };
        run.block(&self.body)?
    }
}

fn tokens(line: &str) -> Option<Vec<String>> {
    const PAIRS: [&str; 8] = ["//", "==", "!=", "<=", ">=", "+=", "-=", "*="];
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = if first == ' ' {
            1
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else if let Some(pair) = PAIRS.iter().find(|pair| rest.starts_with(**pair)) {
            pair.len()
        } else if "+-*%<>=()[],:".contains(first) {
            1
        } else {
            return None;
        };
        if first != ' ' {
            tokens.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
    }
    Some(tokens)
}

fn name(token: &str) -> Option<String> {
    const RESERVED: [&str; 8] = ["if", "else", "for", "in", "return", "while", "def", "not"];
    let first = token.chars().next()?;
    ((first.is_ascii_alphabetic() || first == '_') && !RESERVED.contains(&token))
        .then(|| token.to_owned())
}

/// Reads lines into blocks.
struct Blocks<'a> {
    lines: &'a [(usize, Vec<String>)],
    at: usize,
    depth: u32,
}

impl Blocks<'_> {
    fn block(&mut self, indent: usize) -> Option<Vec<Statement>> {
        self.depth += 1;
        let mut block = Vec::new();
        while let Some((at, line)) = self.lines.get(self.at) {
            if *at != indent || line[0] == "else" {
                break;
            }
            self.at += 1;
            block.push(self.statement(line, indent)?);
        }
        self.depth -= 1;
        (!block.is_empty() && self.depth < DEPTH_MAX).then_some(block)
    }

    fn statement(&mut self, line: &[String], indent: usize) -> Option<Statement> {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["return", value @ ..] => Some(Statement::Return(expression(value)?)),
            ["if", condition @ .., ":"] => {
                let condition = expression(condition)?;
                let then = self.block(indent + 4)?;
                let other = match self.lines.get(self.at) {
                    Some((at, line)) if *at == indent && line[..] == ["else", ":"] => {
                        self.at += 1;
                        self.block(indent + 4)?
                    }
                    _ => Vec::new(),
                };
                Some(Statement::If(condition, then, other))
            }
            ["for", variable, "in", list @ .., ":"] => {
                let (variable, list) = (name(variable)?, expression(list)?);
                Some(Statement::For(variable, list, self.block(indent + 4)?))
            }
            [target, "=", value @ ..] => Some(Statement::Assign(name(target)?, expression(value)?)),
            [target, sign @ ("+=" | "-=" | "*="), value @ ..] => {
                let target = name(target)?;
                let old = Box::new(Expression::Name(target.clone()));
                let value = Box::new(expression(value)?);
                let sum = Expression::Binary(sign[..1].to_owned(), old, value);
                Some(Statement::Assign(target, sum))
            }
            _ => None,
        }
    }
}

/// Reads an expression that takes all of `words`.
fn expression(words: &[&str]) -> Option<Expression> {
    let mut reader = Words { words, at: 0, depth: 0 };
    let expression = reader.level(0)?;
    (reader.at == words.len()).then_some(expression)
}

/// Signs by how tightly they bind, loosest first.
const LEVELS: [&[&str]; 3] = [&["==", "!=", "<", ">", "<=", ">="], &["+", "-"], &["*", "//", "%"]];

struct Words<'a> {
    words: &'a [&'a str],
    at: usize,
    depth: u32,
}

impl Words<'_> {
    fn next_is(&mut self, word: &str) -> bool {
        let is = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is);
        is
    }

    fn level(&mut self, level: usize) -> Option<Expression> {
        let Some(signs) = LEVELS.get(level) else { return self.atom() };
        let mut left = self.level(level + 1)?;
        while let Some(sign) = self.words.get(self.at).filter(|sign| signs.contains(sign)) {
            self.at += 1;
            let right = self.level(level + 1)?;
            left = Expression::Binary((*sign).to_owned(), Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn atom(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let word = *self.words.get(self.at)?;
        self.at += 1;
        let mut atom = match word {
            "-" => Expression::Negative(Box::new(self.atom()?)),
            "(" => {
                let inner = self.level(0)?;
                self.next_is(")").then_some(inner)?
            }
            "[" => Expression::List(self.row("]")?),
            number if number.starts_with(|c: char| c.is_ascii_digit()) => {
                Expression::Number(number.parse().ok()?)
            }
            word => {
                let name = name(word)?;
                if self.next_is("(") {
                    Expression::Call(name, self.row(")")?)
                } else {
                    Expression::Name(name)
                }
            }
        };
        while self.next_is("[") {
            let index = self.level(0)?;
            atom = self.next_is("]").then(|| Expression::Index(Box::new(atom), Box::new(index)))?;
        }
        self.depth -= 1;
        Some(atom)
    }

    fn row(&mut self, end: &str) -> Option<Vec<Expression>> {
        let mut row = Vec::new();
        if self.next_is(end) {
            return Some(row);
        }
        loop {
            row.push(self.level(0)?);
            if self.next_is(end) {
                return Some(row);
            }
            if !self.next_is(",") {
                return None;
            }
        }
    }
}

/// A call at work. The outer None is a mistake, the inner one no `return`.
struct Run {
    names: BTreeMap<String, Value>,
    steps: u32,
}

impl Run {
    fn block(&mut self, block: &[Statement]) -> Option<Option<Value>> {
        for statement in block {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return None;
            }
            let returned = match statement {
                Statement::Return(value) => Some(self.value(value)?),
                Statement::Assign(name, value) => {
                    let value = self.value(value)?;
                    self.names.insert(name.clone(), value);
                    None
                }
                Statement::If(condition, then, other) => match self.value(condition)? {
                    Value::Truth(true) => self.block(then)?,
                    Value::Truth(false) => self.block(other)?,
                    _ => return None,
                },
                Statement::For(name, list, body) => {
                    let Value::List(list) = self.value(list)? else { return None };
                    let mut returned = None;
                    for number in list {
                        self.names.insert(name.clone(), Value::Number(number));
                        returned = self.block(body)?;
                        if returned.is_some() {
                            break;
                        }
                    }
                    returned
                }
            };
            if returned.is_some() {
                return Some(returned);
            }
        }
        Some(None)
    }

    fn number(&mut self, expression: &Expression) -> Option<i64> {
        match self.value(expression)? {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn value(&mut self, expression: &Expression) -> Option<Value> {
        Some(match expression {
            Expression::Number(number) => Value::Number(*number),
            Expression::Name(name) => self.names.get(name)?.clone(),
            Expression::List(items) => {
                let numbers: Option<Vec<i64>> = items.iter().map(|i| self.number(i)).collect();
                Value::List(numbers?)
            }
            Expression::Negative(inner) => Value::Number(self.number(inner)?.checked_neg()?),
            Expression::Index(list, index) => {
                let Value::List(list) = self.value(list)? else { return None };
                let index = self.number(index)?;
                let from_end = if index < 0 { list.len() as i64 } else { 0 };
                let index = usize::try_from(index.checked_add(from_end)?).ok()?;
                Value::Number(*list.get(index)?)
            }
            Expression::Binary(sign, left, right) => {
                binary(sign, self.number(left)?, self.number(right)?)?
            }
            Expression::Call(name, arguments) => {
                let values: Option<Vec<Value>> = arguments.iter().map(|a| self.value(a)).collect();
                call(name, &values?)?
            }
        })
    }
}

/// `//` and `%` round towards minus infinity, as in Python.
fn binary(sign: &str, left: i64, right: i64) -> Option<Value> {
    Some(match sign {
        "+" => Value::Number(left.checked_add(right)?),
        "-" => Value::Number(left.checked_sub(right)?),
        "*" => Value::Number(left.checked_mul(right)?),
        "//" => {
            let rest = modulo(left, right)?;
            Value::Number(left.checked_sub(rest)?.checked_div(right)?)
        }
        "%" => Value::Number(modulo(left, right)?),
        "==" => Value::Truth(left == right),
        "!=" => Value::Truth(left != right),
        "<" => Value::Truth(left < right),
        ">" => Value::Truth(left > right),
        "<=" => Value::Truth(left <= right),
        ">=" => Value::Truth(left >= right),
        _ => return None,
    })
}

fn modulo(left: i64, right: i64) -> Option<i64> {
    let rest = left.checked_rem(right)?;
    Some(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
}

fn call(name: &str, values: &[Value]) -> Option<Value> {
    let numbers = || -> Option<Vec<i64>> {
        match values {
            [Value::List(list)] => Some(list.clone()),
            [_, _, ..] => values
                .iter()
                .map(|value| if let Value::Number(number) = value { Some(*number) } else { None })
                .collect(),
            _ => None,
        }
    };
    Some(Value::Number(match (name, values) {
        ("len", [Value::List(list)]) => list.len() as i64,
        ("sum", [Value::List(list)]) => {
            list.iter().try_fold(0_i64, |sum, &number| sum.checked_add(number))?
        }
        ("min", _) => numbers()?.into_iter().min()?,
        ("max", _) => numbers()?.into_iter().max()?,
        ("abs", [Value::Number(number)]) => number.checked_abs()?,
        ("range", [Value::Number(end)]) => return range(0, *end),
        ("range", [Value::Number(start), Value::Number(end)]) => return range(*start, *end),
        _ => return None,
    }))
}

fn range(start: i64, end: i64) -> Option<Value> {
    let length = end.checked_sub(start)?;
    (length <= i64::from(STEPS_MAX)).then(|| Value::List((start..end).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(body: &str, arguments: &[Value]) -> Option<Value> {
        let parameters: Vec<String> = ["a", "xs"].map(str::to_owned)[..arguments.len()].to_vec();
        parse(&parameters, body)?.call(arguments)
    }

    #[test]
    fn runs_what_python_runs() {
        let number = |value| Some(Value::Number(value));
        let a = [Value::Number(7)];
        assert_eq!(run("    return 2 + a * 3 - -1\n", &a), number(24));
        assert_eq!(run("    return (-a) // 2 + (-a) % 4\n", &a), number(-4 + 1));
        assert_eq!(
            run("    if a > 6:\n        a = 1\n    else:\n        a = 2\n    return a", &a),
            number(1)
        );
        let both = [Value::Number(2), Value::List(vec![3, 5, 8])];
        let looped = "    s = 0\n    for x in xs:\n        if x % a == 1:\n            s += x\n    \
                      return s\n";
        assert_eq!(run(looped, &both), number(8));
        assert_eq!(
            run("    return xs[-1] - xs[0] + len(xs) + max(xs) + min(a, 9)", &both),
            number(18)
        );
        assert_eq!(run("    return sum(range(1, a))", &both[..1]), number(1));
    }

    #[test]
    fn what_is_wrong_has_no_value() {
        let a = [Value::Number(7)];
        for body in [
            "",
            "    return",
            "    return a +",
            "  return a",
            "    return b",
            "    return a // 0",
            "    return xs[0]",
            "    while a:\n        a = 1",
            "    import os",
            "    if a:\n        return 1",
            "    a = 5",
            "    for x in range(1000000000):\n        a = x",
            "    return 9223372036854775807 + a",
        ] {
            assert_eq!(run(body, &a), None, "{body}");
        }
        let deep = format!("    return {}a{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(run(&deep, &a), None);
        let endless = "    for x in range(9000):\n        for y in range(9000):\n            a = 1\n    \
                       return a";
        assert_eq!(run(endless, &a), None);
    }
}
