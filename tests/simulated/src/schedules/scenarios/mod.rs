//! What several processes do at once.
//!
//! - [`Scenario`]: prepares a board and starts the processes. [`ALL`]: all of them.
//! - The other functions are what processes do in several scenarios.

mod claims;
mod people;
mod recovery;
mod switches;

use std::collections::BTreeMap;
use std::sync::Arc;

use taskhost_board::{
    Action, Agent, AgentKind, ChangeRequest, ClaimOutcome, ClaimRequest, Engine, Error, Filter,
    Finish, Keeper as _, NewTask, PolicyChange, PolicyTarget, Proof, SessionId, Store as _,
    SwitchError, TaskId, Token,
};

use super::case::{Case, Worker, far, id, name};

/// Several processes at once.
pub(super) struct Scenario {
    /// What it is called.
    pub(super) name: &'static str,
    /// Prepares the board, and starts the processes.
    pub(super) start: fn(&Arc<Case>),
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "two claim one task", start: claims::one_task },
    Scenario { name: "three claim many tasks", start: claims::many_tasks },
    Scenario { name: "two sessions of one name claim", start: claims::one_name },
    Scenario { name: "a waiter and those who add", start: claims::waiter },
    Scenario { name: "a lease ends and its holder comes late", start: claims::stale },
    Scenario { name: "a claim, its end and compactions", start: switches::compactions },
    Scenario { name: "a policy is set among claims", start: switches::policy },
    Scenario { name: "two set policies", start: switches::two_policies },
    Scenario { name: "an upgrade among writers", start: switches::upgrade },
    Scenario { name: "all open a board with a torn end", start: recovery::torn },
    Scenario { name: "all open a board whose sync failed", start: recovery::poisoned },
    Scenario { name: "all open a board without its index", start: recovery::unindexed },
    Scenario { name: "the index is lost among writers", start: recovery::index_lost },
    Scenario { name: "a sync fails among those who append", start: recovery::sync_fails },
    Scenario { name: "a reader among writers", start: recovery::reader },
    Scenario { name: "settings change among claims", start: people::settings },
    Scenario { name: "a release and a claim of the same task", start: people::release },
    Scenario { name: "a reservation and claims", start: people::assign },
    Scenario { name: "a cancellation and a completion", start: people::cancel },
    Scenario { name: "archiving and adding after it", start: people::archive },
    Scenario { name: "a task locked by hand and claimed by id", start: people::locked },
];

fn new_task(text: &str, after: &[&str]) -> NewTask {
    NewTask {
        id: Some(id(text)),
        after: after.iter().map(|text| id(text)).collect(),
        ..NewTask::new(name("work"))
    }
}

/// Adds each of these tasks, while a board is prepared.
fn add_all(engine: &Engine, tasks: &[&str]) -> Result<(), Error> {
    let tasks: Vec<NewTask> = tasks.iter().map(|text| new_task(text, &[])).collect();
    engine.add(&tasks, far()).map(|_| ())
}

fn request(who: &str, only: Option<&str>, lease_ms: Option<u64>) -> ClaimRequest {
    let agent = Agent {
        name: name(who),
        kind: AgentKind::Agent,
        session: SessionId::new(format!("{who}-session")).unwrap_or_else(|error| panic!("{error}")),
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    };
    let filter = Filter { only: only.map(id), ..Filter::default() };
    ClaimRequest { agent, filter, lease_ms, key: None }
}

fn take(engine: &Engine, request: &ClaimRequest) -> Result<Option<(TaskId, Token)>, Error> {
    Ok(match engine.claim(request, far())? {
        ClaimOutcome::Claimed { task, .. } => {
            task.claim.as_ref().map(|claim| (task.id.clone(), claim.token))
        }
        ClaimOutcome::Nothing { .. } => None,
    })
}

fn proof(who: &str, token: Token) -> Proof {
    Proof { agent: name(who), token: Some(token) }
}

impl Worker {
    fn add(&self, task: &str, after: &[&str]) -> bool {
        let add = |engine: &Engine| engine.add(&[new_task(task, after)], far());
        self.act(&format!("add {task}"), add).is_some()
    }

    fn claim(&self, who: &str) -> Option<(TaskId, Token)> {
        self.claim_with(&request(who, None, None))
    }

    /// Claims; if there is nothing left, all of so many tasks must have been claimed for good.
    fn claim_of(&self, who: &str, tasks: u64) -> Option<(TaskId, Token)> {
        let claimed = self.try_claim(&request(who, None, None))?;
        if claimed.is_none() {
            self.case.told.lock().claims_least = tasks;
        }
        claimed
    }

    fn claim_only(&self, who: &str, task: &str) -> Option<(TaskId, Token)> {
        self.claim_with(&request(who, Some(task), None))
    }

    fn claim_with(&self, request: &ClaimRequest) -> Option<(TaskId, Token)> {
        self.try_claim(request).flatten()
    }

    /// `None` if the claim failed, `Some(None)` if there was nothing to claim.
    fn try_claim(&self, request: &ClaimRequest) -> Option<Option<(TaskId, Token)>> {
        let claimed = self.act("claim", |engine| take(engine, request));
        if let Some(Some(_)) = claimed {
            self.case.told.lock().claims += 1;
        }
        claimed
    }

    /// Ends a claim.
    fn finish(&self, who: &str, task: &TaskId, token: Token, how: &Finish) -> bool {
        let finish = |engine: &Engine| engine.finish(task, &proof(who, token), how, far());
        let is_done = self.act("finish", finish).is_some();
        let mut told = self.case.told.lock();
        let last = told.spans.last().map(|span| span.sequences.clone()).unwrap_or_default();
        told.ended.extend(last.iter().map(|sequence| (*sequence, task.clone(), token)));
        is_done
    }

    fn complete(&self, who: &str, task: &TaskId, token: Token) -> bool {
        self.finish(who, task, token, &Finish::Complete(None))
    }

    fn heartbeat(&self, who: &str, task: &TaskId, token: Token) -> bool {
        let beat = |engine: &Engine| engine.heartbeat(task, &proof(who, token), None, far());
        self.act("heartbeat", beat).is_some()
    }

    fn change(&self, task: &str, action: Action) -> bool {
        let what = format!("{} {task}", action.command().as_str());
        let request =
            ChangeRequest { ids: vec![id(task)], action, by: None, together: true, dry_run: false };
        self.act(&what, |engine| engine.change(&request, far()))
            .is_some_and(|changed| changed.first_failure().is_none())
    }

    fn compact(&self) -> bool {
        let compact = |_: &Engine| {
            self.store.compact(far()).map_err(|error| match error {
                SwitchError::Begin(error) => Error::Begin(error),
                SwitchError::Commit(error) => Error::Commit(error),
                other => Error::Switch(other),
            })
        };
        self.act("compact", compact).is_some()
    }

    fn set_policy(&self, component: &[u8]) -> bool {
        let change = PolicyChange {
            target: PolicyTarget::Component(component.to_vec()),
            settings: BTreeMap::new(),
            standard_settings: BTreeMap::new(),
            expect: None,
        };
        self.act("policy set", |engine| engine.set_policy(&change, far())).is_some()
    }

    /// Reads the board at an instant, and remembers how far it went.
    fn read(&self) {
        let read = |_: &Engine| Ok(self.store.snapshot()?.0.head()?.sequence);
        // One that was stopped meanwhile has told nobody.
        if let Some(sequence) = self.act("read", read).filter(|_| !self.is_stopped()) {
            let mut told = self.case.told.lock();
            told.seen = told.seen.max(sequence);
            if let Some(span) = told.spans.last_mut() {
                span.saw = Some(sequence);
            }
        }
    }
}
