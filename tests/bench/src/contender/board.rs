//! taskhost, through its library.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::{
    Board, ClaimOptions, ClaimOutcome, Filter, Finish, InitOptions, Json, Name, NewTask,
    OpenOptions, PolicyChange, PolicyTarget, Proof, Session, Status, Task, TaskId,
};
use taskhost_board::plain::OnlyPolicy;
use taskhost_board::{ClaimRequest, Engine, Limits};

use super::{Claimer, Contender, DATA, copy_files};
use crate::native::NativePolicy;
use crate::programs;

/// A board, decided by a policy.
pub struct Taskhost {
    name: &'static str,
    rules: Rules,
    /// Which label the agents ask for.
    label: Option<&'static str>,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// The standard policy in WebAssembly, as everybody has it.
    Standard,
    /// The standard policy's source, compiled into this program.
    CompiledIn,
    /// One of the examples, by its name.
    Example(&'static str),
}

/// What rare tasks are labelled with.
pub const LABEL: &str = "rare";

impl Taskhost {
    /// As everybody has it.
    pub const STANDARD: Self = Self { name: "taskhost", rules: Rules::Standard, label: None };
    /// Without WebAssembly.
    pub const COMPILED_IN: Self =
        Self { name: "taskhost, rules compiled in", rules: Rules::CompiledIn, label: None };
    /// With the example in Python.
    pub const PYTHON: Self =
        Self { name: "taskhost, policy in Python", rules: Rules::Example("affinity"), label: None };
    /// With the example in JavaScript.
    pub const JAVASCRIPT: Self = Self {
        name: "taskhost, policy in JavaScript",
        rules: Rules::Example("critical-path"),
        label: None,
    };
    /// Agents that ask for [`LABEL`] only.
    pub const LABELLED: Self =
        Self { name: "taskhost, rare label", rules: Rules::Standard, label: Some(LABEL) };

    /// Who decides.
    pub fn rules(&self) -> Rules {
        self.rules
    }
}

/// How many tasks are added in one transaction.
pub const BATCH: usize = 1_000;
/// How many claims of dead agents are taken back in one transaction between runs.
const AT_ONCE: usize = 4_096;
/// How long anything waits for the board's lock: longer than anybody holds it, whatever else goes on.
const PATIENCE: Duration = Duration::from_secs(600);

impl Contender for Taskhost {
    fn name(&self) -> &'static str {
        self.name
    }

    fn durability(&self) -> &'static str {
        "append under the lock, `fdatasync` after it, before the answer; one sync may serve many"
    }

    fn prepare(&self, at: &Path, tasks: u64) -> Result<()> {
        let board = Board::init(at, &InitOptions { open: options(), ..InitOptions::default() })?;
        if let Rules::Example(name) = self.rules {
            set_component(&board, std::fs::read(programs::policy(name)?)?)?;
        }
        let new: Vec<NewTask> = (0..tasks).map(new_task).collect::<Result<_>>()?;
        for batch in new.chunks(BATCH) {
            board.engine().add(batch, Instant::now() + PATIENCE)?;
        }
        board.compact()?;
        Ok(())
    }

    /// Without what belongs to the place where it was; the index is made anew.
    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        copy_files(from, to, &["index", "agents", "locks"])?;
        drop(open(to)?);
        Ok(())
    }

    /// Takes back what the agents held, as the first claims of the next run would. A task that was lost often enough fails
    /// then, as the standard policy has it.
    fn tidy(&self, at: &Path) -> Result<Option<u64>> {
        let board = open(at)?;
        let limits = Limits { due_max: AT_ONCE, asks_max: u32::MAX, ..Limits::default() };
        let engine = board.engine().clone().with_limits(limits);
        while engine.upkeep(Instant::now() + PATIENCE)? {}
        board.compact_if_due()?;
        Ok(Some(board.head()?.counts.of(Status::Pending)))
    }

    fn open(&self, at: &Path, agent: &str) -> Result<Box<dyn Claimer>> {
        self.claimer(&open(at)?, agent)
    }

    fn open_for(&self, at: &Path, agents: &[String]) -> Result<Vec<Box<dyn Claimer>>> {
        let board = open(at)?;
        agents.iter().map(|agent| self.claimer(&board, agent)).collect()
    }
}

impl Taskhost {
    fn claimer(&self, board: &Board, agent: &str) -> Result<Box<dyn Claimer>> {
        let session = board.agent(agent)?;
        let labels = self.label.map(Name::new).transpose()?.into_iter().collect();
        let filter = Filter { labels, ..Filter::default() };
        if self.rules == Rules::CompiledIn {
            return Ok(Box::new(CompiledIn::new(session, filter)?));
        }
        // Makes the policy ready, as it is in a process that has claimed before.
        board.engine().upkeep(Instant::now() + PATIENCE)?;
        let options = ClaimOptions { filter, ..ClaimOptions::default() };
        Ok(Box::new(Agent { session, options, held: None }))
    }
}

fn options() -> OpenOptions {
    OpenOptions { timeout: PATIENCE, ..OpenOptions::default() }
}

/// Opens a board that whoever measures has made.
pub fn open(at: &Path) -> Result<Board> {
    Board::open_with(at, &options()).with_context(|| format!("`{}`", at.display()))
}

/// Sets a component as the board's policy.
pub fn set_component(board: &Board, component: Vec<u8>) -> Result<()> {
    let change = PolicyChange {
        target: PolicyTarget::Component(component),
        settings: Default::default(),
        standard_settings: Default::default(),
        expect: None,
    };
    board.set_policy(&change)?;
    Ok(())
}

/// The ready task of this number, the same on every board.
pub fn new_task(number: u64) -> Result<NewTask> {
    Ok(NewTask {
        id: Some(TaskId::new(format!("work_{number:08x}"))?),
        data: Json::parse(DATA)?,
        ..NewTask::new(Name::new("work")?)
    })
}

struct Agent {
    session: Session,
    options: ClaimOptions,
    held: Option<Task>,
}

impl Claimer for Agent {
    fn claim(&mut self) -> Result<bool> {
        match self.session.claim_with(&self.options)? {
            ClaimOutcome::Claimed { task, .. } => {
                self.held = Some(*task);
                Ok(true)
            }
            ClaimOutcome::Nothing { .. } => Ok(false),
        }
    }

    fn give_back(&mut self) -> Result<()> {
        let held = self.held.take().context("nothing is held")?;
        self.session.claimed(held).release(None)?;
        Ok(())
    }
}

/// An agent for whom the rules compiled into this program decide, over the same store.
struct CompiledIn {
    session: Session,
    engine: Engine,
    request: ClaimRequest,
    held: Option<Task>,
}

impl CompiledIn {
    fn new(session: Session, filter: Filter) -> Result<Self> {
        let entropy = || getrandom::u64().expect("the operating system gives random numbers");
        let policies = Arc::new(OnlyPolicy::new(NativePolicy::with(&[])?));
        let store = session.board().engine().store().clone();
        let engine = Engine::new(store, policies, Arc::new(entropy));
        engine.upkeep(Instant::now() + PATIENCE)?;
        let agent = session.agent().clone();
        let request = ClaimRequest { agent, filter, lease_ms: None, key: None };
        Ok(Self { session, engine, request, held: None })
    }
}

impl Claimer for CompiledIn {
    fn claim(&mut self) -> Result<bool> {
        // What a session's claim does besides asking the engine: a request of its own, and a look at the clock.
        let request = self.request.clone();
        match self.engine.claim(&request, self.session.board().deadline())? {
            ClaimOutcome::Claimed { task, .. } => {
                self.held = Some(*task);
                Ok(true)
            }
            ClaimOutcome::Nothing { .. } => Ok(false),
        }
    }

    fn give_back(&mut self) -> Result<()> {
        let held = self.held.take().context("nothing is held")?;
        let token = held.claim.map(|claim| claim.token);
        let proof = Proof { agent: self.request.agent.name.clone(), token };
        self.engine.finish(&held.id, &proof, &Finish::Release(None), Instant::now() + PATIENCE)?;
        Ok(())
    }
}
