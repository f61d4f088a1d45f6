//! `status`: the whole board at a glance.

use anyhow::Result;
use taskhost::Status;
use taskhost_answers::{BoardStatus, Leading};

use super::hook_figures;
use crate::context::Context;
use crate::exit::Code;
use crate::output::{line, table};

/// How many rows a table has for people; JSON has all of them.
const ROWS_MAX: usize = 20;
/// How many characters of a name are shown, so that a line fits 80 columns.
const NAME_CHARS_MAX: usize = 18;

const EXAMPLES: &str = "\
Example:

  taskhost status

Example: for a program, which reads `ready` for instance

  taskhost status --json";

/// Show how many tasks stand where, of which type and with whom, and which policy decides
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

pub fn exec(context: &Context, _: &Args) -> Result<Code> {
    let answer = BoardStatus::new(&context.open()?)?;
    context.output.answer(&answer, |out| write(out, &answer))?;
    Ok(Code::Done)
}

fn write(out: &mut String, answer: &BoardStatus) {
    line(out, format_args!("{} tasks, {} open", answer.total, answer.open));
    for status in Status::ALL {
        let count = answer.counts.get(status.as_str()).copied().unwrap_or_default();
        if count > 0 {
            let detail = if status == Status::Pending { pending(answer) } else { String::new() };
            line(out, format_args!("{:<12} {count:>7}{detail}", status.as_str()));
        }
    }
    write_types(out, answer);
    write_agents(out, answer);
    let Leading { name, version, digest, settings } = &answer.policy;
    line(out, "");
    line(out, format_args!("policy    {name} {version}, digest {}…", &digest[..16]));
    for (name, value) in settings {
        line(out, format_args!("          {name}={value}"));
    }
    hook_figures::write_lines(&answer.asked, out);
    line(out, format_args!("sequence  {}", answer.sequence));
    if let Some(time) = &answer.next_due_at {
        line(out, format_args!("next due  {time}"));
    }
}

/// As in `: 3 ready, 2 waiting`.
fn pending(answer: &BoardStatus) -> String {
    let kinds = [
        (answer.ready, "ready"),
        (answer.waiting, "waiting"),
        (answer.timed, "timed"),
        (answer.unasked, "unasked"),
    ];
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!("  {}", kinds.join(", "))
}

fn write_types(out: &mut String, answer: &BoardStatus) {
    let mut types: Vec<_> = answer.types.iter().collect();
    types.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.values().sum::<u64>()));
    let rows: Vec<[String; 8]> = types
        .iter()
        .take(ROWS_MAX)
        .map(|(name, counts)| {
            let mut row: [String; 8] = Default::default();
            row[0] = shortened(name);
            for status in Status::ALL {
                let count = counts.get(status.as_str());
                row[1 + status as usize] = count.map(ToString::to_string).unwrap_or_default();
            }
            row
        })
        .collect();
    if !rows.is_empty() {
        line(out, "");
        // The statuses in their order, in words short enough for all of them to stand side by side.
        let head = ["TYPE", "PENDING", "HELD", "REVIEW", "BLOCKED", "DONE", "FAILED", "CANCELLED"];
        table(out, head, &rows);
        more(out, types.len(), "types");
    }
}

fn write_agents(out: &mut String, answer: &BoardStatus) {
    let open: Vec<_> =
        answer.agents.iter().filter(|(_, agent)| agent.holds + agent.reserved_open > 0).collect();
    let rows: Vec<[String; 3]> = open
        .iter()
        .take(ROWS_MAX)
        .map(|(name, agent)| {
            [shortened(name), agent.holds.to_string(), agent.reserved_open.to_string()]
        })
        .collect();
    if !rows.is_empty() {
        line(out, "");
        table(out, ["AGENT", "HOLDS", "RESERVED"], &rows);
        more(out, open.len(), "agents");
    }
}

fn more(out: &mut String, count: usize, what: &str) {
    if count > ROWS_MAX {
        line(out, format_args!("… {} more {what}: --json has them all", count - ROWS_MAX));
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use taskhost_answers::{HookFigure, HookFigures, WithAgent};

    fn busy() -> HookFigures {
        let figure = || HookFigure {
            count: 12_345_678,
            p99_us: 123_456,
            memory_bytes_max: Some(123_456_789),
            ..HookFigure::default()
        };
        let hooks = ["readiness", "assignment", "lifecycle", "recovery"];
        HookFigures {
            since: "2030-01-31T09:00:00.000Z".into(),
            hooks: hooks.map(|hook| (hook, figure())).into(),
        }
    }

    #[test]
    fn status_fits_80_columns() {
        let counts: BTreeMap<_, _> =
            Status::ALL.iter().map(|status| (status.as_str(), 123_456)).collect();
        let agent = WithAgent { holds: 123_456, reserved: counts.clone(), reserved_open: 123_456 };
        let answer = BoardStatus {
            total: 7,
            open: 4,
            counts: counts.clone(),
            ready: 12_345,
            waiting: 12_345,
            timed: 12_345,
            unasked: 12_345,
            types: BTreeMap::from([("t".repeat(128), counts)]),
            agents: BTreeMap::from([("a".repeat(128), agent)]),
            policy: Leading {
                name: "standard".into(),
                version: "0.1.0".into(),
                digest: "0".repeat(64),
                settings: BTreeMap::from([("parent".into(), "children-first".into())]),
            },
            asked: busy(),
            sequence: 4711,
            next_due_at: Some("2030-01-31T09:00:00.000Z".into()),
        };
        let mut text = String::new();
        write(&mut text, &answer);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(text.contains("12345 ready"), "{text}");
    }
}
