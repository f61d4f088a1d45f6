//! Takes notes while hooks run, and keeps the first call that failed or refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::copy::Copied;
use super::desk::Shared;
use super::powers::{Noted, Running};
use super::{Ending, HookCall, Recording, SCHEMA, TooLarge, refused_choice, refused_event};
use crate::transaction::Standing;
use crate::{
    Agent, Cause, Choice, Classified, Entered, Event, Filter, HookError, Hooked, Hooks, Policies,
    PolicyLimits, PolicySet, Powers, Rescue, TaskId, Transaction, Verdict, WrappedPolicies,
};

/// Told about what is to be kept, at most once, when the board's lock is free.
pub type OnKept = Arc<dyn Fn(Result<Box<Recording>, TooLarge>) + Send + Sync>;

/// Watches the policies of a board. What stands around them is to be wrapped by the same recorder: the policies, and the
/// powers that they are given.
#[derive(Clone)]
pub struct Recorder {
    on_kept: OnKept,
    running: Arc<Running>,
    /// Whether one was kept: nothing is noted any more then.
    done: Arc<AtomicBool>,
}

impl Recorder {
    /// A recorder that hands over the first call that fails or is refused.
    pub fn new(on_kept: OnKept) -> Self {
        Self { on_kept, running: Arc::default(), done: Arc::default() }
    }

    /// The same powers, with notes taken.
    pub fn powers(&self, behind: Arc<dyn Powers>) -> Arc<dyn Powers> {
        Arc::new(Noted { behind, running: self.running.clone() })
    }

    /// The same policies, with notes taken.
    pub fn policies(&self, behind: Arc<dyn Policies>) -> Arc<dyn Policies> {
        let recorder = self.clone();
        Arc::new(WrappedPolicies::new(behind, move |Entered { set, limits, dry }, hooks| {
            Box::new(WatchedHooks {
                behind: Some(hooks),
                recorder: recorder.clone(),
                set: set.clone(),
                limits: limits.clone(),
                dry,
                log: Vec::new(),
                kept: None,
            })
        }))
    }
}

struct WatchedHooks {
    /// Taken when they are closed.
    behind: Option<Box<dyn Hooks>>,
    recorder: Recorder,
    set: PolicySet,
    limits: PolicyLimits,
    dry: bool,
    /// What was written so far, which is taken call by call.
    log: Vec<String>,
    kept: Option<Result<Box<Recording>, TooLarge>>,
}

/// What there was before a call.
struct Before {
    standing: Standing,
    /// How many changes were staged.
    staged: usize,
}

impl WatchedHooks {
    fn behind(&mut self) -> &mut dyn Hooks {
        &mut **self.behind.as_mut().expect("they are closed once, and not asked then")
    }

    fn watch<T>(
        &mut self,
        mut tx: Transaction,
        call: impl FnOnce() -> HookCall,
        run: impl FnOnce(&mut dyn Hooks, Transaction) -> Hooked<T>,
        refused: impl FnOnce(&T) -> Option<&str>,
    ) -> Hooked<T> {
        if self.kept.is_some() || self.recorder.done.load(Ordering::Relaxed) {
            return run(self.behind(), tx);
        }
        let before = Before { standing: tx.standing(), staged: tx.changes().len() };
        let desk = Shared::noting(before.standing.head.clone());
        desk.stand_before(&mut tx);
        let running = self.recorder.running.clone();
        let begun = running.begin(&desk);
        let Hooked { mut tx, answer } = run(self.behind(), tx);
        drop(begun);
        desk.step_aside(&mut tx);
        let lines = self.behind().take_log();
        let ending = match &answer {
            Ok(answer) => refused(answer).map(|why| Ending::Refused(why.to_owned())),
            Err(HookError::Policy(failure)) => Some(Ending::Failed(failure.into())),
            // The board's failure tells nothing about the policy.
            Err(HookError::Read(_)) => None,
        };
        if let Some(ending) = ending {
            self.kept = self.recording(&tx, before, &desk, call(), ending, &lines);
        }
        self.log.extend(lines);
        Hooked { tx, answer }
    }

    /// What is to be kept; nothing if the board can't be read.
    fn recording(
        &self,
        tx: &Transaction,
        before: Before,
        desk: &Shared,
        call: HookCall,
        ending: Ending,
        lines: &[String],
    ) -> Option<Result<Box<Recording>, TooLarge>> {
        let Some(mut notes) = desk.take_notes() else { return Some(Err(TooLarge)) };
        let staged = &tx.changes()[..before.staged];
        // What was staged is staged again on the tasks as they were.
        let changed: BTreeSet<&TaskId> = staged.iter().filter_map(|change| change.task()).collect();
        for id in changed {
            if !notes.tasks.contains_key(id) {
                notes.tasks.insert(id.clone(), tx.view().task(id).ok()?);
            }
        }
        Some(Ok(Box::new(Recording {
            recording: SCHEMA,
            taskhost: env!("CARGO_PKG_VERSION").to_owned(),
            call,
            ending,
            log: lines.to_vec(),
            dry: self.dry,
            policies: self.set.clone(),
            limits: self.limits.clone(),
            transaction: before.standing,
            staged: staged.to_vec(),
            notes,
            board: Copied::of(tx.view(), tx.now().wall),
            components: [].into(),
        })))
    }
}

impl Hooks for WatchedHooks {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        let call = || HookCall::Readiness { task: task.clone() };
        self.watch(tx, call, |hooks, tx| hooks.classify(tx, task), |_| None)
    }

    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        let call =
            || HookCall::Assignment { asker: asker.clone(), filter: filter.clone(), lease_ms };
        self.watch(tx, call, |hooks, tx| hooks.choose(tx, asker, filter, lease_ms), refused_choice)
    }

    fn on_event(
        &mut self,
        tx: Transaction,
        task: &TaskId,
        event: Event,
        detail: &str,
    ) -> Hooked<Verdict> {
        let call = || HookCall::Lifecycle { task: task.clone(), event, detail: detail.to_owned() };
        self.watch(tx, call, |hooks, tx| hooks.on_event(tx, task, event, detail), refused_event)
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        let call = || HookCall::Recovery { task: task.clone(), cause };
        self.watch(tx, call, |hooks, tx| hooks.recover(tx, task, cause), |_| None)
    }

    fn take_log(&mut self) -> Vec<String> {
        let mut log = std::mem::take(&mut self.log);
        log.extend(self.behind().take_log());
        log
    }

    fn memory_bytes(&self) -> u64 {
        self.behind.as_ref().map_or(0, |hooks| hooks.memory_bytes())
    }

    fn close(mut self: Box<Self>, committed: bool) {
        if let Some(behind) = self.behind.take() {
            behind.close(committed);
        }
    }
}

impl Drop for WatchedHooks {
    /// However the transaction ended, it has let go of the board by now.
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take()
            && !self.recorder.done.swap(true, Ordering::Relaxed)
        {
            (self.recorder.on_kept)(kept);
        }
    }
}
