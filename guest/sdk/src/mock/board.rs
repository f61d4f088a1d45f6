//! [`Board`]: the hooks of a policy, called on a board that a test has made.

use super::world::{Access, World};
use super::{Step, Task};
use crate::files::Place;
use crate::native::{self, with_host};
use crate::{
    About, Agent, AgentKind, Assignment, Filter, Lifecycle, Millis, Readiness, Recovery, Request,
    assignment, lifecycle, readiness, recovery,
};

const NO_TASK: &str = "a task that a hook is called for must be added to the board first";

/// An agent of this name that asks for any work.
#[must_use]
pub fn asker(name: &str) -> Request {
    let asker = Agent {
        name: name.to_owned(),
        kind: AgentKind::Agent,
        session: format!("{name}-1"),
        hostname: None,
        capabilities: Vec::new(),
    };
    let (task_types, labels, capabilities) = (Vec::new(), Vec::new(), Vec::new());
    Request { asker, filter: Filter { task_types, labels, capabilities, only: None }, lease: None }
}

/// A board of a test's making.
#[derive(Debug, Clone, Default)]
pub struct Board {
    world: World,
}

impl Board {
    /// An empty board, at noon of the first of January 2026.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task, or puts it in the place of one with its id.
    pub fn add(&mut self, task: Task) {
        self.world.add(task);
    }

    /// Sets a setting as `policy set --setting NAME=VALUE` does.
    pub fn set(&mut self, name: &str, value: &str) {
        self.world.set.insert(name.to_owned(), value.to_owned());
    }

    /// Lets time pass, in milliseconds.
    pub fn advance(&mut self, ms: u64) {
        self.world.now += ms;
    }

    /// Sets the clock back, in milliseconds, as happens to any clock on the wall.
    pub fn set_back(&mut self, ms: u64) {
        self.world.now = self.world.now.saturating_sub(ms);
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.world.now
    }

    /// A task as it is now.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.world.task(id)
    }

    /// What the last hook staged, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.world.steps
    }

    /// What the last hook wrote to its log.
    #[must_use]
    pub fn log(&self) -> &[String] {
        &self.world.log
    }

    /// What the policy remembers under this key.
    #[must_use]
    pub fn recall(&self, key: &str) -> Option<&[u8]> {
        self.world.memory.get(key).map(Vec::as_slice)
    }

    /// What is in a file of the policy's.
    #[must_use]
    pub fn file(&self, at: Place, name: &str) -> Option<&[u8]> {
        self.world.files.get(at, name)
    }

    /// Puts a file there, as another program or another board would.
    pub fn put_file(&mut self, at: Place, name: &str, content: &[u8]) {
        self.world.files.put(at, name, content);
    }

    /// Calls `readiness.classify`; a task that is ready has its rank from then on.
    ///
    /// # Panics
    ///
    /// If there is no such task, or the hook panics.
    pub fn classify<P: About + Readiness>(&mut self, id: &str) -> readiness::Answer {
        let hook = || native::classify::<P>(id).expect(NO_TASK);
        let answer = self.call::<P, _>(Access::Read, hook, |_| true);
        let rank = match answer {
            readiness::Answer::Standard => return answer,
            readiness::Answer::Ready(rank) => Some(rank),
            _ => None,
        };
        self.world.rank(id, rank);
        answer
    }

    /// Calls `assignment.choose`.
    ///
    /// # Panics
    ///
    /// If the hook panics.
    pub fn choose<P: About + Assignment>(&mut self, request: Request) -> assignment::Answer {
        let access = Access::Assign(Box::new(request.clone()));
        self.call::<P, _>(
            access,
            || native::choose::<P>(request),
            |answer| !matches!(answer, assignment::Answer::Refused(_)),
        )
    }

    /// Calls `lifecycle.on-event`. What happened to the task stands on the board already, as the contract has it: put it
    /// there first.
    ///
    /// # Panics
    ///
    /// If there is no such task, or the hook panics.
    pub fn on_event<P: About + Lifecycle>(
        &mut self,
        id: &str,
        event: &str,
        detail: &str,
    ) -> lifecycle::Answer {
        self.call::<P, _>(
            Access::Change,
            || native::on_event::<P>(id, event, detail).expect(NO_TASK),
            |answer| !matches!(answer, lifecycle::Answer::Refused(_)),
        )
    }

    /// Calls `recovery.recover`.
    ///
    /// # Panics
    ///
    /// If there is no such task, or the hook panics.
    pub fn recover<P: About + Recovery>(
        &mut self,
        id: &str,
        cause: recovery::Cause,
    ) -> recovery::Answer {
        let hook = || native::recover::<P>(id, cause).expect(NO_TASK);
        self.call::<P, _>(Access::Change, hook, |_| true)
    }

    /// Runs a hook on a copy, and keeps what became of it if its answer is to be kept.
    fn call<P: About, T>(
        &mut self,
        access: Access,
        hook: impl FnOnce() -> T,
        keeps: impl FnOnce(&T) -> bool,
    ) -> T {
        let mut world = self.world.clone();
        world.begin::<P>(access);
        let (world, answer) = with_host(world, hook);
        if keeps(&answer) {
            self.world = world;
        } else {
            self.world.refused(world);
        }
        answer
    }
}
