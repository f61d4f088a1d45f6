//! Who goes on when: several processes of a world, each a thread of its own, in an order that somebody else decides.
//!
//! - [`Scheduler`]: decides. Without one, threads run as the operating system lets them.
//! - [`Deed`]: what a process has just done, for whoever wants to know which orders were gone through.
//!
//! Invariant: nothing of a world is locked while a process waits for its turn.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Process, World, stopped};

/// Decides which process of a world goes on, each being a thread.
pub trait Scheduler: Send + Sync {
    /// Comes before each operation of a process on the disk, on the shared words and on an index; returns when it is
    /// this process's turn. The process may be ended meanwhile.
    fn turn(&self, process: &Process);
    /// Returns once `is_over` says so. It is asked at once, and again after each call of [`Scheduler::released`].
    fn wait(&self, is_over: &mut dyn FnMut() -> bool);
    /// Comes after a lock was let go, and after a process has ended.
    fn released(&self);
    /// Lets others go on before the caller, who would make a pause.
    fn pause(&self);
    /// Hears what a process did.
    fn did(&self, _process: u64, _deed: Deed<'_>) {}
}

/// Something that a process has just done, and the path of the file that it did it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed<'a> {
    /// Made it.
    Made(&'a str),
    /// Appended to it.
    Appended(&'a str),
    /// Got its lock.
    Locked(&'a str),
    /// Tried its lock, which somebody else held.
    Refused(&'a str),
    /// Let its lock go.
    Unlocked(&'a str),
}

impl World {
    /// Lets `scheduler` decide from now on, for good, which process goes on.
    pub fn schedule_by(&self, scheduler: Arc<dyn Scheduler>) {
        // A second one would have to share its threads with the first.
        let is_first = self.scheduler.set(scheduler).is_ok();
        assert!(is_first, "a world has one scheduler");
    }

    /// A number that this world gives once, and every world of the same history too.
    pub(super) fn random(&self) -> u64 {
        mixed(self.randoms.fetch_add(1, Ordering::SeqCst))
    }

    pub(super) fn lock_released(&self) {
        self.released.notify_all();
        if let Some(scheduler) = self.scheduler.get() {
            scheduler.released();
        }
    }
}

/// Where a world's random numbers begin. The numbers of earlier worlds stand in the names of the files that they have
/// left, so those of this one begin elsewhere.
pub(super) fn first_random(boot: &str, names: &BTreeMap<String, u64>) -> u64 {
    let bytes = names.keys().flat_map(|name| name.bytes());
    boot.bytes().chain(bytes).fold(0, |sum, byte| mixed(sum ^ u64::from(byte)))
}

/// A step of SplitMix64: different numbers stay different.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Process {
    /// Tells it from the others of its world.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn scheduler(&self) -> Option<&Arc<dyn Scheduler>> {
        self.world.scheduler.get()
    }

    /// Comes before each operation. One that was stopped does nothing any more, so it needs no turn.
    pub(super) fn wait_for_turn(&self) {
        if let Some(scheduler) = self.scheduler()
            && !self.is_stopped()
        {
            scheduler.turn(self);
        }
    }

    pub(super) fn did(&self, deed: Deed<'_>) {
        if let Some(scheduler) = self.scheduler() {
            scheduler.did(self.number, deed);
        }
    }

    /// In place of a pause; `false` where time passes by itself.
    pub(super) fn let_others_go(&self) -> io::Result<bool> {
        let Some(scheduler) = self.scheduler() else { return Ok(false) };
        if self.is_stopped() {
            return Err(stopped());
        }
        scheduler.pause();
        Ok(true)
    }
}
