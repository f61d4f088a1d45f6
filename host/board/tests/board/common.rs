//! A board in memory and sentences to use it by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, AgentKind, BoardSettings, Claim, ClaimOutcome, ClaimRequest, Digest, Engine, Error,
    Filter, Finish, Held, Name, NewTask, PolicyPin, PolicySet, Proof, SessionId, Task, TaskId,
    Token,
};

pub struct Board {
    pub engine: Engine,
    pub store: MemoryStore,
}

pub fn board() -> Board {
    board_with(&BoardSettings::default())
}

pub fn board_with(settings: &BoardSettings) -> Board {
    let pin = PolicyPin { digest: Digest::of(b"plain"), settings: BTreeMap::new() };
    let set = PolicySet { custom: None, standard: pin };
    let store = MemoryStore::new(&set, BTreeMap::new(), settings).unwrap();
    let counter = AtomicU64::new(1);
    let entropy = Arc::new(move || counter.fetch_add(1, Ordering::Relaxed));
    let engine = Engine::new(Arc::new(store.clone()), Arc::new(PlainPolicies::default()), entropy);
    Board { engine, store }
}

pub fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub fn agent(text: &str) -> Agent {
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

pub fn task(text: &str) -> NewTask {
    NewTask { id: Some(id(text)), ..NewTask::new(name("work")) }
}

pub fn request(agent: &Agent) -> ClaimRequest {
    let filter = Filter { capabilities: agent.capabilities.clone(), ..Filter::default() };
    ClaimRequest { agent: agent.clone(), filter, lease_ms: None, key: None }
}

pub fn proof(task: &Task) -> Proof {
    let claim = task.claim.as_ref().expect("it is claimed");
    Proof { agent: claim.agent.clone(), token: Some(claim.token) }
}

impl Board {
    pub fn add(&self, tasks: &[NewTask]) -> Result<Vec<Task>, Error> {
        Ok(self.engine.add(tasks, soon())?.into_iter().map(|outcome| outcome.task).collect())
    }

    pub fn claim(&self, request: &ClaimRequest) -> Result<ClaimOutcome, Error> {
        self.engine.claim(request, soon())
    }

    /// The task that an agent of this name gets.
    pub fn next(&self, agent_name: &str) -> Option<Task> {
        match self.claim(&request(&agent(agent_name))).unwrap() {
            ClaimOutcome::Claimed { task, .. } => Some(*task),
            ClaimOutcome::Nothing { .. } => None,
        }
    }

    pub fn claim_id(&self, agent_name: &str, task: &str) -> Result<ClaimOutcome, Error> {
        let mut request = request(&agent(agent_name));
        request.filter.only = Some(id(task));
        self.claim(&request)
    }

    pub fn finish(&self, task: &str, proof: &Proof, how: &Finish) -> Result<Held, Error> {
        self.engine.finish(&id(task), proof, how, soon())
    }

    pub fn complete(&self, task: &Task) -> Task {
        *self.finish(task.id.as_str(), &proof(task), &Finish::Complete(None)).unwrap().task
    }

    pub fn task(&self, text: &str) -> Task {
        self.engine.task(&id(text)).unwrap()
    }

    /// Nothing that is derived has drifted from the tasks.
    pub fn assert_sound(&self) {
        assert_eq!(self.store.check().unwrap(), Vec::<String>::new());
    }
}

pub fn token(claim: &Option<Claim>) -> Token {
    claim.as_ref().expect("it is claimed").token
}
