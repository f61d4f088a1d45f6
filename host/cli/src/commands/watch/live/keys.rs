//! What a key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::{Front, Model, Pane};

/// The longest text that is looked for.
const FILTER_CHARS_MAX: usize = 60;

/// What the view does after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Goes on.
    Stay,
    /// Goes on, on a screen that is drawn anew.
    Redraw,
    /// Stops until the shell has it go on.
    Suspend,
    /// Ends.
    Quit,
}

/// Every key, and what it does, for the help.
pub const HELP: [(&str, &str); 12] = [
    ("↑ ↓  k j", "move to the row above or below"),
    ("PgUp PgDn", "move by a page"),
    ("Home End  g G", "move to the first or last row"),
    ("Tab  ← →  h l", "go to the next pane, or the one before"),
    ("1 … 5", "go to a pane: ready, held, waiting, parked, events"),
    ("Enter", "open the task: all that is known of it, and why it can't be claimed"),
    ("Esc", "go back; on the board, drop the filter"),
    ("/", "show only what this text stands in: id, type, label, need, agent, reason"),
    ("t", "let a bar of the charts be 10 s, 1 min or 10 min"),
    ("Ctrl-L", "draw the screen anew"),
    ("?", "show or leave this help"),
    ("q  Ctrl-C", "quit"),
];

/// Does what this key stands for.
pub fn press(model: &mut Model, key: KeyEvent) -> Next {
    if key.kind == KeyEventKind::Release {
        return Next::Stay;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Next::Quit,
            KeyCode::Char('l') => Next::Redraw,
            KeyCode::Char('z') => Next::Suspend,
            _ => Next::Stay,
        };
    }
    if model.is_typing {
        typed(model, key.code);
        return Next::Stay;
    }
    match key.code {
        KeyCode::Char('q') => return Next::Quit,
        KeyCode::Char('?') | KeyCode::F(1) => model.is_help = !model.is_help,
        KeyCode::Esc | KeyCode::Enter if model.is_help => model.is_help = false,
        _ if model.is_help => {}
        code => match &mut model.front {
            Front::Board => on_board(model, code),
            Front::Task(_) if matches!(code, KeyCode::Esc | KeyCode::Backspace) => {
                model.front = Front::Board;
            }
            Front::Task(task) => {
                if let Some(lines) = moved(code, model.page) {
                    task.scroll = task.scroll.saturating_add_signed(lines);
                }
            }
        },
    }
    Next::Stay
}

fn typed(model: &mut Model, code: KeyCode) {
    let mut filter = model.filter.clone();
    match code {
        KeyCode::Enter => return model.is_typing = false,
        KeyCode::Esc => {
            filter.clear();
            model.is_typing = false;
        }
        KeyCode::Backspace if filter.pop().is_none() => return model.is_typing = false,
        KeyCode::Backspace => {}
        KeyCode::Char(c) if filter.chars().count() < FILTER_CHARS_MAX && !c.is_control() => {
            filter.push(c);
        }
        _ => return,
    }
    model.seek(filter);
}

fn on_board(model: &mut Model, code: KeyCode) {
    if let Some(rows) = moved(code, model.page) {
        return model.step_by(rows);
    }
    match code {
        KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => model.pane = model.pane.further(1),
        KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => {
            model.pane = model.pane.further(-1);
        }
        KeyCode::Char(digit @ '1'..='5') => {
            model.pane = Pane::ALL[usize::from(digit as u8 - b'1')];
        }
        KeyCode::Char('/') => model.is_typing = true,
        KeyCode::Char('t') => model.step = model.step.next(),
        KeyCode::Esc if !model.filter.is_empty() => model.seek(String::new()),
        KeyCode::Enter => {
            if let Some(id) = model.selected() {
                model.open(id);
            }
        }
        _ => {}
    }
}

/// How many rows this key moves by.
fn moved(code: KeyCode, page: usize) -> Option<isize> {
    let page = page.max(1).cast_signed();
    Some(match code {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -page,
        KeyCode::PageDown | KeyCode::Char(' ') => page,
        // Far beyond any list, and not so far that adding to it overflows.
        KeyCode::Home | KeyCode::Char('g') => -(isize::MAX / 2),
        KeyCode::End | KeyCode::Char('G') => isize::MAX / 2,
        _ => return None,
    })
}
