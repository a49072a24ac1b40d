//! A cell of a table, taken apart: ours, the paper's, the error, what chance does to it, the mark of its
//! role.

use maud::{Markup, html};

use crate::items::chance::{DEVIATIONS, SESSIONS_PCT};

/// A cell that holds ours beside the paper's, as in `136 (129) +5.1 ±2.4 %* c`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Beside<'a> {
    ours: &'a str,
    paper: &'a str,
    error: &'a str,
    /// The error as a number \[%\].
    percent: f64,
    /// The chance deviation \[%\], where it is known.
    chance: Option<&'a str>,
    /// The sign of an error beyond chance: `*`, `!`, or nothing.
    sign: &'a str,
    /// What follows: `c`, `i`, `n`, or nothing.
    mark: &'a str,
}

impl<'a> Beside<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (ours, rest) = text.split_once(" (")?;
        let (paper, rest) = rest.split_once(')')?;
        let (error, rest) = rest.split_once('%')?;
        let (error, chance) = match error.split_once('±') {
            Some((error, chance)) => (error.trim(), Some(chance.trim())),
            None => (error.trim(), None),
        };
        let mark = rest.trim_start_matches(['*', '!']);
        let sign = &rest[..rest.len() - mark.len()];
        let signed = error.starts_with(['+', '-']);
        let percent = error.parse().ok().filter(|_| signed)?;
        Some(Self { ours: ours.trim(), paper, error, percent, chance, sign, mark: mark.trim() })
    }

    /// What the error and its sign stand for; None without a chance deviation.
    fn told(&self) -> Option<String> {
        let chance = self.chance?;
        let held = match self.sign {
            "" => format!("within {DEVIATIONS} of them: chance accounts for the error"),
            "*" => format!(
                "the error is larger than {DEVIATIONS} of them, by no more than sessions differ"
            ),
            _ => format!("the error is larger than {DEVIATIONS} of them and {SESSIONS_PCT} %"),
        };
        Some(format!("chance deviation {chance} %: {held}"))
    }

    /// The tint: which way we are off, and in which of three steps; none within 5 %.
    fn tint(&self) -> Option<&'static str> {
        let size = self.percent.abs();
        let step =
            [5.0, 10.0, 20.0].iter().filter(|&&limit| size > limit).count().checked_sub(1)?;
        let tints = if self.percent > 0.0 { HIGH } else { LOW };
        Some(tints[step])
    }
}

const HIGH: [&str; 3] = ["high-1", "high-2", "high-3"];
const LOW: [&str; 3] = ["low-1", "low-2", "low-3"];

/// What a mark stands for.
fn meaning(mark: &str) -> Option<&'static str> {
    match mark {
        "c" => Some("calibration: the paper's value itself was fitted"),
        "i" => Some("in sample: rounds of the same runs went into the profile"),
        "n" => Some("not counted: the paper does not give the settings of its value"),
        _ => None,
    }
}

/// A cell of numbers.
pub(super) fn number(text: &str) -> Markup {
    let Some(beside) = Beside::read(text) else {
        let (value, interval) = with_interval(text.trim());
        return html! { td.number { (sign(value)) (below(interval)) } };
    };
    let (tint, told) = (beside.tint().unwrap_or_default(), beside.told());
    let Beside { ours, paper, error, chance, sign: beyond, mark, .. } = beside;
    let (ours, interval) = with_interval(ours);
    html! {
        td.number.beside.(tint) {
            b { (ours) } " " span.paper { "(" (paper) ")" } " "
            span.error title=[told] {
                (sign(error))
                @if let Some(chance) = chance { " " span.chance { "±" (chance) } }
                " %" span.beyond { (beyond) }
                span.mark {
                    @match meaning(mark) {
                        Some(meaning) => { abbr title=(meaning) { (mark) } }
                        None => (mark),
                    }
                }
            }
            (below(interval))
        }
    }
}

/// `130` and `[128, 132]` of `130 [128, 132]`.
fn with_interval(text: &str) -> (&str, Option<&str>) {
    let parts = text.split_once(" [").filter(|(_, rest)| rest.ends_with(']'));
    parts.map_or((text, None), |(value, _)| (value, Some(&text[value.len() + 1..])))
}

/// An interval in a line of its own: columns stay narrow.
fn below(interval: Option<&str>) -> Markup {
    html! { @if let Some(interval) = interval { " " span.interval { (interval) } } }
}

/// A number with a minus sign that is as wide as a plus; nothing has no sign.
fn sign(text: &str) -> String {
    let number = text.split(' ').next().unwrap_or_default();
    if number.starts_with(['+', '-']) && number.parse() == Ok(0.0) {
        return text[1..].to_owned();
    }
    let digit =
        text.strip_prefix('-').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    digit.map_or_else(|| text.to_owned(), |rest| format!("\u{2212}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_as_the_terminal_shows_them() {
        let cell = Beside::read("175 (152) +15.1 %  ").expect("a pair");
        let (ours, paper, error) = (cell.ours, cell.paper, cell.error);
        assert_eq!((ours, paper, error, cell.mark), ("175", "152", "+15.1", ""));
        assert_eq!(cell.percent, 15.1);
        let cell = Beside::read("184 (194)  -5.2 % c").expect("a pair");
        assert_eq!((cell.percent, cell.mark), (-5.2, "c"));
        assert_eq!((cell.chance, cell.sign, cell.told()), (None, "", None));
        for (text, sign, mark, held) in [
            ("184 (194)  -5.2 ±3.0 %  c", "", "c", "chance accounts"),
            ("184 (194)  -5.2 ±2.0 %* i", "*", "i", "no more than sessions differ"),
            ("184 (194)  -5.2 ±0.0 %!  ", "!", "", "larger than 2 of them and 5 %"),
        ] {
            let cell = Beside::read(text).expect("a pair");
            assert_eq!((cell.percent, cell.sign, cell.mark), (-5.2, sign, mark), "{text}");
            let told = cell.told().expect("it has a chance deviation");
            assert!(told.starts_with("chance deviation ") && told.contains(held), "{told}");
        }
        let cell = Beside::read("130 [128, 132] (129) +0.8 %").expect("a pair");
        assert_eq!((cell.ours, cell.paper), ("130 [128, 132]", "129"));
        for text in
            ["136", "6.8 %", "-1.2 %", "(paper)", "a (b) c", "1 (2) 3 %", "", "130 [128, 132]"]
        {
            assert_eq!(Beside::read(text), None, "{text}");
        }
    }

    #[test]
    fn tints_follow_the_error_s_size_and_sign() {
        for (error, tint) in [
            ("+0.0", None),
            ("-5.0", None),
            ("+5.1", Some("high-1")),
            ("-10.1", Some("low-2")),
            ("-20.0", Some("low-2")),
            ("+61.7", Some("high-3")),
        ] {
            let text = format!("1 (2) {error} %");
            assert_eq!(Beside::read(&text).expect("a pair").tint(), tint, "{error}");
        }
    }

    #[test]
    fn what_is_shown_is_what_was_said() {
        let text = number("184 (194)  -5.2 % c").into_string();
        assert!(text.contains("<b>184</b> <span class=\"paper\">(194)</span>"), "{text}");
        assert!(text.contains("\u{2212}5.2 %") && text.contains("low-1"), "{text}");
        let text = number("184 (194)  -5.2 ±1.0 %* i").into_string();
        let shown =
            "\u{2212}5.2 <span class=\"chance\">±1.0</span> %<span class=\"beyond\">*</span>";
        assert!(text.contains(shown) && text.contains("title=\"chance deviation 1.0 %"), "{text}");
        assert!(number("<1").into_string().contains("&lt;1"));
        for (given, wanted) in
            [("-0.0 %", "0.0 %"), ("+0.0 %", "0.0 %"), ("-0.1 %", "\u{2212}0.1 %")]
        {
            assert_eq!(sign(given), wanted);
        }
        let text = number("1 (1)  -0.0 % c").into_string();
        assert!(text.contains(">0.0 %"), "{text}");
    }

    #[test]
    fn intervals_stand_in_lines_of_their_own() {
        let text = number("113 [112, 114] (129) -12.5 %").into_string();
        assert!(text.contains("<b>113</b>") && text.contains("(129)"), "{text}");
        for cell in ["113 [112, 114] (129) -12.5 %", "113 [112, 114]"] {
            let text = number(cell).into_string();
            assert!(text.contains("<span class=\"interval\">[112, 114]</span>"), "{text}");
        }
    }
}
