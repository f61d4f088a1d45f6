//! How the view looks: from what is shown to a frame, and nothing besides.
//!
//! `board`: the whole board; `task`: one task; `help`: the keys. Meaning never lies in a colour alone, and the colours are
//! those of the terminal that can be read on a light as on a dark ground.

mod board;
mod charts;
mod palette;
mod task;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};
use taskhost::{Millis, wire};

pub use self::palette::Palette;

use super::keys::HELP;
use super::model::{Front, Model};
use super::text::{cut, left, width};

/// The smallest screen on which everything has its place.
const COLUMNS_MIN: u16 = 60;
const ROWS_MIN: u16 = 16;

/// Makes what depends on the screen's size fit: how long a page is, and how far one can scroll.
pub fn fit(model: &mut Model, area: Rect) {
    let page = match &model.front {
        Front::Board => board::page(model, area),
        Front::Task(_) => task::rows(area),
    };
    model.page = page.max(1);
    if let Front::Task(open) = &mut model.front {
        let lines = task::lines(open, area, Palette::plain()).len();
        open.scroll = open.scroll.min(lines.saturating_sub(page));
    }
}

/// Draws what is shown.
pub fn draw(frame: &mut Frame, model: &Model, now: Millis, palette: Palette) {
    let area = frame.area();
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        let (columns, rows) = (area.width, area.height);
        let text = format!(
            "The terminal has {columns} columns and {rows} rows; this needs {COLUMNS_MIN} and \
             {ROWS_MIN}. q quits."
        );
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)])
            .areas(area);
    draw_head(frame, model, now, head);
    if model.is_help {
        draw_help(frame, body);
    } else {
        match &model.front {
            Front::Board => board::draw(frame, model, now, palette, body),
            Front::Task(open) => task::draw(frame, open, palette, body),
        }
    }
    draw_foot(frame, model, foot);
}

fn draw_head(frame: &mut Frame, model: &Model, now: Millis, area: Rect) {
    let columns = usize::from(area.width);
    let clock = format!("{} UTC ", clock(now));
    let title = format!(" taskhost  {}", model.board);
    let title = left(&title, columns.saturating_sub(width(&clock)));
    frame.render_widget(Line::styled(title + &clock, Modifier::BOLD), area);
}

/// The time of day, as in `12:03:04`.
fn clock(at: Millis) -> String {
    wire::time(at).get(11..19).unwrap_or_default().to_owned()
}

fn draw_foot(frame: &mut Frame, model: &Model, area: Rect) {
    let keys = match (&model.front, model.is_help) {
        (_, true) => "Esc back  q quit".into(),
        (Front::Task(_), _) => "Esc back  ↑↓ move  ? help  q quit".into(),
        (Front::Board, _) if model.is_typing => {
            let text = format!("filter: {}▏ Enter keep  Esc drop", model.filter);
            frame.render_widget(Line::from(format!(" {text}")), area);
            return;
        }
        (Front::Board, _) if !model.filter.is_empty() => {
            let is_found = model.picture.as_ref().is_some_and(|p| p.sought == model.wish().sought);
            let state = if is_found { "" } else { " (looking)" };
            format!("filter: {}{state}  Esc drop it  Enter open  ? help  q quit", model.filter)
        }
        (Front::Board, _) => {
            format!(
                "q quit  Tab pane  ↑↓ move  Enter open  / filter  t bars of {}  ? help",
                model.step.as_str()
            )
        }
    };
    let text = cut(&format!(" {keys}"), usize::from(area.width));
    frame.render_widget(Line::from(text), area);
}

fn draw_help(frame: &mut Frame, area: Rect) {
    let keys = HELP.iter().map(|(key, what)| {
        let text = format!(" {}  {what}", left(key, 13));
        Line::from(cut(&text, usize::from(area.width)))
    });
    let block = rule(Line::styled(" Keys ", Modifier::BOLD));
    frame.render_widget(Paragraph::new(keys.collect::<Vec<_>>()).block(block), area);
}

/// A line above something, with its title in it.
fn rule(title: Line<'static>) -> Block<'static> {
    let mut spans = vec![Span::raw("─")];
    spans.extend(title.spans.into_iter().map(|span| span.patch_style(title.style)));
    Block::new().borders(Borders::TOP).title(Line::from(spans))
}
