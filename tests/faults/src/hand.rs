//! What a [`Hand`](crate::Hand) does: one request after the other, as told, a line each.
//!
//! - `live`: takes its life lock; `living`.
//! - `claim KEY LEASE_MS TASK`: asks for a task, or any (`-`); `claimed TASK TOKEN`, `nothing`.
//! - `stop KEY TASK`: the same, and stops itself in the middle of the transaction, with the task locked.
//! - `complete TASK TOKEN`: `completed`, `refused …`.
//! - `clock`: its machine's time, in milliseconds.
//!
//! What fails otherwise is said after `error`.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Signal, getpid, kill_process};
use taskhost_board::plain::{OnlyPolicy, PlainPolicies};
use taskhost_board::{
    Agent, Cause, Choice, ClaimOutcome, ClaimRequest, Classified, Engine, Error, Event, Filter,
    Finish, Hooked, Hooks, LifeGuard, Policy, Proof, Rescue, Store as _, TaskId, Token,
    Transaction, Verdict,
};
use taskhost_store_postgres::PostgresStore;

use crate::bench::{agent, engine_by, open, task_id};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// The plain policy, which stops its process once, after it has chosen, if it is told to.
#[derive(Clone)]
struct Stopping(Arc<AtomicBool>);

struct StoppingHooks {
    plain: Box<dyn Hooks>,
    stop: Arc<AtomicBool>,
}

impl Policy for Stopping {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(StoppingHooks { plain: PlainPolicies::default().enter(dry), stop: self.0.clone() })
    }
}

impl Hooks for StoppingHooks {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        self.plain.classify(tx, task)
    }

    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        let chosen = self.plain.choose(tx, asker, filter, lease_ms);
        if self.stop.swap(false, SeqCst) {
            // It comes back when it is continued.
            let _ = kill_process(getpid(), Signal::STOP);
        }
        chosen
    }

    fn on_event(
        &mut self,
        tx: Transaction,
        task: &TaskId,
        event: Event,
        detail: &str,
    ) -> Hooked<Verdict> {
        self.plain.on_event(tx, task, event, detail)
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        self.plain.recover(tx, task, cause)
    }

    fn take_log(&mut self) -> Vec<String> {
        self.plain.take_log()
    }

    fn memory_bytes(&self) -> u64 {
        self.plain.memory_bytes()
    }

    fn close(self: Box<Self>, committed: bool) {
        self.plain.close(committed);
    }
}

struct Own {
    store: PostgresStore,
    engine: Engine,
    agent: Agent,
    stop: Arc<AtomicBool>,
    life: Option<Box<dyn LifeGuard>>,
}

/// Does what it is told until nobody tells it anything any more.
///
/// # Errors
///
/// If the board can't be opened, or what it is told makes no sense.
pub fn run(address: &str, name: &str) -> Result<()> {
    let store = open(address)?;
    let stop = Arc::new(AtomicBool::new(false));
    let engine = engine_by(&store, Arc::new(OnlyPolicy::new(Stopping(stop.clone()))));
    let mut own = Own { store, engine, agent: agent(name), stop, life: None };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = own.obey(&line.split(' ').collect::<Vec<_>>())?;
        println!("{}", answer.replace('\n', " "));
        std::io::stdout().flush()?;
    }
    Ok(())
}

impl Own {
    fn obey(&mut self, words: &[&str]) -> Result<String> {
        Ok(match *words {
            ["live"] => {
                self.life = Some(self.store.live(&self.agent.session)?);
                self.agent.living = true;
                "living".into()
            }
            ["claim", key, lease_ms, only] => self.claim(key, Some(lease_ms.parse()?), only),
            ["stop", key, only] => {
                self.stop.store(true, SeqCst);
                self.claim(key, None, only)
            }
            ["complete", id, token] => self.complete(&task_id(id), Token(token.parse()?)),
            ["clock"] => SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string(),
            _ => bail!("`{}` is nothing to do", words.join(" ")),
        })
    }

    fn claim(&self, key: &str, lease_ms: Option<u64>, only: &str) -> String {
        let only = (only != "-").then(|| task_id(only));
        let request = ClaimRequest {
            agent: self.agent.clone(),
            filter: Filter { only, ..Filter::default() },
            lease_ms,
            key: Some(key.to_owned()),
        };
        match self.engine.claim(&request, Instant::now() + PATIENCE) {
            Ok(ClaimOutcome::Claimed { task, .. }) => {
                let token = task.claim.as_ref().map(|claim| claim.token.0).context("it is claimed");
                token.map_or_else(|e| format!("error {e}"), |n| format!("claimed {} {n}", task.id))
            }
            Ok(ClaimOutcome::Nothing { .. }) => "nothing".into(),
            Err(error) => format!("error {error}"),
        }
    }

    fn complete(&self, id: &TaskId, token: Token) -> String {
        let proof = Proof { agent: self.agent.name.clone(), token: Some(token) };
        match self.engine.finish(id, &proof, &Finish::Complete(None), Instant::now() + PATIENCE) {
            Ok(_) => "completed".into(),
            Err(error @ (Error::Stale { .. } | Error::Held { .. })) => format!("refused {error}"),
            Err(error) => format!("error {error}"),
        }
    }
}
