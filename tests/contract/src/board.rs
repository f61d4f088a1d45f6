//! A board under test, and sentences to use it by.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use taskhost_board::plain::{OnlyPolicy, PlainPolicies};
use taskhost_board::{
    Agent, AgentKind, BoardSettings, Claim, ClaimOutcome, ClaimRequest, Engine, Entry, Error,
    Filter, Finish, Held, LifeGuard, Millis, Name, NewTask, Policies, Policy, Proof, SessionId,
    Store, Task, TaskId, Token,
};

use crate::{Bench, Kind, Plan, history};

/// A board, which is checked when it goes.
pub(crate) struct Board {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    bench: Arc<dyn Bench>,
}

pub(crate) fn board(kind: &Kind) -> Board {
    board_with(kind, &BoardSettings::default())
}

pub(crate) fn board_with(kind: &Kind, settings: &BoardSettings) -> Board {
    Board::new(kind, &Plan::new(None, b"plain", settings), Arc::new(PlainPolicies::default()))
}

/// A board on which this policy decides.
pub(crate) fn board_by(kind: &Kind, policy: impl Policy + 'static) -> Board {
    let plan = Plan::new(None, b"other", &BoardSettings::default());
    Board::new(kind, &plan, Arc::new(OnlyPolicy::new(policy)))
}

/// Numbers that are the same every time.
pub(crate) fn numbers(from: u64) -> Arc<dyn Fn() -> u64 + Send + Sync> {
    let counter = AtomicU64::new(from);
    Arc::new(move || counter.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(crate) fn agent(text: &str) -> Agent {
    Agent {
        name: name(text),
        kind: AgentKind::Agent,
        session: SessionId::new(format!("s-{text}")).unwrap(),
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    }
}

pub(crate) fn task(text: &str) -> NewTask {
    NewTask { id: Some(id(text)), ..NewTask::new(name("work")) }
}

pub(crate) fn request(agent: &Agent) -> ClaimRequest {
    let filter = Filter { capabilities: agent.capabilities.clone(), ..Filter::default() };
    ClaimRequest { agent: agent.clone(), filter, lease_ms: None, key: None }
}

pub(crate) fn proof(task: &Task) -> Proof {
    let claim = task.claim.as_ref().expect("it is claimed");
    Proof { agent: claim.agent.clone(), token: Some(claim.token) }
}

impl Board {
    pub(crate) fn new(kind: &Kind, plan: &Plan, policies: Arc<dyn Policies>) -> Self {
        let bench = (kind.new)(plan);
        let store = bench.store();
        let engine = Engine::new(store.clone(), policies, numbers(1));
        Self { engine, store, bench }
    }

    /// Another handle of the board, with commands of its own, decided by `policies`. Its numbers begin with `from`.
    pub(crate) fn another(&self, policies: Arc<dyn Policies>, from: u64) -> Engine {
        Engine::new(self.bench.handle(), policies, numbers(from))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.bench.advance(by);
    }

    /// The board's time.
    pub(crate) fn now(&self) -> Millis {
        self.store.snapshot().unwrap().1.wall
    }

    pub(crate) fn lock_by_hand(&self, task: &TaskId) -> Box<dyn Any> {
        self.bench.lock_by_hand(task)
    }

    /// Takes the session's life lock.
    pub(crate) fn live(&self, agent: &Agent) -> Box<dyn LifeGuard> {
        self.store.live(&agent.session).unwrap()
    }

    pub(crate) fn let_die(&self, life: Box<dyn LifeGuard>) {
        self.bench.let_die(life);
    }

    /// Every entry so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        history::entries(&*self.store).into_iter().map(|(_, entry)| entry).collect()
    }

    pub(crate) fn add(&self, tasks: &[NewTask]) -> Result<Vec<Task>, Error> {
        Ok(self.engine.add(tasks, soon())?.into_iter().map(|outcome| outcome.task).collect())
    }

    pub(crate) fn claim(&self, request: &ClaimRequest) -> Result<ClaimOutcome, Error> {
        self.engine.claim(request, soon())
    }

    /// The task that an agent of this name gets.
    pub(crate) fn next(&self, agent_name: &str) -> Option<Task> {
        match self.claim(&request(&agent(agent_name))).unwrap() {
            ClaimOutcome::Claimed { task, .. } => Some(*task),
            ClaimOutcome::Nothing { .. } => None,
        }
    }

    pub(crate) fn claim_id(&self, agent_name: &str, task: &str) -> Result<ClaimOutcome, Error> {
        let mut request = request(&agent(agent_name));
        request.filter.only = Some(id(task));
        self.claim(&request)
    }

    pub(crate) fn finish(&self, task: &str, proof: &Proof, how: &Finish) -> Result<Held, Error> {
        self.engine.finish(&id(task), proof, how, soon())
    }

    pub(crate) fn complete(&self, task: &Task) -> Task {
        *self.finish(task.id.as_str(), &proof(task), &Finish::Complete(None)).unwrap().task
    }

    pub(crate) fn task(&self, text: &str) -> Task {
        self.engine.task(&id(text)).unwrap()
    }

    /// Nothing that is derived has drifted from the tasks, nor they from the history.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        assert_eq!(self.bench.check(), Vec::<String>::new());
        assert_eq!(history::check(&*self.store), Vec::<String>::new());
    }
}

pub(crate) fn token(claim: &Option<Claim>) -> Token {
    claim.as_ref().expect("it is claimed").token
}

impl Drop for Board {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_sound();
        }
    }
}
