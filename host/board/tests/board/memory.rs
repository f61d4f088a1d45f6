//! A board in memory under test. Its clock stands still unless it is moved.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use taskhost_board::memory::MemoryStore;
use taskhost_board::{Store, TaskId};
use taskhost_contract::{Bench, Kind, Plan};

pub const KIND: Kind =
    Kind { new: |plan| Arc::new(MemoryBench::new(plan)), cases: 64, is_serial: true };

pub struct MemoryBench(pub MemoryStore);

impl MemoryBench {
    pub fn new(plan: &Plan) -> Self {
        let Plan { policies, components, settings } = plan;
        Self(MemoryStore::new(policies, components.clone(), settings).unwrap())
    }
}

impl Bench for MemoryBench {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn handle(&self) -> Arc<dyn Store> {
        self.store()
    }

    fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    fn lock_by_hand(&self, task: &TaskId) -> Box<dyn Any> {
        Box::new(self.0.lock_by_hand(task).unwrap())
    }

    fn check(&self) -> Vec<String> {
        self.0.check().unwrap()
    }
}
