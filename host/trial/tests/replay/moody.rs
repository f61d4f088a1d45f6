//! The least policy there is, with moods.

use taskhost_board::plain::{OnlyPolicy, PlainPolicies};
use taskhost_board::{
    Agent, Choice, Event, FailureKind, Filter, HookError, Hooked, Hooks, Policy, PolicyFailure,
    TaskId, Transaction, Verdict, delegate_hooks,
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

/// Runs the policy with this mood.
pub fn moody(mood: Mood) -> OnlyPolicy {
    OnlyPolicy::new(Moody(mood))
}

struct Moody(Mood);

struct MoodyHooks {
    mood: Mood,
    hooks: Box<dyn Hooks>,
    log: Vec<String>,
}

impl Policy for Moody {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        let hooks = PlainPolicies::default().enter(dry);
        Box::new(MoodyHooks { mood: self.0, hooks, log: Vec::new() })
    }
}

impl Hooks for MoodyHooks {
    delegate_hooks!(hooks: classify recover memory_bytes close);

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
                    task: None,
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

    fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}
