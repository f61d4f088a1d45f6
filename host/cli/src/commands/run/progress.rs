//! What people see of a run while it goes on: a bar on a terminal, lines elsewhere.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use taskhost::{Agent, Board, Status, Task};

use super::screen::Screen;
use super::summary::Outcome;

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

/// An agent at work on a task.
pub struct Running<'p> {
    progress: &'p Progress,
    agent: &'p Agent,
    task: &'p Task,
}

impl Running<'_> {
    /// Its attempt ended; `why` says what went wrong, if something did, and `output` where to read on.
    pub fn ended(self, outcome: Outcome, why: Option<&str>, output: Option<&Path>, took: Duration) {
        let (progress, agent, task) = (self.progress, self.agent, self.task);
        drop(self);
        progress.failed.fetch_add(u64::from(outcome == Outcome::Failed), Ordering::Relaxed);
        let word = match outcome {
            Outcome::Completed => "completed",
            Outcome::InReview => "in review",
            Outcome::Failed => "failed",
            Outcome::Retried => "to be tried again",
            Outcome::Released => "released",
            Outcome::Lost => "lost",
        };
        let mut text =
            format!("{}: `{}` {word} after {:.1}s", agent.name, task.id, took.as_secs_f64());
        if let Some(why) = why {
            text.push_str(&format!(": {why}"));
        }
        if let Some(output) = output.filter(|_| outcome.is_failure()) {
            text.push_str(&format!("; its output is in `{}`", output.display()));
        }
        let is_on_bar = matches!(outcome, Outcome::Completed | Outcome::InReview);
        if progress.screen.bar().is_none() || !is_on_bar {
            progress.screen.say(&text);
        }
        progress.draw();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.progress.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where progress is shown.
pub struct Progress {
    pub screen: Screen,
    board: Board,
    running: AtomicU64,
    failed: AtomicU64,
}

impl Progress {
    /// Shows the board's tasks: how many have ended, of all.
    pub fn new(board: &Board) -> Self {
        let progress = Self {
            screen: Screen::new(),
            board: board.clone(),
            running: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        progress.draw();
        progress
    }

    /// An agent begins with a task; it works on it until what this gives back is dropped, however that comes.
    pub fn begins<'p>(&'p self, agent: &'p Agent, task: &'p Task) -> Running<'p> {
        self.running.fetch_add(1, Ordering::Relaxed);
        if self.screen.bar().is_none() {
            self.screen.say(&format!(
                "{}: `{}` ({}), attempt {}",
                agent.name, task.id, task.task_type, task.attempts
            ));
        }
        self.draw();
        Running { progress: self, agent, task }
    }

    /// Says something else about the run.
    pub fn say(&self, text: &str) {
        self.screen.say(text);
    }

    /// Nothing more comes.
    pub fn end(&self) {
        if let Some(bar) = self.screen.bar() {
            self.draw();
            bar.finish_and_clear();
        }
    }

    fn draw(&self) {
        let Some(bar) = self.screen.bar() else { return };
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
