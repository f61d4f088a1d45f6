//! `adopt`: tasks that come from elsewhere, each with its past.
//!
//! - [`Arrival`]: a task as it stood where it comes from. [`Adoption`]: what became of it here.
//!
//! A task of an id that the board has already is left as it is, so whoever was interrupted can adopt the same tasks
//! again. What was finished or parked elsewhere is history: no hook is asked to agree to it, and nobody can have waited
//! for it here, because what a task names must be on the board before the task is. What is pending is asked about as if it
//! had been added. A claim is made anew, with a token of this board: another system has none that this one could know.

use std::time::Instant as Deadline;

use super::add::{TASKS_MAX, aim, check_bounds, distinct, order_of_birth, sorted};
use super::hold::{ERROR_BYTES_MAX, REASON_BYTES_MAX, RESULT_BYTES_MAX, check_text};
use super::{Engine, Error, NewTask, Work};
use crate::transaction::LEASE_MS_MAX;
use crate::{
    AgentKind, Change, Claim, Command, Event, Json, Lease, Millis, Name, ReadError, Readiness,
    Request, SessionId, Status, Task, TaskId,
};

/// A task that comes from elsewhere.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// What it is. Its id must be given, and a request key can't be: nobody here has asked for it with one.
    pub new: NewTask,
    /// What has become of it so far.
    pub past: Past,
}

/// What has become of a task elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Where it stands.
    pub status: Status,
    /// Why it stands there.
    pub reason: Option<String>,
    /// Who holds it: somebody if it is in progress, else nobody.
    pub claim: Option<PastClaim>,
    /// What it left.
    pub result: Option<Json>,
    /// What its last failure said.
    pub error: Option<String>,
    /// How often it was claimed, this claim included.
    pub attempts: u32,
    /// How many attempts failed.
    pub failures: u32,
    /// When it was added there; now, if that isn't known.
    pub created_at: Option<Millis>,
    /// When it last changed there; now, if that isn't known or it is claimed.
    pub updated_at: Option<Millis>,
    /// When it ended, if it has; now, if that isn't known.
    pub completed_at: Option<Millis>,
}

impl Past {
    /// A task that stands at `status`, of which nothing else is known.
    pub fn new(status: Status) -> Self {
        Self {
            status,
            reason: None,
            claim: None,
            result: None,
            error: None,
            attempts: 0,
            failures: 0,
            created_at: None,
            updated_at: None,
            completed_at: None,
        }
    }
}

/// A hold on a task that was taken elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastClaim {
    /// The agent's name.
    pub agent: Name,
    /// What kind of worker it is.
    pub kind: AgentKind,
    /// The machine it runs on, if that is known.
    pub hostname: Option<Name>,
    /// Since when; since now, if that isn't known.
    pub since: Option<Millis>,
    /// How long it holds from then on, in milliseconds. If that is over, the next claim finds it so.
    pub lease_ms: u64,
}

/// What became of a task that was to be adopted.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The task as it stands here.
    pub task: Task,
    /// Whether the board had a task of this id already, which was left as it is.
    pub was_there: bool,
}

impl Engine {
    /// Adopts all of these tasks or none, at most 10,000. They may name each other in any order, and whatever is on the
    /// board.
    pub fn adopt(&self, tasks: &[Arrival], deadline: Deadline) -> Result<Vec<Adoption>, Error> {
        if tasks.len() > TASKS_MAX {
            return Err(Error::Invalid(format!(
                "{} tasks are too many for one transaction, which takes {TASKS_MAX}: adopt them in several",
                tasks.len()
            )));
        }
        tasks.iter().try_for_each(check_arrival)?;
        let news: Vec<&NewTask> = tasks.iter().map(|arrival| &arrival.new).collect();
        let order = order_of_birth(&news)?;
        let request = Request::of(Command::Add);
        let aim = aim(tasks.iter().map(|arrival| &arrival.new));
        self.transact(&request, aim, deadline, |work| work.adopt(tasks, &order))
    }
}

/// Checks that what is said of a task can be, and is of a size that can be kept: all that [`Engine::adopt`] asks of it by
/// itself. Whoever makes a board for what comes from elsewhere asks this first, so that none is made in vain.
///
/// # Errors
///
/// If the task couldn't be adopted on any board.
pub fn check_arrival(Arrival { new, past }: &Arrival) -> Result<(), Error> {
    check_bounds(new)?;
    let Some(id) = &new.id else {
        return Err(Error::Invalid(format!(
            "a task of type `{}` comes without an id: give one, so that it is adopted only once",
            new.task_type
        )));
    };
    let wrong = |what: String| Err(Error::Invalid(format!("`{id}` {what}")));
    if new.key.is_some() {
        return wrong("comes with a request key: leave it out, for its id is enough".into());
    }
    if past.claim.is_some() != (past.status == Status::InProgress) {
        return wrong(format!(
            "is {}: somebody must hold a task that is in progress, and nobody any other",
            past.status
        ));
    }
    if past.completed_at.is_some() && !past.status.is_finished() {
        return wrong(format!("is {}: only a finished task has ended at some time", past.status));
    }
    if let Some(PastClaim { lease_ms, .. }) = &past.claim
        && (*lease_ms == 0 || *lease_ms > LEASE_MS_MAX)
    {
        return wrong(format!("is held for {lease_ms} ms: a lease is 1 ms to 30 days"));
    }
    let texts = [
        ("a reason", past.reason.as_deref(), REASON_BYTES_MAX),
        ("an error", past.error.as_deref(), ERROR_BYTES_MAX),
        ("a result", past.result.as_ref().map(Json::as_str), RESULT_BYTES_MAX),
    ];
    for (what, text, bytes_max) in texts {
        check_text(what, text.unwrap_or_default(), bytes_max)?;
    }
    Ok(())
}

impl Work<'_> {
    fn adopt(&mut self, tasks: &[Arrival], order: &[usize]) -> Result<Vec<Adoption>, Error> {
        let mut was_there = Vec::with_capacity(tasks.len());
        for arrival in tasks {
            let id = id_of(arrival)?;
            was_there.push(self.tx().task(id)?.is_some());
        }
        // What was there asks for nothing, not even for what others left over: it leaves no line in the journal.
        if was_there.contains(&false) {
            self.take_backlog()?;
            for index in order.iter().filter(|index| !was_there[**index]) {
                self.adopt_one(&tasks[*index])?;
            }
            self.settle()?;
        }
        let adopted = tasks.iter().zip(was_there);
        adopted
            .map(|(arrival, was_there)| {
                Ok(Adoption { task: self.task(id_of(arrival)?)?, was_there })
            })
            .collect()
    }

    fn adopt_one(&mut self, Arrival { new, past }: &Arrival) -> Result<(), Error> {
        for id in new.parent.iter().chain(&new.after) {
            self.task(id)?;
        }
        let born = self.tx_mut().next_born()?;
        let now = self.tx().now().wall;
        // A claim comes as a change of its own, which counts its attempt and has the board's next token.
        let (status, counted) = match past.status {
            Status::InProgress => (Status::Pending, past.attempts.saturating_sub(1)),
            other => (other, past.attempts),
        };
        let completed_at = past.completed_at.or(Some(now)).filter(|_| status.is_finished());
        let task = Task {
            id: id_of_new(new)?.clone(),
            task_type: new.task_type.clone(),
            status,
            reason: past.reason.clone(),
            parent: new.parent.clone(),
            after: distinct(&new.after),
            priority: new.priority,
            labels: sorted(&new.labels),
            needs: sorted(&new.needs),
            assignee: new.assignee.clone(),
            data: new.data.clone(),
            key: None,
            attempts: counted,
            failures: past.failures,
            claim: None,
            closed: None,
            result: past.result.clone(),
            error: past.error.clone(),
            not_before: new.not_before,
            created_at: past.created_at.unwrap_or(now),
            updated_at: past.updated_at.unwrap_or(now),
            completed_at,
            born,
            readiness: Readiness::Unasked,
        };
        let id = task.id.clone();
        self.tx_mut().apply(Change::Added(Box::new(task)))?;
        self.queue.allow_one_more();
        if let Some(claim) = &past.claim {
            let claim = Box::new(self.claim_anew(&id, claim, born)?);
            self.tx_mut().apply(Change::Claimed { id, claim })?;
        } else if past.status == Status::Pending {
            self.tell(&id, Event::Created, "")?;
        }
        Ok(())
    }

    /// The claim that stands for one taken elsewhere. Nothing proves its holder's death but the end of its lease, of
    /// which at least a millisecond is left: then it is recovered as any other.
    fn claim_anew(&mut self, id: &TaskId, past: &PastClaim, born: u64) -> Result<Claim, Error> {
        let token = self.tx_mut().next_token(id)?;
        let tx = self.tx();
        let session = SessionId::new(format!("imported-{}-{born}", tx.id()))
            .map_err(|e| ReadError::Failed(e.to_string()))?;
        let now = tx.now();
        let since = past.since.unwrap_or(now.wall);
        let left_ms = since.plus(past.lease_ms).0.saturating_sub(now.wall.0);
        Ok(Claim {
            agent: past.agent.clone(),
            kind: past.kind,
            hostname: past.hostname.clone(),
            session,
            living: false,
            process: None,
            token,
            since,
            lease: Lease::starting(now, left_ms.clamp(1, past.lease_ms)),
            lease_ms: past.lease_ms,
        })
    }
}

fn id_of(arrival: &Arrival) -> Result<&TaskId, Error> {
    id_of_new(&arrival.new)
}

fn id_of_new(new: &NewTask) -> Result<&TaskId, Error> {
    new.id.as_ref().ok_or_else(|| Error::Invalid("a task that is adopted has an id".into()))
}
