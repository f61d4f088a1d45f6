//! A board for one test, and sentences to use it by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost_board::InitPlan;
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, AgentKind, BoardSettings, Claim, ClaimOutcome, ClaimRequest, Engine, Error, Filter,
    Name, NewTask, Policies, Proof, SessionId, Task, TaskId,
};
use taskhost_contract::Plan;
use taskhost_store_postgres::{Address, OpenOptions, PostgresStore};
use taskhost_test_postgres::Access;

/// How long a dead session's lock has to be free, in these tests.
const GRACE: Duration = Duration::from_millis(1_500);

/// A board in a database, with commands that reach it directly.
pub struct Bench {
    name: String,
    /// The board, by a way that nothing stands in.
    pub store: PostgresStore,
    /// Its commands.
    pub engine: Engine,
}

/// How boards are opened here.
pub fn options() -> OpenOptions {
    OpenOptions { grace: GRACE, ..OpenOptions::default() }
}

/// When to give up: later than anything here may take.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The board at an address.
///
/// # Errors
///
/// If there is none, or it can't be reached.
pub fn open(address: &str) -> Result<PostgresStore> {
    Ok(PostgresStore::open(&Address::parse(address)?, &options())?)
}

/// The commands of a board, decided by the plain policy.
pub fn engine(store: &PostgresStore) -> Engine {
    engine_by(store, Arc::new(PlainPolicies::default()))
}

/// The same, decided by others.
pub(crate) fn engine_by(store: &PostgresStore, policies: Arc<dyn Policies>) -> Engine {
    Engine::new(Arc::new(store.clone()), policies, Arc::new(|| fastrand::u64(..)))
}

/// An agent of this name, in a session of this name too.
///
/// # Panics
///
/// If it is no name.
pub fn agent(name: &str) -> Agent {
    let session = SessionId::new(format!("s-{name}"));
    Agent {
        name: Name::new(name).unwrap_or_else(|error| panic!("{error}")),
        kind: AgentKind::Agent,
        session: session.unwrap_or_else(|error| panic!("{error}")),
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    }
}

/// The id of this text.
///
/// # Panics
///
/// If it is none.
pub fn task_id(text: &str) -> TaskId {
    TaskId::new(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Asks for work, with a key or without; `None` if there is none.
///
/// # Errors
///
/// As [`Engine::claim`].
pub fn claim(engine: &Engine, agent: &Agent, key: Option<&str>) -> Result<Option<Task>, Error> {
    let key = key.map(str::to_owned);
    let request =
        ClaimRequest { agent: agent.clone(), filter: Filter::default(), lease_ms: None, key };
    Ok(match engine.claim(&request, soon())? {
        ClaimOutcome::Claimed { task, .. } => Some(*task),
        ClaimOutcome::Nothing { .. } => None,
    })
}

/// What shows that one holds this task.
///
/// # Errors
///
/// If nobody does.
pub fn proof(task: &Task) -> Result<Proof> {
    let Claim { agent, token, .. } = task.claim.as_ref().context("nobody holds it")?;
    Ok(Proof { agent: agent.clone(), token: Some(*token) })
}

impl Bench {
    /// A new board in this database, with `count` tasks `t-0`, `t-1` and so on.
    ///
    /// # Errors
    ///
    /// If it can't be made.
    pub fn new(access: &Access, count: usize) -> Result<Self> {
        let address = access.fresh_board();
        let (_, name) = address.rsplit_once("?board=").context("a board's address names it")?;
        let name = name.to_owned();
        let Plan { policies, components, settings } =
            Plan::new(None, b"plain", &BoardSettings::default());
        let plan = InitPlan { policies, components, settings };
        let store = PostgresStore::init(&Address::parse(&address)?, &plan, &options())?;
        let engine = engine(&store);
        let bench = Self { name, store, engine };
        bench.add("t", count)?;
        Ok(bench)
    }

    /// Adds `count` tasks whose ids begin with `prefix`.
    ///
    /// # Errors
    ///
    /// If they can't be added.
    pub fn add(&self, prefix: &str, count: usize) -> Result<()> {
        let task = |n| {
            let id = TaskId::new(format!("{prefix}-{n}"))?;
            Ok(NewTask { id: Some(id), ..NewTask::new(Name::new("work")?) })
        };
        let tasks: Vec<NewTask> = (0..count).map(task).collect::<Result<_>>()?;
        for tasks in tasks.chunks(200) {
            self.engine.add(tasks, soon())?;
        }
        Ok(())
    }

    /// The board's address by another way into the same database.
    pub fn by(&self, access: &Access) -> String {
        access.board(&self.name)
    }

    /// What is wrong with the board, by the store's own examination and by its history.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn wrong(&self) -> Result<Vec<String>> {
        let mut wrong = self.store.examine()?;
        wrong.extend(taskhost_contract::check_history(&self.store));
        Ok(wrong)
    }
}
