//! What is tested: a kind of store, and a board on it whose clock tests can move.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use taskhost_board::{BoardSettings, Digest, LifeGuard, PolicyPin, PolicySet, Store, TaskId};

/// A kind of store.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Makes a new board.
    pub new: fn(&Plan) -> Arc<dyn Bench>,
    /// How many cases of a property are tried, and how many rounds of a race: fewer where each takes longer.
    pub cases: u32,
    /// Whether its transactions run one after the other, so that nobody passes over what somebody else is just taking.
    pub is_serial: bool,
}

/// What a board is made with.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The policies that decide.
    pub policies: PolicySet,
    /// Their components.
    pub components: BTreeMap<Digest, Vec<u8>>,
    /// The board's own settings.
    pub settings: BoardSettings,
}

impl Plan {
    /// A board of these settings, whose policies are these components: its own, if it has one, and the standard one.
    pub fn new(custom: Option<&[u8]>, standard: &[u8], settings: &BoardSettings) -> Self {
        let pin = |bytes: &[u8]| PolicyPin { digest: Digest::of(bytes), settings: BTreeMap::new() };
        let components = custom.into_iter().chain([standard]);
        Self {
            policies: PolicySet { custom: custom.map(pin), standard: pin(standard) },
            components: components.map(|bytes| (Digest::of(bytes), bytes.to_vec())).collect(),
            settings: settings.clone(),
        }
    }
}

/// A board that is tested. It is gone when this is dropped, with all that it took up.
pub trait Bench: Send + Sync {
    /// The handle that tests use unless they need two.
    fn store(&self) -> Arc<dyn Store>;
    /// Another handle of the same board, as another process would have it.
    fn handle(&self) -> Arc<dyn Store>;
    /// Lets the board's clocks, the one of the wall and the one of the boot, go on by this much at once. They may also
    /// go on by themselves.
    fn advance(&self, by: Duration);
    /// Locks a task by hand until what is returned is dropped.
    fn lock_by_hand(&self, task: &TaskId) -> Box<dyn Any>;
    /// Ends a session, and lets as much time pass as it may take until whoever looks for the dead knows.
    fn let_die(&self, life: Box<dyn LifeGuard>) {
        drop(life);
    }
    /// What is wrong with how the board is kept, by the store's own examination.
    fn check(&self) -> Vec<String>;
}
