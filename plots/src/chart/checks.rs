//! What must hold for every chart, whatever is plotted.

use std::collections::BTreeSet;

use super::panel::MANY;
use super::scene::{Scene, Shape};
use super::{Chart, Form, Panel, Series, look};
use crate::canvas::Frame;

/// Checks a chart and its page.
///
/// # Errors
/// What does not hold, in words.
pub(crate) fn check(chart: &Chart) -> Result<(), String> {
    let scene = super::layout::scene(chart);
    within_page(&scene)?;
    texts_apart(&scene)?;
    chart.panels.iter().try_for_each(within_axes)?;
    let unknown = chart.unknown();
    chart.panels.iter().try_for_each(|panel| told_apart(panel, &unknown))?;
    let svg = || chart.to_svg().map_err(|error| error.to_string());
    if svg()? != svg()? { Err("two drawings differ".to_owned()) } else { Ok(()) }
}

fn within_page(scene: &Scene) -> Result<(), String> {
    for shape in &scene.shapes {
        let Frame { left, top, right, bottom, .. } = shape.extent();
        let inside = left >= 0 && top >= 0 && right <= scene.width && bottom <= scene.height;
        if !inside || left > right || top > bottom {
            let text = if let Shape::Text { text, .. } = shape { text } else { "a shape" };
            let page = (scene.width, scene.height);
            return Err(format!("{text} at {:?} is not within {page:?}", shape.extent()));
        }
    }
    Ok(())
}

/// The texts of a page with the room that they take.
pub(crate) fn texts(scene: &Scene) -> Vec<(&str, Frame)> {
    let texts = scene.shapes.iter().filter_map(|shape| match shape {
        Shape::Text { text, .. } => Some((text.as_str(), shape.extent())),
        _ => None,
    });
    texts.collect()
}

fn texts_apart(scene: &Scene) -> Result<(), String> {
    let texts = texts(scene);
    for (index, (one, a)) in texts.iter().enumerate() {
        for (other, b) in &texts[index + 1..] {
            let beside = a.right <= b.left || b.right <= a.left;
            if !beside && a.bottom > b.top && b.bottom > a.top {
                return Err(format!("`{one}` at {a:?} overlaps `{other}` at {b:?}"));
            }
        }
    }
    Ok(())
}

/// No point, no interval's end and no tick lies beyond its axis.
fn within_axes(panel: &Panel) -> Result<(), String> {
    let lies = panel.lies();
    let inside = |share: f64| (-1e-9..=1. + 1e-9).contains(&share);
    for series in &panel.series {
        for point in &series.points {
            let (low, high) = point.interval.unwrap_or(if lies {
                (point.x, point.x)
            } else {
                (point.y, point.y)
            });
            let values = if lies { &panel.x } else { &panel.y };
            let ends = inside(values.share(low)) && inside(values.share(high));
            let fine = ends && inside(panel.x.share(point.x)) && inside(panel.y.share(point.y));
            if !fine {
                return Err(format!("{}: {point:?} lies beyond its axes", series.method));
            }
        }
    }
    let ticks = [&panel.x, &panel.y].into_iter();
    let mut shares = ticks.flat_map(|axis| axis.ticks.iter().map(|tick| axis.share(tick.at)));
    if shares.all(inside) { Ok(()) } else { Err("a tick lies beyond its axis".to_owned()) }
}

/// Lines of a panel differ in dashes or markers, bars in colour or hatch. A line that is named at its
/// end is told apart by its name.
fn told_apart(panel: &Panel, unknown: &[&str]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let named = |series: &Series| {
        let end = series.points.last().filter(|_| series.form == Form::Line);
        end.is_some_and(|end| panel.notes.iter().any(|note| note.at == end.y))
    };
    let shown = panel.series.iter().filter(|series| series.form != Form::Paper && !panel.lies());
    let shown = shown.filter(|series| !named(series));
    for series in shown {
        let look = look::of(&series.style, unknown);
        let colour = look.for_lines().colour;
        let colour = (colour.0, colour.1, colour.2);
        let own = match series.form {
            Form::Bars(_) => (&[][..], None, Some((colour, look.cover))),
            // Markers of many points are not drawn: dashes alone must do.
            _ if series.points.len() > MANY => (look.dashes, None, None),
            _ => (look.dashes, Some(look.marker), None),
        };
        if !seen.insert(own) {
            return Err(format!("{} looks like another", series.method));
        }
    }
    Ok(())
}
