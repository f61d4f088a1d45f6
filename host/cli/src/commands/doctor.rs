//! `doctor`: what is wrong with a board, and mending it.

use anyhow::Result;
use serde::Serialize;
use taskhost::{Finding, Repaired, Report, Severity};

use crate::context::Context;
use crate::exit::Code;
use crate::output::line;

const EXAMPLES: &str = "\
Example:

  taskhost doctor --json

Example: make a damaged board usable again; what was damaged is kept in its `history/`

  taskhost doctor --repair

The exit code is 9 if something is wrong, or is still wrong. Without `--repair` nothing is changed. With it nothing is \
deleted or overwritten, and where something that was acknowledged would be lost, nothing is changed either until you \
say `--lossy` too: then see first whether there is a copy to restore.";

/// Look at every part of the board and say what is wrong with it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Repair what is damaged, setting it aside
    #[arg(long)]
    repair: bool,
    /// With `--repair`: even if something that was acknowledged is lost
    #[arg(long, requires = "repair")]
    lossy: bool,
}

/// What a repair did. With `needs_lossy` nothing was changed, and `lost` is what would be.
#[derive(Serialize)]
struct Mended {
    done: Vec<String>,
    set_aside: Vec<String>,
    lost: Option<Lost>,
    needs_lossy: bool,
    left: Vec<String>,
}

#[derive(Serialize)]
struct Lost {
    first_entry: Option<u64>,
    last_entry: Option<u64>,
    readable_lines: u64,
    unreadable_lines: u64,
    tasks: Vec<String>,
    notes: Vec<String>,
    summary: String,
}

#[derive(Serialize)]
struct Answer {
    clean: bool,
    tasks: Option<u64>,
    entries: Option<u64>,
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    severity: &'static str,
    place: String,
    what: String,
    next: String,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    if args.repair {
        return repair(context, args.lossy);
    }
    let report = taskhost::examine(&context.board, &context.open_options())?;
    let answer = answer(&report);
    context.output.answer(&answer, |out| write(out, &answer))?;
    Ok(if answer.clean { Code::Done } else { Code::Damaged })
}

fn repair(context: &Context, lossy: bool) -> Result<Code> {
    let mended = mended(taskhost::repair(&context.board, lossy, &context.open_options())?);
    context.output.answer(&mended, |out| write_mended(out, &mended))?;
    let is_well = !mended.needs_lossy && mended.left.is_empty();
    Ok(if is_well { Code::Done } else { Code::Damaged })
}

fn mended(repaired: Repaired) -> Mended {
    let lost = (!repaired.lost.is_nothing()).then(|| Lost {
        first_entry: repaired.lost.entries.map(|(first, _)| first.0),
        last_entry: repaired.lost.entries.map(|(_, last)| last.0),
        readable_lines: repaired.lost.readable,
        unreadable_lines: repaired.lost.unreadable,
        tasks: repaired.lost.tasks.iter().map(ToString::to_string).collect(),
        notes: repaired.lost.notes.clone(),
        summary: repaired.lost.to_string(),
    });
    let Repaired { done, set_aside, needs_lossy, left, .. } = repaired;
    Mended { done, set_aside, lost, needs_lossy, left }
}

fn write_mended(out: &mut String, mended: &Mended) {
    for done in &mended.done {
        line(out, done);
    }
    for path in &mended.set_aside {
        line(out, format_args!("kept: `{path}`"));
    }
    match &mended.lost {
        Some(lost) if mended.needs_lossy => {
            line(out, format_args!("would be lost: {}", lost.summary));
            line(
                out,
                "nothing was changed: restore the board from a copy, or accept the loss by `--lossy`",
            );
        }
        Some(lost) => line(out, format_args!("lost: {}", lost.summary)),
        None if mended.done.is_empty() && mended.left.is_empty() => {
            line(out, "there was nothing to repair");
        }
        None => {}
    }
    for left in &mended.left {
        line(out, format_args!("not repaired: {left}"));
    }
}

fn answer(report: &Report) -> Answer {
    Answer {
        clean: report.is_clean(),
        tasks: report.tasks,
        entries: report.entries,
        findings: report.findings.iter().map(found).collect(),
    }
}

fn found(finding: &Finding) -> Found {
    let severity = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Damage => "damage",
    };
    Found {
        severity,
        place: finding.place.clone(),
        what: finding.what.clone(),
        next: finding.next.clone(),
    }
}

fn write(out: &mut String, answer: &Answer) {
    for Found { severity, place, what, next } in &answer.findings {
        line(out, format_args!("{severity}: `{place}`: {what}; {next}"));
    }
    let count = |count: Option<u64>, what: &str| {
        count.map_or(format!("no {what} could be read"), |n| format!("{n} {what}"))
    };
    let read = format!(
        "{}, {}",
        count(answer.tasks, "tasks"),
        count(answer.entries, "entries of history")
    );
    line(
        out,
        format_args!(
            "{}: {read}",
            if answer.clean { "nothing is wrong" } else { "something is wrong" }
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_says_how_bad_it_is_and_what_to_do() {
        let finding = Finding {
            severity: Severity::Damage,
            place: "journal-1.jsonl".into(),
            what: "line 3 is damaged".into(),
            next: "restore it".into(),
        };
        let answer = answer(&Report { findings: vec![finding], tasks: Some(2), entries: None });
        assert_eq!(
            crate::output::json(&answer).unwrap(),
            r#"{"schema":1,"clean":false,"tasks":2,"entries":null,"findings":[{"severity":"damage","place":"journal-1.jsonl","what":"line 3 is damaged","next":"restore it"}]}"#
        );
    }
}
