//! What became of a run.

use serde::Serialize;
use taskhost::domain::Counts;
use taskhost::{Name, SessionId, Status};

use crate::exit::Problem;
use crate::output::line;

/// How an attempt ended for the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Completed,
    /// Completed, and somebody is to accept it.
    InReview,
    Failed,
    /// The attempt failed, and the task will be tried again.
    Retried,
    Released,
    /// The claim was taken away meanwhile.
    Lost,
}

impl Outcome {
    /// Whether the attempt failed.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Retried)
    }
}

/// How many attempts ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    completed: u64,
    in_review: u64,
    failed: u64,
    retried: u64,
    released: u64,
    lost: u64,
}

/// What one agent did.
#[derive(Debug, Serialize)]
pub struct AgentSummary {
    name: String,
    /// Its last one: it gets another each time that it is restarted.
    session: String,
    #[serde(flatten)]
    tally: Tally,
    restarts: u32,
}

/// The tasks of the whole board that have not ended, by where they stand: a run that left some is not to be taken
/// for one that did everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    total: u64,
    /// Ready, though not for the run's agents, unless something stopped them.
    ready: u64,
    waiting: u64,
    in_progress: u64,
    in_review: u64,
    blocked: u64,
}

impl From<&Counts> for Left {
    fn from(counts: &Counts) -> Self {
        Self {
            total: counts.open(),
            ready: counts.ready,
            waiting: counts.of(Status::Pending).saturating_sub(counts.ready),
            in_progress: counts.of(Status::InProgress),
            in_review: counts.of(Status::InReview),
            blocked: counts.of(Status::Blocked),
        }
    }
}

impl Left {
    fn text(&self, was_stopped: bool) -> String {
        let ready = if was_stopped { "ready" } else { "ready, but not for these agents" };
        let parts = [
            (self.ready, ready),
            (self.waiting, "waiting"),
            (self.in_progress, "in progress"),
            (self.in_review, "in review"),
            (self.blocked, "blocked"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        format!("left on the board: {} (`taskhost explain ID` says why)", parts.join(", "))
    }
}

/// What all of them did, and why they ended, if it wasn't that nothing was left.
#[derive(Debug, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    tally: Tally,
    restarts: u32,
    agents: Vec<AgentSummary>,
    /// Absent if the board could not be read at the end.
    left: Option<Left>,
    stopped_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

impl Tally {
    pub fn count(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Completed => &mut self.completed,
            Outcome::InReview => &mut self.in_review,
            Outcome::Failed => &mut self.failed,
            Outcome::Retried => &mut self.retried,
            Outcome::Released => &mut self.released,
            Outcome::Lost => &mut self.lost,
        };
        *count += 1;
    }

    /// How many attempts were made and came to an end of their own.
    pub fn done(&self) -> u64 {
        self.completed + self.in_review + self.failed + self.retried
    }

    fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.in_review += other.in_review;
        self.failed += other.failed;
        self.retried += other.retried;
        self.released += other.released;
        self.lost += other.lost;
    }

    fn text(&self) -> String {
        let rare = [
            (self.in_review, "in review"),
            (self.retried, "failed and put back"),
            (self.released, "released"),
            (self.lost, "lost to others"),
        ];
        let mut text = format!("{} completed, {} failed", self.completed, self.failed);
        for (count, what) in rare.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!(", {count} {what}"));
        }
        text
    }
}

impl AgentSummary {
    pub fn new(name: &Name, session: &SessionId, tally: Tally, restarts: u32) -> Self {
        Self { name: name.to_string(), session: session.to_string(), tally, restarts }
    }
}

impl Summary {
    pub fn new(
        agents: Vec<AgentSummary>,
        left: Option<Left>,
        stopped_by: Option<&'static str>,
        error: Option<Problem>,
    ) -> Self {
        let mut tally = Tally::default();
        agents.iter().for_each(|agent| tally.add(&agent.tally));
        let restarts = agents.iter().map(|agent| agent.restarts).sum();
        Self { tally, restarts, agents, left, stopped_by, error }
    }

    pub fn some_failed(&self) -> bool {
        self.tally.failed > 0
    }

    pub fn write(&self, out: &mut String) {
        line(out, self.tally.text() + &restarted(self.restarts));
        for agent in &self.agents {
            let restarted = restarted(agent.restarts);
            line(out, format_args!("  {}: {}{restarted}", agent.name, agent.tally.text()));
        }
        if let Some(left) = self.left.filter(|left| left.total > 0) {
            line(out, left.text(self.stopped_by.is_some() || self.error.is_some()));
        }
    }
}

fn restarted(times: u32) -> String {
    match times {
        0 => String::new(),
        1 => ", restarted once".into(),
        _ => format!(", restarted {times} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let mut tally = Tally::default();
        [Outcome::Completed, Outcome::Failed, Outcome::Lost]
            .into_iter()
            .for_each(|outcome| tally.count(outcome));
        let agent = |name: &str| AgentSummary {
            name: name.into(),
            session: format!("s-{name}"),
            tally,
            restarts: 1,
        };
        let left = Left { total: 3, ready: 1, waiting: 2, ..Left::default() };
        let agents = vec![agent("a-1"), agent("a-2")];
        Summary::new(agents, Some(left), Some("SIGINT"), None)
    }

    #[test]
    fn summary_counts_all_and_each() {
        assert_eq!(
            serde_json::to_value(summary()).unwrap(),
            serde_json::json!({
                "completed": 2, "in_review": 0, "failed": 2, "retried": 0, "released": 0, "lost": 2,
                "restarts": 2,
                "agents": [
                    {"name": "a-1", "session": "s-a-1", "completed": 1, "in_review": 0, "failed": 1, "retried": 0,
                     "released": 0, "lost": 1, "restarts": 1},
                    {"name": "a-2", "session": "s-a-2", "completed": 1, "in_review": 0, "failed": 1, "retried": 0,
                     "released": 0, "lost": 1, "restarts": 1},
                ],
                "left": {"total": 3, "ready": 1, "waiting": 2, "in_progress": 0, "in_review": 0, "blocked": 0},
                "stopped_by": "SIGINT",
            })
        );
    }

    #[test]
    fn attempt_that_was_not_made_is_nothing_done() {
        // An agent whose command could never be started was restarted without end.
        let mut tally = Tally::default();
        tally.count(Outcome::Released);
        tally.count(Outcome::Lost);
        assert_eq!(tally.done(), 0);
        tally.count(Outcome::Retried);
        assert_eq!(tally.done(), 1);
    }

    #[test]
    fn summary_names_what_is_rare_only_if_it_happened() {
        let mut text = String::new();
        summary().write(&mut text);
        assert!(
            text.contains("  a-1: 1 completed, 1 failed, 1 lost to others, restarted once\n"),
            "{text}"
        );
        assert!(
            text.starts_with("2 completed, 2 failed, 2 lost to others, restarted 2 times\n"),
            "{text}"
        );
        // A run that left tasks undone said nothing of them, and looked as if everything was done.
        assert!(text.contains("left on the board: 1 ready, 2 waiting ("), "{text}");
        text.clear();
        Summary { stopped_by: None, ..summary() }.write(&mut text);
        assert!(text.contains(": 1 ready, but not for these agents, 2 waiting ("), "{text}");
    }
}
