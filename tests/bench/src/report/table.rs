//! The table.

use std::fmt::Write as _;

use super::{Report, Row};
use crate::figure::{Series, Verdict};

/// How many absolute figures stand beside one; all of them are in the JSON.
const BESIDE_MAX: usize = 7;

pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    if report.quick {
        text.push_str("**Everything was made small to see whether it works: these figures mean nothing.**\n\n");
    }
    for (name, value) in report.machine.lines() {
        let _ = writeln!(text, "- {name}: {value}");
    }
    let _ = writeln!(
        text,
        "- Disk: a sync of 512 bytes by itself took {}, before each part and after the last one",
        report.syncs.unit.show_spread(report.syncs.spread)
    );
    let _ = writeln!(
        text,
        "- Rounds: {}. Everybody takes turns in each; what is told is the middle one, and in brackets the lowest and the \
         highest. Ratios are taken within a round\n",
        report.rounds
    );
    text.push_str(
        "| part | figure | goal | measured | | beside |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for row in &report.figures {
        let _ = writeln!(text, "{}", line(row));
    }
    text.push_str("\nWhat is durable once a claim was answered:\n\n");
    for durability in &report.durability {
        let _ = writeln!(text, "- {}: {}", durability.contender, durability.is);
    }
    text
}

fn line(row: &Row) -> String {
    let figure = &row.figure;
    let goal = figure.goal.map_or_else(String::new, |goal| goal.to_string());
    let measured = figure
        .measured
        .map_or_else(String::new, |measured| measured.unit.show_spread(measured.spread));
    let is_itself = |series: &&Series| {
        figure
            .measured
            .is_none_or(|measured| measured.unit != series.unit || measured.spread != series.spread)
    };
    let beside = figure.beside.iter().filter(is_itself).take(BESIDE_MAX);
    let mut beside: Vec<String> = beside.map(Series::to_string).collect();
    beside.extend(figure.note.clone());
    let verdict: Verdict = row.verdict;
    format!(
        "| {} | {} | {goal} | {measured} | {} | {} |",
        figure.part,
        figure.what,
        verdict.word(),
        beside.join("; ")
    )
}
