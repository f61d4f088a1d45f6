//! The commands of a board: each opens one transaction, asks the policy, and commits.
//!
//! - [`Engine`]: a store and the policies that run, and one method for each command, a file each.
//! - `Work`: one open transaction; `settle` calls the hooks that a change brings with it.
//!
//! A command's function only stages; `Engine::transact` commits what it staged, and runs it again if another
//! transaction came in between. So everything a command decides, it decides on the board as it commits to it. A refused
//! command changes nothing, except that the upkeep it had done is kept: its answer may speak of what that came to.

mod add;
mod adopt;
mod claim;
mod combine;
mod dry_run;
mod due;
mod error;
mod explain;
mod hold;
mod meta;
mod operate;
mod planted;
mod prospect;
mod resume;
mod set_policy;
mod settle;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Instant as Deadline;

use due::LookForDead;

pub use add::{AddOutcome, NewTask, order_of_birth};
pub use adopt::{Adoption, Arrival, Past, PastClaim, check_arrival};
pub use claim::{ClaimOutcome, ClaimRequest, NothingWhy};
pub use error::Error;
pub use explain::{Explanation, Obstacle};
pub use hold::{Finish, Held, Proof, Verb};
pub use meta::META_BYTES_MAX;
pub use operate::{Action, ChangeRequest, Changed, Outcome, Touched};
#[cfg(any(test, feature = "planted"))]
pub use planted::PlantedBug;
pub use prospect::Prospect;
pub use set_policy::{DerivedPolicies, PolicyChange, PolicyTarget};

use crate::{
    Access, Aim, Cell, Change, CommitError, Digest, Entry, FailureKind, Hooked, Hooks, Instant,
    Measure, Meter, Opened, Policies, Policy, PolicyFailure, PolicyLimits, PolicySet, ReadError,
    Request, Store, Tally, Task, TaskId, Transaction, View,
};

/// The bounds of one transaction.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many steps policies may stage.
    pub steps_max: u32,
    /// How many pending tasks are asked about, besides those it adds; the rest is left to the next ones.
    pub asks_max: u32,
    /// How many due events are taken.
    pub due_max: usize,
    /// How often a transaction that lost to another one is run again.
    pub tries_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps_max: 256, asks_max: 256, due_max: 16, tries_max: 16 }
    }
}

impl Limits {
    /// How many steps policies may stage in one transaction on a board of these limits.
    pub fn steps_of(&self, board: &PolicyLimits) -> u32 {
        // They come with the board, which may come from anybody.
        let settable = |steps: u32| steps.min(PolicyLimits::STEPS_SETTABLE_MAX);
        board.steps.map_or(self.steps_max, settable)
    }

    /// What policies may use on a board of these limits.
    pub fn of_policies(&self, board: &PolicyLimits) -> PolicyLimits {
        PolicyLimits { steps: Some(self.steps_of(board)), ..board.clone() }
    }
}

/// A board's commands, over whatever keeps it and whatever decides.
#[derive(Clone)]
pub struct Engine {
    store: Arc<dyn Store>,
    policies: Arc<dyn Policies>,
    meter: Arc<dyn Meter>,
    entropy: Arc<dyn Fn() -> u64 + Send + Sync>,
    limits: Limits,
    /// Whether others may decide its claims, and it theirs.
    combines: bool,
    /// Whether policies were made ready once before the board's lock was taken.
    warm: Arc<OnceLock<()>>,
    #[cfg(any(test, feature = "planted"))]
    planted: Option<PlantedBug>,
}

impl Engine {
    /// The commands of the board in `store`, decided by what `policies` runs. `entropy` gives random numbers
    /// for ids and seeds.
    pub fn new(
        store: Arc<dyn Store>,
        policies: Arc<dyn Policies>,
        entropy: Arc<dyn Fn() -> u64 + Send + Sync>,
    ) -> Self {
        let meter = store.meter();
        Self {
            store,
            policies,
            meter,
            entropy,
            limits: Limits::default(),
            combines: true,
            warm: Arc::default(),
            #[cfg(any(test, feature = "planted"))]
            planted: None,
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, where each claim is decided by its own process, as it has to be to be recorded.
    #[must_use]
    pub fn without_combining(self) -> Self {
        Self { combines: false, ..self }
    }

    /// Where the board is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// One task as it is now.
    pub fn task(&self, id: &TaskId) -> Result<Task, Error> {
        let (view, _) = self.store.snapshot()?;
        view.task(id)?.ok_or_else(|| Error::NoSuchTask(id.clone()))
    }

    /// Takes due events and asks about what is still to be asked about, as every claim does; `true` if there
    /// was something to do.
    pub fn upkeep(&self, deadline: Deadline) -> Result<bool, Error> {
        let request = Request::of(crate::Command::Upkeep);
        self.transact(&request, Aim::default(), deadline, |work| {
            work.keep_up(None, LookForDead::Surely)?;
            Ok(!work.tx().changes().is_empty())
        })
    }

    /// Runs `body` in a transaction and commits what it staged. Policies are compiled outside of it. Where the
    /// board's own policy fails and the board is set to fall back, `body` runs again with the standard policy alone.
    fn transact<T>(
        &self,
        request: &Request,
        aim: Aim,
        deadline: Deadline,
        body: impl FnMut(&mut Work<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.warm_up();
        self.transact_on(None, request, aim, deadline, body)
    }

    /// The same, at first in a transaction that may be open already.
    fn transact_on<T>(
        &self,
        mut opened: Option<Box<dyn Opened>>,
        request: &Request,
        mut aim: Aim,
        deadline: Deadline,
        mut body: impl FnMut(&mut Work<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut failure = None;
        let mut tries = 0;
        loop {
            let opened = match opened.take() {
                Some(opened) => opened,
                None => self.store.begin_for(&aim, deadline)?,
            };
            let done = self.try_transact(opened, request, failure.as_ref(), &mut body);
            match done {
                Ok(Some(answer)) => return Ok(answer),
                // A policy was compiled meanwhile.
                Ok(None) => {}
                Err(Failed::AndMayFallBack(error)) if failure.is_none() => failure = Some(error),
                Err(Failed::AndMayFallBack(error)) => return Err(Error::Policy(error)),
                Err(Failed::Lost(mut cells)) if tries < self.limits.tries_max => {
                    tries += 1;
                    aim.lost.append(&mut cells);
                    // Others may come in between again and again: the last ones are tried while nobody can.
                    aim.alone |= tries > self.limits.tries_max / 2;
                }
                Err(Failed::Lost(_)) => return Err(CommitError::Conflict.into()),
                Err(Failed::For(error)) => {
                    if error.is_conflict() {
                        self.meter.count(Tally::Conflicts);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Makes the policies ready before the first transaction, which would otherwise be opened in vain. What goes wrong
    /// goes wrong there again.
    fn warm_up(&self) {
        self.warm.get_or_init(|| {
            let rules = self.store.snapshot().and_then(|(view, _)| Ok(self.rules(&*view, false)?));
            if let Ok(rules) = rules {
                let _ = self.prepare(&rules);
            }
        });
    }

    /// One try; `None` if a policy had to be compiled first. With `failure`, the standard policy decides alone, and
    /// the journal says why.
    fn try_transact<T>(
        &self,
        mut opened: Box<dyn Opened>,
        request: &Request,
        failure: Option<&PolicyFailure>,
        body: &mut impl FnMut(&mut Work<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Failed> {
        let view = opened.view();
        let rules = self.rules(&*view, failure.is_some())?;
        let may_fall_back = rules.may_fall_back;
        let Some(policy) = self.policies.ready(&rules.set, &rules.limits) else {
            drop((view, opened));
            return match self.prepare(&rules) {
                Err(Error::Policy(error)) if may_fall_back => Err(Failed::AndMayFallBack(error)),
                other => Ok(other.map(|_| None)?),
            };
        };
        let seed = (self.entropy)();
        let mut work = Work::new(self, &mut *opened, view, policy.enter(false), &rules, seed)?;
        let answer = body(&mut work);
        if let Some(cells) = work.opened.lost() {
            work.end(request, false).hooks.close(false);
            return Err(Failed::Lost(cells));
        }
        let stays = match &answer {
            Ok(_) => true,
            Err(error) => work.has_only_upkeep() && !error.is_about_board(),
        };
        if stays && let Some(failure) = failure {
            work.record_fallback(failure)?;
        }
        let Ended { entry, hooks } = work.end(request, stays);
        let committed = match entry {
            Some(entry) => opened.commit_and_combine(entry, &mut *self.combiner()).map(|_| ()),
            // What was read must be durable, for an error is an answer too.
            None => opened.finish(),
        };
        // Only now that the board's lock is free: throwing instances away takes time.
        hooks.close(stays && committed.is_ok());
        match committed {
            Err(CommitError::Conflict) => return Err(Failed::Lost(BTreeSet::new())),
            Err(CommitError::Lost(cells)) => return Err(Failed::Lost(cells)),
            committed => committed?,
        }
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::Policy(error)) if may_fall_back => Err(Failed::AndMayFallBack(error)),
            Err(error) => Err(Failed::For(error)),
        }
    }

    /// What decides on the board that `view` sees; with `standard_alone`, because its own policy has failed.
    fn rules(&self, view: &dyn View, standard_alone: bool) -> Result<Rules, ReadError> {
        let (mut set, settings) = (view.policies()?, view.settings()?);
        let may_fall_back = settings.fallback && set.custom.is_some();
        if standard_alone {
            set.custom = None;
        }
        let limits = settings.policy_limits;
        let steps_max = self.limits.steps_of(&limits);
        Ok(Rules { set, limits, steps_max, may_fall_back })
    }

    /// What policies may use on a board of these limits, with the number of steps that this engine lets them stage.
    pub fn policy_limits(&self, limits: &PolicyLimits) -> PolicyLimits {
        self.limits.of_policies(limits)
    }

    fn prepare(&self, rules: &Rules) -> Result<Arc<dyn Policy>, Error> {
        let mut fetch = |digest| self.store.component(digest);
        Ok(self.policies.prepare(&rules.set, &rules.limits, &mut fetch)?)
    }

    /// A transaction on a snapshot, in which a policy can be asked without consequences: the standard one alone, if
    /// the board's own has failed.
    fn rehearse(
        &self,
        view: Box<dyn View>,
        now: Instant,
        fell_back: bool,
    ) -> Result<(Transaction, Box<dyn Hooks>), Error> {
        let rules = self.rules(&*view, fell_back)?;
        let policy = self.prepare(&rules)?;
        let tx = Transaction::new(view, now, "rehearsal".into(), 0, rules.steps_max)?
            .with_locks(Box::new(dry_run::LookedAt(self.store.clone())));
        Ok((tx, policy.enter(true)))
    }

    /// Looks at something by the board's policies, or, where its own one fails and the board is set to fall back, by
    /// the standard one alone.
    fn look<T>(&self, look: impl Fn(bool) -> Result<T, Error>) -> Result<T, Error> {
        match look(false) {
            Err(Error::Policy(failure)) => {
                let (view, _) = self.store.snapshot()?;
                if self.rules(&*view, false)?.may_fall_back {
                    look(true)
                } else {
                    Err(Error::Policy(failure))
                }
            }
            looked => looked,
        }
    }
}

/// What decides in a transaction.
struct Rules {
    set: PolicySet,
    limits: PolicyLimits,
    /// How many steps policies may stage.
    steps_max: u32,
    /// Whether the standard policy decides alone where the board's own one fails.
    may_fall_back: bool,
}

/// A transaction came to nothing.
enum Failed {
    For(Error),
    /// Others have or had a part of the board that it wanted: the same may succeed if it is tried again.
    Lost(BTreeSet<Cell>),
    /// The board's own policy failed, and the board is set to let the standard one decide then.
    AndMayFallBack(PolicyFailure),
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::For(error.into())
    }
}

/// One open transaction, and the hooks that a change in it brings with it.
struct Work<'e> {
    engine: &'e Engine,
    opened: &'e mut dyn Opened,
    hooks: Box<dyn Hooks>,
    /// Lent to a hook and given back; never absent in between.
    tx: Option<Transaction>,
    queue: settle::Queue,
    /// How many of the staged changes were due anyway, whatever is asked for.
    upkept: usize,
    /// Whether it was asked which holders are dead.
    looked_for_dead: bool,
    /// The leading policy.
    policy: Digest,
}

impl<'e> Work<'e> {
    fn new(
        engine: &'e Engine,
        opened: &'e mut dyn Opened,
        view: Box<dyn View>,
        hooks: Box<dyn Hooks>,
        rules: &Rules,
        seed: u64,
    ) -> Result<Self, ReadError> {
        let head = view.outset()?;
        let id = format!("{}-{seed:016x}", head.sequence.next());
        let queue = settle::Queue::new(engine.limits.asks_max);
        let policy = rules.set.leading().digest;
        let tx = Transaction::on(view, head, opened.now(), id, seed, rules.steps_max)
            .with_locks(opened.task_locks())
            .with_numbers(opened.numbers());
        let tx = Some(tx);
        Ok(Self { engine, opened, hooks, tx, queue, upkept: 0, looked_for_dead: false, policy })
    }

    fn tx(&self) -> &Transaction {
        self.tx.as_ref().expect("the transaction is lent only while a hook runs")
    }

    fn tx_mut(&mut self) -> &mut Transaction {
        self.tx.as_mut().expect("the transaction is lent only while a hook runs")
    }

    fn task(&self, id: &TaskId) -> Result<Task, Error> {
        self.tx().task(id)?.ok_or_else(|| Error::NoSuchTask(id.clone()))
    }

    fn hook<T>(
        &mut self,
        measure: Measure,
        access: Access,
        call: impl FnOnce(&mut dyn Hooks, Transaction) -> Hooked<T>,
    ) -> Result<T, Error> {
        let mut tx = self.tx.take().expect("the transaction is lent only while a hook runs");
        tx.lend(access);
        let began = Deadline::now();
        let Hooked { mut tx, answer } = call(&mut *self.hooks, tx);
        self.engine.meter.record(measure, began.elapsed());
        self.engine.meter.memory(measure, self.hooks.memory_bytes());
        tx.lend(Access::Read);
        self.tx = Some(tx);
        Ok(answer?)
    }

    /// Ends it, and hands over what it has staged, if that is to stay.
    fn end(mut self, request: &Request, stays: bool) -> Ended {
        let tx = self.tx.take().expect("the transaction is lent only while a hook runs");
        let (time, seed) = (tx.now().wall, tx.seed());
        // What sees the board goes first: then it can be changed.
        let changes = tx.into_changes();
        let entry = (stays && !changes.is_empty()).then(|| Entry {
            time,
            request: request.clone(),
            seed,
            changes,
        });
        Ended { entry, hooks: self.hooks }
    }

    /// Whether something was due, and nothing was staged after it.
    fn has_only_upkeep(&self) -> bool {
        self.upkept > 0 && self.tx().changes().len() == self.upkept
    }

    fn record_fallback(&mut self, failure: &PolicyFailure) -> Result<(), Error> {
        self.engine.meter.count(Tally::Fallbacks);
        Ok(self.tx_mut().apply(Change::FellBack {
            hook: failure.hook.to_owned(),
            kind: failure.kind.as_str().to_owned(),
            detail: failure.detail.clone(),
        })?)
    }

    /// The leading policy answered or staged something that can't be.
    fn invalid_step(&self, hook: &'static str, detail: &str) -> Error {
        Error::Policy(PolicyFailure {
            kind: FailureKind::InvalidStep,
            policy: self.policy.short(),
            hook,
            detail: detail.to_owned(),
            task: None,
            mismatches: Vec::new(),
        })
    }
}

/// What is left of a transaction whose hooks have run.
struct Ended {
    /// What it changes, if anything.
    entry: Option<Entry>,
    /// To be closed once that is committed or has failed.
    hooks: Box<dyn Hooks>,
}
