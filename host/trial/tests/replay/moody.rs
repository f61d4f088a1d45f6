//! The least policy there is, with moods.

use std::sync::Arc;

use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, Cause, Choice, Classified, Description, Digest, Event, FailureKind, Filter, HookError,
    Hooked, Hooks, Policies, Policy, PolicyFailure, PolicyLimits, PolicyPin, PolicySet,
    PrepareError, ReadError, Rescue, TaskId, Transaction, Verdict,
};

/// When a board in memory is made, by its own clock.
const BORN_MS: u64 = 1_000_000_000_000;

/// What it does otherwise.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    /// Says why it chose.
    Talks,
    /// Gives an agent of this name nothing while it holds nothing and no other does.
    HoldsBack(&'static str),
    /// Gives an agent of this name nothing for so many milliseconds after the board was made.
    HoldsBackFor(&'static str, u64),
    /// Refuses that a task is completed.
    RefusesCompletion,
    /// Fails whenever it is asked for work.
    Fails,
    /// Puts every task back that failed.
    Retries,
}

#[derive(Debug, Clone, Copy)]
pub struct Moody(pub Mood);

struct MoodyHooks {
    mood: Mood,
    hooks: Box<dyn Hooks>,
    log: Vec<String>,
}

impl Policies for Moody {
    fn ready(&self, _: &PolicySet, _: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        Some(Arc::new(*self))
    }

    fn prepare(
        &self,
        _: &PolicySet,
        _: &PolicyLimits,
        _: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        Ok(Arc::new(*self))
    }

    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        PlainPolicies::default().check(component)
    }

    fn check_settings(&self, pin: &PolicyPin, about: &Description) -> Result<(), String> {
        PlainPolicies::default().check_settings(pin, about)
    }

    fn check_limits(&self, _pin: &PolicyPin, _board: &PolicyLimits) -> Result<(), String> {
        Ok(())
    }
}

impl Policy for Moody {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        let hooks = PlainPolicies::default().enter(dry);
        Box::new(MoodyHooks { mood: self.0, hooks, log: Vec::new() })
    }
}

impl Hooks for MoodyHooks {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        self.hooks.classify(tx, task)
    }

    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        match self.mood {
            Mood::Talks => self.log.push(format!("the next one for {}", asker.name)),
            Mood::HoldsBack(name) if asker.name.as_str() == name => {
                let other = tx.claims_held(&"bob".parse().unwrap()).unwrap();
                if other == 0 {
                    let told = Some("after bob".to_owned());
                    return Hooked { tx, answer: Ok(Choice::Nothing(told)) };
                }
            }
            Mood::HoldsBackFor(name, ms)
                if asker.name.as_str() == name && tx.now().wall.0 < BORN_MS + ms =>
            {
                return Hooked { tx, answer: Ok(Choice::Nothing(None)) };
            }
            Mood::Fails => {
                let failure = PolicyFailure {
                    kind: FailureKind::Trap,
                    policy: "moody".into(),
                    hook: "assignment",
                    detail: "not today".into(),
                    mismatches: Vec::new(),
                };
                return Hooked { tx, answer: Err(HookError::Policy(failure)) };
            }
            _ => {}
        }
        self.hooks.choose(tx, asker, filter, lease_ms)
    }

    fn on_event(&mut self, tx: Transaction, _: &TaskId, event: Event, _: &str) -> Hooked<Verdict> {
        let answer = match (self.mood, event) {
            (Mood::RefusesCompletion, Event::Completed) => Verdict::Refused("never done".into()),
            (Mood::Retries, Event::Failed) => Verdict::Retry(None),
            _ => Verdict::Accept,
        };
        Hooked { tx, answer: Ok(answer) }
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        self.hooks.recover(tx, task, cause)
    }

    fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn memory_bytes(&self) -> u64 {
        self.hooks.memory_bytes()
    }

    fn close(self: Box<Self>, committed: bool) {
        self.hooks.close(committed);
    }
}
