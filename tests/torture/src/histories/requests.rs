//! What a worker asks, at random: few tasks, few names and few words, so that workers meet often, and now and then
//! something that can't be meant, such as a stale token or somebody else's.

use super::words::{
    Action, Agent, Answer, Ask, Finish, Id, Key, New, Op, ParentRule, Proof, Session, Settings,
    Status, Task, Words,
};
use crate::dice::Dice;

/// How many tasks there are at most.
const IDS: u64 = 16;
/// How many request keys each history has.
const KEYS: u64 = 6;

/// One worker, and what it knows of the board.
#[derive(Debug, Clone)]
pub struct Mind {
    /// Its name.
    pub agent: Agent,
    /// Which run of it.
    pub session: Session,
    /// Whether its death proves itself.
    pub living: bool,
    dice: Dice,
    /// The tasks as it last saw them.
    tasks: Vec<Task>,
    /// Every token that it was ever given.
    given: Vec<(Id, Proof)>,
    /// The request keys of this history begin here.
    keys: Key,
}

impl Mind {
    /// One that knows nothing yet.
    pub fn new(agent: Agent, session: Session, living: bool, seed: u64) -> Self {
        let dice = Dice::new(seed);
        Self { agent, session, living, dice, tasks: Vec::new(), given: Vec::new(), keys: 0 }
    }

    /// Another history begins, with request keys of its own.
    pub fn begin(&mut self, history: u32) {
        self.keys = history * 100;
    }

    /// What it asks next.
    pub fn next(&mut self) -> Op {
        match self.dice.below(100) {
            0..=15 => self.add(),
            16..=41 => self.claim(),
            42..=46 => {
                let (id, proof) = self.proof();
                Op::Heartbeat { id, proof, lease_ms: self.lease() }
            }
            47..=64 => {
                let (id, proof) = self.proof();
                let how = match self.dice.below(8) {
                    0..=3 => Finish::Complete(self.dice.maybe(2, small)),
                    4..=5 => Finish::Fail(self.dice.maybe(2, small)),
                    _ => Finish::Release,
                };
                Op::Finish { id, proof, how }
            }
            65..=84 => self.change(),
            85..=92 => Op::Show(self.some_id(|_| true)),
            _ => Op::Look,
        }
    }

    /// Learns from an answer.
    pub fn learn(&mut self, answer: &Answer) {
        match answer {
            Answer::Whole(whole) => self.tasks.clone_from(&whole.tasks),
            Answer::Task(task, _) => {
                self.tasks.retain(|other| other.id != task.id);
                if let Some(claim) = task.claim.as_ref().filter(|claim| claim.agent == self.agent) {
                    let proof = Proof { agent: claim.agent, token: claim.token };
                    self.given.retain(|given| *given != (task.id, proof));
                    self.given.push((task.id, proof));
                }
                self.tasks.push((**task).clone());
            }
            _ => {}
        }
    }

    /// Any id there may be, or mostly one that is thought to be such a task's.
    fn some_id(&mut self, likely: impl Fn(&Task) -> bool) -> Id {
        let from: Vec<Id> =
            self.tasks.iter().filter(|task| likely(task)).map(|task| task.id).collect();
        let any = Id(u16::try_from(self.dice.below(IDS)).unwrap_or_default());
        if self.dice.one_in(10) { any } else { self.dice.pick(&from).copied().unwrap_or(any) }
    }

    fn new_id(&mut self) -> Id {
        let known = |id: &Id| self.tasks.iter().any(|task| task.id == *id);
        let free: Vec<Id> = (0..IDS)
            .filter_map(|id| u16::try_from(id).ok().map(Id))
            .filter(|id| !known(id))
            .collect();
        self.dice.pick(&free).copied().unwrap_or(Id(0))
    }

    fn add(&mut self) -> Op {
        if let Some(key) = self.dice.maybe(5, |dice| dice.below(KEYS) as Key) {
            return Op::Add(self.keyed_add(self.keys + key));
        }
        let id = self.new_id();
        let other = |mind: &mut Self| Some(mind.some_id(|_| true)).filter(|other| *other != id);
        let parent = if self.dice.one_in(3) { other(self) } else { None };
        let first = if self.dice.one_in(3) { other(self) } else { None };
        let second = if self.dice.one_in(8) { other(self) } else { None };
        let second = second.filter(|second| first != Some(*second));
        let dice = &mut self.dice;
        Op::Add(New {
            id,
            kind: dice.among([Words(1), Words(2)]),
            parent,
            after: first.into_iter().chain(second).collect(),
            priority: dice.among([0, 0, 1, 5, -3]),
            labels: dice.among([Words(0), Words(0), Words(1), Words(3)]),
            needs: dice.among([Words(0), Words(0), Words(0), Words(1)]),
            assignee: dice.maybe(8, |dice| dice.among(Agent::ALL)),
            data: small(dice),
            key: None,
        })
    }

    /// The same for whoever uses the key, but for a few.
    fn keyed_add(&mut self, key: Key) -> New {
        let mut dice = Dice::new(u64::from(key));
        New {
            id: Id(u16::try_from(dice.below(IDS)).unwrap_or_default()),
            kind: Words(1),
            parent: None,
            after: Vec::new(),
            priority: if self.dice.one_in(6) { 7 } else { 0 },
            labels: Words(0),
            needs: Words(0),
            assignee: None,
            data: small(&mut dice),
            key: Some(key),
        }
    }

    fn claim(&mut self) -> Op {
        let (agent, session, living) = (self.agent, self.session, self.living);
        let key = self.dice.maybe(8, |dice| dice.below(KEYS) as Key).map(|key| key + self.keys);
        if key.is_some() {
            let kinds = if self.dice.one_in(6) { Words(1) } else { Words(0) };
            let (labels, capabilities, only, lease_ms) = (Words(0), Words(3), None, Some(25));
            return Op::Claim(Ask {
                agent,
                session,
                living,
                kinds,
                labels,
                capabilities,
                only,
                lease_ms,
                key,
            });
        }
        let only = self.dice.one_in(4).then(|| {
            let is_likely =
                |task: &Task| matches!(task.status, Status::Pending | Status::InProgress);
            self.some_id(is_likely)
        });
        let lease_ms = self.lease();
        let dice = &mut self.dice;
        Op::Claim(Ask {
            agent,
            session,
            living,
            kinds: dice.among([Words(0), Words(0), Words(0), Words(1), Words(2)]),
            labels: dice.among([Words(0), Words(0), Words(0), Words(1)]),
            capabilities: dice.among([Words(3), Words(3), Words(1), Words(0)]),
            only,
            lease_ms,
            key,
        })
    }

    /// Short ones run out within the history, the others never.
    fn lease(&mut self) -> Option<u64> {
        self.dice.among([None, Some(10), Some(30), Some(80), Some(3_600_000)])
    }

    /// Mostly one that may hold, else one that held once, or one that never did.
    fn proof(&mut self) -> (Id, Proof) {
        let late = self.given.iter().rev().take(2).copied().collect::<Vec<_>>();
        let from = if self.dice.one_in(3) { self.given.clone() } else { late };
        let found = self.dice.pick(&from).copied();
        let (id, mut proof) = found.unwrap_or((Id(0), Proof { agent: self.agent, token: 1 }));
        match self.dice.below(24) {
            0 => proof.token += 1,
            1 => proof.agent = self.dice.among(Agent::ALL),
            _ => {}
        }
        if self.given.len() > 12 {
            self.given.remove(0);
        }
        (id, proof)
    }

    fn change(&mut self) -> Op {
        use Status::{Blocked, Cancelled, Completed, Failed, InProgress, Pending};
        let cascade = self.dice.one_in(3);
        let reason = self.dice.maybe(2, small);
        let mut holder = None;
        let (action, likely): (Action, &[Status]) = match self.dice.below(30) {
            0..=2 => (Action::Assign(self.dice.among(Agent::ALL)), &[Pending, InProgress]),
            3..=5 => (Action::Unassign, &[Pending, InProgress]),
            6..=9 => {
                let priority = self.dice.among([0, 1, 2, 5, 9, -3]);
                (Action::Prioritize(priority), &[Pending, InProgress])
            }
            10 => (Action::Need(self.dice.among([Words(0), Words(1), Words(2)])), &[Pending]),
            11..=12 => (Action::Cancel { cascade, reason }, &[Pending, InProgress, Blocked]),
            13..=17 => (Action::Retry { cascade }, &[Failed, Cancelled]),
            18..=19 => {
                let held = self.dice.one_in(2).then(|| self.proof());
                let force = held.is_none() && self.dice.one_in(3);
                holder = held.map(|(id, _)| id);
                let proof = held.map(|(_, proof)| proof);
                (Action::Block { reason, proof, force }, &[Pending, InProgress])
            }
            20..=22 => (Action::Unblock, &[Blocked]),
            23..=24 => (Action::Release, &[InProgress]),
            _ => (Action::Archive, &[Completed, Failed, Cancelled]),
        };
        let mut ids =
            vec![holder.unwrap_or_else(|| self.some_id(|task| likely.contains(&task.status)))];
        if holder.is_none() && self.dice.one_in(6) {
            let second = self.some_id(|task| likely.contains(&task.status));
            ids.extend(Some(second).filter(|second| *second != ids[0]));
        }
        Op::Change { ids, action }
    }
}

/// Settings to begin with.
pub fn settings(dice: &mut Dice) -> Settings {
    Settings {
        parent: parent(dice),
        cascade: dice.one_in(3),
        max_attempts: dice.among([0, 2, 5]),
        retries: dice.among([0, 1, 3]),
        max_claims: dice.among([0, 0, 2]),
    }
}

/// Others to change them to. What is lost isn't changed with them, nor, where that is cancelled, what waits for
/// what: such tasks are cancelled one by one later on.
pub fn other_settings(dice: &mut Dice, base: &Settings) -> Settings {
    let mut other = Settings { cascade: base.cascade, ..settings(dice) };
    if base.cascade {
        other.parent = base.parent;
    }
    other
}

fn parent(dice: &mut Dice) -> ParentRule {
    dice.among([ParentRule::ParentFirst, ParentRule::ChildrenFirst, ParentRule::Independent])
}

fn small(dice: &mut Dice) -> u8 {
    u8::try_from(dice.below(4)).unwrap_or_default()
}
