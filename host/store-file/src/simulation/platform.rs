//! The simulated world as what the store stands on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taskhost_board::{Instant, ReadError};

use super::disk::SimDisk;
use super::{Process, World};
use crate::disk::{Disk, Identity};
use crate::index::{Gate, Index, NoGate, NotOpened, TwinIndex};
use crate::platform::{LockHolder, Platform};
use crate::waiting::Notifier;
use crate::words::{Cells, MappedWords, Start, WORDS, Words};

struct Simulated {
    process: Arc<Process>,
    disk: Arc<dyn Disk>,
}

/// The platform that a process stands on.
pub(super) fn platform(process: &Arc<Process>) -> Arc<dyn Platform> {
    let disk = Arc::new(SimDisk { process: process.clone(), prefix: String::new() });
    Arc::new(Simulated { process: process.clone(), disk })
}

struct SharedCells {
    cells: Arc<[AtomicU64; WORDS]>,
    process: Arc<Process>,
}

impl Cells for SharedCells {
    fn cell(&self, index: usize) -> &AtomicU64 {
        &self.cells[index]
    }

    fn before_look(&self) {
        self.process.wait_for_turn();
    }

    fn is_linked(&self) -> bool {
        self.process.wait_for_turn();
        let state = self.process.world.state.lock();
        state.words.as_ref().is_some_and(|words| Arc::ptr_eq(words, &self.cells))
    }

    fn may_change(&self) -> bool {
        self.process.may_change_memory()
    }
}

struct IndexGate(Arc<Process>);

impl Gate for IndexGate {
    fn before_look(&self) {
        self.0.wait_for_turn();
    }

    fn may_commit(&self) -> io::Result<bool> {
        self.0.may_commit_index()
    }
}

impl Simulated {
    fn world(&self) -> &World {
        &self.process.world
    }

    fn gate(&self) -> Arc<dyn Gate> {
        Arc::new(IndexGate(self.process.clone()))
    }

    fn words_of(&self, cells: Arc<[AtomicU64; WORDS]>) -> Words {
        Words::new(Arc::new(SharedCells { cells, process: self.process.clone() }))
    }
}

impl Platform for Simulated {
    fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    fn shared_place(&self, path: &str) -> io::Result<Arc<dyn Disk>> {
        let prefix = format!("{}/", path.trim_matches('/'));
        Ok(Arc::new(SimDisk { process: self.process.clone(), prefix }))
    }

    fn now(&self) -> Instant {
        self.world().state.lock().clock.clone()
    }

    fn words(&self) -> io::Result<Option<Words>> {
        self.process.wait_for_turn();
        Ok(self.world().state.lock().words.clone().map(|cells| self.words_of(cells)))
    }

    fn make_words(&self, start: &Start) -> io::Result<Words> {
        let cells = Arc::new(start.values().map(AtomicU64::new));
        if self.process.may_change_memory() {
            self.world().state.lock().words = Some(cells.clone());
        }
        Ok(self.words_of(cells))
    }

    fn statistics(&self, _count: usize) -> io::Result<Option<MappedWords>> {
        Ok(None)
    }

    fn make_statistics(
        &self,
        _count: usize,
        _used: usize,
        _header: &[u64],
    ) -> io::Result<Option<MappedWords>> {
        Ok(None)
    }

    fn open_index(
        &self,
        name: &str,
        _pages: &Arc<AtomicU64>,
    ) -> Result<Option<Box<dyn Index>>, NotOpened> {
        self.process.wait_for_turn();
        let found = self.world().state.lock().indexes.get(name).map(|i| i.adopted(self.gate()));
        if found.is_some() && self.process.number_taken.load(Ordering::SeqCst) {
            return Err(NotOpened::NumberTaken);
        }
        Ok(found.map(|index| Box::new(index) as Box<dyn Index>))
    }

    fn create_index(
        &self,
        name: &str,
        _pages: &Arc<AtomicU64>,
    ) -> Result<Box<dyn Index>, ReadError> {
        let index = TwinIndex::new(self.gate());
        if self.process.may_change_memory() {
            // Behind nobody's gate: a process that the world held would hold the world for ever.
            let kept = index.adopted(Arc::new(NoGate));
            self.world().state.lock().indexes.insert(name.to_owned(), kept);
        }
        Ok(Box::new(index))
    }

    fn indexes(&self) -> io::Result<Vec<String>> {
        self.process.wait_for_turn();
        Ok(self.world().state.lock().indexes.keys().cloned().collect())
    }

    fn remove_index(&self, name: &str) -> io::Result<()> {
        if self.process.may_change_memory() {
            self.world().state.lock().indexes.remove(name);
        }
        Ok(())
    }

    fn notifier(&self) -> io::Result<Option<Arc<dyn Notifier>>> {
        Ok(None)
    }

    fn let_others_go(&self) -> io::Result<bool> {
        self.process.let_others_go()
    }

    fn pause(&self, _time: Duration) {
        // Where nobody decides who goes on, whoever looks is the only one left: no time would help.
        let _ = self.process.let_others_go();
    }

    fn lock_holders(&self, _file: Identity) -> Vec<LockHolder> {
        Vec::new()
    }
}
