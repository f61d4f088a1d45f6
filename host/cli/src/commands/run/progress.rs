//! What people see of a run while it goes on: a bar on a terminal, lines elsewhere.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use taskhost::{Agent, Board, Status, Task};

use super::say;
use super::summary::Outcome;
use crate::output::visible;

/// How often the bar's clock is drawn.
const TICK: Duration = Duration::from_millis(200);

/// The first time that a message which repeats itself is held back.
const QUIET_MIN: Duration = Duration::from_secs(1);

/// Says when a message that repeats itself is due: at once, and then each time after twice as long.
#[derive(Debug)]
pub struct Repeats {
    next: Instant,
    quiet: Duration,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { next: Instant::now(), quiet: QUIET_MIN }
    }
}

impl Repeats {
    /// Whether it is to be said now; then it isn't for a while.
    pub fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = now >= self.next;
        if is_due {
            self.next = now + self.quiet;
            self.quiet = self.quiet.saturating_mul(2);
        }
        is_due
    }
}

/// Where progress is shown.
pub struct Progress {
    /// Absent where standard error is no terminal.
    bar: Option<ProgressBar>,
    board: Board,
    running: AtomicU64,
    failed: AtomicU64,
}

impl Progress {
    /// Shows the board's tasks: how many have ended, of all.
    pub fn new(board: &Board) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) =
                ProgressStyle::with_template("{elapsed_precise} [{wide_bar}] {pos}/{len} {msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        let progress = Self {
            bar,
            board: board.clone(),
            running: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        progress.draw();
        progress
    }

    /// An agent began with a task.
    pub fn claimed(&self, agent: &Agent, task: &Task) {
        self.running.fetch_add(1, Ordering::Relaxed);
        if self.bar.is_none() {
            say(&format!(
                "{}: `{}` ({}), attempt {}",
                agent.name, task.id, task.task_type, task.attempts
            ));
        }
        self.draw();
    }

    /// An agent's attempt ended; `why` says what went wrong, if something did.
    pub fn ended(
        &self,
        agent: &Agent,
        task: &Task,
        outcome: Outcome,
        why: Option<&str>,
        took: Duration,
    ) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(outcome == Outcome::Failed), Ordering::Relaxed);
        let word = match outcome {
            Outcome::Completed => "completed",
            Outcome::InReview => "in review",
            Outcome::Failed => "failed",
            Outcome::Retried => "to be tried again",
            Outcome::Released => "released",
            Outcome::Lost => "lost",
        };
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let text =
            format!("{}: `{}` {word} after {:.1}s{why}", agent.name, task.id, took.as_secs_f64());
        match &self.bar {
            Some(_) if matches!(outcome, Outcome::Completed | Outcome::InReview) => {}
            Some(bar) => bar.println(visible(&text)),
            None => say(&text),
        }
        self.draw();
    }

    /// Says something else about the run.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(visible(text)),
            None => say(text),
        }
    }

    /// Nothing more comes.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            self.draw();
            bar.finish_and_clear();
        }
    }

    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        // A bar that can't be brought up to date is no reason to stop working.
        if let Ok(head) = self.board.head() {
            let finished = [Status::Completed, Status::Failed, Status::Cancelled];
            bar.set_length(head.counts.total());
            bar.set_position(finished.into_iter().map(|status| head.counts.of(status)).sum());
        }
        let (running, failed) =
            (self.running.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        bar.set_message(format!("running {running}, failed {failed}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_message_is_said_at_once_and_then_rarely() {
        // "trying again" came five times in a second, for a minute.
        let mut repeats = Repeats::default();
        assert!(repeats.is_due());
        assert!(!repeats.is_due());
        repeats.next = Instant::now();
        assert!(repeats.is_due());
        assert!(repeats.next > Instant::now() + QUIET_MIN);
    }
}
