//! An SVG file made part of the page: named for those who do not see it, its ids its own, its size that of
//! print and never smaller. Colours of the page (ink, paper, greys) are exchanged by the style sheet, which
//! knows them by their values; colours of data stay.

use anyhow::{Context as _, Result};
use maud::{Markup, PreEscaped, html};

use super::{Figure, plain};

/// The figure inline; `prefix` sets its ids apart from those of other figures.
///
/// # Errors
/// If its text is not an SVG with a view box.
pub(super) fn inline(figure: &Figure, prefix: &str) -> Result<Markup> {
    let Figure { file, caption, svg, .. } = figure;
    let parts = split(svg).with_context(|| format!("{file}: not an SVG"))?;
    let view_box =
        attribute(parts.opening, "viewBox").with_context(|| format!("{file}: no viewBox"))?;
    let title = format!("{prefix}-title");
    Ok(html! {
        svg.drawing viewBox=(view_box) role="img" aria-labelledby=(title)
            xmlns="http://www.w3.org/2000/svg" {
            title id=(title) { (plain(caption)) }
            (PreEscaped(own_ids(parts.inner, prefix)))
        }
    })
}

/// The drawing's width on paper, as a style for what holds it: below it the type could not be read.
pub(super) fn natural_width(figure: &Figure) -> Option<String> {
    let width = attribute(split(&figure.svg)?.opening, "width")?;
    width.ends_with("mm").then(|| format!("--natural:{width}"))
}

struct Parts<'a> {
    /// Attributes of the outer element.
    opening: &'a str,
    /// What is in it.
    inner: &'a str,
}

fn split(svg: &str) -> Option<Parts<'_>> {
    let (_, rest) = svg.split_once("<svg")?;
    let (opening, rest) = rest.split_once('>')?;
    let (inner, _) = rest.rsplit_once("</svg>")?;
    Some(Parts { opening, inner })
}

fn attribute<'a>(opening: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = opening.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// The drawing with `prefix` before each id and each reference to one.
fn own_ids(inner: &str, prefix: &str) -> String {
    [" id=\"", "url(#", "href=\"#"]
        .iter()
        .fold(inner.to_owned(), |text, mark| text.replace(mark, &format!("{mark}{prefix}-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(svg: &str) -> Figure {
        Figure { file: "a.svg".into(), caption: "A < `B`".into(), svg: svg.into(), narrow: None }
    }

    #[test]
    fn two_figures_with_the_same_ids_do_not_clash() {
        let svg = "<?xml version=\"1.0\"?>\n<svg width=\"84mm\" viewBox=\"0 0 840 400\">\
                   <clipPath id=\"c\"/><g clip-path=\"url(#c)\"/><use href=\"#c\"/></svg>";
        let text = inline(&figure(svg), "fig5-1").expect("an SVG").into_string();
        for part in [
            "viewBox=\"0 0 840 400\"",
            "id=\"fig5-1-c\"",
            "url(#fig5-1-c)",
            "href=\"#fig5-1-c\"",
            "<title id=\"fig5-1-title\">A &lt; B</title>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("<?xml"), "{text}");
        assert_eq!(natural_width(&figure(svg)).as_deref(), Some("--natural:84mm"));
    }

    #[test]
    fn what_is_no_svg_is_refused_by_name() {
        for svg in ["", "<html></html>", "<svg width=\"1\"></svg>"] {
            let error = inline(&figure(svg), "x").expect_err("not an SVG");
            assert!(format!("{error:#}").contains("a.svg"));
        }
    }
}
