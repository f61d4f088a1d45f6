//! A running agent: what it claims, and what it does about it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use taskhost_board::{
    Agent, AgentKind, ClaimOutcome, ClaimRequest, Filter, Finish, Held, Json, LifeGuard, ListQuery,
    Mark, Millis, Name, Process, Proof, SessionId, Status, Task, TaskId, Token,
};
use tracing::Span;
use tracing::field::{Empty, display};

use crate::spans::{note, operation};
use crate::{Board, Error, domain, system};

/// A waiter asks again after this long, whatever it heard: a fork of a dead holder may have kept its lock, so that
/// nobody heard of the death.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long a waiter that can't reach the board's server waits until it tries again.
const UNREACHABLE_NAP: Duration = Duration::from_millis(250);

/// Who works, and how.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The agent's name, which other sessions may share.
    pub name: String,
    /// What kind of worker it is.
    pub kind: AgentKind,
    /// The machine; this one unless said otherwise.
    pub hostname: Option<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// The session's id; one is made if none is given.
    pub session: Option<String>,
    /// Hold the life lock, so that its tasks come back in milliseconds if this process dies.
    pub living: bool,
    /// The process whose death is to prove the agent's, where the agent isn't this process.
    pub holder: Option<Process>,
}

impl SessionOptions {
    /// An agent of this name, on this machine, that holds its life lock.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: AgentKind::Agent,
            hostname: system::hostname().map(String::from),
            capabilities: Vec::new(),
            session: None,
            living: true,
            holder: None,
        }
    }
}

/// A running agent on a board. Dropping it lets its life lock go, and with it the tasks that it still holds.
#[derive(Clone)]
pub struct Session {
    board: Board,
    agent: Agent,
    _life: Option<Arc<dyn LifeGuard>>,
}

impl Session {
    pub(crate) fn start(board: Board, options: &SessionOptions) -> Result<Self, Error> {
        let name = |text: &String| Name::new(text.clone()).map_err(Error::name);
        let session = match &options.session {
            Some(text) => SessionId::new(text.clone()).map_err(Error::name)?,
            None => system::new_session(),
        };
        let life: Option<Arc<dyn LifeGuard>> = if options.living {
            Some(Arc::from(board.engine().store().live(&session)?))
        } else {
            None
        };
        let agent = Agent {
            name: name(&options.name)?,
            kind: options.kind,
            session,
            hostname: options.hostname.as_ref().map(name).transpose()?,
            capabilities: options.capabilities.iter().map(name).collect::<Result<_, _>>()?,
            living: options.living,
            process: options.holder.clone(),
        };
        Ok(Self { board, agent, _life: life })
    }

    /// Who this is.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The board it works on.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The next task for this agent, or `None` if there is nothing for it now.
    pub fn claim(&self) -> Result<Option<Claimed>, Error> {
        match self.claim_with(&ClaimOptions::default())? {
            ClaimOutcome::Claimed { task, .. } => {
                Ok(Some(Claimed { session: self.clone(), task: *task }))
            }
            ClaimOutcome::Nothing { .. } => Ok(None),
        }
    }

    /// A task that matches, or why there is none; waits for one as long as the options say.
    pub fn claim_with(&self, options: &ClaimOptions) -> Result<ClaimOutcome, Error> {
        let Agent { name, session, .. } = &self.agent;
        operation!(
            "taskhost.claim",
            self.board.address(),
            agent = %name,
            %session,
            task = options.filter.only.as_ref().map(display),
            token = Empty
        )
        .run_told(
            || self.claim_or_wait(options),
            |span, outcome| tell_claim(span, outcome, options.filter.only.is_some()),
        )
    }

    fn claim_or_wait(&self, options: &ClaimOptions) -> Result<ClaimOutcome, Error> {
        let request = self.request(options);
        if options.wait.is_zero() {
            let answer = self.board.engine().claim(&request, self.board.deadline());
            self.board.tend();
            return Ok(answer?);
        }
        let began = Instant::now();
        loop {
            let left = options.wait.saturating_sub(began.elapsed());
            // Taken before the claim, so that nothing that happens after it is slept through.
            let seen = match self.board.mark() {
                Err(error) if is_unreachable(&error) && !left.is_zero() => {
                    thread::sleep(UNREACHABLE_NAP.min(left));
                    continue;
                }
                seen => seen?,
            };
            let answer = self.board.engine().claim(&request, self.board.deadline());
            let left = options.wait.saturating_sub(began.elapsed());
            let next_ready_at = match &answer {
                Ok(ClaimOutcome::Nothing { next_ready_at, .. }) => *next_ready_at,
                // The task that was asked for may be handed back while the asker waits.
                Err(domain::Error::Held { lease_until, .. }) => Some(*lease_until),
                // Whoever waits outlasts a server that is started anew.
                Err(error) if is_cut_off(error) && !left.is_zero() => {
                    thread::sleep(UNREACHABLE_NAP.min(left));
                    continue;
                }
                Ok(ClaimOutcome::Claimed { .. }) | Err(_) => return Ok(answer?),
            };
            if left.is_zero() {
                return Ok(answer?);
            }
            match self.wait_for_request(&request, seen, next_ready_at, left) {
                Err(error) if is_unreachable(&error) => thread::sleep(UNREACHABLE_NAP.min(left)),
                waited => waited?,
            }
        }
    }

    /// Whether a claim with these options may be answered otherwise than with nothing: looked up without the board's
    /// lock. That a holder has died it doesn't see.
    pub fn may_claim(&self, options: &ClaimOptions) -> Result<bool, Error> {
        let Agent { name, session, .. } = &self.agent;
        operation!("taskhost.may_claim", self.board.address(), agent = %name, %session).run_told(
            || Ok(self.board.engine().may_claim(&self.request(options))?),
            |span, may| {
                span.record("outcome", if *may { "maybe" } else { "no" });
            },
        )
    }

    /// Waits until the request may be answered otherwise than with nothing, no longer than until the board's clock says
    /// `until`, or for `at_most`. `seen` was taken before the claim that was answered so.
    fn wait_for_request(
        &self,
        request: &ClaimRequest,
        mut seen: Mark,
        until: Option<Millis>,
        at_most: Duration,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + at_most.min(ASK_AGAIN);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let now = self.board.wait_for(seen, until, left)?;
            // Most changes are none for this agent. Many may wait, so each looks without the board's lock first.
            if now == seen || now.deaths != seen.deaths || self.board.engine().may_claim(request)? {
                return Ok(());
            }
            seen = now;
        }
    }

    fn request(&self, options: &ClaimOptions) -> ClaimRequest {
        let mut filter = options.filter.clone();
        filter.capabilities.clone_from(&self.agent.capabilities);
        ClaimRequest {
            agent: self.agent.clone(),
            filter,
            lease_ms: options.lease.map(millis),
            key: options.key.clone(),
        }
    }

    /// The tasks that this session holds: those that it claimed, and, if it goes on from one of the same id that
    /// ended, those that nobody has recovered since.
    pub fn held(&self) -> Result<Vec<Claimed>, Error> {
        let query = ListQuery {
            agent: Some(self.agent.name.clone()),
            limit: usize::MAX,
            ..ListQuery::default()
        };
        let tasks = self.board.list(&query)?.tasks.into_iter();
        let own = |task: &Task| {
            task.claim.as_ref().is_some_and(|claim| claim.session == self.agent.session)
        };
        Ok(tasks.filter(own).map(|task| self.claimed(task)).collect())
    }

    /// Takes up again the claim with this token, which an earlier session of this agent's name made: it is this session's
    /// from now on. Refused while that session lives.
    pub fn resume(
        &self,
        id: &TaskId,
        token: Token,
        lease: Option<Duration>,
    ) -> Result<Claimed, Error> {
        let engine = self.board.engine();
        let deadline = self.board.deadline();
        let held = engine.resume(id, token, &self.agent, lease.map(millis), deadline)?;
        Ok(self.claimed(*held.task))
    }

    /// The handle of a task that this session claimed.
    pub fn claimed(&self, task: Task) -> Claimed {
        Claimed { session: self.clone(), task }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What to claim, and how.
#[derive(Debug, Clone, Default)]
pub struct ClaimOptions {
    /// Which task; the capabilities are the session's.
    pub filter: Filter,
    /// Until when the claim holds without a heartbeat.
    pub lease: Option<Duration>,
    /// How long to wait for a task if there is none.
    pub wait: Duration,
    /// Repeated with the same key, the request gives the same claim.
    pub key: Option<String>,
}

/// A task that a session holds. Each method presents the claim's token.
#[derive(Clone)]
pub struct Claimed {
    session: Session,
    task: Task,
}

impl Claimed {
    /// The task as it was claimed.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The task's id.
    pub fn id(&self) -> &TaskId {
        &self.task.id
    }

    /// What shows that a request comes from its holder.
    pub fn proof(&self) -> Proof {
        Proof {
            agent: self.session.agent.name.clone(),
            token: self.task.claim.as_ref().map(|claim| claim.token),
        }
    }

    /// Extends the lease by its own length from now.
    pub fn heartbeat(&self) -> Result<Held, Error> {
        self.heartbeat_by(self.session.board.deadline())
    }

    /// The same, but waits for the board's lock no longer than until `deadline`.
    pub fn heartbeat_by(&self, deadline: Instant) -> Result<Held, Error> {
        self.session.board.heartbeat_by(self.id(), &self.proof(), None, deadline)
    }

    /// The task is done. It may be in review instead, if the policy says so.
    pub fn complete(&self, result: Option<Json>) -> Result<Status, Error> {
        self.finish(&Finish::Complete(result))
    }

    /// The attempt failed. The task may be pending again, if the policy says so.
    pub fn fail(&self, error: impl Into<String>) -> Result<Status, Error> {
        self.finish(&Finish::Fail(Some(error.into())))
    }

    /// Hands the task back, and its attempt with it.
    pub fn release(&self, reason: Option<String>) -> Result<Status, Error> {
        self.finish(&Finish::Release(reason))
    }

    fn finish(&self, how: &Finish) -> Result<Status, Error> {
        self.finish_by(how, self.session.board.deadline())
    }

    /// Ends the claim in any of these ways, waiting for the board's lock no longer than until `deadline`.
    pub fn finish_by(&self, how: &Finish, deadline: Instant) -> Result<Status, Error> {
        let held = self.session.board.finish_by(self.id(), &self.proof(), how, deadline)?;
        Ok(held.task.status)
    }
}

/// Notes what an agent was given, if anything.
fn tell_claim(span: &Span, outcome: &ClaimOutcome, names_task: bool) {
    match outcome {
        ClaimOutcome::Claimed { task, repeated } => {
            // A field that is written twice is shown twice.
            if !names_task {
                span.record("task", display(&task.id));
            }
            note(span, "token", task.claim.as_ref().map(|claim| claim.token.0));
            span.record("outcome", if *repeated { "repeated" } else { "claimed" });
        }
        ClaimOutcome::Nothing { why, .. } => {
            span.record("outcome", why.as_str());
        }
    }
}

/// Whether the board's server can't be reached just now.
fn is_unreachable(error: &Error) -> bool {
    matches!(error, Error::Board(error) if is_cut_off(error))
}

fn is_cut_off(error: &domain::Error) -> bool {
    use domain::{BeginError, Error, ReadError};
    matches!(
        error,
        Error::Read(ReadError::Unreachable(_))
            | Error::Begin(BeginError::Read(ReadError::Unreachable(_)))
    )
}
