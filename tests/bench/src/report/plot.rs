//! Two plots: claims a second against processes, and the latency of a claim against the size of the board.

use anyhow::{Result, anyhow};
use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color as _, IntoDrawingArea as _, IntoLogRange as _, LineSeries,
    PathElement, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};
use serde::Serialize;

use crate::figure::thousands;

/// In pixels.
const SIZE: (u32, u32) = (900, 540);
/// Colours that people who see few of them can tell apart.
const COLORS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0x70, 0x70, 0x70),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xe6, 0x9f, 0x00),
];

/// A line of a plot.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Whose it is.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// What is drawn.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plots {
    /// Claims in a second against the number of processes.
    pub throughput: Vec<Line>,
    /// Microseconds against the number of tasks.
    pub latency: Vec<Line>,
}

impl Plots {
    pub(super) fn throughput_svg(&self) -> Result<String> {
        Plot {
            title: "Durable claims a second",
            across: "processes that claim from one board",
            up: "claims a second",
            lines: &self.throughput,
            log_base: 2.0,
        }
        .svg()
    }

    pub(super) fn latency_svg(&self) -> Result<String> {
        Plot {
            title: "How long a durable claim takes",
            across: "tasks on the board",
            up: "microseconds",
            lines: &self.latency,
            log_base: 10.0,
        }
        .svg()
    }
}

struct Plot<'a> {
    title: &'a str,
    across: &'a str,
    up: &'a str,
    lines: &'a [Line],
    /// Of the axis below.
    log_base: f64,
}

impl Plot<'_> {
    fn svg(&self) -> Result<String> {
        let mut picture = String::new();
        self.draw(&mut picture).map_err(|error| anyhow!("a plot can't be drawn: {error}"))?;
        let title = format!(" role=\"img\">\n<title>{}</title>\n", self.title);
        Ok(picture.replacen(">\n", &title, 1))
    }

    fn draw(&self, picture: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.lines.iter().flat_map(|line| line.points.iter().copied());
        let (left, right) = ends(points().map(|point| point.0));
        let (low, high) = ends(points().map(|point| point.1));
        let root = SVGBackend::with_string(picture, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        // Room at both ends, and up to a whole power of ten above and below.
        let across = (left / 1.15..right * 1.15).log_scale().base(self.log_base);
        let up = (power_below(low)..power_above(high)).log_scale();
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 22))
            .margin(14)
            .x_label_area_size(50)
            .y_label_area_size(86)
            .build_cartesian_2d(across, up)?;
        chart
            .configure_mesh()
            .light_line_style(BLACK.mix(0.05))
            .bold_line_style(BLACK.mix(0.15))
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 15))
            .x_desc(self.across)
            .y_desc(self.up)
            .x_label_formatter(&|value| thousands(*value))
            .y_label_formatter(&|value| thousands(*value))
            .draw()?;
        for (line, color) in self.lines.iter().zip(COLORS.iter().cycle()) {
            let points = line.points.iter().copied();
            chart
                .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?
                .label(line.name.as_str())
                .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(3)));
            chart.draw_series(points.map(|point| Circle::new(point, 4, color.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 14))
            .draw()?;
        root.present()?;
        Ok(())
    }
}

/// The least and the greatest of some figures above 0.
fn ends(figures: impl Iterator<Item = f64>) -> (f64, f64) {
    let figures = figures.filter(|figure| figure.is_finite() && *figure > 0.0);
    let (low, high) = figures
        .fold((f64::INFINITY, 0.0_f64), |(low, high), figure| (low.min(figure), high.max(figure)));
    if high > 0.0 { (low, high) } else { (1.0, 10.0) }
}

fn power_below(figure: f64) -> f64 {
    10_f64.powf(figure.log10().floor())
}

fn power_above(figure: f64) -> f64 {
    // Half a step more, for the names of the lines.
    10_f64.powf(figure.log10().ceil() + 0.5)
}
