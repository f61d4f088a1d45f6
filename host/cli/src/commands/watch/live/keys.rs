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
    ("1 … 5", "go to a pane: the number stands in its title"),
    ("Enter", "open the task: all that is known, and why it can't be claimed"),
    ("Esc", "go back; on the board, drop the filter"),
    ("/", "show only what has this text in its id, type, label, agent, …"),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use taskhost::Status;
    use taskhost_answers::sample;

    use super::*;
    use crate::commands::watch::live::feed::Update;
    use crate::commands::watch::live::reader::{Picture, Rows};
    use crate::commands::watch::live::rows::{List, Shelves, Sought};

    /// A picture with these tasks held, the longest held first.
    fn picture(ids: &[&str]) -> Update {
        let mut shelves = Shelves::default();
        for (born, id) in ids.iter().enumerate() {
            let id = taskhost::TaskId::new(*id).unwrap();
            let (born, status) = (born as u64, Status::InProgress);
            shelves.put(&taskhost::Task { id, born, status, ..sample::task() });
        }
        let mut picture = Picture::default();
        let (rows, has_more) = shelves.rows(List::Held);
        picture.lists[List::Held as usize] = Rows { rows, has_more };
        Update::Picture(Box::new(picture))
    }

    fn model(ids: &[&str]) -> Model {
        let mut model = Model::new("b".into());
        model.take(picture(ids)).unwrap();
        model.pane = Pane::Held;
        model
    }

    fn key(model: &mut Model, code: KeyCode) -> Next {
        press(model, KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn type_in(model: &mut Model, text: &str) {
        for c in text.chars() {
            assert_eq!(key(model, KeyCode::Char(c)), Next::Stay);
        }
    }

    fn selected(model: &Model) -> Option<String> {
        model.selected().map(|id| id.to_string())
    }

    #[test]
    fn cursor_moves_within_the_list_and_stays_on_its_task() {
        let mut model = model(&["a", "b", "c", "d"]);
        assert_eq!(selected(&model).as_deref(), Some("a"));
        key(&mut model, KeyCode::Up);
        assert_eq!(selected(&model).as_deref(), Some("a"));
        type_in(&mut model, "jj");
        assert_eq!(selected(&model).as_deref(), Some("c"));
        // What stood above it is done: the cursor goes with its task.
        model.take(picture(&["b", "c", "d"])).unwrap();
        assert_eq!(selected(&model).as_deref(), Some("c"));
        // Its task is done: it stands on what came into its place.
        model.take(picture(&["b", "d"])).unwrap();
        assert_eq!(selected(&model).as_deref(), Some("d"));
        model.take(picture(&[])).unwrap();
        assert_eq!(selected(&model), None);
        key(&mut model, KeyCode::End);
        key(&mut model, KeyCode::Enter);
        assert_eq!(model.front, Front::Board, "nothing can be opened where nothing is");
    }

    #[test]
    fn cursor_at_the_top_stays_there() {
        let mut model = model(&["b", "c"]);
        model.take(picture(&["a", "b", "c"])).unwrap();
        assert_eq!(selected(&model).as_deref(), Some("a"));
        type_in(&mut model, "Gg");
        assert_eq!(selected(&model).as_deref(), Some("a"));
        type_in(&mut model, "G");
        assert_eq!(selected(&model).as_deref(), Some("c"));
    }

    #[test]
    fn panes_follow_each_other_round() {
        let mut model = model(&[]);
        let panes = |model: &mut Model, code| {
            (0..5).map(|_| (key(model, code), model.pane).1).collect::<Vec<_>>()
        };
        let forward = panes(&mut model, KeyCode::Tab);
        assert_eq!(forward, [2, 3, 4, 0, 1].map(|n| Pane::ALL[n]));
        let backward = panes(&mut model, KeyCode::BackTab);
        assert_eq!(backward, [0, 4, 3, 2, 1].map(|n| Pane::ALL[n]));
        type_in(&mut model, "5");
        assert_eq!(model.pane, Pane::Events);
    }

    #[test]
    fn filter_is_typed_kept_and_dropped() {
        let mut model = model(&["a"]);
        type_in(&mut model, "/qux?");
        key(&mut model, KeyCode::Backspace);
        assert_eq!((model.filter.as_str(), model.is_typing), ("qux", true), "no key has its use");
        assert_eq!(model.wish().sought, Sought::new("QUX"));
        key(&mut model, KeyCode::Enter);
        assert_eq!((model.filter.as_str(), model.is_typing), ("qux", false));
        key(&mut model, KeyCode::Esc);
        assert!(model.wish().sought.is_everything());
        type_in(&mut model, &format!("/{}", "x".repeat(1_000)));
        assert_eq!(model.filter.len(), FILTER_CHARS_MAX);
        key(&mut model, KeyCode::Esc);
        assert_eq!((model.filter.as_str(), model.is_typing), ("", false));
    }

    #[test]
    fn task_is_opened_and_left_with_the_help_before_it() {
        let mut model = model(&["a", "b"]);
        type_in(&mut model, "j");
        key(&mut model, KeyCode::Enter);
        assert_eq!(model.wish().open.map(|id| id.to_string()).as_deref(), Some("b"));
        type_in(&mut model, "?");
        assert!(model.is_help);
        key(&mut model, KeyCode::Esc);
        assert!(!model.is_help && model.wish().open.is_some());
        type_in(&mut model, "jjk");
        assert!(matches!(&model.front, Front::Task(task) if task.scroll == 1));
        // What is read of another task, which was open before, isn't taken for this one's.
        let other = taskhost::TaskId::new("a").unwrap();
        model.take(Update::Opened(other, Box::default())).unwrap();
        assert!(matches!(&model.front, Front::Task(task) if task.known.is_none()));
        key(&mut model, KeyCode::Esc);
        assert_eq!((model.wish().open, selected(&model).as_deref()), (None, Some("b")));
    }

    #[test]
    fn view_ends_by_q_and_by_ctrl_c_wherever_one_is() {
        let ctrl = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        let mut model = model(&["a"]);
        assert_eq!(key(&mut model, KeyCode::Char('q')), Next::Quit);
        assert_eq!(press(&mut model, ctrl('l')), Next::Redraw);
        assert_eq!(press(&mut model, ctrl('z')), Next::Suspend);
        type_in(&mut model, "/");
        assert_eq!(press(&mut model, ctrl('c')), Next::Quit);
        key(&mut model, KeyCode::Esc);
        key(&mut model, KeyCode::Enter);
        assert_eq!(key(&mut model, KeyCode::Char('q')), Next::Quit);
        type_in(&mut model, "?");
        assert_eq!(key(&mut model, KeyCode::Char('q')), Next::Quit);
    }

    #[test]
    fn event_opens_its_task() {
        let mut model = model(&[]);
        let id = sample::task().id;
        let event = crate::commands::watch::live::reader::Happened {
            place: (1, 0),
            time: String::new(),
            who: String::new(),
            what: "claimed".into(),
            task: Some(id.clone()),
            more: String::new(),
        };
        let picture = Picture { events: vec![Arc::new(event)], ..Picture::default() };
        model.take(Update::Picture(Box::new(picture))).unwrap();
        type_in(&mut model, "5");
        key(&mut model, KeyCode::Enter);
        assert_eq!(model.wish().open, Some(id));
    }
}
