//! The parts of a picture.

use std::collections::BTreeMap;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    AreaSeries, BLACK, Cartesian2d, ChartBuilder, ChartContext, Color, DrawingArea, LineSeries,
    PathElement, RGBColor, Ranged, Rectangle, SVGBackend, SeriesLabelPosition,
};
use taskhost_board::Name;
use taskhost_wire::steers;

use super::axis::Scale;
use super::{PictureError, axis};
use crate::course::Course;

/// A course, and how it is shown.
pub(super) struct Drawn<'a> {
    pub(super) name: &'a str,
    pub(super) course: &'a Course,
    pub(super) color: RGBColor,
    /// In pixels. What lies under another line is wider, so that it shows where both are the same.
    pub(super) width: u32,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// How many points a line has at most: more can't be seen.
const POINTS_MAX: usize = 600;
/// How many agents are shown by themselves; the others are drawn together.
const AGENTS_MAX: usize = 7;
/// How much of a name is shown.
const NAME_CHARS_MAX: usize = 24;

/// Of agents; the last one is for all others.
const COLORS: [RGBColor; AGENTS_MAX + 1] = [
    RGBColor(0x33, 0x22, 0x88),
    RGBColor(0x88, 0xcc, 0xee),
    RGBColor(0x44, 0xaa, 0x99),
    RGBColor(0x11, 0x77, 0x33),
    RGBColor(0xdd, 0xcc, 0x77),
    RGBColor(0xcc, 0x66, 0x77),
    RGBColor(0x88, 0x22, 0x55),
    RGBColor(0xaa, 0xaa, 0xaa),
];

/// How long tasks were ready before they were claimed: for each length, the part of them that waited no longer.
pub(super) fn waits(area: &Area<'_>, lines: &[Drawn<'_>]) -> Result<(), PictureError> {
    let longest = lines.iter().filter_map(|drawn| drawn.course.ready_ms.last()).max();
    let max = longest.copied().unwrap_or_default().max(10);
    let x = Scale { end: axis::magnitude(max) * 1.02, marks: axis::magnitudes(max) };
    let y = Scale { end: 100.0, marks: vec![0.0, 25.0, 50.0, 75.0, 100.0] };
    let mut chart = chart(area, "How long tasks were ready before somebody got them")
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(BLACK.mix(0.0))
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 14))
        .x_desc("waiting time, each mark about ten times the one before")
        .y_desc("tasks that waited no longer")
        .x_label_formatter(&|at| axis::label(10_f64.powf(*at)))
        .y_label_formatter(&|part| format!("{part:.0}%"))
        .draw()?;
    for drawn in lines {
        let (color, width) = (drawn.color, drawn.width);
        chart
            .draw_series(LineSeries::new(
                distribution(&drawn.course.ready_ms),
                color.stroke_width(width),
            ))?
            .label(short(drawn.name))
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], color.stroke_width(width + 1))
            });
    }
    key(&mut chart, SeriesLabelPosition::LowerRight)
}

/// The steps of a cumulative distribution, of sorted lengths.
fn distribution(sorted: &[u64]) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    if sorted.is_empty() {
        return points;
    }
    let every = sorted.len().div_ceil(POINTS_MAX);
    let mut part = 0.0;
    for at in (every - 1..sorted.len()).step_by(every).chain([sorted.len() - 1]) {
        let x = axis::magnitude(sorted[at]);
        points.push((x, part));
        part = (at + 1) as f64 * 100.0 / sorted.len() as f64;
        points.push((x, part));
    }
    points
}

/// How many tasks each agent has got, on top of each other.
pub(super) fn shares(
    area: &Area<'_>,
    drawn: &Drawn<'_>,
    all: &[Drawn<'_>],
) -> Result<(), PictureError> {
    let took_ms = all.iter().map(|drawn| took(drawn.course)).max().unwrap_or_default();
    let claims = all.iter().map(|drawn| drawn.course.decisions.len()).max().unwrap_or_default();
    let x = Scale { end: took_ms.max(1) as f64, marks: few(axis::ticks(took_ms)) };
    let title = format!("Who got the tasks, {}", short(drawn.name));
    let mut chart =
        chart(area, &title).build_cartesian_2d(x, 0.0..(claims.max(1) as f64 * 1.05))?;
    mesh(&mut chart, "tasks got so far")?;
    let names = agents(all);
    let stacks = stacks(drawn.course, &names);
    // The one at the top first, so that those below are drawn over it.
    for (index, stack) in stacks.iter().enumerate().rev() {
        let color = COLORS[index];
        let area = AreaSeries::new(stack.iter().copied(), 0.0, color.filled());
        chart
            .draw_series(area)?
            .label(names.get(index).map_or_else(|| "others".into(), |name| short(name.as_str())))
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], color.filled()));
    }
    key(&mut chart, SeriesLabelPosition::UpperLeft)
}

/// Those who got most, in all courses together.
fn agents<'a>(all: &[Drawn<'a>]) -> Vec<&'a Name> {
    let mut counts: BTreeMap<&Name, usize> = BTreeMap::new();
    for decision in all.iter().flat_map(|drawn| &drawn.course.decisions) {
        *counts.entry(&decision.agent).or_default() += 1;
    }
    let mut names: Vec<(&Name, usize)> = counts.into_iter().collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    names.into_iter().take(AGENTS_MAX).map(|(name, _)| name).collect()
}

/// For each name, and for all others if there are some, how many tasks it and those before it had got at each time.
fn stacks(course: &Course, names: &[&Name]) -> Vec<Vec<(f64, f64)>> {
    let place = |name: &Name| names.iter().position(|known| *known == name).unwrap_or(names.len());
    let has_others = course.decisions.iter().any(|decision| place(&decision.agent) == names.len());
    let mut counts = vec![0_u32; names.len() + usize::from(has_others)];
    let mut stacks: Vec<Vec<(f64, f64)>> = vec![Vec::new(); counts.len()];
    let every = course.decisions.len().div_ceil(POINTS_MAX).max(1);
    let (start, end) = course.span.map_or((0, 0), |(from, to)| (from.0, to.0));
    let mut note = |at: u64, counts: &[u32]| {
        let mut sum = 0;
        for (stack, count) in stacks.iter_mut().zip(counts) {
            sum += count;
            stack.push((at.saturating_sub(start) as f64, f64::from(sum)));
        }
    };
    note(start, &counts);
    for (index, decision) in course.decisions.iter().enumerate() {
        let steps = index % every == 0;
        if steps {
            note(decision.at.0, &counts);
        }
        if let Some(count) = counts.get_mut(place(&decision.agent)) {
            *count += 1;
        }
        if steps {
            note(decision.at.0, &counts);
        }
    }
    note(end, &counts);
    stacks
}

/// How many tasks were ready.
pub(super) fn ready(area: &Area<'_>, lines: &[Drawn<'_>]) -> Result<(), PictureError> {
    let took_ms = lines.iter().map(|drawn| took(drawn.course)).max().unwrap_or_default();
    let counts = lines.iter().flat_map(|drawn| drawn.course.ready.iter().map(|(_, count)| *count));
    let most = counts.max().unwrap_or_default().max(1);
    let x = Scale { end: took_ms.max(1) as f64, marks: axis::ticks(took_ms) };
    let mut chart = chart(area, "How many tasks were ready and waited for somebody")
        .build_cartesian_2d(x, 0.0..(most as f64 * 1.3))?;
    mesh(&mut chart, "ready tasks")?;
    for drawn in lines {
        let (color, width) = (drawn.color, drawn.width);
        chart
            .draw_series(LineSeries::new(waiting(drawn.course), color.stroke_width(width)))?
            .label(short(drawn.name))
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], color.stroke_width(width + 1))
            });
    }
    key(&mut chart, SeriesLabelPosition::UpperRight)
}

/// The number of ready tasks at each time; where there are more changes than can be seen, the most of each stretch.
fn waiting(course: &Course) -> Vec<(f64, f64)> {
    let Some((start, end)) = course.span else { return Vec::new() };
    let since = |at: u64| at.saturating_sub(start.0) as f64;
    let every = course.ready.len().div_ceil(POINTS_MAX).max(1);
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut before = 0.0;
    for stretch in course.ready.chunks(every) {
        let Some((at, _)) = stretch.first() else { continue };
        let most = stretch.iter().map(|(_, count)| *count).max().unwrap_or_default() as f64;
        points.extend([(since(at.0), before), (since(at.0), most)]);
        before = most;
    }
    let last = course.ready.last().map_or(0.0, |(_, count)| *count as f64);
    points.extend([(since(end.0), before), (since(end.0), last)]);
    points
}

fn took(course: &Course) -> u64 {
    course.span.map_or(0, |(from, to)| to.0.saturating_sub(from.0))
}

/// Every second tick, where there is little room.
fn few(ticks: Vec<f64>) -> Vec<f64> {
    let every = if ticks.len() > 5 { 2 } else { 1 };
    ticks.into_iter().step_by(every).collect()
}

fn chart<'a, 'b>(area: &'a Area<'b>, title: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    chart.caption(title, ("sans-serif", 18)).margin(12).x_label_area_size(48).y_label_area_size(62);
    chart
}

fn mesh(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<Scale, RangedCoordf64>>,
    what: &str,
) -> Result<(), PictureError> {
    chart
        .configure_mesh()
        .light_line_style(BLACK.mix(0.0))
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 14))
        .x_desc("time since the history begins")
        .y_desc(what)
        .x_label_formatter(&|ms| axis::label(*ms))
        .y_label_formatter(&|count| format!("{count:.0}"))
        .y_labels(6)
        .draw()?;
    Ok(())
}

fn key<'a, 'b: 'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Result<(), PictureError>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    chart
        .configure_series_labels()
        .position(position)
        .background_style(plotters::prelude::WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 14))
        .draw()?;
    Ok(())
}

/// A name that fits, and can't turn the direction of what stands beside it.
fn short(name: &str) -> String {
    let mut shown: String = name.chars().filter(|c| !steers(*c)).collect();
    if let Some((cut, _)) = shown.char_indices().nth(NAME_CHARS_MAX) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distribution_rises_to_all_of_them() {
        assert_eq!(distribution(&[]), []);
        assert_eq!(distribution(&[10]), [(1.0, 0.0), (1.0, 100.0), (1.0, 100.0), (1.0, 100.0)]);
        let many: Vec<u64> = (1..=100_000).collect();
        let points = distribution(&many);
        assert!(points.len() <= 2 * POINTS_MAX + 4);
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        assert_eq!(points.last(), Some(&(5.0, 100.0)));
    }

    #[test]
    fn long_names_are_cut_and_turn_nothing() {
        assert_eq!(short("ada"), "ada");
        assert_eq!(short("a\u{202e}da"), "ada");
        assert_eq!(short(&"ä".repeat(30)), format!("{}…", "ä".repeat(24)));
    }
}
