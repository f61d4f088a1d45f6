//! A simulated machine with a board on it, and those who work there.
//!
//! - [`Stage`]: the machine, what was asked for and answered there, and by which bug everybody behaves.
//! - [`Desk`]: one process that has the board open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{
    Agent, AgentKind, BoardSettings, ClaimOutcome, ClaimRequest, Digest, Engine, Entry, Error,
    FileFailure, Filter, Finish, Name, NewTask, Place, PolicyPin, PolicySet, Proof, Sequence,
    SessionId, Store as _, TaskId, Token,
};
use taskhost_board::{InitPlan, plain::OnlyPolicy};
use taskhost_store_file::simulation::{Counted, Fault, Kept, Process, Testimony, Witnessed, World};
use taskhost_store_file::{FileStore, OpenOptions};

use crate::Bug;
use crate::family::FamilyPolicy;

/// The policy that boards are made with.
pub(crate) const STANDARD: &[u8] = b"the standard policy";
/// One that they are switched to.
pub(crate) const OTHER: &[u8] = b"another policy";

/// A machine, and what was said there.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    pub(crate) testimony: Arc<Mutex<Testimony>>,
    pub(crate) bug: Option<Bug>,
    /// A board from elsewhere that is to be taken in.
    pub(crate) lines: Arc<Vec<u8>>,
    /// All that happened on a board before the place where it was damaged.
    pub(crate) undamaged: Arc<Vec<(Sequence, Entry)>>,
    /// How many processes were started: each draws other random numbers.
    started: AtomicU64,
}

/// A process that has the board open.
pub(crate) struct Desk {
    pub(crate) process: Arc<Process>,
    pub(crate) store: FileStore,
    pub(crate) witnessed: Arc<Witnessed>,
    pub(crate) engine: Engine,
}

/// Any error, as text: what was wrong is judged by what is left, not by what was said about it.
pub(crate) type Done = Result<(), String>;

/// An error as text.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Stage {
    /// A machine on which nobody was told anything.
    pub(crate) fn new(world: Arc<World>, bug: Option<Bug>) -> Self {
        Self {
            world,
            testimony: Arc::default(),
            bug,
            lines: Arc::default(),
            undamaged: Arc::default(),
            started: AtomicU64::new(0),
        }
    }

    /// One with a board on it.
    pub(crate) fn with_board(bug: Option<Bug>) -> Result<Self, String> {
        let stage = Self::new(World::new(), bug);
        stage.world.process().init(&plan(), OpenOptions::default()).map_err(text)?;
        Ok(stage)
    }

    /// The same moment again.
    pub(crate) fn copy(&self) -> Self {
        Self {
            world: self.world.copy(),
            testimony: Arc::new(Mutex::new(self.testimony.lock().clone())),
            bug: self.bug,
            lines: self.lines.clone(),
            undamaged: self.undamaged.clone(),
            started: AtomicU64::new(self.started.load(Ordering::Relaxed)),
        }
    }

    /// What is left of it on another machine, or on this one after everybody was killed.
    pub(crate) fn left(&self, world: Arc<World>) -> Self {
        Self { world, ..self.copy() }
    }

    pub(crate) fn options(&self) -> OpenOptions {
        OpenOptions { planted: Bug::in_store(self.bug), ..OpenOptions::default() }
    }

    /// A process that opens the board.
    pub(crate) fn desk(&self) -> Result<Desk, String> {
        self.desk_of(self.world.process())
    }

    /// This process opens the board.
    pub(crate) fn desk_of(&self, process: Arc<Process>) -> Result<Desk, String> {
        let store = process.open(self.options()).map_err(text)?;
        Ok(self.seat(process, store))
    }

    /// This process has the board open.
    pub(crate) fn seat(&self, process: Arc<Process>, store: FileStore) -> Desk {
        let witnessed = Arc::new(Witnessed::new(store.clone(), &self.world, &self.testimony));
        let numbers = AtomicU64::new(1 + 1000 * self.started.fetch_add(1, Ordering::Relaxed));
        let entropy = Arc::new(move || numbers.fetch_add(1, Ordering::Relaxed));
        let policies = Arc::new(OnlyPolicy::new(FamilyPolicy));
        let engine =
            Engine::new(witnessed.clone(), policies, entropy).with_planted(Bug::in_board(self.bug));
        Desk { process, store, witnessed, engine }
    }

    /// Other processes that were adding tasks, each of them killed before this change of the disk or of memory: their
    /// lines are in the page cache, and nobody was told of them.
    pub(crate) fn stop_writers(&self, stops: &[u64]) -> Done {
        for (number, at) in stops.iter().enumerate() {
            let desk = self.desk()?;
            desk.process.plan(Counted::Changes, *at, Fault::Stop);
            // It ends in an error, since nobody gets to the end of it.
            let _ = desk.add(&format!("other-{number}"), &[]);
            if !desk.process.is_stopped() {
                return Err(format!("a writer was to be stopped before change {at}, and wasn't"));
            }
        }
        Ok(())
    }
}

/// How the boards are made.
pub(crate) fn plan() -> InitPlan {
    let digest = Digest::of(STANDARD);
    let standard = PolicyPin { digest, settings: BTreeMap::new() };
    InitPlan {
        policies: PolicySet { custom: None, standard },
        components: BTreeMap::from([(digest, STANDARD.to_vec())]),
        settings: BoardSettings::default(),
    }
}

/// Nobody waits here, so this is only reached if something is stuck.
pub(crate) fn far() -> Deadline {
    Deadline::now() + Duration::from_secs(60)
}

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("the ids here are valid")
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("the names here are valid")
}

/// How long a policy's file is waited for. Nobody waits here either.
const PATIENCE: Duration = Duration::from_secs(60);

/// A task that comes after others.
pub(crate) fn new_task(text: &str, after: &[&str]) -> NewTask {
    let after = after.iter().map(|text| id(text)).collect();
    NewTask { id: Some(id(text)), after, ..NewTask::new(name("work")) }
}

/// A request for work, with a key of its own.
pub(crate) fn claim_request(who: &str) -> ClaimRequest {
    ClaimRequest {
        agent: Agent {
            name: name(who),
            kind: AgentKind::Agent,
            session: SessionId::new(format!("{who}-session")).expect("the names here are valid"),
            hostname: None,
            capabilities: Vec::new(),
            living: false,
            process: None,
        },
        filter: Filter::default(),
        lease_ms: None,
        key: Some(format!("{who}-key")),
    }
}

impl Desk {
    /// Reads the board, and every value beside it that anybody knows of.
    pub(crate) fn read(&self) -> Done {
        self.witnessed.snapshot().map_err(text)?;
        for known in self.witnessed.known_values() {
            match known {
                Kept::Context(owner, key) => {
                    self.witnessed.contexts().get(&owner, &key).map_err(text)?;
                }
                Kept::File(name) => {
                    let read = self.witnessed.powers().read(Place::Board, &name, PATIENCE);
                    match read {
                        Ok(_) | Err(FileFailure::NotFound) => {}
                        Err(error) => return Err(text(error)),
                    }
                }
            }
        }
        Ok(())
    }

    /// Lists what stands beside the board, without reading any of it.
    pub(crate) fn list(&self) -> Done {
        let contexts = self.witnessed.contexts();
        let owners = contexts.owners().map_err(text)?;
        owners.iter().try_for_each(|owner| contexts.list(owner).map(drop).map_err(text))
    }

    pub(crate) fn add(&self, task: &str, after: &[&str]) -> Done {
        self.engine.add(&[new_task(task, after)], far()).map(drop).map_err(text)
    }

    /// Claims for `who`: the task and the token.
    pub(crate) fn claim(&self, who: &str) -> Result<Option<(TaskId, Token)>, Error> {
        self.claim_as(&claim_request(who))
    }

    pub(crate) fn claim_as(
        &self,
        request: &ClaimRequest,
    ) -> Result<Option<(TaskId, Token)>, Error> {
        Ok(match self.engine.claim(request, far())? {
            ClaimOutcome::Claimed { task, .. } => {
                let task = *task;
                let claim = task.claim;
                claim.map(|claim| (task.id, claim.token))
            }
            ClaimOutcome::Nothing { .. } => None,
        })
    }

    /// Claims this very task.
    pub(crate) fn claim_task(&self, who: &str, task: &str) -> Result<Token, String> {
        let mut request = claim_request(who);
        request.filter.only = Some(id(task));
        let claimed = self.claim_as(&request).map_err(text)?;
        claimed.map(|(_, token)| token).ok_or_else(|| format!("`{task}` was not to be had"))
    }

    /// Ends what `who` holds, in this way.
    pub(crate) fn finish(&self, who: &str, task: &str, how: &Finish) -> Done {
        let held = self.engine.task(&id(task)).map_err(text)?.claim;
        let proof = Proof { agent: name(who), token: held.map(|claim| claim.token) };
        self.engine.finish(&id(task), &proof, how, far()).map(drop).map_err(text)
    }
}
