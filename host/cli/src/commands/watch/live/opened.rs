//! A task that is opened: everything that is known of it, as lines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use taskhost::wire::WireTask;
use taskhost::{Board, Error, Sequence, TaskId};
use taskhost_answers::events::{self, Event, Holders};

use super::feed::{Extent, Update};
use crate::commands::{explain, task_text};
use crate::output::visible;

/// No more of what is known of a task is shown, nor more of what happened to it.
const TEXT_BYTES_MAX: usize = 64 << 10;
const EVENTS_MAX: usize = 500;

/// What happened to a task, a line each, by transaction and place in it.
pub type History = BTreeMap<(u64, usize), String>;

/// What is known of a task as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// Its fields.
    pub fields: Vec<String>,
    /// Why it can or can't be claimed.
    pub why: Vec<String>,
}

/// What is known of a task now, besides its history.
///
/// # Errors
///
/// If the board can't be read; that there is no such task is something to be shown.
pub fn read(board: &Board, id: &TaskId) -> Result<Opened, Error> {
    let (task, why) = match explain::in_words(board, id) {
        Ok((task, why)) => (task, why),
        Err(error) => {
            // A policy that fails, or a task that went: the view goes on, and says so.
            board.head()?;
            let why = lines(&error.to_string());
            let fields = match board.task(id) {
                Ok(task) => fields(&WireTask::from(&task)),
                Err(_) => Vec::new(),
            };
            return Ok(Opened { fields, why });
        }
    };
    Ok(Opened { fields: fields(&WireTask::from(&task)), why: lines(&why) })
}

fn fields(task: &WireTask) -> Vec<String> {
    let mut text = String::new();
    task_text::write(&mut text, task);
    lines(&text)
}

/// What others wrote as lines that steer nothing, and no more of it than anybody reads in a view.
fn lines(text: &str) -> Vec<String> {
    let short = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    let lines = visible(&short.replace('\t', " "));
    let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    if short.len() < text.len() {
        lines.push("… `taskhost show` has all of it".into());
    }
    lines
}

/// Reads everything that happened to a task, beside the view, because the history may be long. It ends when this is
/// dropped.
pub struct Reading(Arc<AtomicBool>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Reading {
    pub fn start(board: Board, id: TaskId, updates: Sender<Update>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = is_over.clone();
        thread::spawn(move || {
            let read = history(&board, &id, &stop);
            // Nobody is left to be told if the view has ended.
            let _ = match read {
                Ok(_) if stop.load(Ordering::Relaxed) => Ok(()),
                Ok(history) => updates.send(Update::History(id, history, Extent::Whole)),
                Err(error) => updates.send(Update::Failed(error)),
            };
        });
        Self(is_over)
    }
}

fn history(board: &Board, id: &TaskId, stop: &AtomicBool) -> Result<History, Error> {
    let (mut history, mut holders) = (History::new(), Holders::default());
    // From the beginning, because only the claims before tell whose claim an event ended.
    board.history(Sequence(0), |sequence, entry| {
        let events = events::of_entry(sequence, &entry, &mut holders);
        for (part, event) in events.iter().enumerate().filter(|(_, event)| event.is_about(id)) {
            history.insert((sequence.0, part), told(event));
            if history.len() > EVENTS_MAX {
                history.pop_first();
            }
        }
        !stop.load(Ordering::Relaxed)
    })?;
    Ok(history)
}

/// An event as a line.
pub fn told(event: &Event) -> String {
    lines(&event.to_string()).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_shown_in_part_if_it_is_long_and_steers_nothing() {
        let shown = lines(&format!("a\x1b[2J\n{}", "ä".repeat(TEXT_BYTES_MAX)));
        assert_eq!(shown[0], "a\\u{1b}[2J");
        assert!(shown[1].len() <= TEXT_BYTES_MAX);
        assert_eq!(shown[2], "… `taskhost show` has all of it");
    }
}
