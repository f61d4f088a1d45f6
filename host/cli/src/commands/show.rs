//! `show`: everything about one task.

use anyhow::Result;
use taskhost::TaskId;
use taskhost_answers::Shown;

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

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let answer = Shown::from(&context.open()?.task(&args.id)?);
    context.output.answer(&answer, |out| {
        task_text::write(out, &answer.task);
        if let Some(readiness) = answer.readiness {
            let more = answer.waits_for.iter().chain(&answer.ready_at);
            let more: Vec<&str> = more.map(String::as_str).collect();
            line(
                out,
                format_args!("readiness    {readiness} {}", more.join(" ")).to_string().trim_end(),
            );
        }
    })?;
    Ok(Code::Done)
}
