//! `show`: everything about one task.

use anyhow::Result;
use serde::Serialize;
use taskhost::TaskId;
use taskhost::wire::WireTask;

use super::task_text;
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost show build_1a2b3c4d --json";

/// Show everything about one task
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The task
    id: TaskId,
}

#[derive(Serialize)]
struct Answer {
    task: WireTask,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let answer = Answer { task: WireTask::from(&context.open()?.task(&args.id)?) };
    context.output.answer(&answer, |out| task_text::write(out, &answer.task))?;
    Ok(Code::Done)
}
