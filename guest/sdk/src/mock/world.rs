//! What a mock board holds, and what taskhost would say to a hook's steps on it.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::{Step, Task};
use crate::locks::LockError;
use crate::{
    About, Claim, DeclaredSetting, Family, Filter, Millis, Order, Request, Reservation, Status,
    StepError, Summary, TaskId, ValueType,
};

/// Noon of the first of January 2026.
const BEGINNING: Millis = 1_767_268_800_000;
/// What a lease is if nobody says.
const LEASE_MS: u64 = 30 * 60 * 1_000;
const LEASE_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
const STEPS_MAX: usize = 256;
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 64 << 10;

/// What the running hook may do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Access {
    Read,
    Change,
    Assign(Box<Request>),
}

/// A mock board, and the hook that runs on it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(super) now: Millis,
    pub(super) log: Vec<String>,
    pub(super) memory: BTreeMap<String, Vec<u8>>,
    pub(super) set: BTreeMap<String, String>,
    pub(super) steps: Vec<Step>,
    pub(super) files: Files,
    tasks: BTreeMap<TaskId, Task>,
    declared: Vec<DeclaredSetting>,
    access: Access,
    /// The task behind each handle.
    pub(super) open: Vec<TaskId>,
    /// What each cursor has still to yield.
    cursors: Vec<Vec<Summary>>,
    locks: BTreeSet<String>,
    token: u64,
    born: u64,
    calls: u64,
    drawn: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: BEGINNING,
            log: Vec::new(),
            memory: BTreeMap::new(),
            set: BTreeMap::new(),
            steps: Vec::new(),
            files: Files::default(),
            tasks: BTreeMap::new(),
            declared: Vec::new(),
            access: Access::Read,
            open: Vec::new(),
            cursors: Vec::new(),
            locks: BTreeSet::new(),
            token: 0,
            born: 0,
            calls: 0,
            drawn: 0,
        }
    }
}

impl World {
    pub(super) fn add(&mut self, mut task: Task) {
        self.born += 1;
        task.born = self.born;
        if task.created_at == 0 {
            task.created_at = self.now;
        }
        self.tasks.insert(task.id.clone(), task);
    }

    /// A hook of this policy begins.
    pub(super) fn begin<P: About>(&mut self, access: Access) {
        self.declared = P::describe().settings;
        self.access = access;
        self.calls += 1;
        self.drawn = 0;
        self.steps.clear();
        self.log.clear();
        self.open.clear();
        self.cursors.clear();
    }

    /// A hook refused: of all that it did only its log, its files and what it drew remain.
    pub(super) fn refused(&mut self, after: Self) {
        (self.log, self.files, self.calls) = (after.log, after.files, after.calls);
        self.steps.clear();
    }

    pub(super) fn rank(&mut self, id: &str, rank: Option<i32>) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.rank = rank;
        }
    }

    pub(super) fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.get(id)
    }

    pub(super) fn children_of(
        &self,
        parent: &str,
        which: Family,
        past: Option<&str>,
        limit: u32,
    ) -> Vec<TaskId> {
        let is_asked = |task: &&Task| {
            let is_in = match which {
                Family::Every => true,
                Family::Open => !task.status.is_finished(),
                Family::Unsuccessful => task.status.is_unsuccessful(),
            };
            let is_past = past.is_none_or(|past| task.id.as_str() > past);
            task.parent.as_deref() == Some(parent) && is_in && is_past
        };
        let children = self.tasks.values().filter(is_asked).take(limit as usize);
        children.map(|task| task.id.clone()).collect()
    }

    /// Makes a cursor; says which.
    pub(super) fn walk(&mut self, filter: &Filter, reserved: Reservation, order: Order) -> usize {
        let asker = match &self.access {
            Access::Assign(request) => Some(request.asker.name.as_str()),
            Access::Read | Access::Change => None,
        };
        let mut ready: Vec<&Task> = self
            .tasks
            .values()
            .filter(|task| is_ready(task) && matches(filter, task))
            .filter(|task| is_reserved(task, reserved, asker))
            .collect();
        ready.sort_by_key(|task| {
            let born = i64::try_from(task.born).unwrap_or(i64::MAX);
            match order {
                Order::Rank => (task.rank.unwrap_or_default(), -i64::from(task.priority), born),
                Order::Oldest => (0, 0, born),
                Order::Newest => (0, 0, -born),
            }
        });
        let ready = ready.into_iter().map(Task::summary).collect();
        self.cursors.push(ready);
        self.cursors.len() - 1
    }

    pub(super) fn walk_on(&mut self, cursor: usize, limit: u32) -> Vec<Summary> {
        let left = &mut self.cursors[cursor];
        left.drain(..left.len().min(limit as usize)).collect()
    }

    pub(super) fn held_by(&self, agent: &str) -> u32 {
        let claims = self.tasks.values().filter_map(|task| task.claim.as_ref());
        u32::try_from(claims.filter(|claim| claim.agent == agent).count()).unwrap_or(u32::MAX)
    }

    pub(super) fn value_of(&self, name: &str) -> Option<String> {
        let declared = self.declared.iter().find(|declared| declared.name == name)?;
        let value = self.set.get(name).unwrap_or(&declared.default_value);
        match declared.value_type {
            ValueType::Duration if !value.is_empty() => Some(milliseconds(value).to_string()),
            _ => Some(value.clone()),
        }
    }

    pub(super) fn decision(&self) -> String {
        format!("decision-{}", self.calls)
    }

    /// SplitMix64, seeded by the number of the call.
    pub(super) fn draw(&mut self) -> u32 {
        self.drawn += 1;
        let mut z = (self.calls << 32).wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) as u32
    }

    pub(super) fn take_lock(&mut self, name: &str) -> Result<(), LockError> {
        if self.access == Access::Read {
            return Err(LockError::Forbidden);
        }
        if self.locks.insert(name.to_owned()) { Ok(()) } else { Err(LockError::Timeout) }
    }

    pub(super) fn drop_lock(&mut self, name: &str) {
        self.locks.remove(name);
    }

    pub(super) fn may_change(&self) -> bool {
        self.access != Access::Read
    }

    /// Stages a step, or says why taskhost wouldn't.
    pub(super) fn stage_step(&mut self, step: Step) -> Result<(), StepError> {
        if !self.may_change() {
            return Err(StepError::Invalid("this hook only reads".into()));
        }
        self.check(&step)?;
        if self.steps.len() >= STEPS_MAX {
            return Err(StepError::Limit("the bound on staged steps is reached".into()));
        }
        self.take(&step);
        self.steps.push(step);
        Ok(())
    }

    fn existing(&self, id: &str) -> Result<&Task, StepError> {
        self.task(id).ok_or_else(|| StepError::Invalid(format!("there is no task `{id}`")))
    }

    fn check(&self, step: &Step) -> Result<(), StepError> {
        let conflict = |why: String| Err(StepError::Conflict(why));
        match step {
            Step::Claim { id, lease } => self.check_claim(id, *lease),
            Step::Release { id, .. } => match self.existing(id)?.status {
                Status::InProgress => Ok(()),
                status => conflict(format!("`{id}` is {}, so nobody holds it", status.word())),
            },
            Step::Reconsider { id } => match self.existing(id)?.status {
                Status::Pending => Ok(()),
                status => conflict(format!(
                    "`{id}` is {}, and only pending tasks are asked",
                    status.word()
                )),
            },
            Step::SetStatus { id, to, .. } => {
                let from = self.existing(id)?.status;
                let may_be = match (from, *to) {
                    (from, _) if from.is_finished() => false,
                    (_, to) if to.is_finished() => true,
                    (Status::Pending | Status::InProgress, Status::Blocked)
                    | (Status::Blocked, Status::Pending) => true,
                    _ => false,
                };
                let words = (from.word(), to.word());
                if may_be {
                    Ok(())
                } else {
                    conflict(format!("`{id}` can't go from {} to {}", words.0, words.1))
                }
            }
            Step::Remember { key, value } => {
                let is_small = value.as_ref().is_none_or(|value| value.len() <= VALUE_BYTES_MAX);
                if (1..=KEY_BYTES_MAX).contains(&key.len()) && is_small {
                    return Ok(());
                }
                Err(StepError::Limit("a key has 1 to 256 bytes, and a value at most 64 KiB".into()))
            }
        }
    }

    fn check_claim(&self, id: &str, lease: Option<u64>) -> Result<(), StepError> {
        let Access::Assign(request) = &self.access else {
            return Err(StepError::Invalid("only the hook `assignment` may stage a claim".into()));
        };
        if self.steps.iter().any(|step| matches!(step, Step::Claim { .. })) {
            return Err(StepError::Limit("one request gets one task".into()));
        }
        if lease.is_some_and(|lease| lease == 0 || lease > LEASE_MS_MAX) {
            return Err(StepError::Invalid("a lease must be 1 ms to 30 days".into()));
        }
        let task = self.existing(id)?;
        let why = match () {
            () if task.claim.is_some() => {
                let holder = task.claim.as_ref().map_or("", |claim| claim.agent.as_str());
                format!("`{id}` is claimed by `{holder}`")
            }
            () if !is_ready(task) => format!("`{id}` is {} and not ready", task.status.word()),
            () if !matches(&request.filter, task) => format!("`{id}` isn't what was asked for"),
            () if !is_reserved(task, Reservation::Either, Some(&request.asker.name)) => {
                format!("`{id}` is reserved for somebody else")
            }
            () => return Ok(()),
        };
        Err(StepError::Conflict(why))
    }

    /// Does what was found to be possible.
    fn take(&mut self, step: &Step) {
        let (now, asker) = match &self.access {
            Access::Assign(request) => (self.now, Some(request.asker.clone())),
            Access::Read | Access::Change => (self.now, None),
        };
        match step {
            Step::Claim { id, lease } => {
                let (Some(task), Some(asker)) = (self.tasks.get_mut(id), asker) else { return };
                self.token += 1;
                task.status = Status::InProgress;
                task.attempts += 1;
                task.claim = Some(Claim {
                    agent: asker.name,
                    session: asker.session,
                    token: self.token,
                    since: now,
                    lease_until: now + lease.unwrap_or(LEASE_MS),
                });
            }
            Step::Release { id, not_before } => {
                let Some(task) = self.tasks.get_mut(id) else { return };
                (task.status, task.claim) = (Status::Pending, None);
                task.not_before = not_before.or(task.not_before);
            }
            Step::SetStatus { id, to, why } => {
                let Some(task) = self.tasks.get_mut(id) else { return };
                (task.status, task.claim, task.reason) = (*to, None, Some(why.clone()));
            }
            Step::Remember { key, value: Some(value) } => {
                self.memory.insert(key.clone(), value.clone());
            }
            Step::Remember { key, value: None } => {
                self.memory.remove(key);
            }
            Step::Reconsider { .. } => {}
        }
    }
}

fn is_ready(task: &Task) -> bool {
    task.status == Status::Pending && task.claim.is_none() && task.rank.is_some()
}

fn matches(filter: &Filter, task: &Task) -> bool {
    (filter.task_types.is_empty() || filter.task_types.contains(&task.task_type))
        && filter.labels.iter().all(|label| task.labels.contains(label))
        && task.needs.iter().all(|need| filter.capabilities.contains(need))
        && filter.only.as_ref().is_none_or(|only| *only == task.id)
}

fn is_reserved(task: &Task, reserved: Reservation, asker: Option<&str>) -> bool {
    let (for_nobody, for_asker) = match &task.assignee {
        None => (true, false),
        Some(assignee) => (false, asker == Some(assignee)),
    };
    match reserved {
        Reservation::ForAsker => for_asker,
        Reservation::Nobody => for_nobody,
        Reservation::Either => for_nobody || for_asker,
    }
}

/// A length of time as users write it.
fn milliseconds(text: &str) -> u64 {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60 * 1_000,
        "h" => 60 * 60 * 1_000,
        "d" => 24 * 60 * 60 * 1_000,
        _ => panic!("`{text}` isn't a length of time as `30m`, `24h` or `7d`"),
    };
    let number: u64 = text[..digits]
        .parse()
        .unwrap_or_else(|_| panic!("`{text}` isn't a length of time as `30m`, `24h` or `7d`"));
    number * unit
}
