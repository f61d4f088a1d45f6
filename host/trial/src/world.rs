//! A board in memory, and what happens on it.

use std::collections::BTreeMap;
use std::time::Duration;

use taskhost_board::memory::MemoryStore;
use taskhost_board::{
    AddOutcome, Agent, AgentKind, BoardSettings, ChangeRequest, ClaimOutcome, ClaimRequest, Engine,
    Error, Finish, LifeGuard, Millis, Name, NewTask, NothingWhy, PolicyChange, PolicyTarget, Proof,
    ReadError, SessionId, Status, Store as _, Task, TaskId, Token,
};

use crate::board::{engine, soon};
use crate::scenario::{Asking, Settings, Step, Target};
use crate::subject::{Runner, Subject};

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// The asker was given this task.
    Given(TaskId),
    /// The asker was given nothing.
    Nothing {
        /// Why.
        why: NothingWhy,
        /// What the policy said about it.
        text: Option<String>,
    },
    /// The task is in this status now.
    Status(Status),
    /// It was done, and there is nothing more to say.
    Done,
    /// The policy refused.
    Refused(String),
    /// The policy failed.
    Failed(String),
    /// taskhost refused.
    Error(String),
}

/// A board that is tried on. Its clock stands still unless it is told otherwise.
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) engine: Engine,
    living: BTreeMap<SessionId, (Name, Box<dyn LifeGuard>)>,
    /// The last claim of each task.
    claims: BTreeMap<TaskId, (Name, Token)>,
    /// How often agents of a name were given something.
    pub(crate) given: BTreeMap<Name, u32>,
}

impl World {
    pub(crate) fn new(
        subject: &Subject,
        settings: &Settings,
        runner: &Runner<'_>,
    ) -> Result<Self, Error> {
        let values = |pairs: &[(String, String)]| pairs.iter().cloned().collect();
        let set = subject.set(values(&settings.policy), values(&settings.standard));
        let board = BoardSettings::default();
        let store = MemoryStore::new(&set, subject.components(), &board)?;
        let policies = runner(store.powers())?;
        let engine = engine(&store, policies.clone());
        let limits = engine.policy_limits(&board.policy_limits);
        for pin in set.custom.iter().chain([&set.standard]) {
            policies.check_pin(pin, &subject.components()[&pin.digest], &limits)?;
        }
        let (living, claims, given) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { store, engine, living, claims, given })
    }

    pub(crate) fn take(&mut self, step: &Step) -> Result<Came, ReadError> {
        let came = match step {
            Step::Add { tasks, rest } => self.add(tasks, *rest)?.map(|_| Came::Done),
            Step::Claim(asking) => self.claim(asking),
            Step::Heartbeat { of } => match self.target(of)? {
                Some(id) => self.heartbeat(&id)?,
                None => Ok(Came::Done),
            },
            Step::Finish { of, how } => match self.target(of)? {
                Some(id) => self.finish(&id, how)?,
                None => Ok(Came::Done),
            },
            Step::Change { ids, action } => {
                let action = (**action).clone();
                let request = ChangeRequest {
                    ids: ids.clone(),
                    action,
                    by: None,
                    together: true,
                    dry_run: false,
                };
                match self.engine.change(&request, soon()) {
                    Ok(_) => return self.status(&ids[0]),
                    Err(error) => Err(error),
                }
            }
            Step::Explain { id, asker } => {
                let asker = asker.as_ref().map(agent_of).transpose()?;
                self.engine.explain(id, asker.as_ref()).map(|_| Came::Done)
            }
            Step::Wait(time) => {
                self.store.advance(*time);
                Ok(Came::Done)
            }
            Step::Die(name) => {
                self.living.retain(|_, (of, _)| of != name);
                Ok(Came::Done)
            }
            Step::Set(settings) => {
                let change = PolicyChange {
                    target: PolicyTarget::Current,
                    settings: settings.iter().cloned().collect(),
                    standard_settings: BTreeMap::new(),
                    expect: None,
                };
                self.engine.set_policy(&change, soon()).map(|_| Came::Done)
            }
            Step::Expect(_) => Ok(Came::Done),
        };
        Ok(came.unwrap_or_else(|error| match error {
            Error::Refused(why) => Came::Refused(why),
            Error::Policy(failure) => Came::Failed(failure.to_string()),
            error => Came::Error(error.to_string()),
        }))
    }

    fn claim(&mut self, asking: &Asking) -> Result<Came, Error> {
        let Asking { name, session, kind, filter, lease } = asking;
        if !self.living.contains_key(session) {
            let life = self.store.live(session)?;
            self.living.insert(session.clone(), (name.clone(), life));
        }
        let agent = Agent {
            kind: *kind,
            session: session.clone(),
            capabilities: filter.capabilities.clone(),
            living: true,
            ..agent_of(name)?
        };
        let lease_ms = lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX));
        let request = ClaimRequest { agent, filter: filter.clone(), lease_ms, key: None };
        Ok(match self.engine.claim(&request, soon())? {
            ClaimOutcome::Claimed { task, .. } => {
                if let Some(claim) = &task.claim {
                    self.claims.insert(task.id.clone(), (name.clone(), claim.token));
                }
                *self.given.entry(name.clone()).or_default() += 1;
                Came::Given(task.id)
            }
            ClaimOutcome::Nothing { why, detail, .. } => Came::Nothing { why, text: detail },
        })
    }

    fn add(
        &self,
        tasks: &[NewTask],
        rest: Option<Duration>,
    ) -> Result<Result<Vec<AddOutcome>, Error>, ReadError> {
        let Some(rest) = rest else { return Ok(self.engine.add(tasks, soon())) };
        let rest = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX);
        let not_before = Some(Millis(self.now()?).plus(rest));
        let tasks: Vec<NewTask> =
            tasks.iter().map(|task| NewTask { not_before, ..task.clone() }).collect();
        Ok(self.engine.add(&tasks, soon()))
    }

    /// The task that a holder's step is about.
    fn target(&self, of: &Target) -> Result<Option<TaskId>, ReadError> {
        let name = match of {
            Target::Task(id) => return Ok(Some(id.clone())),
            Target::HeldBy(name) => name,
        };
        let mut newest = None;
        for (id, (holder, token)) in &self.claims {
            let holds = || -> Result<bool, ReadError> {
                let claim = self.task(id)?.and_then(|task| task.claim);
                Ok(claim.is_some_and(|claim| claim.token == *token))
            };
            let is_newer = newest.as_ref().is_none_or(|(known, _)| token > known);
            if holder == name && is_newer && holds()? {
                newest = Some((*token, id.clone()));
            }
        }
        Ok(newest.map(|(_, id)| id))
    }

    fn heartbeat(&self, id: &TaskId) -> Result<Result<Came, Error>, ReadError> {
        let proof = self.proof(id)?;
        let held = self.engine.heartbeat(id, &proof, None, soon());
        Ok(held.map(|held| Came::Status(held.task.status)))
    }

    fn finish(&self, id: &TaskId, how: &Finish) -> Result<Result<Came, Error>, ReadError> {
        let proof = self.proof(id)?;
        let held = self.engine.finish(id, &proof, how, soon());
        Ok(held.map(|held| Came::Status(held.task.status)))
    }

    /// What its holder would present, or its last one if nobody holds it.
    fn proof(&self, id: &TaskId) -> Result<Proof, ReadError> {
        let held = self.task(id)?.and_then(|task| task.claim);
        let (agent, token) = match (held, self.claims.get(id)) {
            (Some(claim), _) => (claim.agent, claim.token),
            (None, Some((agent, token))) => (agent.clone(), *token),
            (None, None) => (nobody()?, Token(0)),
        };
        Ok(Proof { agent, token: Some(token) })
    }

    fn status(&self, id: &TaskId) -> Result<Came, ReadError> {
        Ok(self.task(id)?.map_or(Came::Done, |task| Came::Status(task.status)))
    }

    pub(crate) fn task(&self, id: &TaskId) -> Result<Option<Task>, ReadError> {
        self.store.snapshot()?.0.task(id)
    }

    pub(crate) fn claims_held(&self, agent: &Name) -> Result<u32, ReadError> {
        self.store.snapshot()?.0.claims_held(agent)
    }
}

/// An agent that only looks.
fn agent_of(name: &Name) -> Result<Agent, ReadError> {
    let session =
        SessionId::new("onlooker").map_err(|error| ReadError::Failed(error.to_string()))?;
    Ok(Agent {
        name: name.clone(),
        kind: AgentKind::Agent,
        session,
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    })
}

fn nobody() -> Result<Name, ReadError> {
    Name::new("nobody").map_err(|error| ReadError::Failed(error.to_string()))
}
