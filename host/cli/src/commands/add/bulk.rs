//! `add --from`: many tasks, in bounded batches or all at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use taskhost::domain::Error as BoardError;
use taskhost::{Board, NewTask, TaskId};

use super::lines::{Line, Lines};
use crate::context::Context;
use crate::exit::{Code, LineFailed, Usage};
use crate::output::{Output, line};

/// How many lines one transaction adds.
const BATCH: usize = 500;
/// How many lines `--atomic` takes.
const ATOMIC_MAX: usize = 10_000;

/// `total` counts the lines; `repeated` those that the same key had added before.
#[derive(Debug, Default, Serialize)]
struct Answer {
    added: usize,
    repeated: usize,
    total: usize,
}

pub fn exec(context: &Context, from: &Path, atomic: bool, key: Option<&str>) -> Result<Code> {
    let board = context.open()?;
    let bar = bar(context, from);
    let mut lines = Lines::new(open(from, &bar)?);
    let mut next = || -> Result<Option<Line>> {
        let line = lines.next()?;
        Ok(line.map(|line| keyed(line, key)))
    };
    let answer = if atomic {
        add_atomically(&board, &mut next)
    } else {
        add_in_order(&board, &mut next, &bar)
    };
    bar.finish_and_clear();
    let answer = answer?;
    context.output.answer(&answer, |out| {
        let before = match answer.repeated {
            0 => String::new(),
            n => format!(", {n} had been added before"),
        };
        line(out, format_args!("added {} of {}{before}", answer.added, answer.total));
    })?;
    Ok(Code::Done)
}

/// How far the file was read, for whoever watches at a terminal. How long standard input is nobody knows.
fn bar(context: &Context, from: &Path) -> ProgressBar {
    let length = std::fs::metadata(from).map(|file| file.len()).unwrap_or_default();
    if context.output == Output::Json {
        return ProgressBar::hidden();
    }
    let template = match length {
        0 => "{spinner} {msg}",
        _ => "[{bar:40}] {percent}% {msg}, {eta} left",
    };
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn open(from: &Path, bar: &ProgressBar) -> Result<Box<dyn BufRead>> {
    if from == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(from)
        .map_err(|error| Usage(format!("`{}` can't be read: {error}", from.display())))?;
    Ok(Box::new(BufReader::new(bar.wrap_read(file))))
}

fn keyed(mut line: Line, key: Option<&str>) -> Line {
    if let (None, Some(key)) = (&line.task.key, key) {
        line.task.key = Some(format!("{key}:{}", line.number));
    }
    line
}

fn add_atomically(board: &Board, next: &mut dyn FnMut() -> Result<Option<Line>>) -> Result<Answer> {
    let mut lines = Vec::new();
    while let Some(line) = next()? {
        lines.push(line);
        if lines.len() > ATOMIC_MAX {
            return Err(Usage(format!(
                "there are more than {ATOMIC_MAX} lines, which is as many as `--atomic` takes: leave it out"
            ))
            .into());
        }
    }
    let mut answer = Answer::default();
    match add(board, &lines) {
        Ok(added) => answer.count(added),
        Err(error) => return Err(blame(&lines, 0, error)),
    }
    Ok(answer)
}

fn add_in_order(
    board: &Board,
    next: &mut dyn FnMut() -> Result<Option<Line>>,
    bar: &ProgressBar,
) -> Result<Answer> {
    let mut answer = Answer::default();
    loop {
        let mut lines = Vec::new();
        let mut wrong = None;
        while lines.len() < BATCH {
            match next() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => break,
                Err(error) => {
                    wrong = Some(error);
                    break;
                }
            }
        }
        let ended = lines.len() < BATCH;
        add_batch(board, &lines, &mut answer)?;
        bar.set_message(format!("{} added", answer.added));
        if let Some(error) = wrong {
            return Err(after(answer.added, error));
        }
        if ended {
            return Ok(answer);
        }
    }
}

/// Adds a batch; if that can't be done, the lines before the wrong one, which the error names.
fn add_batch(board: &Board, lines: &[Line], answer: &mut Answer) -> Result<()> {
    let upto = first_that_names_a_later_one(lines);
    let (lines, wrong) = match upto {
        Some((index, error)) => (&lines[..index], Some(error)),
        None => (lines, None),
    };
    match add(board, lines) {
        Ok(added) => answer.count(added),
        // Which line it was is found by adding them one by one, which also leaves those before it added.
        Err(error) if is_about_a_line(&error) => {
            for line in lines {
                match add(board, std::slice::from_ref(line)) {
                    Ok(added) => answer.count(added),
                    Err(error) => {
                        return Err(LineFailed {
                            line: line.number,
                            added: answer.added,
                            why: error.into(),
                        }
                        .into());
                    }
                }
            }
        }
        Err(error) => return Err(after(answer.added, error.into())),
    }
    match wrong {
        Some(error) => Err(after(answer.added, error)),
        None => Ok(()),
    }
}

/// In order means that what a line names is there already; within a batch the board itself doesn't mind.
fn first_that_names_a_later_one(lines: &[Line]) -> Option<(usize, anyhow::Error)> {
    let places: BTreeMap<&TaskId, usize> =
        lines.iter().filter_map(|line| Some((line.task.id.as_ref()?, line.number))).collect();
    lines.iter().enumerate().find_map(|(index, line)| {
        let named = names(&line.task)
            .find(|id| places.get(id).is_some_and(|number| *number > line.number))?;
        let why = Usage(format!(
            "it names `{named}`, which comes only in line {}: put that first, or use `--atomic`",
            places[named]
        ));
        Some((index, LineFailed { line: line.number, added: 0, why: why.into() }.into()))
    })
}

fn names(task: &NewTask) -> impl Iterator<Item = &TaskId> {
    task.parent.iter().chain(&task.after)
}

/// Adds all of these lines or none; says how many were new, and how many there are.
fn add(board: &Board, lines: &[Line]) -> Result<(usize, usize), taskhost::Error> {
    if lines.is_empty() {
        return Ok((0, 0));
    }
    let tasks: Vec<NewTask> = lines.iter().map(|line| line.task.clone()).collect();
    let outcomes = board.add(&tasks)?;
    Ok((outcomes.iter().filter(|outcome| !outcome.repeated).count(), outcomes.len()))
}

/// Whether the error is some line's fault, not the board's.
fn is_about_a_line(error: &taskhost::Error) -> bool {
    matches!(
        error,
        taskhost::Error::Board(
            BoardError::NoSuchTask(_)
                | BoardError::Transition { .. }
                | BoardError::Graph(_)
                | BoardError::KeyReused(_)
                | BoardError::Invalid(_)
                | BoardError::Refused(_)
        )
    )
}

/// Says which line it was, where the error tells.
fn blame(lines: &[Line], added: usize, error: taskhost::Error) -> anyhow::Error {
    let found = match &error {
        taskhost::Error::Board(BoardError::NoSuchTask(id)) => {
            lines.iter().find(|line| names(&line.task).any(|named| named == id))
        }
        taskhost::Error::Board(BoardError::Transition { id, .. }) => {
            lines.iter().find(|line| line.task.id.as_ref() == Some(id))
        }
        taskhost::Error::Board(BoardError::KeyReused(key)) => {
            lines.iter().find(|line| line.task.key.as_ref() == Some(key))
        }
        _ => None,
    };
    match found {
        Some(line) => LineFailed { line: line.number, added, why: error.into() }.into(),
        None => error.into(),
    }
}

/// The error of a line, with how many were added before it.
fn after(added: usize, error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<LineFailed>() {
        Ok(failed) => LineFailed { added, ..failed }.into(),
        Err(error) if added == 0 => error,
        Err(error) => error.context(format!("{added} tasks were added, then it went wrong")),
    }
}

impl Answer {
    fn count(&mut self, (new, all): (usize, usize)) {
        self.added += new;
        self.repeated += all - new;
        self.total += all;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        let mut lines = Lines::new(text.as_bytes());
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn line_may_name_only_earlier_lines() {
        let in_order = lines("{\"type\":\"t\",\"id\":\"a\"}\n{\"type\":\"t\",\"parent\":\"a\"}");
        assert!(first_that_names_a_later_one(&in_order).is_none());
        let backwards = lines("{\"type\":\"t\",\"after\":[\"a\"]}\n{\"type\":\"t\",\"id\":\"a\"}");
        let (index, error) = first_that_names_a_later_one(&backwards).unwrap();
        assert_eq!(index, 0);
        assert!(error.to_string().starts_with("line 1: it names `a`, which comes only in line 2"));
    }

    #[test]
    fn lines_without_a_key_get_one_of_their_own() {
        let line = keyed(lines("{\"type\":\"t\"}").remove(0), Some("import"));
        assert_eq!(line.task.key.as_deref(), Some("import:1"));
        let line = keyed(lines("{\"type\":\"t\",\"key\":\"k\"}").remove(0), Some("import"));
        assert_eq!(line.task.key.as_deref(), Some("k"));
    }

    #[test]
    fn bulk_answer_says_added_and_total() {
        let json = crate::output::json(&Answer { added: 2, repeated: 1, total: 3 }).unwrap();
        assert_eq!(json, r#"{"schema":1,"added":2,"repeated":1,"total":3}"#);
    }
}
