//! One task: its fields, why it can or can't be claimed, and what happened to it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::{Palette, rule};
use crate::commands::watch::live::model::OpenTask;
use crate::commands::watch::live::text::{cut_id, wrap};

/// The rows of a screen of this size that aren't for the task: head, rule and foot.
const OTHER_ROWS: u16 = 3;

/// How many of its lines a screen shows.
pub fn rows(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(OTHER_ROWS))
}

/// Draws what of the task is on the screen.
pub fn draw(frame: &mut Frame, open: &OpenTask, palette: Palette, area: Rect) {
    let lines = lines(open, area, palette);
    let rows = usize::from(area.height.saturating_sub(1));
    let (all, above) = (lines.len(), open.scroll.min(lines.len().saturating_sub(rows)));
    let shown: Vec<Line> = lines.into_iter().skip(above).take(rows).collect();
    let title = cut_id(open.id.as_str(), usize::from(area.width).saturating_sub(30));
    let mut block = rule(Line::styled(format!(" {title} "), Modifier::BOLD));
    if all > rows {
        let last = above + shown.len();
        block = block
            .title(Line::from(format!(" lines {}–{last} of {all} ", above + 1)).right_aligned());
    }
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

/// All of its lines, as wide as the screen.
pub fn lines(open: &OpenTask, area: Rect, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = Lines { columns: usize::from(area.width).saturating_sub(2), lines: Vec::new() };
    let Some(known) = &open.known else {
        lines.add("reading…", Style::new());
        return lines.lines;
    };
    for field in &known.fields {
        lines.add(field, Style::new());
    }
    lines.head("Can it be claimed?");
    for line in &known.why {
        lines.add(line, Style::new());
    }
    lines.head("What happened to it, the newest first");
    for event in open.history.values().rev() {
        let what = event.split_whitespace().nth(3).unwrap_or_default();
        lines.add(event, palette.event(what));
    }
    if !open.is_whole {
        lines.add("reading the history…", Style::new());
    } else if open.history.is_empty() {
        lines.add("nothing that is kept", Style::new());
    }
    lines.lines
}

struct Lines {
    columns: usize,
    lines: Vec<Line<'static>>,
}

impl Lines {
    fn head(&mut self, text: &str) {
        self.lines.push(Line::default());
        self.add(text, Style::new().add_modifier(Modifier::BOLD));
    }

    fn add(&mut self, text: &str, style: Style) {
        // What doesn't fit goes on below, set in further than where the line began.
        const INDENT: usize = 4;
        let (first, rest) = (wrap(text.trim_end(), self.columns), self.columns - INDENT);
        let first = &first[0];
        self.lines.push(Line::styled(format!(" {first}"), style));
        let behind = &text.trim_end()[first.len()..];
        let indent = " ".repeat(INDENT + text.len() - text.trim_start().len());
        let rest = rest.saturating_sub(indent.len() - INDENT).max(INDENT);
        for line in wrap(behind, rest).iter().filter(|line| !line.is_empty()) {
            self.lines.push(Line::styled(format!(" {indent}{line}"), style));
        }
    }
}
