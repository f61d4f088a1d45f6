//! Makes histories: one board after another, several histories on each.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use taskhost::{Board, InitOptions, Severity, TaskId};
use taskhost_board::Json;
use taskhost_simulated::{Bug, Count, Effort, Harm, Outcome};

use super::crew::{Crew, Site};
use super::real::{policy_settings, whole};
use super::requests::settings;
use super::shrink::shrunk;
use super::words::{Answer, Call, History, Op, Whole};
use super::worker::{Duty, Order, clock_ns};
use super::{STEPS_MAX, Verdict, check, told};
use crate::dice::Dice;
use crate::place::{Place, place, torture_directory};

/// How many histories one board has, before another one with other settings is made.
const HISTORIES: u32 = 12;
/// How many boards the full programme makes at least.
const BOARDS_FULL: u64 = 100;

/// So many undecided histories in a hundred are no news: a search that is given up now and then is the price of its
/// limit. More would mean that what is promised of all histories is looked at in few of them.
const UNDECIDED_PERCENT_MAX: u64 = 2;
/// Of fewer histories no share can be told: there one may be undecided, and a second one is too many.
const SHARE_FROM: u64 = 50;

/// Whether more histories are undecided than the part may leave open.
fn are_too_many(undecided: u64, histories: u64) -> bool {
    if histories < SHARE_FROM {
        undecided > 1
    } else {
        undecided * 100 > histories * UNDECIDED_PERCENT_MAX
    }
}

/// What was seen of the searches.
#[derive(Default)]
struct Seen {
    undecided: u64,
    steps_max: u64,
    boards_max: usize,
    calls_max: usize,
    disturbed: u64,
    /// Requests that nobody knows the answer of.
    unknown: u64,
}

pub(super) fn run(effort: &Effort, bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut seen = Seen::default();
    let began = std::time::Instant::now();
    let mut number = 0;
    while number == 0 || !is_done(effort, &outcome, number) {
        let mut one = OneBoard {
            effort,
            bug,
            number,
            dice: Dice::new(effort.seed ^ (number << 32)),
            outcome: &mut outcome,
            seen: &mut seen,
            is_index_deleted: false,
        };
        if let Err(error) = one.run() {
            let seed = effort.seed;
            outcome.wrong(Harm::Broken, format!("seed {seed}, board {number}: {error:#}"));
        }
        number += 1;
    }
    let rate = outcome.counted(Count::Operations) as f64 / began.elapsed().as_secs_f64();
    outcome.figure("operations per second", format!("{rate:.0}"));
    outcome.figure("the longest", format!("{} operations", seen.calls_max));
    let (steps, boards) = (seen.steps_max, seen.boards_max);
    outcome.figure(
        "the longest search for an order",
        format!("{steps} steps, {boards} boards at once"),
    );
    outcome.figure("requests whose process was killed in them", seen.unknown.to_string());
    outcome.figure("undecided", seen.undecided.to_string());
    let histories = outcome.counted(Count::Histories) + seen.undecided;
    if are_too_many(seen.undecided, histories) {
        let (seed, undecided) = (effort.seed, seen.undecided);
        let what = format!(
            "seed {seed}: of {histories} histories {undecided} are undecided: the search was given up"
        );
        outcome.wrong(Harm::Broken, what);
    }
    outcome.figure("requests refused while the index was deleted", seen.disturbed.to_string());
    outcome
}

fn is_done(effort: &Effort, outcome: &Outcome, boards: u64) -> bool {
    effort.is_done(outcome) && (!effort.is_full || boards >= BOARDS_FULL || effort.first_only)
}

/// One board, and the histories on it.
struct OneBoard<'a> {
    effort: &'a Effort,
    bug: Option<Bug>,
    number: u64,
    dice: Dice,
    outcome: &'a mut Outcome,
    seen: &'a mut Seen,
    /// Whether the index was deleted in this history.
    is_index_deleted: bool,
}

impl OneBoard<'_> {
    fn run(&mut self) -> Result<()> {
        let place = place()?;
        let wrong_before = self.outcome.wrong.len();
        let done = self.try_run(&place);
        let is_wrong = done.is_err() || self.outcome.wrong.len() > wrong_before;
        // Of a bug that was planted nobody needs the board.
        if is_wrong && self.bug.is_none() {
            let kept = place.keep();
            let last = self.outcome.wrong.get_mut(wrong_before..).and_then(<[_]>::last_mut);
            if let Some(last) = last {
                last.what.push_str(&format!("the board is kept in `{}`", kept.display()));
            }
            return done.with_context(|| format!("the board is kept in `{}`", kept.display()));
        }
        done
    }

    fn try_run(&mut self, place: &Place) -> Result<()> {
        let settings = settings(&mut self.dice);
        let path = place.path().join("board");
        let logs = place.path().join("logs");
        std::fs::create_dir(&logs)?;
        let policy_settings = policy_settings(&settings);
        let mut options = InitOptions { policy_settings, ..InitOptions::default() };
        // A process may be stopped while a hook runs, and the machine be busy with others.
        options.settings.policy_limits.deadline_ms = Some(60_000);
        let board = Board::init(&path, &options)?;
        let mut crew = Crew::new(Site { board: path.clone(), logs, settings, bug: self.bug });
        for _ in 0..3 + self.dice.below(5) {
            crew.hire(Duty::Agent, &mut self.dice)?;
        }
        crew.hire(Duty::Switcher, &mut self.dice)?;
        crew.hire(Duty::Compactor, &mut self.dice)?;
        crew.await_all()?;
        let mut start = whole(&*board.view()?)?;
        for number in 1..=HISTORIES {
            let mut calls = self.history(&mut crew, number, &path)?;
            let last = look(&board, number)?;
            let end = last.1;
            calls.push(last.0);
            let deaths = crew.deaths.clone();
            let calls = self.without_disturbed(calls);
            let history = History { start, deaths, calls };
            self.judge(history, number)?;
            start = end;
            if self.effort.is_done(self.outcome) {
                break;
            }
        }
        drop(crew);
        for finding in board.doctor().findings {
            if finding.severity == Severity::Damage {
                self.wrong(Harm::Silent, &format!("the doctor says: {}", finding.what));
            }
        }
        Ok(())
    }

    /// Has everybody ask, and disturbs them in it.
    fn history(&mut self, crew: &mut Crew, number: u32, board: &Path) -> Result<Vec<Call>> {
        let calls = 20 + u32::try_from(self.dice.below(40)).unwrap_or_default();
        self.is_index_deleted = false;
        crew.order(Duty::Agent, &Order { history: number, calls })?;
        crew.order(Duty::Switcher, &Order { history: number, calls: 3 })?;
        crew.order(Duty::Compactor, &Order { history: number, calls: 5 })?;
        let mut next_ns = clock_ns();
        while crew.listen(Duration::from_millis(1))? {
            if clock_ns() >= next_ns {
                self.disturb(crew, number, board)?;
                next_ns = clock_ns() + self.dice.below(80) * 1_000_000;
            }
        }
        crew.calls()
    }

    fn disturb(&mut self, crew: &mut Crew, number: u32, board: &Path) -> Result<()> {
        let Some(session) = crew.some_busy(&mut self.dice) else { return Ok(()) };
        match self.dice.below(12) {
            0..=2 => {
                crew.kill(session)?;
                self.outcome.count(Count::Kills, 1);
                crew.hire(Duty::Agent, &mut self.dice)?;
            }
            3..=6 => {
                crew.signal(session, Signal::STOP)?;
                let pause = Duration::from_millis(self.dice.below(40));
                crew.listen(pause)?;
                crew.signal(session, Signal::CONT)?;
                self.outcome.count(Count::Stops, 1);
            }
            // Somebody else may be at it, too.
            7 => {
                self.is_index_deleted = true;
                _ = std::fs::remove_dir_all(board.join("index"));
            }
            _ => {
                // Whoever came in the place of one that was killed has something to do, too.
                crew.order(Duty::Agent, &Order { history: number, calls: 10 })?;
            }
        }
        Ok(())
    }

    /// The calls without those that failed because somebody deleted the index under them. An error that says so says
    /// that nothing was done, so they must have changed nothing; but for claims and switches, which are made of several
    /// steps.
    fn without_disturbed(&mut self, mut calls: Vec<Call>) -> Vec<Call> {
        let is_deleted = self.is_index_deleted;
        let is_disturbed = |call: &Call| {
            let is_it = |what: &String| what.contains("No such file or directory");
            is_deleted && matches!(&call.answer, Some(Answer::Odd(what)) if is_it(what))
        };
        for call in calls.iter_mut().filter(|call| is_disturbed(call)) {
            self.seen.disturbed += 1;
            if matches!(call.op, Op::Claim(_) | Op::Set(_)) {
                call.answer = None;
            }
        }
        calls.retain(|call| !is_disturbed(call));
        calls
    }

    fn judge(&mut self, mut history: History, number: u32) -> Result<()> {
        // What should never be answered is wrong by itself; whether it did harm, the others' answers say.
        let mut odd = None;
        for call in &mut history.calls {
            if let Some(Answer::Odd(what)) = &call.answer {
                odd.get_or_insert_with(|| format!("{:?} was answered: {what}", call.op));
                call.answer = None;
            }
        }
        let searched = check(&history, STEPS_MAX);
        self.seen.steps_max = self.seen.steps_max.max(searched.steps);
        self.seen.boards_max = self.seen.boards_max.max(searched.boards_max);
        self.seen.calls_max = self.seen.calls_max.max(history.calls.len());
        match searched.verdict {
            Verdict::Undecided => self.seen.undecided += 1,
            Verdict::Ordered => self.count(&history),
            Verdict::Clash(clash) => {
                self.count(&history);
                let harm = match history.calls[clash.at].op {
                    Op::Claim(_) | Op::Finish { .. } | Op::Heartbeat { .. } => Harm::Doubled,
                    Op::Show(_) | Op::Look => Harm::Silent,
                    Op::Add(_) | Op::Change { .. } | Op::Set(_) => Harm::Broken,
                };
                let (short, clash) = shrunk(&history, *clash);
                self.accuse(&history, number, harm, &told(&short, &clash))?;
            }
        }
        if let Some(odd) = odd {
            self.accuse(&history, number, Harm::Broken, &odd)?;
        }
        Ok(())
    }

    fn count(&mut self, history: &History) {
        self.outcome.count(Count::Histories, 1);
        self.outcome.count(Count::Operations, history.calls.len() as u64);
        let unknown = history.calls.iter().filter(|call| call.answer.is_none());
        self.seen.unknown += unknown.count() as u64;
        let claimed = |call: &&Call| {
            matches!((&call.op, &call.answer), (Op::Claim(_), Some(Answer::Task(_, false))))
        };
        let claims = history.calls.iter().filter(claimed).count() as u64;
        self.outcome.count(Count::Claims, claims);
    }

    /// Keeps a history for somebody to look at, and says what is wrong with it.
    fn accuse(&mut self, history: &History, number: u32, harm: Harm, what: &str) -> Result<()> {
        let (seed, board) = (self.effort.seed, self.number);
        let file = torture_directory()?.join(format!("history-{seed}-{board}-{number}.json"));
        std::fs::write(&file, serde_json::to_vec(history)?)?;
        let file = file.display();
        self.wrong(
            harm,
            &format!("history {number}, kept in `{file}` (`torture check-history {file}`): {what}"),
        );
        Ok(())
    }

    fn wrong(&mut self, harm: Harm, what: &str) {
        let (seed, board) = (self.effort.seed, self.number);
        self.outcome.wrong(harm, format!("seed {seed}, board {board}: {what}"));
    }
}

/// What the board holds while nobody asks it anything, after whatever the dead have left was finished.
fn look(board: &Board, number: u32) -> Result<(Call, Whole)> {
    let key = TaskId::new("history").context("a key")?;
    let value = Json::parse(&number.to_string()).context("a number")?;
    board.set_meta(&key, Some(&value), None, None)?;
    let from_ns = clock_ns();
    let whole = whole(&*board.view()?)?;
    let answer = Some(Answer::Whole(Box::new(whole.clone())));
    Ok((Call { by: 0, op: Op::Look, from_ns, to_ns: clock_ns(), answer }, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Histories that no search had decided were once only counted, however many they were.
    #[test]
    fn few_undecided_histories_are_let_pass_and_more_are_not() {
        for (undecided, histories, too_many) in [
            (0, 0, false),
            (1, 1, false),
            (1, SHARE_FROM - 1, false),
            (2, 2, true),
            (1, SHARE_FROM, false),
            (2, SHARE_FROM, true),
            (20, 1_000, false),
            (21, 1_000, true),
        ] {
            let found = are_too_many(undecided, histories);
            assert_eq!(found, too_many, "{undecided} of {histories}");
        }
    }
}
