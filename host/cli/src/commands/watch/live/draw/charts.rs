//! The two charts of the recent past: what was finished, and how long it took until somebody claimed it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Sparkline;
use taskhost::Millis;

use super::Palette;
use crate::commands::watch::live::charts::Step;
use crate::commands::watch::live::model::Model;
use crate::commands::watch::live::text::{age, cut, left, number, width};

/// How high the bars are where there is room, and their title above them.
pub const TALL: u16 = 4;
/// The columns of most scales, so that the bars don't move with each digit.
const SCALE: usize = " max 1,234".len();

/// Draws both: in one line each, or with their titles above.
pub fn draw(frame: &mut Frame, model: &Model, now: Millis, palette: Palette, area: Rect) {
    let Some(picture) = &model.picture else { return };
    let [one, _, two] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(1), Constraint::Fill(1)])
            .areas(area);
    let (step, columns) = (model.step, usize::from(area.width));
    let finished = picture.charts.finished(step, now, columns);
    let waited = picture.charts.waited_ms(step, now, columns);
    let chart = |name, values, show: fn(u64) -> String, style| Chart { name, values, show, style };
    chart("finished", finished, number, palette.good()).draw(frame, step, one);
    chart("waited", waited, age, palette.busy()).draw(frame, step, two);
}

struct Chart {
    name: &'static str,
    /// The newest last, at least as many as are drawn.
    values: Vec<u64>,
    show: fn(u64) -> String,
    style: Style,
}

impl Chart {
    fn draw(&self, frame: &mut Frame, step: Step, area: Rect) {
        if area.height < TALL {
            let label = format!(" {}/{} ", self.name, step.as_str());
            // The scale follows from what is drawn, and its words take up room of the drawing: room for the longest.
            let room = usize::from(area.width).saturating_sub(width(&label));
            let (_, most) = self.last(room);
            let scale = |max| format!(" max {}", (self.show)(max));
            let columns = room.saturating_sub(width(&scale(most)).max(SCALE));
            let (values, max) = self.last(columns);
            let scale = scale(max);
            let columns = u16::try_from(columns).unwrap_or(u16::MAX);
            let [name, bars, rest] = Layout::horizontal([
                Constraint::Length(u16::try_from(width(&label)).unwrap_or(u16::MAX)),
                Constraint::Length(columns),
                Constraint::Fill(1),
            ])
            .areas(area);
            frame.render_widget(Line::from(label), name);
            self.draw_bars(frame, &values, max, bars);
            frame.render_widget(Line::from(scale), rest);
            return;
        }
        let [title, bars] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        let (values, max) = self.last(usize::from(bars.width).saturating_sub(2));
        let what = match self.name {
            "finished" => "tasks completed or failed",
            _ => "time from ready to claimed, on average",
        };
        let (per, most) = (step.as_str(), (self.show)(max));
        let text = format!(" {what}, per {per}, at most {most}");
        let columns = usize::from(title.width);
        frame.render_widget(Line::from(left(&cut(&text, columns), columns)), title);
        let bars = Rect { x: bars.x + 1, width: bars.width.saturating_sub(2), ..bars };
        self.draw_bars(frame, &values, max, bars);
    }

    fn last(&self, columns: usize) -> (Vec<u64>, u64) {
        let values = self.values[self.values.len().saturating_sub(columns)..].to_vec();
        let max = values.iter().copied().max().unwrap_or_default();
        (values, max)
    }

    fn draw_bars(&self, frame: &mut Frame, values: &[u64], max: u64, area: Rect) {
        // Little is still something: no bar is too low to be seen.
        let least = max.div_ceil(8 * u64::from(area.height.max(1)));
        let seen = values.iter().map(|value| if *value == 0 { 0 } else { (*value).max(least) });
        let seen: Vec<u64> = seen.collect();
        let bars = Sparkline::default().data(seen).max(max.max(1)).style(self.style);
        frame.render_widget(bars, area);
    }
}
