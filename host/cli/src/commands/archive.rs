//! `archive`: finished families are taken off the board.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use taskhost::domain::Error as BoardError;
use taskhost::{Action, Board, ChangeRequest, Error, ListQuery, Status, TaskId};

use super::changing::{Answer, Asked};
use crate::context::Context;
use crate::exit::{self, Code, Problem};
use crate::output::{counted, hanging, line};
use crate::parse;

/// How many families are read at a time. Each time costs a look at the whole board.
const PAGE: usize = 10_000;

const EXAMPLES: &str = "\
Example: a task and everything below it, all of which has ended

  taskhost archive build_1a2b3c4d

Example: whatever ended a week ago or earlier

  taskhost archive --finished --older-than 7d

Archived tasks are off the board, and their ids free; the history keeps them as long as it is kept. Their large values, \
and what `run`'s commands printed, stay under their ids: `taskhost context` shows both, and `context remove` takes values \
away. A family of which \
something is still open, or that others still need, stays. A dry run looks at each family as if it were the only one.";

/// Take finished tasks, and everything below them, off the board
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The tasks
    #[arg(value_name = "ID", required_unless_present = "finished")]
    ids: Vec<TaskId>,
    /// All of these tasks, or none of them
    #[arg(long, conflicts_with = "finished")]
    all_or_nothing: bool,
    /// Every task without a parent that has ended, with everything below it
    #[arg(long, conflicts_with = "ids")]
    finished: bool,
    /// With `--finished`: only what ended at least this long ago
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, conflicts_with = "ids")]
    older_than: Option<Duration>,
    /// With `--finished`: at most so many families, the oldest
    #[arg(long, value_name = "N", conflicts_with = "ids", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    asked: Asked,
}

/// `archived` are the families' roots, `total` is how many tasks there were in all of them.
#[derive(Default, Serialize)]
struct Swept {
    archived: Vec<String>,
    total: usize,
    skipped: Vec<Skipped>,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Serialize)]
struct Skipped {
    id: String,
    error: Problem,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let board = context.open()?;
    if args.finished {
        return sweep(context, &board, &args);
    }
    let request = ChangeRequest {
        ids: args.ids,
        action: Action::Archive,
        by: args.asked.by,
        together: args.all_or_nothing,
        dry_run: args.asked.dry_run,
    };
    let changed = board.change(&request)?;
    Answer::new(&board, &request, &changed).give(context)
}

fn sweep(context: &Context, board: &Board, args: &Args) -> Result<Code> {
    let mut swept = Swept { dry_run: args.asked.dry_run, ..Swept::default() };
    let families = candidates(board, args.older_than.unwrap_or_default())?;
    let mut kept = swept.archive_each(board, args, families);
    if !swept.dry_run && !swept.archived.is_empty() {
        // What was needed only by something younger that is gone now can go too, the youngest first.
        let again = kept.into_iter().rev().map(|(id, _)| id).collect();
        kept = swept.archive_each(board, args, again);
        kept.reverse();
    }
    let skipped = kept.into_iter().map(|(id, error)| Skipped { id: id.to_string(), error });
    swept.skipped = skipped.collect();
    context.output.answer(&swept, |out| swept.write(out))?;
    Ok(swept.end(context))
}

/// The roots of families that may be archived, oldest first.
fn candidates(board: &Board, older_than: Duration) -> Result<Vec<TaskId>> {
    let until_ms = u128::from(board.now().0).saturating_sub(older_than.as_millis());
    let mut query = ListQuery {
        roots: true,
        statuses: vec![Status::Completed, Status::Failed, Status::Cancelled],
        limit: PAGE,
        ..ListQuery::default()
    };
    let mut found = Vec::new();
    loop {
        let page = board.list(&query)?;
        let old = |ended: taskhost::Millis| u128::from(ended.0) <= until_ms;
        let ended = page.tasks.into_iter().filter(|task| task.completed_at.is_some_and(old));
        found.extend(ended.map(|task| task.id));
        match page.next {
            Some(next) => query.past = Some(next),
            None => return Ok(found),
        }
    }
}

impl Swept {
    /// Archives these families as far as the limit allows; gives back those that stay, with the reason. What goes
    /// wrong with the board itself ends it, and is the answer's error: what was archived before is to be told too.
    fn archive_each(
        &mut self,
        board: &Board,
        args: &Args,
        families: Vec<TaskId>,
    ) -> Vec<(TaskId, Problem)> {
        let limit = usize::try_from(args.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let mut kept = Vec::new();
        for id in families {
            if self.archived.len() >= limit || self.error.is_some() {
                break;
            }
            match self.archive(board, args, &id) {
                // Somebody else archived it meanwhile.
                Ok(()) | Err(Error::Board(BoardError::NoSuchTask(_))) => {}
                Err(error) => {
                    let stays = stays(&error);
                    let problem = exit::problem(&error.into());
                    if stays {
                        kept.push((id, problem));
                    } else {
                        self.error = Some(problem);
                    }
                }
            }
        }
        kept
    }

    fn archive(&mut self, board: &Board, args: &Args, id: &TaskId) -> Result<(), Error> {
        let changed = board.change(&ChangeRequest {
            ids: vec![id.clone()],
            action: Action::Archive,
            by: args.asked.by.clone(),
            // One family: what goes wrong is the error.
            together: true,
            dry_run: args.asked.dry_run,
        })?;
        self.archived.push(id.to_string());
        self.total += changed.touched.iter().filter(|touched| touched.after.is_none()).count();
        Ok(())
    }

    fn write(&self, out: &mut String) {
        for id in &self.archived {
            line(out, format_args!("`{id}`: archived"));
        }
        let (families, tasks) = (self.archived.len(), self.total);
        let kept = self.skipped.len();
        let tasks = counted(tasks as u64, "task", "tasks");
        let families = counted(families as u64, "family", "families");
        line(out, format_args!("{tasks} of {families} archived, {kept} kept"));
    }

    fn end(&self, context: &Context) -> Code {
        for skipped in &self.skipped {
            context.output.hint(&format!("kept `{}`: {}", skipped.id, skipped.error.message));
        }
        if self.dry_run {
            context.output.hint("nothing was changed: this only says what would be");
        }
        let Some(error) = &self.error else { return Code::Done };
        context.output.hint(&hanging(&format!("taskhost: {}", error.message)));
        error.exit
    }
}

/// Whether it is this family that can't be archived yet, and not the board that is in the way.
fn stays(error: &Error) -> bool {
    let Error::Board(error) = error else { return false };
    matches!(error, BoardError::Transition { .. } | BoardError::Refused(_) | BoardError::Invalid(_))
}
