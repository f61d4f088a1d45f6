//! An agent's lives: one that dies, or fails for a reason that passes, is restarted with a fresh session.
//!
//! The session that died lets its life lock go, so what it held comes back to everybody at once, this agent's next
//! life included; its attempt stays counted.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow};
use taskhost::{Session, SessionId};

use super::agents::Member;
use super::stop::Stop;
use super::summary::{AgentSummary, Tally};
use super::worker::Worker;
use super::{Run, passes};

/// How often an agent is restarted that gets nothing done in between.
const RESTARTS_IN_A_ROW_MAX: u32 = 5;
/// How long it rests before the first restart, and twice as long before each further one.
const REST: Duration = Duration::from_millis(500);
/// How often a rest looks whether the run is stopped.
const LOOK: Duration = Duration::from_millis(50);

/// Has the agent work until its work is over, and says what it did and what went wrong for good.
pub fn keep_at_work(run: &Run, member: &Member, session: Session) -> (AgentSummary, Option<Error>) {
    let mut session_id = session.agent().session.clone();
    let mut tally = Tally::default();
    let mut next = Some(session);
    let mut restarts = Restarts::new(REST);
    let error = loop {
        let done = tally.done();
        let life = live(|| {
            let session = match next.take() {
                Some(session) => session,
                None => run.board.session(&member.session())?,
            };
            session_id.clone_from(&session.agent().session);
            Worker::new(run, member, session, &mut tally).work()
        });
        let Err(error) = life else { break None };
        if tally.done() > done {
            restarts.in_a_row = 0;
        }
        if !restarts.are_worth_it(&error) || run.stop.is_wanted() {
            break Some(error);
        }
        run.progress.say(&format!("{}: {error:#}; the agent is restarted", member.name));
        let _rests = run.outlook.rests();
        if !restarts.rest(&run.stop) {
            break None;
        }
    };
    if error.is_some() && !run.keep_going {
        // What stopped this one stops the others too; they finish what they have begun.
        run.stop.drain();
    }
    (summary(member, &session_id, tally, restarts.count), error)
}

fn summary(member: &Member, session: &SessionId, tally: Tally, restarts: u32) -> AgentSummary {
    AgentSummary::new(&member.name, session, tally, restarts)
}

/// An agent panicked.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
struct Panicked(String);

/// One life. What it leaves behind half done is on the board, which doesn't believe it any more.
fn live(life: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(life))
        .unwrap_or_else(|panic| Err(anyhow!(Panicked(last_words(&*panic)))))
}

fn last_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason".into())
}

/// How often an agent was restarted.
#[derive(Debug)]
struct Restarts {
    count: u32,
    in_a_row: u32,
    rest: Duration,
}

impl Restarts {
    fn new(rest: Duration) -> Self {
        Self { count: 0, in_a_row: 0, rest }
    }

    /// Whether the next life may do better than the one that ended so.
    fn are_worth_it(&self, error: &Error) -> bool {
        self.in_a_row < RESTARTS_IN_A_ROW_MAX && (error.is::<Panicked>() || passes(error))
    }

    /// Rests before a restart; says whether it is still wanted then.
    fn rest(&mut self, stop: &Stop) -> bool {
        let until = Instant::now() + self.rest.saturating_mul(1 << self.in_a_row);
        while Instant::now() < until {
            if stop.is_wanted() {
                return false;
            }
            thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
        self.count += 1;
        self.in_a_row += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn agent_that_panics_is_restarted_a_few_times_in_a_row() {
        // A panic of one agent took its work from the run without a word, and its task with it.
        let mut restarts = Restarts::new(Duration::from_micros(1));
        let mut lives = 0;
        let error = loop {
            let life = live(|| {
                lives += 1;
                panic!("life {lives} is over")
            });
            let error = life.unwrap_err();
            if !restarts.are_worth_it(&error) {
                break error;
            }
            assert!(restarts.rest(&Stop::default()));
        };
        assert_eq!(error.to_string(), "it panicked: life 6 is over");
        assert_eq!((lives, restarts.count), (6, 5));
    }

    #[test]
    fn only_what_passes_is_worth_another_life() {
        let restarts = Restarts::new(REST);
        let spawning =
            |kind: io::ErrorKind| Error::from(io::Error::from(kind)).context("can't be started");
        assert!(restarts.are_worth_it(&spawning(io::ErrorKind::WouldBlock)));
        assert!(restarts.are_worth_it(&spawning(io::ErrorKind::ExecutableFileBusy)));
        assert!(!restarts.are_worth_it(&spawning(io::ErrorKind::NotFound)));
        assert!(!restarts.are_worth_it(&anyhow!("surprise")));
    }

    #[test]
    fn nobody_is_restarted_in_a_run_that_stops() {
        let stop = Stop::default();
        stop.drain();
        let mut restarts = Restarts::new(Duration::from_secs(1_000));
        assert!(!restarts.rest(&stop));
        assert_eq!(restarts.count, 0);
    }
}
