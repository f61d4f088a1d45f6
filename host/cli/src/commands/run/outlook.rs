//! Whether a run that finds nothing to claim can still hope for something.
//!
//! It goes on while a task that its agents could work on is in progress somewhere, since that may come back; or
//! while one is pending and something can free it: work in progress anywhere, a time that will come, or whoever has
//! locked it by hand. What nobody here asked for keeps nobody waiting.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use taskhost::domain::Counts;
use taskhost::{Agent, Board, ListQuery, Mark, Millis, Name, Status, Task};

/// How often the tasks are looked through at most, which costs time in proportion to the board.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the board must stand still before the run gives up on tasks that are ready for others only: those
/// may just be between two tasks.
const STANDSTILL: Duration = Duration::from_secs(2);
/// How many tasks are read at once.
const PAGE: usize = 1_000;

/// The board as a claim that found nothing saw it.
pub struct Sight {
    pub counts: Counts,
    pub next_ready_at: Option<Millis>,
    pub seen: Mark,
}

impl Sight {
    /// Whether the time has come at which something changes by itself.
    pub fn is_due(&self, now: Millis) -> bool {
        self.next_ready_at.is_some_and(|at| at <= now)
    }
}

/// An agent, and the types of tasks that it asks for: any, if there are none.
pub struct Hopeful {
    pub agent: Agent,
    pub types: Vec<Name>,
}

/// What the agents of a run can hope for.
pub struct Outlook {
    labels: Vec<Name>,
    agents: Vec<Hopeful>,
    /// How many of the agents are between two lives.
    resting: AtomicU32,
    state: Mutex<State>,
}

/// An agent between two lives, until it is dropped.
pub struct Rest<'o>(&'o Outlook);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.resting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct State {
    ours: Option<(Mark, Instant, Ours)>,
    /// Since when the board stands still.
    still: Option<(Mark, Instant)>,
}

/// Whether there are tasks that these agents could work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Ours {
    pending: bool,
    in_progress: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    GoOn,
    Over,
    /// Over, if nothing changes for a while.
    OverIfStill,
}

impl Outlook {
    /// For these agents, who ask only for tasks with all of these labels.
    pub fn new(labels: Vec<Name>, agents: Vec<Hopeful>) -> Self {
        Self { labels, agents, resting: AtomicU32::new(0), state: Mutex::default() }
    }

    /// An agent rests, and goes on soon: what only it can do will be done, and may free something for others.
    pub fn rests(&self) -> Rest<'_> {
        self.resting.fetch_add(1, Ordering::SeqCst);
        Rest(self)
    }

    /// Whether nothing can come any more.
    pub fn is_over(&self, board: &Board, sight: &Sight) -> Result<bool, taskhost::Error> {
        if sight.counts.of(Status::Pending) + sight.counts.of(Status::InProgress) == 0 {
            return Ok(true);
        }
        if self.resting.load(Ordering::SeqCst) > 0 {
            return Ok(false);
        }
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ours = match state.ours {
            Some((seen, at, ours)) if seen == sight.seen || at.elapsed() < LOOK_EVERY => ours,
            _ => {
                let ours = self.look(board)?;
                state.ours = Some((sight.seen, Instant::now(), ours));
                ours
            }
        };
        // What was seen before a change may be wrong by now; another look is due soon.
        let stale = state.ours.is_some_and(|(seen, ..)| seen != sight.seen);
        match verdict(sight, ours) {
            Verdict::GoOn => {
                state.still = None;
                Ok(false)
            }
            Verdict::Over => Ok(!stale),
            Verdict::OverIfStill => match state.still {
                Some((seen, since)) if seen == sight.seen => {
                    if stale || since.elapsed() < STANDSTILL {
                        return Ok(false);
                    }
                    let comes_back = self.is_any_locked(board)?;
                    if comes_back {
                        // Looked for again when as much time has passed: it costs a look at every lock.
                        state.still = None;
                    }
                    Ok(!comes_back)
                }
                _ => {
                    state.still = Some((sight.seen, Instant::now()));
                    Ok(false)
                }
            },
        }
    }

    fn look(&self, board: &Board) -> Result<Ours, taskhost::Error> {
        Ok(Ours {
            pending: self.is_any(board, vec![Status::Pending], false, |_| Ok(true))?,
            in_progress: self.is_any(board, vec![Status::InProgress], false, |_| Ok(true))?,
        })
    }

    /// Whether a task that these agents would be given is locked by hand: nothing on the board says so, and whoever
    /// has locked it will let go of it.
    fn is_any_locked(&self, board: &Board) -> Result<bool, taskhost::Error> {
        let store = board.engine().store();
        let is_locked = |task: &Task| {
            let locker = store.task_locker(&task.id).map_err(taskhost::domain::Error::from)?;
            Ok(locker.is_some())
        };
        self.is_any(board, Vec::new(), true, is_locked)
    }

    /// Whether there is a task of these statuses, or one that is ready, that is ours and `is_one`.
    fn is_any(
        &self,
        board: &Board,
        statuses: Vec<Status>,
        ready: bool,
        is_one: impl Fn(&Task) -> Result<bool, taskhost::Error>,
    ) -> Result<bool, taskhost::Error> {
        let mut query = ListQuery {
            statuses,
            ready,
            types: self.types(),
            labels: self.labels.clone(),
            limit: PAGE,
            ..ListQuery::default()
        };
        loop {
            let page = board.list(&query)?;
            for task in page.tasks.iter().filter(|task| self.is_ours(task)) {
                if is_one(task)? {
                    return Ok(true);
                }
            }
            match page.next {
                Some(next) => query.past = Some(next),
                None => return Ok(false),
            }
        }
    }

    /// The types that somebody asks for; none if somebody asks for any.
    fn types(&self) -> Vec<Name> {
        if self.agents.iter().any(|hopeful| hopeful.types.is_empty()) {
            return Vec::new();
        }
        let types: BTreeSet<&Name> = self.agents.iter().flat_map(|it| &it.types).collect();
        types.into_iter().cloned().collect()
    }

    fn is_ours(&self, task: &Task) -> bool {
        self.agents.iter().any(|Hopeful { agent, types }| {
            (types.is_empty() || types.contains(&task.task_type))
                && task.needs.iter().all(|need| agent.capabilities.contains(need))
                && task.assignee.as_ref().is_none_or(|assignee| assignee.is(agent))
        })
    }
}

fn verdict(sight: &Sight, ours: Ours) -> Verdict {
    let something_comes = sight.counts.of(Status::InProgress) > 0
        || sight.next_ready_at.is_some()
        || sight.counts.unasked > 0;
    match ours {
        Ours { in_progress: true, .. } => Verdict::GoOn,
        Ours { pending: false, .. } => Verdict::Over,
        Ours { pending: true, .. } if something_comes => Verdict::GoOn,
        Ours { pending: true, .. } if sight.counts.ready > 0 => Verdict::OverIfStill,
        Ours { pending: true, .. } => Verdict::Over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(in_progress: u64, ready: u64, next_ready_at: Option<Millis>) -> Sight {
        let mut counts = Counts { ready, ..Counts::default() };
        counts.by_status[Status::InProgress as usize] = in_progress;
        Sight { counts, next_ready_at, seen: Mark::default() }
    }

    fn hopeful(capabilities: &[&str], types: &[&str]) -> Hopeful {
        let names = |texts: &[&str]| texts.iter().map(|it| Name::new(*it).unwrap()).collect();
        let agent = Agent {
            name: Name::new("a").unwrap(),
            kind: taskhost::AgentKind::Agent,
            session: taskhost::SessionId::new("s").unwrap(),
            hostname: None,
            capabilities: names(capabilities),
            living: true,
            process: None,
        };
        Hopeful { agent, types: names(types) }
    }

    #[test]
    fn task_is_ours_if_one_agent_has_both_what_it_needs_and_its_type() {
        let gpu = |types: &[&str]| {
            let agents = vec![hopeful(&["gpu"], types), hopeful(&[], &[])];
            Outlook::new(Vec::new(), agents)
        };
        let task =
            Task { needs: vec![Name::new("gpu").unwrap()], ..taskhost_answers::sample::task() };
        assert!(gpu(&[]).is_ours(&task));
        assert!(gpu(&["build"]).is_ours(&task));
        assert!(!gpu(&["train"]).is_ours(&task));
        assert!(gpu(&["train"]).types().is_empty());
    }

    const NONE: Ours = Ours { pending: false, in_progress: false };
    const PENDING: Ours = Ours { pending: true, in_progress: false };
    const IN_PROGRESS: Ours = Ours { pending: false, in_progress: true };

    #[test]
    fn work_in_progress_may_come_back_or_free_something() {
        assert_eq!(verdict(&sight(1, 0, None), IN_PROGRESS), Verdict::GoOn);
        assert_eq!(verdict(&sight(1, 0, None), PENDING), Verdict::GoOn);
    }

    #[test]
    fn work_of_others_keeps_nobody_waiting_who_has_nothing_pending() {
        assert_eq!(verdict(&sight(1, 3, Some(Millis(1))), NONE), Verdict::Over);
    }

    #[test]
    fn time_that_will_come_is_waited_for() {
        assert_eq!(verdict(&sight(0, 0, Some(Millis(1))), PENDING), Verdict::GoOn);
    }

    #[test]
    fn nothing_that_moves_is_the_end() {
        assert_eq!(verdict(&sight(0, 0, None), PENDING), Verdict::Over);
        assert_eq!(verdict(&sight(0, 1, None), PENDING), Verdict::OverIfStill);
    }
}
