//! What a process does that works by itself: it claims, and completes or hands back, until it is told to stop or killed.
//! A request without an answer it repeats with the same key, however long that takes, and before anything else.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost_board::{
    Agent, ClaimOutcome, ClaimRequest, Engine, Error, Filter, Finish, LifeGuard, Name, NewTask,
    Proof, Store as _, Task, TaskId,
};
use taskhost_store_postgres::PostgresStore;

use crate::bench::{agent, engine, open};
use crate::said::Said;

/// How long a request may take before it is repeated.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait where there is nothing to do, or no answer.
const PAUSE: Duration = Duration::from_millis(20);
/// How many tasks are added at once.
const BATCH: u64 = 8;
/// How often a claim is handed back.
const RELEASE_ONE_IN: u32 = 10;

/// What a worker is to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its name and the name of its session, which nobody else has.
    pub name: String,
    /// Whether it adds tasks where there are none; otherwise it ends there.
    pub adds: bool,
    /// Without a life lock nothing but its lease ends its claims.
    pub lives: bool,
    /// The key of the request that one before it asked last: it asks for that first.
    pub again: Option<String>,
}

/// One that works.
pub struct Worker<'a> {
    engine: Engine,
    agent: Agent,
    order: Order,
    say: &'a (dyn Fn(Said) + Sync),
    is_over: &'a AtomicBool,
    _life: Option<Box<dyn LifeGuard>>,
    count: u64,
}

/// Plays the role in a process of its own: what it says goes out, and it ends when nothing comes in any more.
///
/// # Errors
///
/// If something else goes wrong than that the server isn't there.
pub fn run(address: &str, order: Order) -> Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines();
        lines.take_while(Result::is_ok).for_each(drop);
        over.store(true, SeqCst);
    });
    let say = |said: Said| {
        // A line at once, so that whoever is killed has said all of it or nothing that counts.
        let line = format!("{said}\n");
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    };
    let store = opened(address, &is_over)?;
    let Some(store) = store else { return Ok(()) };
    Worker::new(&store, order, &say, &is_over)?.work()
}

/// Opens the board as soon as the server is there.
fn opened(address: &str, is_over: &AtomicBool) -> Result<Option<PostgresStore>> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match open(address) {
            Ok(store) => return Ok(Some(store)),
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) if is_over.load(SeqCst) => return Ok(None),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

impl<'a> Worker<'a> {
    /// A worker that has its life lock.
    ///
    /// # Errors
    ///
    /// If it can't have that.
    pub fn new(
        store: &PostgresStore,
        order: Order,
        say: &'a (dyn Fn(Said) + Sync),
        is_over: &'a AtomicBool,
    ) -> Result<Self> {
        let mut agent = agent(&order.name);
        let mut life = None;
        while order.lives && life.is_none() && !is_over.load(SeqCst) {
            match store.live(&agent.session) {
                Ok(guard) => life = Some(guard),
                Err(error) => say(Said::Again { why: format!("live: {error}") }),
            }
        }
        agent.living = life.is_some();
        say(Said::Began { session: agent.session.to_string() });
        Ok(Self { engine: engine(store), agent, order, say, is_over, _life: life, count: 0 })
    }

    /// Works until it is over, or there is nothing to do.
    ///
    /// # Errors
    ///
    /// If a request fails in a way in which none may.
    pub fn work(&mut self) -> Result<()> {
        let mut again = self.order.again.take();
        while !self.is_over.load(SeqCst) {
            self.count += 1;
            let key = again.take().unwrap_or_else(|| format!("{}-{}", self.order.name, self.count));
            (self.say)(Said::Asking { key: key.clone() });
            match self.claim(&key)? {
                Some(Some(task)) => self.end(&task)?,
                Some(None) if self.order.adds => self.add()?,
                Some(None) => return Ok(()),
                // The key stands for a claim that has ended, or it is over.
                None => {}
            }
        }
        Ok(())
    }

    /// Repeats a request until it has an answer; `None` if it is over before.
    fn answered<T>(&self, ask: impl Fn(Instant) -> Result<T, Error>) -> Option<Result<T, Error>> {
        while !self.is_over.load(SeqCst) {
            match ask(Instant::now() + PATIENCE) {
                Err(error @ (Error::Begin(_) | Error::Commit(_) | Error::Read(_))) => {
                    (self.say)(Said::Again { why: error.to_string() });
                    std::thread::sleep(PAUSE);
                }
                answer => return Some(answer),
            }
        }
        None
    }

    fn claim(&self, key: &str) -> Result<Option<Option<Task>>> {
        let request = ClaimRequest {
            agent: self.agent.clone(),
            filter: Filter::default(),
            lease_ms: None,
            key: Some(key.to_owned()),
        };
        match self.answered(|deadline| self.engine.claim(&request, deadline)) {
            None => Ok(None),
            Some(Ok(ClaimOutcome::Claimed { task, .. })) => {
                let (id, token) = named(&task)?;
                (self.say)(Said::Claimed { key: key.to_owned(), id, token });
                Ok(Some(Some(*task)))
            }
            Some(Ok(ClaimOutcome::Nothing { .. })) => Ok(Some(None)),
            // One before this one asked for it, and lost it when it was killed, or completed it.
            Some(Err(Error::KeyEnded { .. } | Error::KeyReused(_) | Error::Held { .. })) => {
                Ok(None)
            }
            Some(Err(error)) => Err(error.into()),
        }
    }

    fn end(&self, task: &Task) -> Result<()> {
        let (id, token) = named(task)?;
        let proof = Proof {
            agent: self.agent.name.clone(),
            token: task.claim.as_ref().map(|claim| claim.token),
        };
        let releases = fastrand::u32(..RELEASE_ONE_IN) == 0;
        let how = if releases { Finish::Release(None) } else { Finish::Complete(None) };
        let said = match self.answered(|at| self.engine.finish(&task.id, &proof, &how, at)) {
            None => return Ok(()),
            Some(Ok(_)) if releases => Said::Released { id, token },
            Some(Ok(_)) => Said::Completed { id, token },
            Some(Err(Error::Stale { .. } | Error::Held { .. })) => Said::Refused { id, token },
            Some(Err(error)) => return Err(error.into()),
        };
        (self.say)(said);
        Ok(())
    }

    fn add(&self) -> Result<()> {
        let prefix = format!("{}-{}", self.order.name, self.count);
        let task = |n| {
            let id = TaskId::new(format!("{prefix}-{n}"))?;
            let key = Some(format!("add-{id}"));
            Ok(NewTask { id: Some(id), key, ..NewTask::new(Name::new("work")?) })
        };
        let tasks: Vec<NewTask> = (0..BATCH).map(task).collect::<Result<_>>()?;
        if let Some(added) = self.answered(|deadline| self.engine.add(&tasks, deadline)) {
            added?;
            (self.say)(Said::Added { prefix, count: BATCH });
        }
        Ok(())
    }
}

fn named(task: &Task) -> Result<(String, u64)> {
    let claim = task.claim.as_ref().context("a claimed task has a claim")?;
    Ok((task.id.to_string(), claim.token.0))
}
