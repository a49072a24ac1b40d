//! What all figures share: page measures, type sizes, colours.
//!
//! A unit is a tenth of a millimetre on paper: the drawing backend counts in whole units, and this
//! is finer than a printer's hairline. Colours are those of Okabe and Ito (2008), which people with
//! any common colour blindness can tell apart; where two must be told apart in greyscale, lightness
//! or a pattern differs too.

use plotters::style::RGBColor;

/// The text width of a page with two columns \[units\].
pub(crate) const PAGE_WIDTH: i32 = 1800;
/// The width of a phone's screen \[units\].
pub(crate) const NARROW_WIDTH: i32 = 880;
/// Type size \[units\]: 6.9 pt, above the 6.5 pt that journals ask for at least.
pub(crate) const TYPE_SIZE: i32 = 24;
/// From one line of text to the next \[units\].
pub(crate) const LINE_HEIGHT: i32 = 32;
/// A line that must be seen \[units\]: 0.6 pt.
pub(crate) const STROKE: u32 = 2;

/// Text and outlines.
pub(crate) const INK: RGBColor = RGBColor(0, 0, 0);
/// Lines that guide the eye, outlines of what was dropped.
pub(crate) const GREY: RGBColor = RGBColor(120, 120, 120);
/// Fill of what is neither good nor bad.
pub(crate) const PALE: RGBColor = RGBColor(222, 222, 222);
/// Lanes' background.
pub(crate) const FAINT: RGBColor = RGBColor(246, 246, 246);
/// The page.
pub(crate) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Grid lines behind data.
pub(crate) const GRID: RGBColor = RGBColor(230, 230, 230);
/// Text upon a colour, whatever the page is: upon light ones and upon dark ones.
pub(crate) const ON_LIGHT: RGBColor = RGBColor(1, 1, 1);
pub(crate) const ON_DARK: RGBColor = RGBColor(254, 254, 254);
/// A NAV's colour where it came to nothing.
pub(crate) const PALE_ORANGE: RGBColor = RGBColor(252, 232, 190);
/// Okabe and Ito's colours, by their names.
pub(crate) const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub(crate) const SKY_BLUE: RGBColor = RGBColor(86, 180, 233);
pub(crate) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(crate) const VERMILLION: RGBColor = RGBColor(213, 94, 0);
pub(crate) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(crate) const PURPLE: RGBColor = RGBColor(204, 121, 167);

/// The colours that belong to the page and not to the data, by role, as they stand in the SVGs: a
/// document that shows figures on another ground puts its own in their place. No other role has one
/// of these, and what is written upon a colour of the data is in none of them.
pub const THEME: &[(&str, &str)] = &[
    ("ink", "#000000"),
    ("paper", "#FFFFFF"),
    ("grey", "#787878"),
    ("pale", "#DEDEDE"),
    ("faint", "#F6F6F6"),
    ("grid", "#E6E6E6"),
];

/// The width of `text` at [`TYPE_SIZE`], estimated from above: the reader's font is not known. The
/// shares of the type size are those of DejaVu Sans, the widest of the usual sans-serif fonts.
pub(crate) fn text_width(text: &str) -> i32 {
    let percent: i32 = text
        .chars()
        .map(|letter| match letter {
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ' ' | '\'' | '/' => 34,
            'f' | 't' | 'r' | '(' | ')' => 41,
            'm' | 'w' | 'M' | 'W' => 99,
            'A'..='Z' => 79,
            '×' | '=' => 84,
            _ => 64,
        })
        .sum();
    (percent * TYPE_SIZE + 99) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_theme_lists_the_page_s_colours() {
        let hex = |RGBColor(r, g, b): RGBColor| format!("#{r:02X}{g:02X}{b:02X}");
        let colours = [INK, PAPER, GREY, PALE, FAINT, GRID].map(hex);
        let listed: Vec<&str> = THEME.iter().map(|&(_, hex)| hex).collect();
        assert_eq!(listed, colours);
        for data in [ON_LIGHT, ON_DARK, ORANGE, SKY_BLUE, BLUE, VERMILLION, GREEN, PURPLE] {
            assert!(!listed.contains(&hex(data).as_str()), "{} has two roles", hex(data));
        }
    }

    /// Widths in DejaVu Sans as its own tables give them, at 24 units.
    #[test]
    fn text_is_never_wider_than_estimated() {
        for (text, width) in [("12.2", 53.4), ("sequence threshold", 236.8), ("NAV", 50.8)] {
            let estimate = f64::from(text_width(text));
            assert!((width..=width * 1.2).contains(&estimate), "{text}: {estimate} for {width}");
        }
    }
}
