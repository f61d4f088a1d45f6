//! The model and a board side by side: the same commands to both, and their answers compared after every one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::commands;
use crate::dice::Dice;
use crate::model::{Flaw, Model};
use crate::real::{Home, Real};
use crate::words::{Answer, Command, Obstacle, Seen, Status, timeless};

/// How a board is driven.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub steps: usize,
    pub home: Home,
    pub flaw: Option<Flaw>,
}

/// Where the two differ.
#[derive(Debug)]
pub struct Difference {
    /// How many commands it took.
    pub at: usize,
    pub command: Command,
    pub says: String,
    /// The fewest commands that are known to lead to one, perhaps to another one than was found first.
    pub short: Vec<Numbered>,
}

/// How often which command was answered how.
pub type Answers = BTreeMap<String, usize>;

/// A command, and its number among those that were made up.
type Numbered = (u64, Command);

struct Pair {
    model: Model,
    real: Real,
}

impl Pair {
    fn new(plan: &Plan, settings: &BTreeMap<String, String>) -> Self {
        let real = (plan.home.new)(settings);
        Self { model: Model::new(real.now(), settings.clone(), plan.flaw), real }
    }

    /// What is different after this command.
    fn step(&mut self, (number, command): &Numbered) -> (String, Option<String>) {
        let own_clock = self.real.has_own_clock();
        if own_clock {
            self.model.now = self.real.now();
        }
        let applied = catch_unwind(AssertUnwindSafe(|| self.real.apply(*number, command)));
        let Ok((mut is, made)) = applied else {
            return (String::new(), Some("the board panicked, or a check of it did".into()));
        };
        let mut should = self.model.apply(command, &made);
        level(command, &mut should, &mut is, own_clock);
        let kind = kind_of(command, &should);
        if should == is {
            return (kind, None);
        }
        (kind, Some(differing_lines(&format!("{should:#?}"), &format!("{is:#?}"))))
    }
}

/// What is different after these commands, if anything is.
pub fn differs(
    home: Home,
    settings: &BTreeMap<String, String>,
    commands: &[Command],
) -> Option<String> {
    let mut pair = Pair::new(&Plan { seed: 0, steps: 0, home, flaw: None }, settings);
    commands.iter().zip(1..).find_map(|(command, number)| pair.step(&(number, command.clone())).1)
}

/// Drives a board until the plan is done or a difference is found, which is then made as short as it goes.
pub fn drive(plan: &Plan) -> Result<Answers, Box<Difference>> {
    let mut dice = Dice::new(plan.seed);
    let settings = commands::settings(&mut dice, plan.home.kind, 2);
    let mut pair = Pair::new(plan, &settings);
    let mut done = Vec::new();
    let mut answers = Answers::new();
    while done.len() < plan.steps {
        let command = commands::command(&mut dice, &pair.model, plan.home.kind);
        done.push((done.len() as u64 + 1, command));
        let (kind, says) = pair.step(&done[done.len() - 1]);
        *answers.entry(kind).or_default() += 1;
        if let Some(says) = says {
            // A difference that was put there on purpose needs no explanation.
            let (says, short) = match plan.flaw {
                Some(_) => (says, done.clone()),
                None => shorten(plan, &settings, says, done.clone()),
            };
            let (_, command) = done[done.len() - 1].clone();
            return Err(Box::new(Difference { at: done.len(), command, says, short }));
        }
    }
    Ok(answers)
}

/// Drives one board after another, each with other settings, and stops with what differed and how to see it again.
pub fn drive_all(seed: u64, boards: u64, steps: usize, home: Home) -> Answers {
    let only = asked_seed();
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => seed..seed + boards,
    };
    let mut total = Answers::new();
    for seed in seeds {
        match drive(&Plan { seed, steps, home, flaw: None }) {
            Ok(answers) => {
                for (kind, count) in answers {
                    *total.entry(kind).or_default() += count;
                }
            }
            Err(difference) => {
                let Difference { at, command, says, short } = *difference;
                let lines: Vec<String> =
                    short.iter().map(|(_, command)| format!("{command:?}")).collect();
                panic!(
                    "after {at} commands the board isn't what the model says; again: this test with \
                     TASKHOST_MODEL_SEED={seed}\nlast command: {command:?}\n{says}\nthe shortest way there \
                     ({} commands, on a fresh board):\n{}",
                    lines.len(),
                    lines.join("\n"),
                );
            }
        }
    }
    total
}

/// The seed of the one board that is wanted, if one is.
fn asked_seed() -> Option<u64> {
    std::env::var("TASKHOST_MODEL_SEED").ok().and_then(|text| text.parse().ok())
}

/// Whether one board is to be seen again, and not all of them.
pub fn is_replay() -> bool {
    asked_seed().is_some()
}

/// Leaves out as many commands as can be left out: first half of them, then a quarter, down to single ones.
fn shorten(
    plan: &Plan,
    settings: &BTreeMap<String, String>,
    mut says: String,
    mut commands: Vec<Numbered>,
) -> (String, Vec<Numbered>) {
    let fails = |commands: &[Numbered]| {
        let mut pair = Pair::new(plan, settings);
        commands.iter().enumerate().find_map(|(at, command)| Some((at, pair.step(command).1?)))
    };
    let mut size = commands.len() / 2;
    let patience = Instant::now() + Duration::from_secs(20);
    while size > 0 && Instant::now() < patience {
        let before = commands.len();
        let mut start = 0;
        while start < commands.len() && Instant::now() < patience {
            let end = (start + size).min(commands.len());
            let rest = [&commands[..start], &commands[end..]].concat();
            match fails(&rest) {
                Some((at, text)) => {
                    commands = rest;
                    commands.truncate(at + 1);
                    says = text;
                }
                None => start = end,
            }
        }
        if size > 1 || commands.len() == before {
            size /= 2;
        }
    }
    let settings = format!("{settings:?}");
    (format!("with the settings {settings}\n{says}"), commands)
}

/// A command and its answer in two or three words.
fn kind_of(command: &Command, answer: &Answer) -> String {
    let first = |text: String| text.split([' ', '(']).next().unwrap_or_default().to_owned();
    let what = match command {
        Command::Finish { how, .. } => first(format!("{how:?}")),
        Command::Change { action, .. } => first(format!("{action:?}")),
        other => first(format!("{other:?}")),
    };
    let how = match answer {
        Answer::Added(added) if added.iter().any(|(_, repeated)| *repeated) => "repeated".into(),
        Answer::Task(_, true) => "repeated".into(),
        Answer::Nothing { why, .. } => format!("{why:?}"),
        Answer::Changed { outcomes, .. } => match outcomes.first() {
            Some((_, Ok(false))) => "done".into(),
            Some((_, Ok(true))) => "already".into(),
            Some((_, Err(no))) => format!("{no:?}"),
            None => String::new(),
        },
        Answer::No(no) => format!("{no:?}"),
        _ => "done".into(),
    };
    format!("{what}: {how}")
}

/// Takes out of both answers what they needn't agree on.
fn level(command: &Command, should: &mut Answer, is: &mut Answer, own_clock: bool) {
    match (should, is) {
        // Which of several mistakes is named is nobody's promise.
        (Answer::No(should), Answer::No(is)) if matches!(command, Command::Add(news) if news.len() > 1) =>
        {
            *should = *is;
        }
        (Answer::Added(should), Answer::Added(is)) => {
            for ((should, _), (is, _)) in should.iter_mut().zip(is) {
                level_task(should, is, own_clock);
            }
        }
        (Answer::Task(should, _), Answer::Task(is, _)) => level_task(should, is, own_clock),
        (
            Answer::Nothing { next_ready_at: should, .. },
            Answer::Nothing { next_ready_at: is, .. },
        ) if own_clock => {
            (*should, *is) = (None, None);
        }
        (Answer::Changed { touched: should, .. }, Answer::Changed { touched: is, .. }) => {
            // A task may have come back to where it was, for a reason in other words.
            let is_again = |seen: &Option<Seen>| {
                seen.as_ref().is_some_and(|seen| seen.status == Status::Cancelled)
            };
            is.retain(|id, seen| should.contains_key(id) || !is_again(seen));
            for (should, is) in should.values_mut().zip(is.values_mut()) {
                if let (Some(should), Some(is)) = (should, is) {
                    level_task(should, is, own_clock);
                }
            }
        }
        (Answer::Whole(should), Answer::Whole(is)) => {
            for (should, is) in should.tasks.iter_mut().zip(&mut is.tasks) {
                level_task(should, is, own_clock);
            }
            if own_clock {
                let every = should.obstacles.values_mut().chain(is.obstacles.values_mut());
                for obstacle in every.flatten() {
                    if let Obstacle::Until(at) = obstacle {
                        *at = timeless(*at);
                    }
                }
            }
            should.obstacles.retain(|id, _| is.obstacles.contains_key(id));
        }
        _ => {}
    }
}

/// A reason that nobody gave is the host's or the policy's to word.
fn level_task(should: &mut Seen, is: &mut Seen, own_clock: bool) {
    if should.reason.is_none() {
        is.reason = None;
    }
    if own_clock {
        should.timeless();
        is.timeless();
    }
}

/// The lines in which two texts differ, with a few around them.
fn differing_lines(should: &str, is: &str) -> String {
    let (should, is): (Vec<&str>, Vec<&str>) = (should.lines().collect(), is.lines().collect());
    let same = should.iter().zip(&is).take_while(|(a, b)| a == b).count();
    let tail = should.iter().rev().zip(is.iter().rev()).take_while(|(a, b)| a == b).count();
    let around = |lines: &[&str]| {
        let to = (lines.len().saturating_sub(tail).max(same) + 4).min(lines.len());
        lines[same.saturating_sub(20)..to]
            .iter()
            .map(|line| line.trim())
            .collect::<Vec<_>>()
            .join(" ")
    };
    format!("model: … {} …\nboard: … {} …", around(&should), around(&is))
}
