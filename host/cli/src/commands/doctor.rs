//! `doctor`: what is wrong with a board.

use anyhow::Result;
use serde::Serialize;
use taskhost::{Finding, Report, Severity};

use crate::context::Context;
use crate::exit::Code;
use crate::output::line;

const EXAMPLES: &str = "\
Example:

  taskhost doctor --json

The exit code is 9 if something is wrong. Nothing is changed: what can be mended without a loss mends itself when \
the board is opened.";

/// Look at every part of the board and say what is wrong with it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

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

pub fn exec(context: &Context, _: &Args) -> Result<Code> {
    let report = taskhost::examine(&context.board, &context.open_options())?;
    let answer = answer(&report);
    context.output.answer(&answer, |out| write(out, &answer))?;
    Ok(if answer.clean { Code::Done } else { Code::Damaged })
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
