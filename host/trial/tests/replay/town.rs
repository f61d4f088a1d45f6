//! A board in memory on which agents work, so that it has a history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use taskhost_board::memory::MemoryStore;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Action, Agent, BoardSettings, ChangeRequest, ClaimOutcome, ClaimRequest, Digest, Engine, Error,
    Filter, Finish, LifeGuard, Name, NewTask, Order, Policies, PolicyPin, PolicySet, PolicyTarget,
    Powers, Proof, SessionId, Status, Store as _, TaskId, Token,
};
use taskhost_trial::course::Course;
use taskhost_trial::history::Workload;
use taskhost_trial::replay::{Candidate, replay};

/// The only policy here.
const COMPONENT: &[u8] = b"plain";

/// A board, and who works on it.
pub struct Town {
    pub store: MemoryStore,
    pub engine: Engine,
    pub held: BTreeMap<TaskId, (Name, SessionId, Token)>,
    lives: BTreeMap<SessionId, Box<dyn LifeGuard>>,
}

pub fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// What decides everywhere here.
pub fn candidate() -> Candidate {
    let digest = Digest::of(COMPONENT);
    let standard = PolicyPin { digest, settings: BTreeMap::new() };
    let components = BTreeMap::from([(digest, COMPONENT.to_vec())]);
    let set = PolicySet { custom: None, standard };
    let fetch = |digest: Digest| Ok(components[&digest].clone());
    Candidate::new(&set, PolicyTarget::Current, &[], &[], &fetch).unwrap()
}

/// What happened on the board.
pub fn workload(store: &MemoryStore) -> Workload {
    Workload::of(store, &|_, _| {}).unwrap()
}

/// The workload again, where tasks are given out in this order.
pub fn again(workload: &Workload, order: Order) -> Course {
    through(workload, PlainPolicies { order })
}

/// The workload again, decided by these policies.
pub fn through(workload: &Workload, policies: impl Policies + Clone + 'static) -> Course {
    let runner =
        |_: Arc<dyn Powers>| -> Result<Arc<dyn Policies>, Error> { Ok(Arc::new(policies.clone())) };
    let settings = BoardSettings::default();
    replay(workload, &candidate(), &settings, &runner, "again", &|_, _| {}).unwrap()
}

impl Town {
    pub fn new() -> Self {
        let candidate = candidate();
        let (set, components) = (candidate.set(), candidate.components().clone());
        let store = MemoryStore::new(set, components, &BoardSettings::default()).unwrap();
        let numbers = AtomicU64::new(7);
        let entropy = move || numbers.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let policies = Arc::new(PlainPolicies::default());
        let engine = Engine::new(Arc::new(store.clone()), policies, Arc::new(entropy));
        Self { store, engine, held: BTreeMap::new(), lives: BTreeMap::new() }
    }

    pub fn wait(&self, ms: u64) {
        self.store.advance(Duration::from_millis(ms));
    }

    pub fn add(&self, task: &str, edit: impl FnOnce(&mut NewTask)) {
        let mut new = NewTask { id: Some(id(task)), ..NewTask::new(name("work")) };
        edit(&mut new);
        self.engine.add(&[new], soon()).unwrap();
    }

    /// The agent asks for what `edit` makes of the filter, and is given what is answered.
    pub fn claim(&mut self, agent: &str, edit: impl FnOnce(&mut Filter)) -> Option<TaskId> {
        let session = SessionId::new(format!("s-{agent}")).unwrap();
        let mut filter = Filter::default();
        edit(&mut filter);
        if !self.lives.contains_key(&session) {
            self.lives.insert(session.clone(), self.store.live(&session).unwrap());
        }
        let asker = Agent {
            name: name(agent),
            kind: Default::default(),
            session: session.clone(),
            hostname: None,
            capabilities: filter.capabilities.clone(),
            living: true,
            process: None,
        };
        let request = ClaimRequest { agent: asker, filter, lease_ms: None, key: None };
        match self.engine.claim(&request, soon()).unwrap() {
            ClaimOutcome::Claimed { task, .. } => {
                let token = task.claim.unwrap().token;
                self.held.insert(task.id.clone(), (name(agent), session, token));
                Some(task.id)
            }
            ClaimOutcome::Nothing { .. } => None,
        }
    }

    pub fn finish(&mut self, task: &TaskId, how: &Finish) {
        let (agent, _, token) = self.held.remove(task).unwrap();
        let proof = Proof { agent, token: Some(token) };
        self.engine.finish(task, &proof, how, soon()).unwrap();
    }

    pub fn complete(&mut self, task: &str) {
        self.finish(&id(task), &Finish::Complete(None));
    }

    /// The agent's session ends with all that it holds, and somebody notices.
    pub fn die(&mut self, agent: &str) {
        self.lives.remove(&SessionId::new(format!("s-{agent}")).unwrap());
        self.held.retain(|_, (holder, _, _)| holder.as_str() != agent);
        self.engine.upkeep(soon()).unwrap();
    }

    /// Does something with a task; `false` if it can't be done.
    pub fn change(&mut self, task: &TaskId, action: Action) -> bool {
        let ids = vec![task.clone()];
        let request = ChangeRequest { ids, action, by: None, together: true, dry_run: false };
        let done = self.engine.change(&request, soon()).is_ok();
        let held = self.status(task) == Some(Status::InProgress);
        if done && !held {
            self.held.remove(task);
        }
        done
    }

    pub fn status(&self, task: &TaskId) -> Option<Status> {
        let (view, _) = self.store.snapshot().unwrap();
        view.task(task).unwrap().map(|task| task.status)
    }
}
