//! What the demo shows once everything is proved: on one screen, with what to look at next.

use super::check::{Account, Choice, Order};
use super::evidence::Evidence;
use super::graph::Crate;
use super::taskhost::Taskhost;
use super::{Place, shown};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How many claims are shown on each side of the swap.
const AROUND_SWAP: usize = 4;

/// Everything there is to tell.
pub struct Report<'a> {
    pub crates: &'a [Crate],
    pub evidence: &'a [Evidence],
    /// How many events the history has.
    pub events: usize,
    pub account: &'a Account<'a>,
    pub taskhost: &'a Taskhost,
    pub place: &'a Place,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proved(f)?;
        self.who(f)?;
        self.swap(f)?;
        self.next(f)
    }
}

impl Report<'_> {
    fn proved(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let crates = self.crates.len();
        let edges: usize = self.crates.iter().map(|built| built.after.len()).sum();
        let Account { held_max, digesting_max, .. } = self.account;
        let (before, choosing_before) = self.count(Order::OldestFirst);
        let (after, choosing_after) = self.count(Order::NewestFirst);
        writeln!(
            f,
            "\nproved, from {crates} files of evidence and {} events of history:",
            self.events
        )?;
        writeln!(
            f,
            "  each of {crates} crates was digested once, by its claim's holder, while it was held"
        )?;
        writeln!(f, "  each after everything it depends on: {edges} dependencies")?;
        writeln!(
            f,
            "  before the swap, each of {before} claims took the oldest ready crate ({choosing_before} had a choice)"
        )?;
        writeln!(
            f,
            "  after it, each of {after} claims took the newest ({choosing_after} had a choice)"
        )?;
        writeln!(
            f,
            "  at most {held_max} agents held a claim at one moment, and {digesting_max} were digesting"
        )
    }

    /// The claims made in this order, and those of them for which the other order wanted another task.
    fn count(&self, order: Order) -> (usize, usize) {
        let made = self.account.choices.iter().filter(|choice| choice.order == order);
        (made.clone().count(), made.filter(|choice| choice.ready > 1).count())
    }

    fn who(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_agent: BTreeMap<&str, Work> = BTreeMap::new();
        for found in self.evidence {
            let work = by_agent.entry(&found.agent).or_default();
            work.crates += 1;
            work.files += found.files;
            work.bytes += found.bytes;
            work.time += found.finished_at.since(found.started_at);
        }
        let began = self.evidence.iter().map(|found| found.started_at).min();
        let ended = self.evidence.iter().map(|found| found.finished_at).max();
        let took = began.zip(ended).map_or(Duration::ZERO, |(began, ended)| ended.since(began));
        writeln!(f, "\nwho did what, in {:.1} s:", took.as_secs_f64())?;
        for (agent, Work { crates, files, bytes, time }) in by_agent {
            let (mb, seconds) = (bytes as f64 / 1e6, time.as_secs_f64());
            writeln!(
                f,
                "  {agent:<9} {crates:>4} crates  {files:>6} files  {mb:>6.1} MB  {seconds:>5.2} s of digesting"
            )?;
        }
        Ok(())
    }

    fn swap(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choices = &self.account.choices;
        let swap = choices.partition_point(|choice| choice.order == Order::OldestFirst);
        let (before, after) = choices.split_at(swap);
        writeln!(f, "\nthe claims around the swap, by entry of the history:")?;
        for choice in &before[before.len().saturating_sub(AROUND_SWAP)..] {
            claim(f, choice)?;
        }
        writeln!(f, "          policy set: newest-first")?;
        after.iter().take(AROUND_SWAP).try_for_each(|choice| claim(f, choice))
    }

    fn next(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call =
            format!("{} --board {}", shown(self.taskhost.program()), shown(self.taskhost.board()));
        let task = self.account.choices.last().map_or("", |choice| choice.task);
        let (board, evidence) = (self.place.board(), self.place.evidence());
        writeln!(f, "\nlook at:")?;
        writeln!(f, "  {}     the board; its journals are text", shown(&board))?;
        writeln!(
            f,
            "  {}  what each crate left; beside it, what the agents printed",
            shown(&evidence)
        )?;
        writeln!(f, "next:")?;
        writeln!(f, "  {call} history {task}")?;
        writeln!(f, "  {call} policy show")?;
        let other = crate::workspace::policies().join("fair-share.wasm");
        writeln!(f, "  {call} policy compare standard {} --history", shown(&other))?;
        writeln!(f, "  {call} --help")?;
        writeln!(f, "  cargo xtask demo --check-only, after a change in the evidence")
    }
}

/// What an agent did.
#[derive(Default)]
struct Work {
    crates: usize,
    files: u64,
    bytes: u64,
    time: Duration,
}

fn claim(f: &mut fmt::Formatter<'_>, choice: &Choice) -> fmt::Result {
    let Choice { sequence, agent, task, order, ready, .. } = choice;
    let which = match ready {
        1 => "the only one ready".to_owned(),
        _ => format!("the {} of {ready} ready", order.word()),
    };
    writeln!(f, "  {sequence:>6}  {agent} got {task}, {which}")
}
