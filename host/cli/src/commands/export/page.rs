//! `export --html`: the board and its history as one page.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use taskhost::{Board, ListQuery, Sequence};
use taskhost_answers::events::{self, Event, Holders};
use taskhost_page::{About, Gathered, Model, Told};

use crate::context::Context;
use crate::exit::Code;
use crate::output::{self, counted, line};

#[derive(Serialize)]
struct Answer {
    file: String,
    format: &'static str,
    tasks: usize,
    events: usize,
    bytes: usize,
}

pub fn exec(context: &Context, board: &Board, title: &str, file: &Path) -> Result<Code> {
    let model = model(board, title)?;
    let page = taskhost_page::html(&model).context("the board can't be written as JSON")?;
    if file == Path::new("-") {
        output::copy(&mut page.as_bytes())?;
        return Ok(Code::Done);
    }
    let shown = file.display();
    super::to_new_file(file, |out| {
        out.write_all(page.as_bytes()).with_context(|| format!("`{shown}` can't be written"))
    })?;
    let answer = Answer {
        file: shown.to_string(),
        format: "html",
        tasks: model.tasks(),
        events: model.events(),
        bytes: page.len(),
    };
    context.output.answer(&answer, |out| {
        let tasks = counted(answer.tasks as u64, "task", "tasks");
        let events = counted(answer.events as u64, "event", "events");
        line(out, format_args!("{tasks} and {events} are in `{shown}`"));
    })?;
    Ok(Code::Done)
}

/// The tasks at one instant, and the history up to it.
fn model(board: &Board, title: &str) -> Result<Model> {
    let view = board.view()?;
    let sequence = view.head()?.sequence;
    let every = ListQuery { limit: usize::MAX, ..ListQuery::default() };
    let mut gathered = Gathered::default();
    for task in view.list(&every)?.tasks {
        gathered.task(&task);
    }
    // Whoever reads the whole history mustn't keep others from making room in the index.
    drop(view);
    let mut holders = Holders::default();
    board.history(Sequence(0), |at, entry| {
        if at > sequence {
            return false;
        }
        let events = events::of_entry(at, &entry, &mut holders);
        let told: Vec<Told<'_>> = events.iter().map(told).collect();
        gathered.entry(at, &entry, &told);
        true
    })?;
    Ok(gathered.finish(&About { title, made_at: board.now(), sequence }))
}

fn told(event: &Event) -> Told<'_> {
    Told { agent: event.agent.as_deref(), holder: event.holder.as_deref(), details: &event.details }
}
