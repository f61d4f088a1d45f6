//! What differs, as people read it.

use taskhost_trial::report::{Column, Given, Pair, Share, Spread};

use super::{Answer, Subject};
use crate::output::{counted, line, table};
use crate::parse::show_duration;

/// How many agents and types are shown; JSON has all of them.
const SHARES_MAX: usize = 20;
/// How many kinds of trouble are shown of each policy; JSON has all of them.
const TROUBLES_MAX: usize = 5;

/// Writes all of it.
pub fn write(out: &mut String, answer: &Answer) {
    write_history(out, answer);
    answer.policies.iter().for_each(|policy| write_policy(out, policy));
    line(out, "");
    write_figures(out, &answer.report.columns);
    write_shares(out, "AGENT", &answer.report.columns, |column| &column.agents);
    write_shares(out, "TYPE", &answer.report.columns, |column| &column.types);
    answer.report.columns.iter().for_each(|column| write_troubles(out, column));
    write_differences(out, answer);
}

fn write_history(out: &mut String, answer: &Answer) {
    let history = &answer.report.history;
    let (Some(from), Some(to)) = (&history.from, &history.to) else {
        line(
            out,
            "no history is kept: nothing has happened on this board yet, or what has is kept no more",
        );
        return;
    };
    let agents = counted(history.workers, "line of work", "lines of work");
    let entries = counted(history.entries, "entry", "entries");
    line(out, format_args!("{entries} of history from {from} to {to}, {agents}"));
    if history.begins_with > 1 {
        let before = counted(history.tasks_before, "task", "tasks");
        line(
            out,
            format_args!(
                "what was before entry {} isn't kept any more: {before} stood on the board then, as far as can be told",
                history.begins_with
            ),
        );
    }
    if history.lengths_are_guessed {
        line(
            out,
            "no task in it was completed or failed: how long work takes is guessed from what isn't done yet",
        );
    }
    if history.policies_set > 0 {
        let times = counted(history.policies_set, "time", "times");
        line(out, format_args!("its policies or their settings were set {times} meanwhile"));
    }
}

fn write_policy(out: &mut String, policy: &Subject) {
    let Subject { column, name, version, leading, standard } = policy;
    line(out, format_args!("{column}: {name} {version} ({})", leading.digest.short()));
    for (name, value) in &leading.settings {
        line(out, format_args!("  {name}={value}"));
    }
    if standard.digest != leading.digest {
        for (name, value) in &standard.settings {
            line(out, format_args!("  of the standard policy behind it: {name}={value}"));
        }
    }
}

/// Rows under the names of the columns.
fn write_table(out: &mut String, head: &str, columns: &[Column], rows: &[(String, Vec<String>)]) {
    let cell = |cells: &[String], n: usize| cells.get(n).cloned().unwrap_or_default();
    let names: Vec<String> = columns.iter().map(|column| column.name.to_uppercase()).collect();
    match names.as_slice() {
        [one, two] => {
            let rows: Vec<[String; 3]> =
                rows.iter().map(|(what, of)| [what.clone(), cell(of, 0), cell(of, 1)]).collect();
            table(out, [head, one, two], &rows);
        }
        [one, two, three] => {
            let rows: Vec<[String; 4]> = rows
                .iter()
                .map(|(what, of)| [what.clone(), cell(of, 0), cell(of, 1), cell(of, 2)])
                .collect();
            table(out, [head, one, two, three], &rows);
        }
        _ => {}
    }
    line(out, "");
}

fn write_figures(out: &mut String, columns: &[Column]) {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut row = |what: &str, of: &dyn Fn(&Column) -> String| {
        rows.push((what.to_owned(), columns.iter().map(of).collect()));
    };
    row("tasks given to somebody", &|column| column.claims.to_string());
    let mut lengths = |what: &str, of: fn(&Column) -> Spread| {
        row(&format!("{what}: half within"), &|column| show_duration(of(column).p50_ms));
        row(&format!("{what}: 95% within"), &|column| show_duration(of(column).p95_ms));
        row(&format!("{what}: longest"), &|column| show_duration(of(column).max_ms));
    };
    lengths("ready until claimed", |column| column.ready_to_claim);
    lengths("added until first claimed", |column| column.added_to_claim);
    lengths("added until completed", |column| column.added_to_completed);
    row("from the first to the last event", &|column| show_duration(column.took_ms));
    row("tasks that came", &|column| column.tasks.arrived.to_string());
    if columns.iter().any(|column| column.tasks.not_added > 0) {
        row("tasks that were not let in", &|column| column.tasks.not_added.to_string());
    }
    let statuses = columns.first().map(|column| &column.tasks.by_status);
    for status in statuses.into_iter().flat_map(|by_status| by_status.keys()) {
        let count = |column: &Column| column.tasks.by_status.get(status).copied().unwrap_or(0);
        if columns.iter().any(|column| count(column) > 0) {
            row(&format!("{status} at the end"), &|column| count(column).to_string());
        }
    }
    if columns.iter().any(|column| column.tasks.ready > 0) {
        row("  of them ready, the longest for", &|column| match column.tasks.ready {
            0 => "-".into(),
            ready => format!("{ready}, {}", show_duration(column.tasks.ready_max_ms)),
        });
    }
    if columns.iter().any(|column| column.moot > 0) {
        row("requests that came to nothing", &|column| column.moot.to_string());
    }
    write_table(out, "", columns, &rows);
}

fn write_shares(
    out: &mut String,
    head: &str,
    columns: &[Column],
    of: impl Fn(&Column) -> &Vec<Share>,
) {
    let mut names: Vec<&str> = Vec::new();
    for share in columns.iter().flat_map(&of) {
        if !names.contains(&share.name.as_str()) {
            names.push(&share.name);
        }
    }
    if names.is_empty() {
        return;
    }
    let cell = |column: &Column, name: &str| {
        let share = of(column).iter().find(|share| share.name == name);
        share.map_or_else(
            || "-".into(),
            |share| {
                let wait = show_duration(share.ready_to_claim.p50_ms);
                format!("{} ({:.1}%), waited {wait}", share.claims, share.percent)
            },
        )
    };
    let shown = names.iter().take(SHARES_MAX);
    let rows: Vec<(String, Vec<String>)> = shown
        .map(|name| ((*name).to_owned(), columns.iter().map(|column| cell(column, name)).collect()))
        .collect();
    write_table(out, head, columns, &rows);
    if names.len() > SHARES_MAX {
        out.pop();
        line(out, format_args!("… {} more: --json has them all\n", names.len() - SHARES_MAX));
    }
}

fn write_troubles(out: &mut String, column: &Column) {
    if column.is_cut {
        line(
            out,
            format_args!(
                "{} was broken off: it went on and on, so its figures are those of a part\n",
                column.name
            ),
        );
    }
    if column.troubles.is_empty() {
        return;
    }
    line(out, format_args!("what {} refused, and where it failed:", column.name));
    for trouble in column.troubles.iter().take(TROUBLES_MAX) {
        let times = counted(trouble.count, "time", "times");
        let (what, reason, first) = (&trouble.what, &trouble.reason, &trouble.first_at);
        line(out, format_args!("  {times}, first at {first}: {what}: {reason}"));
    }
    if column.troubles.len() > TROUBLES_MAX {
        let more = column.troubles.len() - TROUBLES_MAX;
        line(out, format_args!("  … {more} more: --json has them all"));
    }
    line(out, "");
}

fn write_differences(out: &mut String, answer: &Answer) {
    let pairs = &answer.report.differences;
    let [a, b] = &pairs.between;
    if pairs.total == 0 {
        line(out, "no task was given to anybody");
        return;
    }
    if pairs.different == 0 {
        let all = counted(pairs.total, "task", "tasks");
        line(out, format_args!("{a} and {b} gave everybody the same: {all}"));
        return;
    }
    line(
        out,
        format_args!(
            "{a} and {b} gave the same {} of {} times{}",
            pairs.same,
            pairs.total,
            if pairs.first.is_empty() {
                ""
            } else {
                "; the first differences (after the first one the two boards aren't the same any more, so others may \
                 only follow from it):"
            }
        ),
    );
    for pair in &pairs.first {
        write_pair(out, pair, a, b);
    }
    let more = pairs.different - pairs.first.len() as u64;
    if more > 0 {
        line(out, format_args!("… {more} more: --limit shows more of them"));
    }
}

fn write_pair(out: &mut String, pair: &Pair, a: &str, b: &str) {
    let width = a.len().max(b.len());
    line(out, format_args!("  {}  {}, its task {}", pair.at, pair.agent, pair.got_before + 1));
    for (name, given) in [(a, &pair.a), (b, &pair.b)] {
        let Some(given) = given else {
            line(out, format_args!("    {name:width$}  nothing more"));
            continue;
        };
        let Given { task, task_type, why, log, held_back, at, .. } = given;
        line(out, format_args!("    {name:width$}  `{task}` ({task_type}): {why}"));
        if let Some(told) = held_back {
            line(out, format_args!("    {:width$}  only at {at}; before: {told}", ""));
        }
        for said in log {
            line(out, format_args!("    {:width$}  it wrote: {said}", ""));
        }
    }
}
