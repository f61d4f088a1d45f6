//! `show`: everything about one task.

use anyhow::Result;
use serde::Serialize;
use taskhost::TaskId;

use super::standing::Standing;
use super::task_text;
use crate::context::Context;
use crate::exit::Code;
use crate::output::line;

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
    task: Standing,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let answer = Answer { task: Standing::from(&context.open()?.task(&args.id)?) };
    context.output.answer(&answer, |out| {
        task_text::write(out, &answer.task.task);
        if let Some(readiness) = answer.task.readiness {
            let more = answer.task.waits_for.iter().chain(&answer.task.ready_at);
            let more: Vec<&str> = more.map(String::as_str).collect();
            line(
                out,
                format_args!("readiness    {readiness} {}", more.join(" ")).to_string().trim_end(),
            );
        }
    })?;
    Ok(Code::Done)
}
